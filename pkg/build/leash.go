package build

import (
	"fmt"
	"sync"
	"time"
)

// leash kills the worker of one build that takes too long: the time of a build
// is up after PoolOptions.Timeout, and soon once nobody waits for it.
type leash struct {
	w *process

	mu    sync.Mutex
	timer *time.Timer
	ended bool
}

func newLeash(w *process) *leash {
	timeout := w.options.Timeout
	return &leash{w: w, timer: time.AfterFunc(timeout, func() {
		w.kill(&Error{Reason: ReasonDeadline, Err: fmt.Errorf("the build took longer than %s", timeout)})
	})}
}

// shorten leaves the build PoolOptions.AbandonAfter from now.
func (l *leash) shorten() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended || !l.timer.Stop() {
		return
	}
	grace := l.w.options.AbandonAfter
	l.timer = time.AfterFunc(grace, func() {
		l.w.kill(&Error{Reason: ReasonUnavailable, Err: fmt.Errorf("the build went on for %s after it was abandoned", grace)})
	})
}

// off says that the build has ended. If it reports false, its time was up just
// now, and the worker is about to die.
func (l *leash) off() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ended = true
	return l.timer.Stop()
}
