package apply

import (
	"context"
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/leat-dev/leat/pkg/object"
	"github.com/leat-dev/leat/pkg/target"
)

// Plan is what a run would do. It holds bodies, which may be Secrets', only in
// memory and for as long as the run.
type Plan struct {
	// Changes says what would happen to each object of the set, in the order of
	// apply, then what would be pruned, and what is excluded. An object that exists without being
	// known to be ours is planned as created; the run finds out.
	Changes []Change

	req Request
	old *Inventory
	// items are the set in the order of apply, without what is excluded.
	items, excluded []*item
	// prune are the entries that left the set, in the order of deletion.
	prune []Entry
	// stale are those instead where the inventory is unconfirmed: they are left.
	stale []Entry
}

// Pending says whether the plan would touch the cluster.
func (p *Plan) Pending() bool {
	return len(p.prune) > 0 || slices.ContainsFunc(p.items, (*item).pending)
}

// Plan compares the set with what was recorded at the last apply and with what
// the target's cache knows of the live objects. It writes nothing.
func (e *Engine) Plan(ctx context.Context, r Request) (*Plan, error) {
	p, err := e.draft(ctx, r)
	if err != nil {
		return nil, err
	}
	if err := p.broken("planning"); err != nil {
		return nil, err
	}
	e.claim(p)
	e.retain(ctx, p)
	p.match()
	err = e.eachItem(ctx, "planning", false, p.items, func(it *item) (err error) {
		if !it.unserved {
			it.live, it.found, err = e.target.Lookup(ctx, r.Identity, it.ref)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	for _, it := range p.items {
		it.decide(&r)
	}
	p.deferChecks()
	p.list()
	return p, nil
}

// draft is the part of a plan that the target's state has no part in: the
// inventory, and the items in their order, some of which may be broken.
func (e *Engine) draft(ctx context.Context, r Request) (*Plan, error) {
	old, err := e.store.Load(ctx, r.Owner.UID)
	if err != nil {
		return nil, fmt.Errorf("loading the inventory: %w", err)
	}
	if len(r.Objects) == 0 && len(old.Entries) > 0 {
		return nil, fmt.Errorf("planning: %w (%d): check the path; if all is to go, delete the owner instead",
			ErrEmptyBuild, len(old.Entries))
	}
	items, err := e.prepare(ctx, &r)
	if err != nil {
		return nil, err
	}
	p := &Plan{req: r, old: old}
	for _, it := range items {
		if it.excluded {
			p.excluded = append(p.excluded, it)
		} else {
			p.items = append(p.items, it)
		}
	}
	return p, nil
}

// broken gathers what is wrong with single objects, all of it at once.
func (p *Plan) broken(op string) error {
	failed := &Error{Op: op}
	for _, items := range [][]*item{p.items, p.excluded} {
		for _, it := range items {
			if it.err != nil {
				failed.Objects = append(failed.Objects, ObjectError{Key: it.key, File: it.obj.File, Err: it.err})
			}
		}
	}
	if len(failed.Objects) == 0 {
		return nil
	}
	return failed
}

// claim tells the other owners what this one asks for.
func (e *Engine) claim(p *Plan) {
	keys := make([]object.Key, len(p.items))
	for i, it := range p.items {
		keys[i] = it.key
	}
	e.claims.set(p.req.Owner.UID, keys)
}

// match finds the recorded entry of each item, and what has left the set. What is
// excluded has not left it, and is forgotten.
func (p *Plan) match() {
	recorded := make(map[object.Key]*Entry, len(p.old.Entries))
	for i := range p.old.Entries {
		recorded[p.old.Entries[i].Key] = &p.old.Entries[i]
	}
	for _, it := range p.items {
		it.entry = Entry{Key: it.key, Version: it.ref.Version}
		if en := recorded[it.key]; en != nil {
			it.recorded, it.entry = en, *en
			it.entry.Version = it.ref.Version
			delete(recorded, it.key)
		}
	}
	for _, it := range p.excluded {
		delete(recorded, it.key)
	}
	if !p.req.Prune {
		return
	}
	left := make([]Entry, 0, len(recorded))
	for _, en := range recorded {
		left = append(left, *en)
	}
	sortForDeletion(left)
	if p.old.Unconfirmed {
		p.stale = left
	} else {
		p.prune = left
	}
}

// decide says what is to be done with the item, as far as is known without
// asking the server.
//
//	object or live switch          live object             action
//	reconcile=disabled, ssa=Ignore any                     skipped
//	ssa=IfNotPresent               there                   skipped
//	any                            none known              created
//	any                            as recorded, as wanted  unchanged
//	any                            anything else           configured
func (it *item) decide(r *Request) {
	switch {
	case it.switches.ReconcileDisabled, it.found && it.live.Switches.ReconcileDisabled:
		it.skip("reconciliation is disabled")
	case it.switches.SSA == target.SSAIgnore, it.found && it.live.Switches.SSA == target.SSAIgnore:
		it.skip("ssa: Ignore")
	case !it.found:
		it.action = ActionCreated
	case it.switches.SSA == target.SSAIfNotPresent:
		it.skip("ssa: IfNotPresent, and it is present")
	case it.repair() && it.same(&r.Owner):
		it.action = ActionUnchanged
		it.entry.UID = it.live.UID
	default:
		it.action = ActionConfigured
	}
}

// same says that the live object is as the last apply left it.
func (it *item) same(o *Owner) bool {
	l := &it.live
	return it.recorded.Live == l.Projection.String() && it.recorded.Live != "" &&
		owns(o, l) && !l.Deleting && !it.wantsTakeover(l)
}

// wantsTakeover says that kubectl owns fields of the live object which the
// item wants to be ours.
func (it *item) wantsTakeover(l *target.Live) bool {
	return l.Takeover && it.switches.SSA == target.SSAOverride
}

// owns says that the live object's labels name o.
func owns(o *Owner, l *target.Live) bool {
	return l.Owner.Name == o.Name && l.Owner.Namespace == o.Namespace
}

// retain has the kinds of the set and of the old inventory watched.
func (e *Engine) retain(ctx context.Context, p *Plan) {
	seen := map[schema.GroupVersionKind]bool{}
	var resources []target.Resource
	add := func(r target.Resource) {
		if gvk := r.GroupVersionKind(); !seen[gvk] {
			seen[gvk] = true
			resources = append(resources, r)
		}
	}
	for _, it := range p.items {
		if !it.unserved {
			add(it.ref.Resource)
		}
	}
	for i := range p.old.Entries {
		en := &p.old.Entries[i]
		if seen[en.GroupKind().WithVersion(en.Version)] {
			continue
		}
		if r, err := e.resource(ctx, en); err == nil {
			add(r)
		}
	}
	e.target.Retain(p.req.Owner.UID, resources)
}

// list fills Changes.
func (p *Plan) list() {
	for _, it := range p.items {
		p.Changes = append(p.Changes, it.change())
	}
	for i := range p.prune {
		p.Changes = append(p.Changes, Change{Key: p.prune[i].Key, Version: p.prune[i].Version, Action: ActionDeleted})
	}
	for _, it := range p.excluded {
		p.Changes = append(p.Changes, it.change())
	}
}

func (it *item) change() Change {
	return Change{Key: it.key, Version: it.ref.Version, Action: it.action, File: it.obj.File, Reason: it.reason, Excluded: it.excluded}
}
