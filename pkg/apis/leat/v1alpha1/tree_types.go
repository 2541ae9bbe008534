package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// TreeKind is the kind of a Tree.
const TreeKind = "Tree"

// Tree shows what an object manages and what that has led to, down to Pods.
//
// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object
type Tree struct {
	metav1.TypeMeta `json:",inline"`

	// Standard metadata of an object. Name and namespace are those of the root.
	//
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// The object itself, with what it manages below.
	//
	// +optional
	Root TreeNode `json:"root,omitzero"`
}

// TreeNode is one object in a tree.
type TreeNode struct {
	// API version of the object.
	//
	// +optional
	APIVersion string `json:"apiVersion,omitempty"`

	// Kind of the object.
	//
	// +optional
	Kind string `json:"kind,omitempty"`

	// Namespace of the object, empty for objects of the whole cluster.
	//
	// +optional
	Namespace string `json:"namespace,omitempty"`

	// Name of the object.
	//
	// +optional
	Name string `json:"name,omitempty"`

	// How the object is: Current, InProgress, Failed, Terminating, NotFound,
	// Suspended or Unknown.
	//
	// +optional
	Status string `json:"status,omitempty"`

	// Why it is so, for people.
	//
	// +optional
	Message string `json:"message,omitempty"`

	// Revision that the object is at, for kinds that have one.
	//
	// +optional
	Revision string `json:"revision,omitempty"`

	// Whether the object's state is left out because the caller may not read it.
	//
	// +optional
	Redacted bool `json:"redacted,omitempty"`

	// What the object has led to.
	//
	// +optional
	// +listType=atomic
	Children []TreeNode `json:"children,omitzero"`
}
