package apply

import (
	"context"
	"errors"
	"fmt"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/leat-dev/leat/pkg/target"
)

// sortForDeletion puts entries in the reverse of their order of apply.
func sortForDeletion(entries []Entry) {
	slices.SortFunc(entries, func(a, b Entry) int {
		return compareOrder(b.Key, a.Key, stageOf(b.Key, b.Namespace != ""), stageOf(a.Key, a.Namespace != ""))
	})
}

// prune deletes what has left the set.
func (r *run) prune(ctx context.Context) error {
	pr := pruner{e: r.e, owner: r.p.req.Owner, id: r.p.req.Identity}
	err := pr.all(ctx, r.p.prune)
	r.left, r.deleted = pr.left, pr.done
	r.spared = pr.spare(ctx, r.p.stale)
	r.confirmed = err == nil
	return err
}

// spare returns which objects of entries are still there and this owner's. None of
// them is touched: the entries come from a backup, and what they say may have been
// true then and not be now. What the owner asked for between the backup and the
// restore is not known, nor what others have asked for.
func (pr *pruner) spare(ctx context.Context, entries []Entry) []Change {
	spared := make([]Change, len(entries))
	_ = pr.e.each(ctx, len(entries), func(i int) error {
		en := &entries[i]
		change := Change{Key: en.Key, Version: en.Version, Action: ActionSkipped}
		res, err := pr.e.resource(ctx, en)
		if err != nil {
			return nil // nothing of this kind can be reached, nor be deleted
		}
		ref := target.Ref{Resource: res, Namespace: en.Namespace, Name: en.Name}
		live, found, err := pr.e.target.Lookup(ctx, pr.id, ref)
		switch {
		case err != nil:
			change.Reason = "the inventory comes from a backup, and the object cannot be read"
		case judge(&pr.owner, &live, found, pr.e.claims.byOther(pr.owner.UID, en.Key)).delete:
			change.Reason = "the inventory comes from a backup"
		default:
			return nil
		}
		spared[i] = change
		return nil
	})
	return slices.DeleteFunc(spared, func(c Change) bool { return c.Action == "" })
}

// pruner deletes objects of one owner.
type pruner struct {
	e     *Engine
	owner Owner
	id    target.Identity
	// left are the entries that are still to be deleted, done what became of
	// the others.
	left []Entry
	done []Change
}

// all deletes the objects of entries, which are in the order of deletion, one
// stage after the other. What cannot be deleted stays in left.
func (pr *pruner) all(ctx context.Context, entries []Entry) error {
	failed := &Error{Op: "pruning", Written: true}
	for len(entries) > 0 {
		s := stageOf(entries[0].Key, entries[0].Namespace != "")
		n := 1
		for n < len(entries) && stageOf(entries[n].Key, entries[n].Namespace != "") == s {
			n++
		}
		batch := entries[:n]
		entries = entries[n:]
		changes := make([]Change, n)
		errs := pr.e.each(ctx, n, func(i int) (err error) {
			changes[i], err = pr.one(ctx, &batch[i])
			return err
		})
		for i, err := range errs {
			if err != nil {
				pr.left = append(pr.left, batch[i])
				failed.Objects = append(failed.Objects, ObjectError{Key: batch[i].Key, Err: err})
				continue
			}
			pr.done = append(pr.done, changes[i])
			tell(ctx, changes[i])
		}
	}
	if err := context.Cause(ctx); err != nil && len(failed.Objects) > 0 {
		return fmt.Errorf("pruning: %w", err)
	}
	if len(failed.Objects) > 0 {
		tellErrors(ctx, failed.Objects)
		return failed
	}
	return nil
}

// verdict is what is to be done with an object that left its set.
type verdict struct {
	delete bool
	// reason says why it is left alone.
	reason string
}

// judge decides over the live object of an entry. An entry is no proof of
// ownership, it may have been written ahead of a write that never happened: the
// object itself must say whose it is.
//
//	live object                                      verdict
//	is not there                                     nothing to do
//	labels name another owner, or none               left: it has moved on
//	another owner's set holds it                     left: it is about to move
//	no field was ever written by our manager         left: only the labels are ours
//	says prune=disabled, reconcile=disabled, Ignore  left: as it wishes
//	anything else                                    deleted
func judge(o *Owner, live *target.Live, found, claimed bool) verdict {
	switch {
	case !found:
		return verdict{reason: "it does not exist"}
	case !owns(o, live):
		return verdict{reason: "it belongs to another owner"}
	case claimed:
		return verdict{reason: "another owner is about to take it over"}
	case !live.Managed:
		return verdict{reason: "it was not written by " + o.Group}
	case live.Switches.Keep():
		return verdict{reason: "it is protected by a switch"}
	}
	return verdict{delete: true}
}

// one deletes the object of an entry if it is still this owner's. The deletion
// holds only for the object as it was judged.
func (pr *pruner) one(ctx context.Context, en *Entry) (Change, error) {
	t := pr.e.target
	change := Change{Key: en.Key, Version: en.Version, Action: ActionSkipped}
	res, err := pr.e.resource(ctx, en)
	var unknown *target.UnknownKindError
	if errors.As(err, &unknown) && !unknown.Unavailable {
		change.Reason = "its kind is no longer served"
		return change, nil
	}
	if err != nil {
		return change, err
	}
	ref := target.Ref{Resource: res, Namespace: en.Namespace, Name: en.Name}
	live, found, err := t.Lookup(ctx, pr.id, ref)
	for try := 0; ; try++ {
		if err != nil {
			return change, err
		}
		v := judge(&pr.owner, &live, found, pr.e.claims.byOther(pr.owner.UID, en.Key))
		if !v.delete {
			change.Reason = v.reason
			return change, nil
		}
		err = t.Delete(ctx, pr.id, ref, target.Preconditions{UID: live.UID, ResourceVersion: live.ResourceVersion})
		switch {
		case err == nil, apierrors.IsNotFound(err):
			change.Action = ActionDeleted
			return change, nil
		case !apierrors.IsConflict(err) || try >= conflicts:
			return change, err
		}
		// The object has changed since it was read; whose is it now?
		live, err = t.Read(ctx, pr.id, ref)
		found = err == nil
		if apierrors.IsNotFound(err) {
			err = nil
		}
	}
}
