package generic

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apiserver/pkg/storage"
)

func TestSelectors(t *testing.T) {
	kind := newLeafKind()
	l := newLeaf("green")
	l.Spec.Branch, l.Labels = "north", map[string]string{"tree": "oak"}
	tests := map[string]bool{
		"metadata.name=first":                       true,
		"metadata.name=second":                      false,
		"metadata.namespace=garden":                 true,
		"spec.branch=north,spec.colour=green":       true,
		"spec.branch=north,spec.colour!=green":      false,
		"spec.branch=":                              false,
		"metadata.namespace=garden,spec.branch=bad": false,
	}
	for selector, want := range tests {
		predicate := kind.match(labels.Everything(), fields.ParseSelectorOrDie(selector))
		got, err := predicate.Matches(l)
		if err != nil || got != want {
			t.Errorf("%s: got %t, %v", selector, got, err)
		}
		if diff := cmp.Diff([]string{"spec.branch"}, predicate.IndexFields); diff != "" {
			t.Errorf("index fields (-want +got):\n%s", diff)
		}
	}
	oaks, err := labels.Parse("tree=oak")
	if err != nil {
		t.Fatal(err)
	}
	predicate := kind.match(oaks, fields.Everything())
	if got, err := predicate.Matches(l); err != nil || !got {
		t.Errorf("by label: got %t, %v", got, err)
	}
	if _, _, err := kind.attributes(&leafList{}); err == nil {
		t.Error("the attributes of another type: no error")
	}
}

func TestIndexers(t *testing.T) {
	kind := newLeafKind()
	indexers := *kind.indexers()
	if len(indexers) != 1 {
		t.Fatalf("got %d indexers, want one", len(indexers))
	}
	l := newLeaf("green")
	l.Spec.Branch = "north"
	values, err := indexers[storage.FieldIndex("spec.branch")](l)
	if diff := cmp.Diff([]string{"north"}, values); diff != "" || err != nil {
		t.Errorf("values (-want +got):\n%s%v", diff, err)
	}
	if _, err := indexers[storage.FieldIndex("spec.branch")](&leafList{}); err == nil {
		t.Error("indexing another type: no error")
	}
	kind.Selectable = nil
	if kind.indexers() != nil {
		t.Error("a kind without indexed fields has indexers")
	}
}

func TestFieldLabels(t *testing.T) {
	scheme := runtime.NewScheme()
	if err := newLeafKind().AddFieldLabels(scheme); err != nil {
		t.Fatal(err)
	}
	for label, want := range map[string]bool{"metadata.name": true, "metadata.namespace": true, "spec.branch": true, "spec.colour": true, "spec.veins": false} {
		got, value, err := scheme.ConvertFieldLabel(leafKind, label, "x")
		if (err == nil) != want || want && (got != label || value != "x") {
			t.Errorf("%s: got %q, %q, %v", label, got, value, err)
		}
	}
}
