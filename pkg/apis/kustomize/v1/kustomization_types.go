package v1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/leat-dev/leat/pkg/apis/meta"
)

// KustomizationKind is the kind of a Kustomization.
const KustomizationKind = "Kustomization"

// Kustomization builds manifests from the artifact of a source, applies them to
// a cluster, and keeps the cluster so.
//
// +genclient
// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object
type Kustomization struct {
	metav1.TypeMeta `json:",inline"`

	// Standard metadata of an object.
	//
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// What to build and apply, and how.
	//
	// +optional
	Spec KustomizationSpec `json:"spec,omitzero"`

	// What was applied last, and how the last run went.
	//
	// +optional
	Status KustomizationStatus `json:"status,omitzero"`
}

// KustomizationSpec says what to build and apply, and how.
type KustomizationSpec struct {
	// Source whose artifact holds the manifests.
	//
	// +required
	SourceRef CrossNamespaceSourceReference `json:"sourceRef,omitzero"`

	// Directory of the artifact to build. Defaults to its root. Where the
	// directory has no kustomization.yaml, one is made of all manifests in it and
	// below.
	//
	// +optional
	Path *string `json:"path,omitempty"`

	// How often everything is compared with the cluster and put right, such as
	// 10m or 1h. A new artifact is applied at once, whatever the interval.
	//
	// +required
	// +k8s:validation:pattern>^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$
	Interval meta.Duration `json:"interval,omitempty"`

	// How soon a failed run is tried again. Defaults to the interval.
	//
	// +optional
	// +k8s:validation:pattern>^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$
	RetryInterval *meta.Duration `json:"retryInterval,omitempty"`

	// How long building, applying and health checks may take together. Defaults
	// to 30 seconds less than the interval; less than 30 seconds counts as 30
	// seconds.
	//
	// +optional
	// +k8s:validation:pattern>^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$
	Timeout *meta.Duration `json:"timeout,omitempty"`

	// Whether to delete what this Kustomization applied and what is no longer
	// among its manifests.
	//
	// +required
	Prune *bool `json:"prune,omitempty"`

	// What becomes of the applied objects when the Kustomization is deleted.
	// Defaults to MirrorPrune.
	//
	// +optional
	DeletionPolicy *DeletionPolicy `json:"deletionPolicy,omitempty"`

	// Whether to wait until everything that was applied is healthy. It takes the
	// place of healthChecks.
	//
	// +optional
	Wait *bool `json:"wait,omitempty"`

	// Objects to wait for after applying. They are ignored where wait is true.
	//
	// +optional
	// +listType=atomic
	HealthChecks []meta.NamespacedObjectKindReference `json:"healthChecks,omitzero"`

	// How to tell the health of kinds that do not report it in the usual way.
	//
	// +optional
	// +listType=atomic
	HealthCheckExprs []CustomHealthCheck `json:"healthCheckExprs,omitzero"`

	// Kustomizations that must be ready before this one runs.
	//
	// +optional
	// +listType=atomic
	DependsOn []DependencyReference `json:"dependsOn,omitzero"`

	// Whether to leave the object alone. While it is true nothing is applied,
	// pruned or put right, also not when it is deleted.
	//
	// +optional
	Suspend *bool `json:"suspend,omitempty"`

	// Whether to delete and create again what cannot be changed in place because
	// a field is immutable.
	//
	// +optional
	// +default=false
	Force *bool `json:"force,omitempty"`

	// ServiceAccount in the same namespace in whose name everything is applied.
	// Defaults to the one that the server was told to use, or to its own rights.
	//
	// +optional
	ServiceAccountName *string `json:"serviceAccountName,omitempty"`

	// Cluster to apply to. Defaults to the cluster that this object is in.
	//
	// +optional
	KubeConfig *meta.KubeConfigReference `json:"kubeConfig,omitempty"`

	// Namespace that all namespaced objects are moved to. It may have up to 63
	// characters.
	//
	// +optional
	// +k8s:validation:minLength=1
	// +k8s:validation:maxLength=63
	TargetNamespace *string `json:"targetNamespace,omitempty"`

	// Text put before the name of each object. It may have up to 200 characters.
	//
	// +optional
	// +k8s:validation:minLength=1
	// +k8s:validation:maxLength=200
	NamePrefix *string `json:"namePrefix,omitempty"`

	// Text put after the name of each object. It may have up to 200 characters.
	//
	// +optional
	// +k8s:validation:minLength=1
	// +k8s:validation:maxLength=200
	NameSuffix *string `json:"nameSuffix,omitempty"`

	// Labels and annotations for each object.
	//
	// +optional
	CommonMetadata *CommonMetadata `json:"commonMetadata,omitempty"`

	// Changes to the objects, made in this order.
	//
	// +optional
	// +listType=atomic
	Patches []Patch `json:"patches,omitzero"`

	// Other names, tags or digests for container images.
	//
	// +optional
	// +listType=atomic
	Images []Image `json:"images,omitzero"`

	// Kustomize components to build in, as directories relative to path.
	//
	// +optional
	// +listType=atomic
	Components []string `json:"components,omitzero"`

	// Whether to go on without a component whose directory does not exist.
	//
	// +optional
	IgnoreMissingComponents *bool `json:"ignoreMissingComponents,omitempty"`

	// What kustomize notes in annotations of each object: where it came from, and
	// what changed it.
	//
	// +optional
	// +listType=atomic
	BuildMetadata []BuildMetadataOption `json:"buildMetadata,omitzero"`

	// Variables to put into the manifests after they are built.
	//
	// +optional
	PostBuild *PostBuild `json:"postBuild,omitempty"`

	// How to decrypt what is encrypted in the artifact.
	//
	// +optional
	Decryption *Decryption `json:"decryption,omitempty"`

	// Fields of the objects that are left to others: a difference in them is not
	// put right.
	//
	// +optional
	// +listType=atomic
	Ignore []IgnoreRule `json:"ignore,omitzero"`
}

// KustomizationStatus says what was applied last, and how the last run went.
type KustomizationStatus struct {
	// Generation of the spec that the last completed run acted on; -1 before the
	// first.
	//
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// State of the object. Ready says whether the last revision is applied and,
	// where that was asked for, healthy; where it is not, the others say why.
	//
	// +optional
	// +listType=atomic
	Conditions []metav1.Condition `json:"conditions,omitzero"`

	// Revision that was applied last, such as main@sha1:<commit>.
	//
	// +optional
	LastAppliedRevision string `json:"lastAppliedRevision,omitempty"`

	// Revision of the code that the last applied artifact was built from, where
	// the artifact tells it.
	//
	// +optional
	LastAppliedOriginRevision string `json:"lastAppliedOriginRevision,omitempty"`

	// Revision that the last run tried to apply.
	//
	// +optional
	LastAttemptedRevision string `json:"lastAttemptedRevision,omitempty"`

	// Objects that were applied and are looked after.
	//
	// +optional
	Inventory *ResourceInventory `json:"inventory,omitempty"`

	// The latest different outcomes, newest first, up to five.
	//
	// +optional
	// +listType=atomic
	History []Snapshot `json:"history,omitzero"`

	// Value of the annotation reconcile.fluxcd.io/requestedAt that the last run
	// answered.
	//
	// +optional
	LastHandledReconcileAt string `json:"lastHandledReconcileAt,omitempty"`
}

// KustomizationList is a list of Kustomizations.
//
// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object
type KustomizationList struct {
	metav1.TypeMeta `json:",inline"`

	// Standard metadata of a list.
	//
	// +optional
	metav1.ListMeta `json:"metadata,omitempty"`

	// The Kustomizations.
	Items []Kustomization `json:"items"`
}
