package generic

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestPrepareForCreate(t *testing.T) {
	l := newLeaf("green")
	newLeafStrategy().PrepareForCreate(t.Context(), l)
	if l.Generation != 1 {
		t.Errorf("generation is %d, want 1", l.Generation)
	}
	if diff := cmp.Diff(leafStatus{ObservedGeneration: -1}, l.Status); diff != "" {
		t.Errorf("status (-want +got):\n%s", diff)
	}
}

func TestPrepareForUpdateMovesTheGenerationWithTheSpec(t *testing.T) {
	tests := map[string]struct {
		change func(*leaf)
		want   int64
	}{
		"nothing":                   {func(*leaf) {}, 3},
		"label":                     {func(l *leaf) { l.Labels = map[string]string{"a": "b"} }, 3},
		"annotation":                {func(l *leaf) { l.Annotations = map[string]string{"a": "b"} }, 3},
		"finalizer":                 {func(l *leaf) { l.Finalizers = []string{"example.com/a"} }, 3},
		"status":                    {func(l *leaf) { l.Status.Note = "forged" }, 3},
		"spec":                      {func(l *leaf) { l.Spec.Colour = "red" }, 4},
		"an empty list, not absent": {func(l *leaf) { l.Spec.Veins = []string{} }, 3},
		"a list":                    {func(l *leaf) { l.Spec.Veins = []string{"a"} }, 4},
	}
	for name, test := range tests {
		old := newLeaf("green")
		changed := old.DeepCopyObject().(*leaf)
		test.change(changed)
		newLeafStrategy().PrepareForUpdate(t.Context(), changed, old)
		if changed.Generation != test.want {
			t.Errorf("%s: generation is %d, want %d", name, changed.Generation, test.want)
		}
		if diff := cmp.Diff(old.Status, changed.Status); diff != "" {
			t.Errorf("%s: status (-stored +got):\n%s", name, diff)
		}
	}
}

func TestStatusUpdateTakesTheStatusOnly(t *testing.T) {
	old := newLeaf("green")
	old.Labels = map[string]string{"kept": "yes"}
	old.ManagedFields = []metav1.ManagedFieldsEntry{{Manager: "author"}}
	changed := newLeaf("red")
	changed.Labels = map[string]string{"forged": "yes"}
	changed.Annotations = map[string]string{"forged": "yes"}
	changed.Finalizers = []string{"example.com/forged"}
	changed.Generation = 9
	changed.ManagedFields = []metav1.ManagedFieldsEntry{{Manager: "reconciler", Subresource: "status"}}
	changed.Status = leafStatus{ObservedGeneration: 3, Note: "done"}

	want := old.DeepCopyObject().(*leaf)
	want.Status = changed.Status
	want.ManagedFields = changed.ManagedFields
	status := statusStrategy[*leaf, leafSpec, leafStatus]{newLeafStrategy()}
	status.PrepareForUpdate(t.Context(), changed, old)
	if diff := cmp.Diff(want, changed); diff != "" {
		t.Errorf("object (-want +got):\n%s", diff)
	}
	changed.Labels["kept"] = "changed"
	if old.Labels["kept"] != "yes" {
		t.Error("the new object shares the labels of the stored one")
	}
}

func TestValidateUpdateForgivesWhatWasThere(t *testing.T) {
	s := newLeafStrategy()
	blue := newLeaf("blue")
	if errs := s.Validate(t.Context(), blue); len(errs) != 1 || errs[0].Field != "spec.colour" {
		t.Fatalf("a blue leaf: %v", errs)
	}
	released := blue.DeepCopyObject().(*leaf)
	released.Finalizers = nil
	if errs := s.ValidateUpdate(t.Context(), released, blue); len(errs) != 0 {
		t.Errorf("an update of a blue leaf that keeps it blue: %v", errs)
	}
	if errs := s.ValidateUpdate(t.Context(), blue, newLeaf("green")); len(errs) != 1 {
		t.Errorf("an update to blue: %v", errs)
	}
	large := blue.DeepCopyObject().(*leaf)
	large.Spec.Branch = strings.Repeat("x", MaxObjectBytes)
	if errs := s.ValidateUpdate(t.Context(), large, blue); len(errs) != 1 || errs[0].Field != "spec.branch" {
		t.Errorf("an update that brings a new error: %v", errs)
	}
}

func TestValidateMetadata(t *testing.T) {
	s := newLeafStrategy()
	for name, change := range map[string]func(*leaf){
		"metadata.name":      func(l *leaf) { l.Name = "No_Name" },
		"metadata.namespace": func(l *leaf) { l.Namespace = "" },
		"metadata.labels":    func(l *leaf) { l.Labels = map[string]string{"a": "b c"} },
	} {
		l := newLeaf("green")
		change(l)
		if errs := s.Validate(t.Context(), l); len(errs) != 1 || errs[0].Field != name {
			t.Errorf("%s: got %v", name, errs)
		}
	}
}

func TestFinalizerWarnings(t *testing.T) {
	s := newLeafStrategy()
	l := newLeaf("green")
	l.Finalizers = []string{"plain", "finalizers.fluxcd.io", "example.com/a", metav1.FinalizerOrphanDependents, metav1.FinalizerDeleteDependents}
	warnings := s.WarningsOnCreate(t.Context(), l)
	if len(warnings) != 1 || !strings.Contains(warnings[0], `"plain"`) {
		t.Errorf("on create: %q", warnings)
	}
	if warnings := s.WarningsOnUpdate(t.Context(), l, l); len(warnings) != 0 {
		t.Errorf("on an update that brings none: %q", warnings)
	}
}

func TestResetFields(t *testing.T) {
	main := newLeafStrategy()
	status := statusStrategy[*leaf, leafSpec, leafStatus]{main}
	if got := main.GetResetFields()["garden.example.com/v1"].String(); !strings.HasPrefix(got, ".status\n") {
		t.Errorf("of the spec's writer: %q", got)
	}
	if got := status.GetResetFields()["garden.example.com/v1"].String(); got != ".metadata\n.spec" {
		t.Errorf("of the status' writer: %q", got)
	}
}

func TestPolicies(t *testing.T) {
	s := newLeafStrategy()
	if !s.NamespaceScoped() || s.AllowCreateOnUpdate(t.Context()) || s.AllowUnconditionalUpdate(t.Context()) {
		t.Error("the policies are not those of custom resources")
	}
}

func TestSizeNamesTheLargestPart(t *testing.T) {
	tests := map[string]struct {
		change func(*leaf)
		want   string
	}{
		"just fits":   {func(l *leaf) { l.Spec.Colour = strings.Repeat("x", MaxObjectBytes-1024) }, ""},
		"a field":     {func(l *leaf) { l.Spec.Colour = strings.Repeat("x", MaxObjectBytes) }, "spec.colour"},
		"two halves":  {func(l *leaf) { l.Spec.Colour, l.Spec.Branch = half(), half() }, "spec"},
		"annotations": {func(l *leaf) { l.Annotations = map[string]string{"a": half(), "b": half()} }, "metadata.annotations"},
		"status":      {func(l *leaf) { l.Status.Note = strings.Repeat("x", MaxObjectBytes) }, "status.note"},
		"many places": {func(l *leaf) { l.Spec.Colour, l.Status.Note, l.Name = third(), third(), third() }, "<nil>"},
	}
	for name, test := range tests {
		l := newLeaf("green")
		test.change(l)
		errs := validateSize(l)
		switch {
		case test.want == "" && len(errs) != 0:
			t.Errorf("%s: %v", name, errs)
		case test.want != "" && (len(errs) != 1 || errs[0].Field != test.want || !strings.Contains(errs[0].Detail, "1540096")):
			t.Errorf("%s: got %v, want %s", name, errs, test.want)
		}
	}
}

func half() string  { return strings.Repeat("x", MaxObjectBytes/2) }
func third() string { return strings.Repeat("x", MaxObjectBytes/3) }
