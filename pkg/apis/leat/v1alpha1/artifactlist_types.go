package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// ArtifactListKind is the kind of an ArtifactList.
const ArtifactListKind = "ArtifactList"

// ArtifactList is the table of contents of an artifact, as the subresource
// artifact of a source gives it with output=list. It is one object, not a list
// of objects.
//
// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object
type ArtifactList struct {
	metav1.TypeMeta `json:",inline"`

	// Standard metadata of an object. Name and namespace are those of the source.
	//
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// Revision of the source that the artifact was made from.
	//
	// +optional
	Revision string `json:"revision,omitempty"`

	// Digest of the artifact's bytes, as <algorithm>:<checksum>.
	//
	// +optional
	Digest string `json:"digest,omitempty"`

	// Size of the artifact in bytes.
	//
	// +optional
	Size int64 `json:"size,omitempty"`

	// Files of the artifact, sorted by path.
	//
	// +optional
	// +listType=atomic
	Files []ArtifactFile `json:"files,omitzero"`
}

// ArtifactFile is one file of an artifact.
type ArtifactFile struct {
	// Path of the file, relative to the artifact's root.
	//
	// +required
	Path string `json:"path,omitempty"`

	// Size of the file in bytes.
	//
	// +optional
	Size int64 `json:"size"`

	// Permissions of the file in octal, such as 0600.
	//
	// +optional
	Mode string `json:"mode,omitempty"`

	// Digest of the file's bytes, as <algorithm>:<checksum>.
	//
	// +optional
	Digest string `json:"digest,omitempty"`
}
