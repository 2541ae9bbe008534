package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// ReconcileRequestKind is the kind of a ReconcileRequest.
const ReconcileRequestKind = "ReconcileRequest"

// MaxReconcileWaitSeconds is the longest that a request may wait for its run.
const MaxReconcileWaitSeconds = 30

// RequestPhase says how far the run is that a request asked for.
//
// +enum
type RequestPhase string

const (
	// RequestQueued means that the run has not begun.
	RequestQueued RequestPhase = "Queued"
	// RequestRunning means that the run has begun and not ended.
	RequestRunning RequestPhase = "Running"
	// RequestSucceeded means that the run ended well.
	RequestSucceeded RequestPhase = "Succeeded"
	// RequestFailed means that the run ended with an error.
	RequestFailed RequestPhase = "Failed"
	// RequestSuspended means that the object is suspended, so that nothing runs.
	RequestSuspended RequestPhase = "Suspended"
)

// ReconcileRequest asks for a run of an object now. It is posted to the
// subresource reconcile of the object, and comes back with the answer.
//
// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object
type ReconcileRequest struct {
	metav1.TypeMeta `json:",inline"`

	// Standard metadata of an object. The name is the one of the object to run.
	//
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// What to run.
	//
	// +optional
	Spec ReconcileRequestSpec `json:"spec,omitzero"`

	// What became of the request; set by the server.
	//
	// +optional
	Status ReconcileRequestStatus `json:"status,omitzero"`
}

// ReconcileRequestSpec says what to run.
type ReconcileRequestSpec struct {
	// Whether to run the source of the object first.
	//
	// +optional
	WithSource bool `json:"withSource,omitempty"`

	// Whether to act also where nothing has changed.
	//
	// +optional
	Force bool `json:"force,omitempty"`

	// Whether to forget earlier failures.
	//
	// +optional
	Reset bool `json:"reset,omitempty"`

	// How many seconds the answer may wait for the end of the run, from 0 to 30.
	// Defaults to 0, which answers as soon as the request is accepted.
	//
	// +optional
	// +k8s:validation:minimum=0
	// +k8s:validation:maximum=30
	WaitSeconds int32 `json:"waitSeconds,omitempty"`
}

// ReconcileRequestStatus says what became of the request.
type ReconcileRequestStatus struct {
	// Value of the annotation reconcile.fluxcd.io/requestedAt that the request
	// set. The run has answered it when status.lastHandledReconcileAt of the
	// object is the same.
	//
	// +optional
	RequestID string `json:"requestID,omitempty"`

	// How far the run is.
	//
	// +optional
	Phase RequestPhase `json:"phase,omitempty"`

	// Revision that the run worked on.
	//
	// +optional
	Revision string `json:"revision,omitempty"`

	// Outcome of the run, for people.
	//
	// +optional
	Message string `json:"message,omitempty"`

	// Time at which the run began.
	//
	// +optional
	StartedAt *metav1.Time `json:"startedAt,omitempty"`

	// Time at which the run ended.
	//
	// +optional
	FinishedAt *metav1.Time `json:"finishedAt,omitempty"`
}
