package generic

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// Object is a pointer to the Go type of a namespaced kind.
type Object interface {
	runtime.Object
	metav1.Object

	// OpenAPIModelName is generated; it names the schema of the kind.
	OpenAPIModelName() string
}

// Kind says what sets one kind apart from the others. All fields are required
// unless their comment says otherwise.
type Kind[O Object, Spec, Status any] struct {
	// GroupVersionKind is what the kind is served as, and the only version of it.
	GroupVersionKind schema.GroupVersionKind

	// Plural and Singular name the resource.
	Plural, Singular string

	// ShortNames and Categories are what kubectl accepts for the resource. Optional.
	ShortNames, Categories []string

	New     func() O
	NewList func() runtime.Object

	// Parts returns pointers into the object, so that the strategies can keep one
	// part and take the other.
	Parts func(O) (*Spec, *Status)

	// InitialStatus makes the status of an object that was never reconciled.
	InitialStatus func() Status

	// Suspend sets spec.suspend.
	Suspend func(O, bool)

	// Summary reads what the columns and subresources of all kinds need to know.
	Summary func(O) Summary

	// Columns are what kubectl get prints after the name, in order.
	Columns []Column

	// Selectable are the fields that a field selector may name besides
	// metadata.name and metadata.namespace. Optional.
	Selectable []SelectableField[O]

	// Validate checks what a schema cannot say. Optional.
	Validate func(O) field.ErrorList
}

// Resource is the plural name with its group.
func (k *Kind[O, Spec, Status]) Resource() schema.GroupResource {
	return schema.GroupResource{Group: k.GroupVersionKind.Group, Resource: k.Plural}
}

// Summary is the part of an object's state that every kind has in some form.
type Summary struct {
	// Suspended tells that the object is not reconciled.
	Suspended bool

	// Conditions of the object's status.
	Conditions []metav1.Condition

	// Revision is what the last successful run led to, empty before it.
	Revision string

	// Attempted is the revision that the last run worked on, whatever came of it.
	Attempted string

	// Artifact is the digest of the artifact that is current, empty for kinds and
	// objects that have none.
	Artifact string

	// HandledAt is the value of the request annotation that the last run answered.
	HandledAt string

	// ObservedGeneration is the generation of the last run.
	ObservedGeneration int64
}

// Condition returns the condition of the given type, or nil.
func (s Summary) Condition(conditionType string) *metav1.Condition {
	for i := range s.Conditions {
		if s.Conditions[i].Type == conditionType {
			return &s.Conditions[i]
		}
	}
	return nil
}
