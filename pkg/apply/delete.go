package apply

import (
	"context"
	"errors"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/leat-dev/leat/pkg/target"
)

// Delete ends an owner: its objects are deleted or left, as the policy says,
// and its inventory is forgotten. On an error the inventory holds what is still
// to be deleted. An unconfirmed inventory deletes nothing, whatever the policy: its
// owner may have been deleted and made again since the backup.
func (e *Engine) Delete(ctx context.Context, r DeleteRequest) (*Result, error) {
	inv, err := e.store.Load(ctx, r.Owner.UID)
	if err != nil {
		return nil, fmt.Errorf("loading the inventory: %w", err)
	}
	res := &Result{Inventory: &Inventory{}}
	wait := false
	switch r.Policy {
	case DeletionOrphan:
		return res, e.forget(ctx, r.Owner.UID)
	case DeletionMirrorPrune, "":
		if !r.Prune {
			return res, e.forget(ctx, r.Owner.UID)
		}
	case DeletionDelete:
	case DeletionWaitForTermination:
		wait = true
	default:
		return nil, fmt.Errorf("unknown deletion policy %q", r.Policy)
	}
	e.claims.drop(r.Owner.UID)
	e.retain(ctx, &Plan{req: Request{Owner: r.Owner}, old: inv})
	entries := append([]Entry(nil), inv.Entries...)
	sortForDeletion(entries)
	pr := pruner{e: e, owner: r.Owner, id: r.Identity}
	if inv.Unconfirmed {
		res.Spared = pr.spare(ctx, entries)
		return res, e.forget(ctx, r.Owner.UID)
	}
	end, err := e.terminate(ctx, &pr, entries, wait)
	if err != nil {
		return nil, err
	}
	defer end.close()
	err = pr.all(ctx, entries)
	res.Changes, res.Inventory.Entries = pr.done, pr.left
	if err != nil {
		sctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), saveTimeout)
		defer cancel()
		return res, errors.Join(err, e.store.Save(sctx, r.Owner.UID, res.Inventory))
	}
	if wait {
		if err := end.wait(ctx, e, pr.done, r.Timeout); err != nil {
			return res, err
		}
	}
	return res, e.forget(ctx, r.Owner.UID)
}

// forget drops all that is known of an owner.
func (e *Engine) forget(ctx context.Context, uid string) error {
	e.claims.drop(uid)
	e.target.Release(uid)
	if err := e.store.Delete(ctx, uid); err != nil {
		return fmt.Errorf("forgetting the inventory: %w", err)
	}
	return nil
}

// termination follows objects to their end.
type termination struct {
	sub  *target.Subscription
	keys []Entry
	uids []types.UID
}

// terminate begins to follow, before anything is deleted, the objects that are
// to be waited for.
func (e *Engine) terminate(ctx context.Context, pr *pruner, entries []Entry, wait bool) (*termination, error) {
	end := &termination{}
	if !wait {
		return end, nil
	}
	var refs []target.Ref
	for i := range entries {
		en := &entries[i]
		res, err := e.resource(ctx, en)
		if err != nil {
			continue // deleting it says what is wrong
		}
		ref := target.Ref{Resource: res, Namespace: en.Namespace, Name: en.Name}
		live, found, err := e.target.Lookup(ctx, pr.id, ref)
		if err != nil || !found {
			continue
		}
		refs = append(refs, ref)
		end.keys, end.uids = append(end.keys, *en), append(end.uids, live.UID)
	}
	var err error
	end.sub, err = e.target.Subscribe(ctx, pr.id, refs)
	return end, err
}

func (t *termination) close() {
	if t.sub != nil {
		t.sub.Close()
	}
}

// wait waits for the objects that were deleted.
func (t *termination) wait(ctx context.Context, e *Engine, done []Change, timeout time.Duration) error {
	deleted := map[string]bool{}
	for _, c := range done {
		if c.Action == ActionDeleted {
			deleted[c.ID()] = true
		}
	}
	for i := range t.keys {
		if !deleted[t.keys[i].ID()] {
			t.uids[i] = "" // it is left where it is
		}
	}
	err := e.awaitGone(ctx, t.sub, t.uids, timeout)
	if !errors.Is(err, errStillThere) {
		return err
	}
	he := &HealthError{Timeout: timeout.String()}
	for i := range t.keys {
		if there(t.sub, i, t.uids[i]) {
			he.Objects = append(he.Objects, Unhealthy{Key: t.keys[i].Key, Status: "Terminating", Message: "waiting for its finalizers"})
		}
	}
	return he
}

// there says that the i-th object of sub still is the one with uid.
func there(sub *target.Subscription, i int, uid types.UID) bool {
	st := sub.State(i)
	return uid != "" && st.Err == nil && (!st.Known || st.Found && st.Live.UID == uid)
}

// awaitGone waits until none of sub's objects is the one with its UID.
func (e *Engine) awaitGone(ctx context.Context, sub *target.Subscription, uids []types.UID, timeout time.Duration) error {
	timer := e.opts.Clock.NewTimer(timeout)
	defer timer.Stop()
	for {
		sub.Drain()
		n := 0
		for i, uid := range uids {
			if there(sub, i, uid) {
				n++
			}
		}
		if n == 0 {
			return nil
		}
		select {
		case <-sub.Changed():
		case <-timer.C():
			return errStillThere
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}
