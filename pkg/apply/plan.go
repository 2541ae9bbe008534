package apply

import (
	"github.com/leat-dev/leat/pkg/object"
	"github.com/leat-dev/leat/pkg/target"
)

// Plan is what a run would do. It holds bodies, which may be Secrets', only in
// memory and for as long as the run.
type Plan struct {
	// Changes says what would happen to each object of the set, in the order of
	// apply, and then what would be pruned. An object that exists without being
	// known to be ours is planned as created; the run finds out.
	Changes []Change

	req Request
	old *Inventory
	// items are the set in the order of apply.
	items []*item
	// prune are the entries that left the set, in the order of deletion.
	prune []Entry
}

// Pending says whether the plan would write anything.
func (p *Plan) Pending() bool {
	for i := range p.Changes {
		switch p.Changes[i].Action {
		case ActionUnchanged, ActionSkipped:
		default:
			return true
		}
	}
	return false
}

// item is one object of the set on its way.
type item struct {
	obj      object.Object
	key      object.Key
	ref      target.Ref
	stage    stage
	body     []byte
	desired  string
	switches target.Switches
	// recorded is the inventory's entry, nil if there is none.
	recorded *Entry

	// live and found are what the target knew when the plan was made.
	live  target.Live
	found bool
	// serve says that the kind is not served yet: its CRD is in the set.
	unserved bool

	action   Action
	reason   string
	recreate bool
	takeover bool
	// checked says that the server has validated this very body.
	checked bool
	// written is the entry after the run.
	written Entry
}
