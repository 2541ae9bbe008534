package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// ArtifactOptionsKind is the kind of ArtifactOptions.
const ArtifactOptionsKind = "ArtifactOptions"

// ArtifactOptions are the query parameters of the subresource artifact of a
// source. Admission policies see them as the object of a CONNECT.
//
// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object
type ArtifactOptions struct {
	metav1.TypeMeta `json:",inline"`

	// What is given: tar gives a tar.gz, list an ArtifactList. Defaults to tar.
	//
	// +optional
	Output string `json:"output,omitempty"`

	// Revision of the source that a retained artifact was made from. Defaults to
	// the current one.
	//
	// +optional
	Revision string `json:"revision,omitempty"`

	// Digest of the tar.gz of a retained artifact. Defaults to the current one.
	//
	// +optional
	Digest string `json:"digest,omitempty"`

	// File of the artifact, or a directory where output is list. It is what
	// follows the subresource in the URL. Defaults to the whole artifact.
	//
	// +optional
	Path string `json:"path,omitempty"`
}

// SwaggerDoc gives what OpenAPI says of each parameter.
func (ArtifactOptions) SwaggerDoc() map[string]string {
	return map[string]string{
		"output":   "What is given: tar gives a tar.gz, list an ArtifactList. Defaults to tar.",
		"revision": "Revision of the source that a retained artifact was made from. Defaults to the current one.",
		"digest":   "Digest of the tar.gz of a retained artifact. Defaults to the current one.",
		"path":     "Ignored: the file is what follows the subresource in the URL.",
	}
}
