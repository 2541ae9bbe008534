package kustomization

import (
	"context"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/klog/v2"

	kustomizev1 "github.com/leat-dev/leat/pkg/apis/kustomize/v1"
	"github.com/leat-dev/leat/pkg/apis/meta"
	"github.com/leat-dev/leat/pkg/apply"
	"github.com/leat-dev/leat/pkg/reconcilers/runtime"
)

// handOverPatience is how long a run that is about to delete something waits
// for the other users of its source.
const handOverPatience = 30 * time.Second

// A commit may move an object from the directory of one Kustomization to that
// of another. Both hear of the revision at the same moment; if the one that
// loses the object comes first, it finds nobody who wants it, and deletes what
// the other is about to ask for. So a run that would delete something first
// lets all others that use the same source look at the revision: the engine
// knows what each of them asks for once it has planned, and a move is then not
// a deletion.
//
// Who is waited for:
//
//	suspended, stalled, being deleted         no: it asks for nothing
//	waits for a dependency that is under way  yes, unless it waits for this very run
//	waits for anything else                   no: that may take forever
//	anybody else                              yes

// rollCalls are the lists of who has yet to look at the latest revision of each
// source.
type rollCalls struct {
	mu sync.Mutex
	of map[runtime.Key]*rollCall
}

type rollCall struct {
	revision string
	missing  map[runtime.Key]bool
	changed  chan struct{} // closed by the next change
}

// open makes the list for a revision of a source, unless there is one.
func (c *rollCalls) open(source runtime.Key, revision string, users func() []runtime.Key) *rollCall {
	if found := c.of[source]; found != nil && found.revision == revision {
		return found
	}
	call := &rollCall{revision: revision, missing: map[runtime.Key]bool{}, changed: make(chan struct{})}
	for _, k := range users() {
		call.missing[k] = true
	}
	if c.of == nil {
		c.of = map[runtime.Key]*rollCall{}
	}
	c.of[source] = call
	return call
}

// gone notes that a user asks for nothing now.
func (c *rollCalls) gone(user runtime.Key) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, call := range c.of {
		call.strike(user)
	}
}

func (c *rollCall) strike(user runtime.Key) {
	if c.missing[user] {
		delete(c.missing, user)
		close(c.changed)
		c.changed = make(chan struct{})
	}
}

// complete reports whether nobody is missing but those in except; if not, the
// channel is closed when that may have changed.
func (c *rollCalls) complete(source runtime.Key, revision string, except map[runtime.Key]bool) (bool, <-chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	call := c.of[source]
	if call == nil || call.revision != revision {
		return false, nil // a newer revision is there, and ends the run
	}
	for user := range call.missing {
		if !except[user] {
			return false, call.changed
		}
	}
	return true, nil
}

// looked notes that obj has looked at a revision of its source. Only the latest
// one counts: an older run may end when others are further already.
func (r *Reconciler) looked(obj *kustomizev1.Kustomization, revision string) {
	source, user := sourceKey(obj), runtime.Key{Namespace: obj.Namespace, Name: obj.Name}
	if revision == "" {
		r.rollCalls.gone(user)
		return
	}
	repo, err := r.GitRepositories.GitRepositories(source.Namespace).Get(source.Name)
	if err != nil || !repo.Status.Artifact.HasRevision(revision) {
		return
	}
	r.rollCalls.mu.Lock()
	defer r.rollCalls.mu.Unlock()
	r.rollCalls.open(source, revision, func() []runtime.Key { return r.usersOf(source) }).strike(user)
}

// usersOf returns the users of a source that may ask for objects.
func (r *Reconciler) usersOf(source runtime.Key) []runtime.Key {
	all, err := r.Kustomizations.List(labels.Everything())
	if err != nil {
		return nil // a lister reads memory
	}
	var users []runtime.Key
	for _, k := range all {
		stalled := runtime.IsTrueAt(k.Status.Conditions, meta.StalledCondition, k.Generation)
		if sourceKey(k) == source && !k.IsSuspended() && !stalled && k.DeletionTimestamp.IsZero() {
			users = append(users, runtime.Key{Namespace: k.Namespace, Name: k.Name})
		}
	}
	return users
}

// dependants returns all that wait, directly or not, for an object.
func (r *Reconciler) dependants(of runtime.Key) map[runtime.Key]bool {
	all, err := r.Kustomizations.List(labels.Everything())
	if err != nil {
		return nil
	}
	direct := map[runtime.Key][]runtime.Key{}
	for _, k := range all {
		for _, d := range k.Spec.DependsOn {
			on := dependencyKey(k, d)
			direct[on] = append(direct[on], runtime.Key{Namespace: k.Namespace, Name: k.Name})
		}
	}
	found, next := map[runtime.Key]bool{}, []runtime.Key{of}
	for len(next) > 0 {
		k := next[0]
		next = next[1:]
		for _, d := range direct[k] {
			if !found[d] {
				found[d] = true
				next = append(next, d)
			}
		}
	}
	return found
}

// awaitOthers returns when nobody can be about to ask for what the plan would
// delete. The run gives its slot away: those it waits for may need it.
func (a *attempt) awaitOthers(ctx context.Context, plan *apply.Plan) error {
	if !deletes(plan) {
		return nil
	}
	source := sourceKey(a.obj)
	if done, _ := a.rollCalls.complete(source, a.revision, nil); done {
		return nil
	}
	except := a.dependants(a.run.Key)
	a.run.Yield()
	ctx, cancel := a.run.Interruptible(ctx, runtime.Superseding)
	defer cancel()
	timer := a.Clock.NewTimer(handOverPatience)
	defer timer.Stop()
	for {
		done, changed := a.rollCalls.complete(source, a.revision, except)
		if done {
			return nil
		}
		select {
		case <-changed:
		case <-timer.C():
			klog.FromContext(ctx).Info("Other users of the source have not looked at the revision; what left this one is deleted",
				"revision", a.revision, "waited", handOverPatience)
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

func deletes(plan *apply.Plan) bool {
	for i := range plan.Changes {
		if plan.Changes[i].Action == apply.ActionDeleted {
			return true
		}
	}
	return false
}
