package apply

import (
	"context"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"

	"github.com/leat-dev/leat/pkg/object"
	"github.com/leat-dev/leat/pkg/target"
)

// Owner is who manages a set of objects. Each of them carries the labels
// <Group>/name and <Group>/namespace with the owner's name and namespace.
type Owner struct {
	// Group prefixes the owner labels and the object switches, for instance
	// "kustomize.toolkit.fluxcd.io".
	Group string
	// Name and Namespace name the owner.
	Name, Namespace string
	// UID keys the owner's inventory, so that a re-created namesake begins with
	// an empty one.
	UID string
}

// Inventory lists what an owner has applied. It is the engine's memory between
// runs and across restarts.
type Inventory struct {
	// Entries are sorted by key.
	Entries []Entry `json:"entries"`
	// Unconfirmed says that the inventory comes from a backup: what has happened
	// to its objects since then is not known. Nothing is deleted because of it.
	// The first run that succeeds confirms what its set holds and forgets the
	// rest.
	Unconfirmed bool `json:"unconfirmed,omitempty"`
}

// Entry is one object of an inventory.
type Entry struct {
	object.Key
	// Version is the API version that the object was last applied in.
	Version string `json:"version"`
	// UID is the live object's; empty while the entry is a write-ahead one.
	UID types.UID `json:"uid,omitempty"`
	// Desired is the keyed digest of the body that was last applied, and Live
	// that of the live object after it, projected on the fields that we manage.
	// Both are empty while nothing is known to have been applied.
	Desired string `json:"desired,omitempty"`
	Live    string `json:"live,omitempty"`
}

// InventoryStore keeps inventories, keyed by the owner's UID. Save replaces an
// inventory as a whole and has made it durable when it returns.
type InventoryStore interface {
	// Load returns the inventory, an empty one when there is none.
	Load(ctx context.Context, uid string) (*Inventory, error)
	Save(ctx context.Context, uid string, inv *Inventory) error
	Delete(ctx context.Context, uid string) error
}

// EngineOptions configures an Engine. The zero value is usable.
type EngineOptions struct {
	// Concurrency bounds the requests that one run has in flight; the target's
	// own budget bounds all runs together. Default 8.
	Concurrency int
	// StageTimeout bounds the wait for the definitions of a set (its CRDs and
	// namespaces) to be established. Default 60 s.
	StageTimeout time.Duration
	// RecreateTimeout bounds the wait for the deletion of an object that is to
	// be re-created. Default 60 s.
	RecreateTimeout time.Duration
	// MaxObjects bounds a set. Default 20000.
	MaxObjects int
	// MaxObjectBytes bounds one object's JSON. Default 3 MiB, what kube-apiserver
	// takes.
	MaxObjectBytes int
	// MaxPreviewBytes bounds the memory that the bodies of one preview take, as
	// it is estimated. Default 64 MiB: some thousand objects that change.
	MaxPreviewBytes int64
	// Clock is for tests.
	Clock clock.Clock
}

// Request asks for a set of objects to be brought to the target.
type Request struct {
	Owner Owner
	// Identity is impersonated for dry-runs and writes.
	Identity target.Identity
	// Objects is the whole set that the owner wants, as it was rendered.
	Objects []object.Object
	// Namespace is given to namespaced objects that name none. Empty refuses
	// them.
	Namespace string
	// Force allows an object whose change is refused as immutable to be deleted
	// and created again.
	Force bool
	// Prune deletes what the inventory holds and the set no longer does.
	Prune bool
	// Exclude says why an object of the set is not the owner's to apply; empty
	// lets it be applied. What is excluded is neither written nor pruned nor
	// waited for, and is forgotten if it was applied before. Nil excludes
	// nothing.
	Exclude func(object.Object) string
}

// Action is what is or was done with one object.
type Action string

// The actions.
const (
	ActionCreated    Action = "created"
	ActionConfigured Action = "configured"
	ActionUnchanged  Action = "unchanged"
	ActionSkipped    Action = "skipped"
	ActionDeleted    Action = "deleted"
	// ActionRecreated is that of an object in a preview that an immutable field
	// forces to be deleted and created again. A run tells such an object as
	// created.
	ActionRecreated Action = "recreated"
	// ActionPending is that of an object which was to be created or configured
	// when the run failed, and has not been.
	ActionPending Action = "pending"
)

// Change is what a plan would do, or what a run did, with one object.
type Change struct {
	object.Key
	// Version is the object's API version without its group.
	Version string
	Action  Action
	// File declared the object; empty for deletions and what was generated.
	File string
	// Reason says why an object was skipped, or re-created.
	Reason string
	// Excluded says that the request's Exclude had it skipped.
	Excluded bool
}

// Result is what a run did. It is also returned, as far as it got, with an
// error.
type Result struct {
	// Changes holds every object of the set in the order of apply, then the
	// deleted ones and the excluded ones.
	Changes []Change
	// Spared are objects that would have been deleted, and are left and forgotten
	// because the inventory that lists them is an unconfirmed one.
	Spared []Change
	// Inventory is what was saved last.
	Inventory *Inventory
	// Health names the objects to wait for when all applied ones are to be
	// ready: the set without what was skipped.
	Health []HealthTarget
}

// Count returns the number of changes with the action a.
func (r *Result) Count(a Action) int {
	n := 0
	for i := range r.Changes {
		if r.Changes[i].Action == a {
			n++
		}
	}
	return n
}

// Changed returns the changes that touched the cluster.
func (r *Result) Changed() []Change {
	var out []Change
	for _, c := range r.Changes {
		if c.Action == ActionCreated || c.Action == ActionConfigured || c.Action == ActionDeleted {
			out = append(out, c)
		}
	}
	return out
}

// HealthTarget is one object to wait for.
type HealthTarget struct {
	object.Key
	// Version is the API version to read it in; empty lets the target choose.
	Version string
	// Transient says that the object may vanish once it is done, as a Job with
	// a time to live does: gone is then as good as ready.
	Transient bool
}

// HealthRequest asks to wait until all objects are ready.
type HealthRequest struct {
	// Identity is impersonated for reads of what the target's cache does not
	// hold.
	Identity target.Identity
	Objects  []HealthTarget
	// Timeout bounds the wait. It must be positive.
	Timeout time.Duration
}

// DeletionPolicy says what becomes of an owner's objects when it is deleted.
type DeletionPolicy string

// The deletion policies, with the names of Flux's API.
const (
	// DeletionMirrorPrune deletes the objects if the owner prunes.
	DeletionMirrorPrune DeletionPolicy = "MirrorPrune"
	// DeletionDelete deletes the objects.
	DeletionDelete DeletionPolicy = "Delete"
	// DeletionWaitForTermination deletes the objects and waits until they are
	// gone.
	DeletionWaitForTermination DeletionPolicy = "WaitForTermination"
	// DeletionOrphan leaves the objects.
	DeletionOrphan DeletionPolicy = "Orphan"
)

// DeleteRequest asks for the end of an owner.
type DeleteRequest struct {
	Owner    Owner
	Identity target.Identity
	// Policy is DeletionMirrorPrune when empty.
	Policy DeletionPolicy
	// Prune is the owner's own setting, which DeletionMirrorPrune follows.
	Prune bool
	// Timeout bounds the wait of DeletionWaitForTermination.
	Timeout time.Duration
}
