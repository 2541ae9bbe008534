package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// HistoryKind is the kind of a History.
const HistoryKind = "History"

// History lists the last runs of an object that did something, failed, or were
// asked for, the latest first.
//
// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object
type History struct {
	metav1.TypeMeta `json:",inline"`

	// Standard metadata of an object. Name and namespace are those of the object
	// that ran.
	//
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// The runs.
	//
	// +optional
	// +listType=atomic
	Entries []HistoryEntry `json:"entries,omitzero"`
}

// HistoryEntry is one run.
type HistoryEntry struct {
	// ID of the run: the request that it answered, or one of its own.
	//
	// +required
	ID string `json:"id,omitempty"`

	// Revision that the run worked on.
	//
	// +optional
	Revision string `json:"revision,omitempty"`

	// Digest of what was fetched or rendered.
	//
	// +optional
	Digest string `json:"digest,omitempty"`

	// Time at which the run began.
	//
	// +optional
	StartedAt metav1.Time `json:"startedAt,omitzero"`

	// How long the run took, as a Go duration such as 1.5s.
	//
	// +optional
	Duration string `json:"duration,omitempty"`

	// What made the object run: Spec, Request, Interval, Retry, Source,
	// Dependency, Config, Drift or Start. Several are separated by commas.
	//
	// +optional
	Trigger string `json:"trigger,omitempty"`

	// Who asked for the run, where a person or program did.
	//
	// +optional
	User string `json:"user,omitempty"`

	// How the run ended.
	//
	// +optional
	Phase RequestPhase `json:"phase,omitempty"`

	// Number of objects that the run created.
	//
	// +optional
	Created int32 `json:"created"`

	// Number of objects that the run changed.
	//
	// +optional
	Updated int32 `json:"updated"`

	// Number of objects that the run deleted.
	//
	// +optional
	Deleted int32 `json:"deleted"`

	// Outcome of the run, for people.
	//
	// +optional
	Message string `json:"message,omitempty"`
}
