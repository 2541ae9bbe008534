package target

import (
	"context"
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
		subs:   map[types.NamespacedName]map[*Subscription]int{},
		writes: map[types.NamespacedName]*write{},
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

// Cached returns what the cache knows of an object that it holds. It asks
// nobody.
func (t *Target) Cached(ref Ref) (Live, bool) {
	k := t.cache.kind(ref.GroupVersionKind())
	if k == nil {
		return Live{}, false
	}
	live, found, synced := k.get(ref.namespacedName())
	return live, found && synced
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
