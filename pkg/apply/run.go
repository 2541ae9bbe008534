package apply

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/leat-dev/leat/pkg/runlog"
	"github.com/leat-dev/leat/pkg/target"
)

// run is one plan being carried out.
type run struct {
	e *Engine
	p *Plan
	// written says that something was, or may have been, written to the target.
	written bool
	// pilot is applied before all others, nil if there is none.
	pilot *item
	// saved is the inventory as it is stored.
	saved *Inventory
	// left are the entries that were to be pruned and are still there, and until
	// the run has succeeded those that are to be spared.
	left    []Entry
	deleted []Change
	spared  []Change
	// confirmed says that the whole set was applied.
	confirmed bool
}

// saveTimeout bounds the last save of a run whose context has ended: what was
// written by then is worth recording.
const saveTimeout = 5 * time.Second

// Apply carries out a plan: it validates, saves the inventory ahead, applies
// stage by stage and prunes. The Result says how far it got, also with an
// error.
func (e *Engine) Apply(ctx context.Context, p *Plan) (*Result, error) {
	r := &run{e: e, p: p, saved: p.old, left: slices.Concat(p.prune, p.stale)}
	err := r.do(ctx)
	if serr := r.finish(ctx, err); err == nil {
		err = serr
	}
	return r.result(), err
}

func (r *run) do(ctx context.Context) error {
	n := r.toValidate()
	err := timed(ctx, runlog.Validate, n, func() error { return r.validate(ctx) },
		func() string { return fmt.Sprintf("validated %d object(s)", n) })
	if err != nil {
		return err
	}
	if err := r.writeAhead(ctx); err != nil {
		return err
	}
	if err := timed(ctx, runlog.Apply, r.toApply(), func() error { return r.stages(ctx) }, r.applied); err != nil {
		return err
	}
	return timed(ctx, runlog.Prune, len(r.p.prune), func() error { return r.prune(ctx) }, r.pruned)
}

// stages applies the pilot and then one stage after the other.
func (r *run) stages(ctx context.Context) error {
	if err := r.fly(ctx); err != nil {
		return err
	}
	for s := range stageCount {
		if err := r.stage(ctx, s); err != nil {
			return err
		}
	}
	return nil
}

// writeAhead saves the names of what is about to exist, so that a crash leaves
// nothing behind that no inventory knows.
func (r *run) writeAhead(ctx context.Context) error {
	if !slices.ContainsFunc(r.p.items, func(it *item) bool { return it.pending() && it.recorded == nil }) {
		return nil
	}
	return r.save(ctx, r.inventory(func(*item) bool { return true }))
}

// fly applies the pilot.
func (r *run) fly(ctx context.Context) error {
	if r.pilot == nil {
		return nil
	}
	return r.send(ctx, []*item{r.pilot})
}

// send writes items in parallel.
func (r *run) send(ctx context.Context, items []*item) error {
	err := r.e.eachItem(ctx, "applying", false, items, func(it *item) error {
		err := r.apply(ctx, it)
		if err == nil {
			tell(ctx, it.outcome())
		}
		return err
	})
	r.written = r.written || slices.ContainsFunc(items, (*item).touched)
	var e *Error
	if errors.As(err, &e) {
		e.Written = r.written
	}
	return err
}

// stage applies what is pending in s, and then validates what waited for it.
func (r *run) stage(ctx context.Context, s stage) error {
	var items []*item
	for _, it := range r.p.items {
		if it.stage == s && it.pending() && !it.applied {
			items = append(items, it)
		}
	}
	if err := r.send(ctx, items); err != nil {
		return err
	}
	if s == stageDefinitions {
		if err := r.e.establish(ctx, r.p); err != nil {
			return err
		}
	}
	return r.dryRun(ctx, r.waiting(s))
}

// conflicts is how often a write is repeated that lost a race.
const conflicts = 3

// apply writes one item.
func (r *run) apply(ctx context.Context, it *item) error {
	if it.recreate {
		if err := r.remove(ctx, it); err != nil {
			return err
		}
	}
	for try := 0; ; try++ {
		err := r.write(ctx, it)
		switch {
		case err == nil:
			return nil
		case apierrors.IsConflict(err) && try < conflicts:
		case !it.recreate && !it.checked:
			// Nothing has validated this body before: the refusal comes only now.
			if err := r.refused(it, err); err != nil {
				return err
			}
			if err := r.remove(ctx, it); err != nil {
				return err
			}
		default:
			return err
		}
	}
}

// write applies one item and takes in what came of it.
func (r *run) write(ctx context.Context, it *item) error {
	if it.takeover {
		if err := r.takeOver(ctx, it); err != nil {
			return err
		}
	}
	w, err := r.request(ctx, it, false)
	if err != nil || it.action == ActionSkipped {
		return err
	}
	it.wrote(w)
	if w.Created || it.checked || !it.wantsTakeover(&w.Live) {
		return nil
	}
	// Only this answer has shown that kubectl owns fields.
	if err := r.takeOver(ctx, it); err != nil {
		return err
	}
	if w, err = r.request(ctx, it, false); err == nil {
		it.wrote(w)
	}
	return err
}

// wrote takes in what the server made of the item.
func (it *item) wrote(w target.Written) {
	switch {
	case w.Created:
		it.action = ActionCreated
	case it.found && w.Live.ResourceVersion == it.live.ResourceVersion:
		it.action = ActionUnchanged
	default:
		it.action = ActionConfigured
	}
	it.settle(w.Live)
	it.applied = true
}

// patience bounds how long an item is tried again whose definition was written
// by this run: kube-apiserver takes it in a moment after it says Established.
const patience = 3 * time.Second

func (r *run) patiently(ctx context.Context, it *item, f func() (target.Written, error)) (target.Written, error) {
	w, err := f()
	if it.crd == nil || !r.written || !it.crd.fresh() {
		return w, err
	}
	began := r.e.opts.Clock.Now()
	for wait := 20 * time.Millisecond; err != nil && r.e.opts.Clock.Since(began) < patience; wait *= 2 {
		stale := it.crd.action == ActionConfigured && (apierrors.IsInvalid(err) || apierrors.IsBadRequest(err) || apierrors.IsInternalError(err))
		if !stale && !unserved(err) {
			break
		}
		select {
		case <-r.e.opts.Clock.After(wait):
		case <-ctx.Done():
			return w, context.Cause(ctx)
		}
		w, err = f()
	}
	return w, err
}

// fresh says that this run has written the item, or is about to.
func (it *item) fresh() bool { return it.pending() }

// inventory is what is to be saved at this moment: the objects of the set for
// which holds is true, and what was to be pruned and is not.
func (r *run) inventory(holds func(*item) bool) *Inventory {
	inv := &Inventory{
		Entries:     make([]Entry, 0, len(r.p.items)+len(r.left)),
		Unconfirmed: r.p.old.Unconfirmed && !r.confirmed,
	}
	for _, it := range r.p.items {
		if holds(it) {
			inv.Entries = append(inv.Entries, it.entry)
		}
	}
	inv.Entries = append(inv.Entries, r.left...)
	slices.SortFunc(inv.Entries, func(a, b Entry) int { return a.Compare(b.Key) })
	return inv
}

func (r *run) save(ctx context.Context, inv *Inventory) error {
	if slices.Equal(inv.Entries, r.saved.Entries) && inv.Unconfirmed == r.saved.Unconfirmed {
		return nil
	}
	if err := r.e.store.Save(ctx, r.p.req.Owner.UID, inv); err != nil {
		return fmt.Errorf("saving the inventory: %w", err)
	}
	r.saved = inv
	return nil
}

// finish saves the inventory at the end of a run, without what was written ahead
// and has not come to be. A run that failed before it wrote anything has changed
// nothing: the inventory becomes again that of the set that is applied.
func (r *run) finish(ctx context.Context, err error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), saveTimeout)
	defer cancel()
	if err != nil && !r.written && len(r.deleted) == 0 {
		return r.save(ctx, r.p.old)
	}
	return r.save(ctx, r.inventory((*item).known))
}

func (r *run) result() *Result {
	res := &Result{Inventory: r.saved, Spared: r.spared}
	for _, it := range r.p.items {
		res.Changes = append(res.Changes, it.outcome())
		if it.action != ActionSkipped {
			res.Health = append(res.Health, HealthTarget{Key: it.key, Version: it.ref.Version, Transient: it.transient()})
		}
	}
	res.Changes = append(res.Changes, r.deleted...)
	for _, it := range r.p.excluded {
		res.Changes = append(res.Changes, it.change())
	}
	return res
}

// transient says that the object removes itself when it is done.
func (it *item) transient() bool {
	if it.key.Group != "batch" || it.key.Kind != "Job" {
		return false
	}
	spec, _ := it.obj.Object["spec"].(map[string]any)
	return spec["ttlSecondsAfterFinished"] != nil
}
