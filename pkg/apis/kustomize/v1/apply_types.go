package v1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/leat-dev/leat/pkg/apis/meta"
)

// DeletionPolicy says what becomes of the applied objects when the object that
// applied them is deleted.
//
// +enum
type DeletionPolicy string

const (
	// DeletionPolicyMirrorPrune deletes the objects if prune is true, and leaves
	// them otherwise.
	DeletionPolicyMirrorPrune DeletionPolicy = "MirrorPrune"
	// DeletionPolicyDelete deletes the objects.
	DeletionPolicyDelete DeletionPolicy = "Delete"
	// DeletionPolicyWaitForTermination deletes the objects and waits until they
	// are gone.
	DeletionPolicyWaitForTermination DeletionPolicy = "WaitForTermination"
	// DeletionPolicyOrphan leaves the objects.
	DeletionPolicyOrphan DeletionPolicy = "Orphan"
)

// IgnoreRule leaves fields of some objects to others.
type IgnoreRule struct {
	// JSON pointers (RFC 6901) of the fields to leave, such as /spec/replicas.
	//
	// +required
	// +listType=atomic
	Paths []string `json:"paths,omitzero"`

	// Objects that the rule is for. Defaults to all.
	//
	// +optional
	Target *Selector `json:"target,omitempty"`
}

// CustomHealthCheck tells the health of a kind by CEL expressions over the
// object's fields. The first of inProgress, failed and current that gives true
// decides.
type CustomHealthCheck struct {
	// API version of the objects, such as example.com/v1.
	//
	// +required
	APIVersion string `json:"apiVersion,omitempty"`

	// Kind of the objects. Defaults to all kinds of that API version.
	//
	// +optional
	Kind *string `json:"kind,omitempty"`

	// CEL expression that gives true when the object has reached its desired
	// state.
	//
	// +required
	Current string `json:"current,omitempty"`

	// CEL expression that gives true while the object is on its way.
	//
	// +optional
	InProgress *string `json:"inProgress,omitempty"`

	// CEL expression that gives true when the object has failed.
	//
	// +optional
	Failed *string `json:"failed,omitempty"`
}

// ResourceInventory lists objects that were applied.
type ResourceInventory struct {
	// The objects.
	//
	// +required
	// +listType=atomic
	Entries []ResourceRef `json:"entries"`
}

// ResourceRef names one object of an inventory.
type ResourceRef struct {
	// Identity of the object, as <namespace>_<name>_<group>_<kind>.
	//
	// +required
	ID string `json:"id,omitempty"`

	// API version that the object was applied in, without the group.
	//
	// +required
	Version string `json:"v,omitempty"`
}

// Snapshot is one outcome, and how often it was reached.
type Snapshot struct {
	// Digest of the built manifests.
	//
	// +required
	Digest string `json:"digest,omitempty"`

	// Time at which this outcome was reached first.
	//
	// +required
	FirstReconciled metav1.Time `json:"firstReconciled,omitzero"`

	// Time at which this outcome was reached last.
	//
	// +required
	LastReconciled metav1.Time `json:"lastReconciled,omitzero"`

	// How long the last of these runs took, as a duration such as 1.5s.
	//
	// +required
	LastReconciledDuration meta.Duration `json:"lastReconciledDuration,omitempty"`

	// Reason of the condition Ready at the end of these runs.
	//
	// +required
	LastReconciledStatus string `json:"lastReconciledStatus,omitempty"`

	// How often this outcome was reached.
	//
	// +required
	TotalReconciliations int64 `json:"totalReconciliations,omitempty"`

	// Facts about these runs, such as the revision.
	//
	// +optional
	Metadata map[string]string `json:"metadata,omitzero"`
}
