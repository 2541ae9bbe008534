package meta

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// Artifact is what a source gave at one revision, as it is kept and served.
type Artifact struct {
	// Path of the artifact in the store, relative to the store's root.
	//
	// +required
	Path string `json:"path,omitempty"`

	// Address under which the artifact is served.
	//
	// +required
	URL string `json:"url,omitempty"`

	// Revision of the source that the artifact was made from. The form depends
	// on the kind of source; for Git it is main@sha1:<commit>.
	//
	// +required
	Revision string `json:"revision,omitempty"`

	// Digest of the artifact's bytes, as <algorithm>:<checksum>.
	//
	// +required
	// +k8s:validation:pattern>^[a-z0-9]+(?:[.+_-][a-z0-9]+)*:[a-zA-Z0-9=_-]+$
	Digest string `json:"digest,omitempty"`

	// Time at which the artifact was last written.
	//
	// +required
	LastUpdateTime metav1.Time `json:"lastUpdateTime,omitzero"`

	// Size of the artifact in bytes.
	//
	// +optional
	Size *int64 `json:"size,omitempty"`

	// Facts about the artifact that the source told, such as the annotations of
	// an OCI manifest.
	//
	// +optional
	Metadata map[string]string `json:"metadata,omitzero"`
}

// HasRevision tells whether the artifact was made from this revision.
func (in *Artifact) HasRevision(revision string) bool {
	return in != nil && in.Revision == revision
}

// HasDigest tells whether the artifact's bytes have this digest.
func (in *Artifact) HasDigest(digest string) bool {
	return in != nil && in.Digest == digest
}
