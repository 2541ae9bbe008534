package git

import (
	"context"
	"fmt"
	"sync"
)

// locks makes the users of a key take turns. The zero value is ready.
type locks struct {
	mu    sync.Mutex
	byKey map[string]*lock
}

type lock struct {
	held  chan struct{} // has an element while somebody holds the lock
	users int           // holder and waiters
}

// acquire waits for its turn, or the end of ctx. The caller calls the returned
// function when it is done.
func (l *locks) acquire(ctx context.Context, key string) (func(), error) {
	k := l.enter(key)
	select {
	case k.held <- struct{}{}:
		return func() { l.release(key, k) }, nil
	case <-ctx.Done():
		l.leave(key, k)
		return nil, fmt.Errorf("waiting for another fetch of this repository: %w", ctx.Err())
	}
}

// wait is acquire for what must be done.
func (l *locks) wait(key string) func() {
	k := l.enter(key)
	k.held <- struct{}{}
	return func() { l.release(key, k) }
}

func (l *locks) enter(key string) *lock {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.byKey == nil {
		l.byKey = map[string]*lock{}
	}
	k, ok := l.byKey[key]
	if !ok {
		k = &lock{held: make(chan struct{}, 1)}
		l.byKey[key] = k
	}
	k.users++
	return k
}

func (l *locks) release(key string, k *lock) {
	<-k.held
	l.leave(key, k)
}

func (l *locks) leave(key string, k *lock) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if k.users--; k.users == 0 {
		delete(l.byKey, key)
	}
}
