package target

import (
	"context"
	"slices"
	"sync"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
)

func isNotFound(err error) bool { return apierrors.IsNotFound(err) }

// Subscription follows some objects: those that the cache holds through it,
// each other one by a watch of its own.
type Subscription struct {
	cancel  context.CancelFunc
	wg      sync.WaitGroup
	entries []followed
	changed chan struct{}

	mu    sync.Mutex
	dirty []int
}

// followed is one object of a subscription. It has a kind, or the state that a
// watch of its own tells.
type followed struct {
	name types.NamespacedName
	kind *kind

	state State
}

// State is what a subscription knows of an object.
type State struct {
	// Known says that the cluster has been asked; Found that the object exists.
	Known, Found bool
	Live         Live
	// Err says why nothing can be known.
	Err error
}

// Subscribe follows refs until Close. Objects that the cache does not hold are
// read as id.
func (t *Target) Subscribe(ctx context.Context, id Identity, refs []Ref) (*Subscription, error) {
	ctx, cancel := context.WithCancel(ctx)
	s := &Subscription{cancel: cancel, entries: make([]followed, len(refs)), changed: make(chan struct{}, 1)}
	for i, ref := range refs {
		s.entries[i].name = ref.namespacedName()
		if k := t.cache.acquire(ref.GroupVersionKind()); k != nil {
			err := k.wait(ctx)
			if err == nil && k.subscribe(s, i) {
				s.entries[i].kind = k
				continue
			}
			t.cache.release(k)
			if err != nil {
				s.Close()
				return nil, err
			}
		}
		f := &follower{
			t: t, id: id, res: ref.Resource, namespace: ref.Namespace,
			field: "metadata.name=" + ref.Name, sink: &single{s: s, i: i},
		}
		s.wg.Add(1)
		go func() {
			defer s.wg.Done()
			f.run(ctx)
		}()
	}
	return s, nil
}

// Close ends the subscription.
func (s *Subscription) Close() {
	s.cancel()
	for i := range s.entries {
		if k := s.entries[i].kind; k != nil {
			k.unsubscribe(s, s.entries[i].name)
			k.cache.release(k)
		}
	}
	s.wg.Wait()
}

// Changed is signalled when an object may have changed since Drain.
func (s *Subscription) Changed() <-chan struct{} { return s.changed }

// Drain returns the indexes of the objects that may have changed since the
// last call.
func (s *Subscription) Drain() []int {
	s.mu.Lock()
	defer s.mu.Unlock()
	d := s.dirty
	s.dirty = nil
	slices.Sort(d)
	return slices.Compact(d)
}

// State returns what is known of the i-th object.
func (s *Subscription) State(i int) State {
	if k := s.entries[i].kind; k != nil {
		live, found, _ := k.get(s.entries[i].name)
		return State{Known: true, Found: found, Live: live}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.entries[i].state
}

func (s *Subscription) mark(i int) {
	s.mu.Lock()
	s.dirty = append(s.dirty, i)
	s.mu.Unlock()
	select {
	case s.changed <- struct{}{}:
	default:
	}
}

// subscribe says whether the kind has the object, and then tells s of it. An
// object that is not there may still exist without an owner.
func (k *kind) subscribe(s *Subscription, i int) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	n := s.entries[i].name
	if !k.synced || k.objects[n] == nil {
		return false
	}
	if k.subs[n] == nil {
		k.subs[n] = map[*Subscription]int{}
	}
	k.subs[n][s] = i
	return true
}

func (k *kind) unsubscribe(s *Subscription, n types.NamespacedName) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.subs[n], s)
	if len(k.subs[n]) == 0 {
		delete(k.subs, n)
	}
}

// single is the sink of a watch of one object.
type single struct {
	s *Subscription
	i int
	// present says that the listing under way has told of the object.
	present bool
}

func (w *single) set(st State) {
	w.s.mu.Lock()
	w.s.entries[w.i].state = st
	w.s.mu.Unlock()
	w.s.mark(w.i)
}

func (w *single) listing() { w.present = false }

func (w *single) listed(string) {
	if !w.present {
		w.set(State{Known: true})
	}
}

func (w *single) seen(o identified) {
	w.present = true
	w.set(State{Known: true, Found: true, Live: o.Live})
}

func (w *single) has(types.NamespacedName, string) bool { return false }

func (w *single) gone(types.NamespacedName, string) { w.set(State{Known: true}) }

func (w *single) denied(err error) { w.set(State{Err: err}) }
