package kustomization

import (
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/leat-dev/leat/pkg/apply"
	"github.com/leat-dev/leat/pkg/build"
	"github.com/leat-dev/leat/pkg/reconcilers/runtime"
)

// memo is what a process remembers of an object between runs. All of it can be
// lost: the next run does all the work then.
//
// A memo belongs to the run that holds the object's claim; only the map that it
// is found in is shared.
type memo struct {
	uid types.UID

	// built is what the last successful build read and gave.
	built *built
	// applied says that what was built is applied and pruned, settled that it
	// is healthy as well, as far as the spec asks.
	applied, settled bool
	// health is what the run waits, or waited, for, until healthDeadline.
	health         []apply.HealthTarget
	healthDeadline time.Time
	// due is when everything is compared with the cluster again.
	due time.Time

	// confirmed says that the inventory is newer than the last restore.
	confirmed bool

	// excluded is what was told last of the objects that are not applied, and of
	// which revision.
	excluded, excludedIn string

	// waiting is what the object waits for that lies with others, since when.
	waiting      string
	waitingSince time.Time
}

// built identifies a build.
type built struct {
	generation int64
	// settings is the keyed digest of options and variables.
	settings string
	inputs   *build.Inputs
	digest   string
}

// sameIn reports whether building t now would give the same.
func (b *built) sameIn(generation int64, settings string, t build.Tree) bool {
	return b != nil && b.generation == generation && b.settings == settings && b.inputs.UnchangedIn(t)
}

// memory holds the memos of all objects.
type memory struct {
	mu sync.Mutex
	of map[runtime.Key]*memo
}

// get returns the memo of an object, a new one for a new object.
func (m *memory) get(key runtime.Key, uid types.UID) *memo {
	m.mu.Lock()
	defer m.mu.Unlock()
	if found := m.of[key]; found != nil && found.uid == uid {
		return found
	}
	fresh := &memo{uid: uid}
	if m.of == nil {
		m.of = map[runtime.Key]*memo{}
	}
	m.of[key] = fresh
	return fresh
}

func (m *memory) forget(key runtime.Key) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.of, key)
}

// forgetRun makes the next run do all the work.
func (m *memo) forgetRun() {
	m.built, m.applied, m.settled, m.health = nil, false, false, nil
}

// patient reports whether waiting for what should be short after all, and from
// when on it is not. The same wait goes on over several runs.
func (m *memo) patient(what string, now time.Time, grace time.Duration) (time.Duration, bool) {
	if m.waiting != what {
		m.waiting, m.waitingSince = what, now
	}
	left := grace - now.Sub(m.waitingSince)
	return left, left > 0
}
