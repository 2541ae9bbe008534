package target

import (
	"context"
	"strconv"
	"sync"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/leat-dev/leat/pkg/object"
)

// cache holds the managed objects of the kinds in use.
type cache struct {
	ctx   context.Context
	t     *Target
	tapes sync.Pool

	mu        sync.Mutex
	kinds     map[schema.GroupVersionKind]*kind
	owners    map[string][]*kind
	listeners []func(Event)
}

// Event says that a managed object changed, and that it was not this target
// that changed it.
type Event struct {
	// Owner is who the object belongs to, or belonged to.
	Owner types.NamespacedName
	object.Key
	// Gone says that the object was deleted, or has another owner now.
	Gone bool
	// Drifted says that fields that we manage have other values, or are no
	// longer ours.
	Drifted bool
}

func newCache(ctx context.Context, t *Target) *cache {
	return &cache{
		ctx: ctx, t: t, tapes: sync.Pool{New: func() any { return new(tape) }},
		kinds: map[schema.GroupVersionKind]*kind{}, owners: map[string][]*kind{},
	}
}

// Listen has f called with each change that others make to managed objects. It
// is called from the watches and must return at once.
func (t *Target) Listen(f func(Event)) {
	t.cache.mu.Lock()
	defer t.cache.mu.Unlock()
	t.cache.listeners = append(t.cache.listeners, f)
}

// Retain says which kinds owner has objects of, in place of what it said
// before. A kind is watched as long as an owner retains it.
func (t *Target) Retain(owner string, resources []Resource) {
	c := t.cache
	c.mu.Lock()
	defer c.mu.Unlock()
	before := c.owners[owner]
	var now []*kind
	for _, r := range resources {
		if !r.Watchable {
			continue
		}
		k := c.kinds[r.GroupVersionKind()]
		if k == nil {
			k = c.start(r)
		}
		k.users++
		now = append(now, k)
	}
	for _, k := range before {
		c.releaseLocked(k)
	}
	if len(now) == 0 {
		delete(c.owners, owner)
		return
	}
	c.owners[owner] = now
}

// Release says that owner has no objects any more.
func (t *Target) Release(owner string) { t.Retain(owner, nil) }

// acquire returns the kind, if it is watched, and keeps it so until release.
func (c *cache) acquire(gvk schema.GroupVersionKind) *kind {
	c.mu.Lock()
	defer c.mu.Unlock()
	k := c.kinds[gvk]
	if k != nil {
		k.users++
	}
	return k
}

func (c *cache) release(k *kind) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.releaseLocked(k)
}

// releaseLocked ends the watch of a kind that nobody uses any more.
func (c *cache) releaseLocked(k *kind) {
	if k.users--; k.users == 0 {
		k.cancel()
		delete(c.kinds, k.res.GroupVersionKind())
	}
}

// start begins to watch a kind.
func (c *cache) start(r Resource) *kind {
	ctx, cancel := context.WithCancel(c.ctx)
	k := &kind{
		cache: c, res: r, cancel: cancel,
		objects: map[types.NamespacedName]*Live{}, ready: make(chan struct{}),
		subs: map[types.NamespacedName]map[*Subscription]int{},
	}
	c.kinds[r.GroupVersionKind()] = k
	f := &follower{t: c.t, res: r, label: c.t.opts.OwnerGroup + "/name", sink: k}
	c.t.wg.Add(1)
	go func() {
		defer c.t.wg.Done()
		f.run(ctx)
	}()
	return k
}

func (c *cache) kind(gvk schema.GroupVersionKind) *kind {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.kinds[gvk]
}

// observe takes in the answer to a write of our own.
func (c *cache) observe(ref Ref, o identified) {
	if k := c.kind(ref.GroupVersionKind()); k != nil && o.Owner.Name != "" {
		k.observe(o)
	}
}

// Lookup returns what is known of an object, and whether it exists and has an
// owner. It asks the cache, and the cluster, as id, where the kind is not
// cached.
func (t *Target) Lookup(ctx context.Context, id Identity, ref Ref) (live Live, found bool, err error) {
	if k := t.cache.kind(ref.GroupVersionKind()); k != nil {
		if err := k.wait(ctx); err != nil {
			return Live{}, false, err
		}
		if live, found, cached := k.get(ref.namespacedName()); cached {
			return live, found, nil
		}
	}
	live, err = t.Read(ctx, id, ref)
	switch {
	case err == nil:
		return live, true, nil
	case isNotFound(err):
		return Live{}, false, nil
	}
	return Live{}, false, err
}

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
	k.objects[o.NamespacedName] = &live
	k.touch(o.NamespacedName)
	first := !k.synced
	k.mu.Unlock()
	if !first {
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

// observe takes in what a write of our own led to, ahead of the watch. What
// the watch has already passed and does not know has been deleted since.
func (k *kind) observe(o identified) {
	k.mu.Lock()
	defer k.mu.Unlock()
	at := revision(o.ResourceVersion)
	prev := k.objects[o.NamespacedName]
	if prev == nil && at <= k.position || prev != nil && revision(prev.ResourceVersion) >= at {
		return
	}
	live := o.Live
	k.objects[o.NamespacedName] = &live
	k.touch(o.NamespacedName)
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
	k.mu.Unlock()
	k.tell(n, prev, nil)
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
