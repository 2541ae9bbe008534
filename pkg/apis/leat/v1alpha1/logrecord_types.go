package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// LogRecord is one line of the log of an object's runs, as the subresource log
// gives it with output=ndjson. It travels without apiVersion and kind: a log has
// a line for each.
type LogRecord struct {
	// Time of the record.
	//
	// +required
	Time metav1.MicroTime `json:"time"`

	// Request that the run answers, or the run's own ID.
	//
	// +optional
	RequestID string `json:"requestID,omitempty"`

	// Revision that the run works on, once that is known.
	//
	// +optional
	Revision string `json:"revision,omitempty"`

	// What the run is doing: fetch, verify, build, plan, validate, apply, prune,
	// health or notify.
	//
	// +optional
	Stage string `json:"stage,omitempty"`

	// How much the record matters: debug, info, warning or error.
	//
	// +optional
	Level string `json:"level,omitempty"`

	// What happened.
	//
	// +optional
	Message string `json:"message,omitempty"`

	// Object that the record is about, as Kind/namespace/name.
	//
	// +optional
	Object string `json:"object,omitempty"`

	// How long what is told took, in milliseconds.
	//
	// +optional
	DurationMS int64 `json:"durationMS,omitempty"`

	// How the run ended. Only its last record has it.
	//
	// +optional
	Phase RequestPhase `json:"phase,omitempty"`
}
