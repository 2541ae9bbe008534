package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// The kinds of requests for previews.
const (
	BuildRequestKind = "BuildRequest"
	DiffRequestKind  = "DiffRequest"
)

// BuildRequest asks what an object would be rendered to from another revision
// of its source. It is posted to the subresource build of the object; the answer
// is the manifests.
//
// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object
type BuildRequest struct {
	metav1.TypeMeta `json:",inline"`

	// Standard metadata of an object. The name is the one of the object to build.
	//
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// What to build.
	//
	// +optional
	Spec BuildRequestSpec `json:"spec,omitzero"`
}

// BuildRequestSpec says what to build.
type BuildRequestSpec struct {
	// Revision of the source: a branch, a tag, a commit's ID, or a reference such
	// as refs/pull/1/head. It is fetched, and published nowhere. Defaults to what
	// the spec of the source names, as it is now.
	//
	// +optional
	// +k8s:validation:maxLength=1024
	Revision string `json:"revision,omitempty"`

	// Objects to show. Defaults to all.
	//
	// +optional
	// +listType=atomic
	// +k8s:validation:maxItems=100
	Show []ObjectFilter `json:"show,omitzero"`
}

// ObjectFilter selects objects. Fields that are empty match everything.
type ObjectFilter struct {
	// API version of the objects, for example apps/v1.
	//
	// +optional
	APIVersion string `json:"apiVersion,omitempty"`

	// Kind of the objects.
	//
	// +optional
	Kind string `json:"kind,omitempty"`

	// Namespace of the objects.
	//
	// +optional
	Namespace string `json:"namespace,omitempty"`

	// Name of the objects.
	//
	// +optional
	Name string `json:"name,omitempty"`
}

// DiffRequest asks what another revision of its source would change in the
// cluster. It is posted to the subresource diff of the object; the answer is a
// DiffResult.
//
// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object
type DiffRequest struct {
	metav1.TypeMeta `json:",inline"`

	// Standard metadata of an object. The name is the one of the object to
	// compare.
	//
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// What to compare with the cluster.
	//
	// +optional
	Spec DiffRequestSpec `json:"spec,omitzero"`
}

// DiffRequestSpec says what to compare with the cluster.
type DiffRequestSpec struct {
	BuildRequestSpec `json:",inline"`

	// Whether to show what would be deleted. Defaults to what the object says.
	//
	// +optional
	Prune *bool `json:"prune,omitempty"`
}
