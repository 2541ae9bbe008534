package target

import (
	"context"
	"strconv"
	"sync"

	"k8s.io/apimachinery/pkg/types"

	"github.com/leat-dev/leat/pkg/object"
)

// kind holds the managed objects of one kind, in one version.
type kind struct {
	cache  *cache
	res    Resource
	cancel context.CancelFunc
	users  int // owners and subscriptions that need it, under cache.mu

	ready     chan struct{}
	readyOnce sync.Once

	mu      sync.RWMutex
	synced  bool
	objects map[types.NamespacedName]*Live
	// unseen are the objects that the listing under way has not yet told of.
	unseen map[types.NamespacedName]bool
	// position is the newest resource version that the watch has told of.
	position uint64
	subs     map[types.NamespacedName]map[*Subscription]int
	writes   map[types.NamespacedName]*write
}

// wait returns when the kind has been listed, was refused, or took too long.
func (k *kind) wait(ctx context.Context) error {
	select {
	case <-k.ready:
		return nil
	default:
	}
	select {
	case <-k.ready:
	case <-k.cache.t.opts.Clock.After(k.cache.t.opts.SyncTimeout):
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	return nil
}

func (k *kind) get(n types.NamespacedName) (live Live, found, cached bool) {
	k.mu.RLock()
	defer k.mu.RUnlock()
	if l := k.objects[n]; l != nil {
		return *l, true, k.synced
	}
	return Live{}, false, k.synced
}

func (k *kind) listing() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.unseen = make(map[types.NamespacedName]bool, len(k.objects))
	for n := range k.objects {
		k.unseen[n] = true
	}
}

func (k *kind) listed(position string) {
	k.mu.Lock()
	at := revision(position)
	k.position = max(k.position, at)
	var gone []types.NamespacedName
	for n := range k.unseen {
		// What was written while the listing went on may be younger than it.
		if l := k.objects[n]; l != nil && revision(l.ResourceVersion) <= at {
			gone = append(gone, n)
		}
	}
	k.unseen = nil
	k.mu.Unlock()
	for _, n := range gone {
		k.gone(n, position)
	}
	k.mu.Lock()
	k.synced = true
	k.mu.Unlock()
	k.readyOnce.Do(func() { close(k.ready) })
}

func (k *kind) denied(error) {
	k.mu.Lock()
	k.synced = false
	k.mu.Unlock()
	k.readyOnce.Do(func() { close(k.ready) })
}

func (k *kind) seen(o identified) {
	k.mu.Lock()
	delete(k.unseen, o.NamespacedName)
	at := revision(o.ResourceVersion)
	if k.unseen == nil {
		k.position = max(k.position, at)
	}
	prev := k.objects[o.NamespacedName]
	if prev != nil && prev.UID == o.UID && revision(prev.ResourceVersion) >= at {
		k.mu.Unlock()
		return
	}
	live := o.Live
	live.dropped = prev != nil && prev.UID == live.UID && prev.dropped
	k.objects[o.NamespacedName] = &live
	k.touch(o.NamespacedName)
	quiet := !k.synced || live.dropped || k.hold(o.NamespacedName, prev)
	k.mu.Unlock()
	if !quiet {
		k.tell(o.NamespacedName, prev, &live)
	}
}

func (k *kind) has(n types.NamespacedName, position string) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	l := k.objects[n]
	if l == nil || l.ResourceVersion != position {
		return false
	}
	delete(k.unseen, n)
	if k.unseen == nil {
		k.position = max(k.position, revision(position))
	}
	return true
}

func (k *kind) gone(n types.NamespacedName, position string) {
	k.mu.Lock()
	at := revision(position)
	k.position = max(k.position, at)
	prev := k.objects[n]
	if prev == nil || revision(prev.ResourceVersion) > at {
		k.mu.Unlock()
		return
	}
	delete(k.objects, n)
	k.touch(n)
	quiet := prev.dropped || k.hold(n, prev)
	k.mu.Unlock()
	if !quiet {
		k.tell(n, prev, nil)
	}
}

// touch marks the object for all who wait for it.
func (k *kind) touch(n types.NamespacedName) {
	for s, i := range k.subs[n] {
		s.mark(i)
	}
}

// tell informs the listeners of a change that others made. now is nil when the
// object is gone.
func (k *kind) tell(n types.NamespacedName, prev, now *Live) {
	k.cache.mu.Lock()
	listeners := k.cache.listeners
	k.cache.mu.Unlock()
	if len(listeners) == 0 {
		return
	}
	ev := Event{Key: object.Key{Group: k.res.Group, Kind: k.res.Kind, Namespace: n.Namespace, Name: n.Name}}
	var evs [2]Event
	out := evs[:0]
	if prev != nil && (now == nil || now.Owner != prev.Owner) {
		ev.Owner, ev.Gone, ev.Drifted = prev.Owner, true, true
		out = append(out, ev)
	}
	if now != nil {
		ev.Owner, ev.Gone = now.Owner, false
		ev.Drifted = prev == nil || prev.Projection != now.Projection || now.Takeover && !prev.Takeover
		out = append(out, ev)
	}
	for _, e := range out {
		for _, f := range listeners {
			f(e)
		}
	}
}

// revision orders resource versions, as Kubernetes allows since 1.35. What
// cannot be read counts as older than everything.
func revision(rv string) uint64 {
	v, err := strconv.ParseUint(rv, 10, 64)
	if err != nil {
		return 0
	}
	return v
}
