package target

import "k8s.io/apimachinery/pkg/types"

// write is a request of our own that is under way. The watch may tell what it
// leads to before its answer is here, and only the answer says that it was ours:
// until then nothing is told to the listeners.
type write struct {
	requests int
	// held says that something was kept back, before the state that it replaced.
	held   bool
	before *Live
}

// begin says that the object is about to be written. It returns the kind, nil
// if it is not cached.
func (c *cache) begin(ref Ref) *kind {
	k := c.kind(ref.GroupVersionKind())
	if k == nil {
		return nil
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	n := ref.namespacedName()
	if k.writes[n] == nil {
		k.writes[n] = &write{}
	}
	k.writes[n].requests++
	return k
}

// hold keeps a change back while the object is being written, and says whether
// it did. The lock is held.
func (k *kind) hold(n types.NamespacedName, prev *Live) bool {
	w := k.writes[n]
	if w == nil {
		return false
	}
	if !w.held {
		w.held, w.before = true, prev
	}
	return true
}

// wrote takes in the answer to a write: the object, or nil where there is none.
func (k *kind) wrote(n types.NamespacedName, o *identified) {
	if k == nil {
		return
	}
	k.mu.Lock()
	if o != nil && o.Owner.Name != "" {
		k.observe(*o)
	}
	w := k.writes[n]
	if w.requests--; w.requests == 0 {
		delete(k.writes, n)
	}
	now, before := k.objects[n], w.before
	tell := w.held && w.requests == 0
	if tell && o != nil {
		// What was held back is our own doing, unless it came after it.
		before = &o.Live
		tell = now == nil || revision(now.ResourceVersion) > revision(o.ResourceVersion)
	}
	k.mu.Unlock()
	if tell && (before != nil || now != nil) {
		k.tell(n, before, now)
	}
}

// deleted takes in that a deletion of our own was accepted. When the object
// goes, now or after its finalizers, that is no news.
func (k *kind) deleted(n types.NamespacedName) {
	if k == nil {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if l := k.objects[n]; l != nil {
		dropped := *l
		dropped.dropped = true
		k.objects[n] = &dropped
	}
	w := k.writes[n]
	w.held = false
	if w.requests--; w.requests == 0 {
		delete(k.writes, n)
	}
}

// observe takes in what a write of our own led to, ahead of the watch. What
// the watch has already passed and does not know has been deleted since. The
// lock is held.
func (k *kind) observe(o identified) {
	at := revision(o.ResourceVersion)
	prev := k.objects[o.NamespacedName]
	if prev == nil && at <= k.position || prev != nil && revision(prev.ResourceVersion) >= at {
		return
	}
	live := o.Live
	k.objects[o.NamespacedName] = &live
	k.touch(o.NamespacedName)
}
