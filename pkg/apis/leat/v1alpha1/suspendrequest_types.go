package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// The kinds of requests that hold and continue reconciliation.
const (
	SuspendRequestKind = "SuspendRequest"
	ResumeRequestKind  = "ResumeRequest"
)

// SuspendRequest asks for an object to be left alone. It is posted to the
// subresource suspend of the object, and comes back with the answer.
//
// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object
type SuspendRequest struct {
	metav1.TypeMeta `json:",inline"`

	// Standard metadata of an object. The name is the one of the object to
	// suspend.
	//
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// How to suspend.
	//
	// +optional
	Spec SuspendRequestSpec `json:"spec,omitzero"`

	// What became of the request; set by the server.
	//
	// +optional
	Status SuspensionStatus `json:"status,omitzero"`
}

// SuspendRequestSpec says how to suspend.
type SuspendRequestSpec struct {
	// Why the object is suspended, for people.
	//
	// +optional
	// +k8s:validation:maxLength=1024
	Reason string `json:"reason,omitempty"`

	// When the object resumes by itself: a time (RFC 3339), or a duration from now
	// such as 2h. Defaults to never.
	//
	// +optional
	// +k8s:validation:maxLength=64
	Until string `json:"until,omitempty"`
}

// SuspensionStatus says whether an object is suspended, and by whom.
type SuspensionStatus struct {
	// Whether the object is suspended now.
	//
	// +optional
	Suspended bool `json:"suspended"`

	// Who suspended or resumed it.
	//
	// +optional
	By string `json:"by,omitempty"`

	// Why it is suspended.
	//
	// +optional
	Reason string `json:"reason,omitempty"`

	// When it resumes by itself.
	//
	// +optional
	Until *metav1.Time `json:"until,omitempty"`
}

// ResumeRequest asks for an object that is suspended to be reconciled again. It
// is posted to the subresource resume of the object, and comes back with the
// answer.
//
// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object
type ResumeRequest struct {
	metav1.TypeMeta `json:",inline"`

	// Standard metadata of an object. The name is the one of the object to resume.
	//
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// How to resume.
	//
	// +optional
	Spec ResumeRequestSpec `json:"spec,omitzero"`

	// What became of the request; set by the server.
	//
	// +optional
	Status SuspensionStatus `json:"status,omitzero"`
}

// ResumeRequestSpec says how to resume.
type ResumeRequestSpec struct {
	// Why the object is resumed, for people.
	//
	// +optional
	// +k8s:validation:maxLength=1024
	Reason string `json:"reason,omitempty"`
}
