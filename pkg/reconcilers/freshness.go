package reconcilers

import (
	"sync"

	"github.com/leat-dev/leat/pkg/reconcilers/runtime"
)

// freshness knows which artifact of each source this process has found to be the
// latest, and who waits for that. After a restore of the store, what objects say
// of their sources is from the time of the backup.
type freshness struct {
	mu      sync.Mutex
	digests map[runtime.Key]string
	waiting map[runtime.Key]map[runtime.Key]bool
	// trigger has a user of a source run.
	trigger func(user runtime.Key)
}

func newFreshness() *freshness {
	return &freshness{digests: map[runtime.Key]string{}, waiting: map[runtime.Key]map[runtime.Key]bool{}}
}

// fetched notes the latest artifact of a source.
func (f *freshness) fetched(source runtime.Key, digest string) {
	f.mu.Lock()
	f.digests[source] = digest
	users, trigger := f.waiting[source], f.trigger
	delete(f.waiting, source)
	f.mu.Unlock()
	for user := range users {
		trigger(user)
	}
}

// latest says whether an artifact is the latest of a source, or has user triggered
// when the source was fetched. The cache that user reads may be ahead of what is
// known here, or behind.
func (f *freshness) latest(source, user runtime.Key, digest string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.digests[source] == digest {
		return true
	}
	if f.waiting[source] == nil {
		f.waiting[source] = map[runtime.Key]bool{}
	}
	f.waiting[source][user] = true
	return false
}

// triggers says how users are triggered. It is called before there are any.
func (f *freshness) triggers(trigger func(user runtime.Key)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.trigger = trigger
}
