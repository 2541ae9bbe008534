package generic

import (
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// The tests use a small kind of their own, so that they are about this package.

var leafKind = schema.GroupVersionKind{Group: "garden.example.com", Version: "v1", Kind: "Leaf"}

type leafSpec struct {
	Colour   string   `json:"colour,omitempty"`
	Veins    []string `json:"veins,omitempty"`
	Branch   string   `json:"branch,omitempty"`
	Withered bool     `json:"withered,omitempty"`
}

type leafStatus struct {
	ObservedGeneration int64              `json:"observedGeneration,omitempty"`
	Conditions         []metav1.Condition `json:"conditions,omitempty"`
	Note               string             `json:"note,omitempty"`
}

type leaf struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`
	Spec              leafSpec   `json:"spec,omitzero"`
	Status            leafStatus `json:"status,omitzero"`
}

func (l *leaf) OpenAPIModelName() string { return "com.example.garden.v1.Leaf" }

func (l *leaf) DeepCopyObject() runtime.Object {
	c := *l
	l.ObjectMeta.DeepCopyInto(&c.ObjectMeta)
	c.Spec.Veins = slices.Clone(l.Spec.Veins)
	c.Status.Conditions = slices.Clone(l.Status.Conditions)
	return &c
}

type leafList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []leaf `json:"items"`
}

func (l *leafList) DeepCopyObject() runtime.Object {
	c := *l
	c.Items = slices.Clone(l.Items)
	return &c
}

func newLeafKind() *Kind[*leaf, leafSpec, leafStatus] {
	return &Kind[*leaf, leafSpec, leafStatus]{
		GroupVersionKind: leafKind,
		Plural:           "leaves",
		Singular:         "leaf",
		New:              func() *leaf { return &leaf{} },
		NewList:          func() runtime.Object { return &leafList{} },
		Parts:            func(l *leaf) (*leafSpec, *leafStatus) { return &l.Spec, &l.Status },
		InitialStatus:    func() leafStatus { return leafStatus{ObservedGeneration: -1} },
		Suspend:          func(l *leaf, suspended bool) { l.Spec.Withered = suspended },
		Summary: func(l *leaf) Summary {
			return Summary{Suspended: l.Spec.Withered, Conditions: l.Status.Conditions, ObservedGeneration: l.Status.ObservedGeneration}
		},
		Columns: []Column{
			{Name: "Colour", Cell: Cell(func(l *leaf) any { return l.Spec.Colour })},
			AgeColumn(), ReadyColumn(), StatusColumn(), RevisionColumn(), SuspendedColumn(),
		},
		Selectable: []SelectableField[*leaf]{
			{Name: "spec.branch", Value: func(l *leaf) string { return l.Spec.Branch }, Indexed: true},
			{Name: "spec.colour", Value: func(l *leaf) string { return l.Spec.Colour }},
		},
	}
}

// noBlue is a schema that knows colours.
type noBlue struct{}

func (noBlue) Validate(model string, obj any) field.ErrorList {
	if l, ok := obj.(*leaf); ok && model == l.OpenAPIModelName() && l.Spec.Colour == "blue" {
		return field.ErrorList{field.Invalid(field.NewPath("spec", "colour"), l.Spec.Colour, "leaves are not blue")}
	}
	return nil
}

func newLeafStrategy() strategy[*leaf, leafSpec, leafStatus] {
	return newStrategy(newLeafKind(), Environment{Scheme: runtime.NewScheme(), Schema: noBlue{}})
}

func newLeaf(colour string) *leaf {
	return &leaf{
		ObjectMeta: metav1.ObjectMeta{Name: "first", Namespace: "garden", Generation: 3, ResourceVersion: "7", CreationTimestamp: metav1.NewTime(time.Unix(1000, 0))},
		Spec:       leafSpec{Colour: colour},
		Status:     leafStatus{ObservedGeneration: 3, Note: "seen"},
	}
}
