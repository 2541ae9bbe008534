package suspension

import (
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/leat-dev/leat/pkg/apis/meta"
)

// key names an object.
type key struct {
	resource        schema.GroupVersionResource
	namespace, name string
}

// end is the end of a suspension that is still to come.
type end struct {
	key
	uid    types.UID
	text   string // of the annotation
	at     time.Time
	events EventWriter
	// failures is how often it could not be written.
	failures int
}

// pause is how long to wait after a write that failed.
func (e *end) pause() time.Duration {
	return min(lastRetry, firstRetry<<min(e.failures, 10))
}

// pending are the ends that are to come. There are as many as there are objects
// suspended for a time: few enough to look at all.
type pending struct {
	// changed holds something after a change.
	changed chan struct{}

	mu   sync.Mutex
	ends map[key]*end
}

func newPending() *pending {
	return &pending{changed: make(chan struct{}, 1), ends: map[key]*end{}}
}

// see notes down an object as it is now.
func (p *pending) see(resource schema.GroupVersionResource, o metav1.Object, events EventWriter) {
	k := key{resource, o.GetNamespace(), o.GetName()}
	text := o.GetAnnotations()[meta.SuspendUntilAnnotation]
	at, err := time.Parse(time.RFC3339, text)

	p.mu.Lock()
	defer p.mu.Unlock()
	known := p.ends[k]
	switch {
	case err != nil || o.GetDeletionTimestamp() != nil:
		// None, or one that nobody can have written: it does not end by itself.
		delete(p.ends, k)
		return
	case known != nil && known.uid == o.GetUID() && known.text == text:
		return
	}
	p.ends[k] = &end{key: k, uid: o.GetUID(), text: text, at: at, events: events}
	p.notify()
}

// forget drops an object that is gone.
func (p *pending) forget(resource schema.GroupVersionResource, o metav1.Object) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.ends, key{resource, o.GetNamespace(), o.GetName()})
}

func (p *pending) notify() {
	select {
	case p.changed <- struct{}{}:
	default:
	}
}

// due are the suspensions that have ended.
func (p *pending) due(now time.Time) []*end {
	p.mu.Lock()
	defer p.mu.Unlock()
	var due []*end
	for _, e := range p.ends {
		if !e.at.After(now) {
			due = append(due, e)
		}
	}
	return due
}

// done drops an end that was dealt with, or puts it off if that failed. It may have
// been replaced by another one meanwhile.
func (p *pending) done(e *end, err error, now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ends[e.key] != e {
		return
	}
	if err == nil {
		delete(p.ends, e.key)
		return
	}
	e.at = now.Add(e.pause())
	e.failures++
}

// next is when the next suspension ends.
func (p *pending) next() (time.Time, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	var next time.Time
	for _, e := range p.ends {
		if next.IsZero() || e.at.Before(next) {
			next = e.at
		}
	}
	return next, !next.IsZero()
}
