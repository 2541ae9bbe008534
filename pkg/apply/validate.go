package apply

import (
	"context"
	"errors"
	"net/http"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/leat-dev/leat/pkg/target"
)

// validate has the server check everything that is to change and can be
// checked at once, before anything is written. Definitions go first: their
// answers tell which of them exist already, so that what belongs to those need
// not wait. The pilot is left out, unless something else is wrong: all errors
// are to be told at once.
func (r *run) validate(ctx context.Context) error {
	r.pilot = r.choosePilot()
	var defs []*item
	for _, it := range r.p.items {
		if it.stage == stageDefinitions && it != r.pilot && it.unchecked() {
			defs = append(defs, it)
		}
	}
	err := r.dryRun(ctx, defs)
	if len(defs) > 0 {
		r.p.deferChecks()
	}
	err = join(err, r.dryRun(ctx, r.waiting(noStage)), r.checkSchemas())
	if err != nil && r.pilot != nil {
		err = join(err, r.dryRun(ctx, []*item{r.pilot}))
	}
	return err
}

// choosePilot returns the item that is validated by being applied, alone and
// before all others: an apply changes all of an object or nothing, so when it
// is refused, nothing has been written. That saves one request a run, of two
// when a single object changes. It is the first item in the order of apply, and
// must be known to exist: a dry-run tells more about what was not known.
func (r *run) choosePilot() *item {
	for _, it := range r.p.items {
		if it.unchecked() {
			if it.found && it.after == noStage {
				return it
			}
			return nil
		}
	}
	return nil
}

// unchecked says that the server has still to validate the item.
func (it *item) unchecked() bool { return it.pending() && !it.checked && !it.applied && !it.repair() }

// waiting returns the items that can be validated once the stage after has
// been applied.
func (r *run) waiting(after stage) []*item {
	var items []*item
	for _, it := range r.p.items {
		if it.after == after && it != r.pilot && it.unchecked() {
			items = append(items, it)
		}
	}
	return items
}

// dryRun has the server validate items as they would be written.
func (r *run) dryRun(ctx context.Context, items []*item) error {
	return r.e.eachItem(ctx, "validating", r.written, items, func(it *item) error {
		w, err := r.request(ctx, it, true)
		if err != nil {
			return r.refused(it, err)
		}
		it.checked = true
		if it.pending() {
			r.learn(it, w)
		}
		return nil
	})
}

// learn takes from a dry-run what the plan could not know.
func (r *run) learn(it *item, w target.Written) {
	it.action = ActionConfigured
	if w.Created {
		it.action = ActionCreated
		return
	}
	switch l := &w.Live; {
	case l.Switches.ReconcileDisabled:
		it.skip("reconciliation is disabled")
	case l.Switches.SSA == target.SSAIgnore:
		it.skip("ssa: Ignore")
	case it.wantsTakeover(l):
		it.takeover = true
	case it.found && !it.live.Deleting && l.UID == it.live.UID && l.Projection == it.live.Projection && owns(&r.p.req.Owner, &it.live):
		// The live object is what an apply would make it.
		it.action = ActionUnchanged
		it.settle(*l)
	}
}

// refused decides what a refusal means: an error, unless the object may be
// created anew.
func (r *run) refused(it *item, err error) error {
	if !isImmutable(err) {
		return err
	}
	if !r.p.req.Force && !it.switches.Force {
		return &immutableError{err: err, group: r.p.req.Owner.Group}
	}
	it.recreate, it.checked = true, true
	it.reason = "re-created, since the change is immutable"
	return nil
}

// request applies the item, or creates it if it wants no more, for real or as a
// dry-run.
func (r *run) request(ctx context.Context, it *item, dryRun bool) (target.Written, error) {
	w, err := r.requestOnce(ctx, it, dryRun)
	if !dryRun && err != nil && !refuses(err) {
		it.doubtful = true
	}
	return w, err
}

func (r *run) requestOnce(ctx context.Context, it *item, dryRun bool) (target.Written, error) {
	id := r.p.req.Identity
	if it.switches.SSA == target.SSAIfNotPresent {
		w, err := r.e.target.Create(ctx, id, it.ref, it.body, dryRun)
		if apierrors.IsAlreadyExists(err) {
			it.skip("ssa: IfNotPresent, and it is present")
			err = nil
		}
		return w, err
	}
	w, err := r.patiently(ctx, it, func() (target.Written, error) {
		return r.e.target.Apply(ctx, id, it.ref, it.body, dryRun)
	})
	if unserved(err) {
		r.e.target.Forget(it.ref.GroupVersionKind())
	}
	return w, err
}

// refuses says that err is the server's answer that it has not done what it was
// asked for. After any other error, a lost connection or an error of the server
// itself, it may have.
func refuses(err error) bool {
	var st apierrors.APIStatus
	if !errors.As(err, &st) {
		return false
	}
	code := st.Status().Code
	return code >= http.StatusBadRequest && code < http.StatusInternalServerError && code != http.StatusRequestTimeout
}

// unserved says that there is no such kind, rather than no such object.
func unserved(err error) bool {
	var st *apierrors.StatusError
	return apierrors.IsNotFound(err) && errors.As(err, &st) &&
		(st.ErrStatus.Details == nil || st.ErrStatus.Details.Name == "")
}

// join makes one error of several steps' errors.
func join(errs ...error) error {
	var all *Error
	for _, err := range errs {
		var e *Error
		switch {
		case err == nil:
		case !errors.As(err, &e):
			return err
		case all == nil:
			all = e
		default:
			all.Objects = append(all.Objects, e.Objects...)
		}
	}
	if all == nil {
		return nil
	}
	return all
}
