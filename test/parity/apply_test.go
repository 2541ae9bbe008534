package parity

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/managedfields"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"

	kustomizev1 "github.com/leat-dev/leat/pkg/apis/kustomize/v1"
	sourcev1 "github.com/leat-dev/leat/pkg/apis/source/v1"
)

// applier applies configurations to one object as the server does: the schema
// is the published one, the hub is the internal version of the same Go type.
type applier struct {
	t       *testing.T
	kind    *Kind
	scheme  *runtime.Scheme
	manager *managedfields.FieldManager
	live    runtime.Object
}

func newApplier(t *testing.T, kind *Kind) *applier {
	t.Helper()
	scheme := external(t)
	utilruntime.Must(sourcev1.AddInternalToScheme(scheme))
	utilruntime.Must(kustomizev1.AddInternalToScheme(scheme))
	converter, err := managedfields.NewTypeConverter(schemas(t), false)
	if err != nil {
		t.Fatal(err)
	}
	hub := schema.GroupVersion{Group: kind.Group, Version: runtime.APIVersionInternal}
	manager, err := managedfields.NewDefaultFieldManager(converter, scheme, scheme, scheme, kind.GroupVersionKind(), hub, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	live, err := scheme.New(hub.WithKind(kind.Kind))
	if err != nil {
		t.Fatal(err)
	}
	return &applier{t: t, kind: kind, scheme: scheme, manager: manager, live: live}
}

func (a *applier) apply(who, spec string, force bool) error {
	a.t.Helper()
	applied := &unstructured.Unstructured{Object: object(a.t, a.kind, spec)}
	result, err := a.manager.Apply(a.live.DeepCopyObject(), applied, who, force)
	if err != nil {
		return err
	}
	a.scheme.Default(result)
	a.live = result
	return nil
}

func (a *applier) mustApply(who, spec string) {
	a.t.Helper()
	if err := a.apply(who, spec, false); err != nil {
		a.t.Fatalf("%s applies %s: %v", who, spec, err)
	}
}

// owned gives the fields of the spec that somebody owns.
func (a *applier) owned(who string) []string {
	a.t.Helper()
	var paths []string
	for _, entry := range a.live.(metav1.Object).GetManagedFields() {
		if entry.Manager != who {
			continue
		}
		set := &fieldpath.Set{}
		if err := set.FromJSON(entry.FieldsV1.GetRawReader()); err != nil {
			a.t.Fatal(err)
		}
		set.Leaves().Iterate(func(path fieldpath.Path) {
			if text := strings.TrimPrefix(path.String(), "."); strings.HasPrefix(text, "spec.") {
				paths = append(paths, text)
			}
		})
	}
	return sorted(paths)
}

// TestApplyKeepsWhatWasWritten applies each of the specs that are easily lost:
// it must be stored as written, be owned to the last field, and applying it
// again must change nothing.
func TestApplyKeepsWhatWasWritten(t *testing.T) {
	for _, kind := range served(t) {
		for name, spec := range specs[kind.Kind] {
			t.Run(kind.Kind+"/"+name, func(t *testing.T) {
				a := newApplier(t, kind)
				a.mustApply("alice", spec)
				if diff := cmp.Diff(spec, specText(t, a.live)); diff != "" {
					t.Errorf("(- applied, + stored):\n%s", diff)
				}
				if diff := cmp.Diff(leaves(t, spec), a.owned("alice")); diff != "" {
					t.Errorf("ownership (- applied, + owned):\n%s", diff)
				}
				before := a.live.DeepCopyObject()
				a.mustApply("alice", spec)
				if diff := cmp.Diff(before, a.live); diff != "" {
					t.Errorf("applying again changes the object:\n%s", diff)
				}
			})
		}
	}
}

// leaves gives the paths of a spec at which server-side apply takes ownership:
// its scalars, its lists as a whole, and what is empty.
func leaves(t *testing.T, spec string) []string {
	t.Helper()
	var value any
	if err := json.Unmarshal([]byte(spec), &value); err != nil {
		t.Fatal(err)
	}
	var paths []string
	var walk func(path string, value any)
	walk = func(path string, value any) {
		object, ok := value.(map[string]any)
		if !ok || len(object) == 0 {
			paths = append(paths, path)
			return
		}
		for name, child := range object {
			walk(fmt.Sprintf("%s.%s", path, name), child)
		}
	}
	walk("spec", value)
	return sorted(paths)
}

func TestApplyOwnership(t *testing.T) {
	const base = `{"interval":"60m","patches":[{"patch":"a"}],"postBuild":{"substitute":{"a":"1"}},"prune":false,"sourceRef":{"kind":"Bucket","name":"a"},"wait":true}`
	tests := map[string]struct {
		spec     string
		conflict string // the field in conflict, empty for none
	}{
		"the same value is shared":              {`{"interval":"60m"}`, ""},
		"the same time in other words is not":   {`{"interval":"1h"}`, ".spec.interval"},
		"false is a value":                      {`{"prune":true}`, ".spec.prune"},
		"an empty list replaces a list":         {`{"patches":[]}`, ".spec.patches"},
		"a longer list replaces a list":         {`{"patches":[{"patch":"a"},{"patch":"b"}]}`, ".spec.patches"},
		"the values of a map are one by one":    {`{"postBuild":{"substitute":{"b":"2"}}}`, ""},
		"a value of a map has one owner":        {`{"postBuild":{"substitute":{"a":"2"}}}`, ".spec.postBuild.substitute.a"},
		"the fields of a reference, one by one": {`{"sourceRef":{"kind":"Bucket","namespace":"b"}}`, ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			a := newApplier(t, kindNamed(t, kustomizev1.KustomizationKind))
			a.mustApply("alice", base)
			err := a.apply("bob", test.spec, false)
			if test.conflict == "" {
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(leaves(t, test.spec), a.owned("bob")); diff != "" {
					t.Errorf("ownership (- applied, + owned):\n%s", diff)
				}
				return
			}
			if !apierrors.IsConflict(err) || !strings.Contains(err.Error(), test.conflict) {
				t.Fatalf("got %v, want a conflict on %s", err, test.conflict)
			}
			if err := a.apply("bob", test.spec, true); err != nil {
				t.Fatal(err)
			}
			field := strings.TrimPrefix(test.conflict, ".")
			if owned := a.owned("alice"); strings.Contains(strings.Join(owned, " ")+" ", field+" ") {
				t.Errorf("alice still owns %s after bob took it: %v", field, owned)
			}
		})
	}
}

func TestApplyTakesAwayWhatIsLeftOut(t *testing.T) {
	a := newApplier(t, kindNamed(t, kustomizev1.KustomizationKind))
	a.mustApply("alice", `{"commonMetadata":{"labels":{"a":"1","b":"2"}},"interval":"1m","prune":true,"sourceRef":{"kind":"Bucket","name":"a"},"suspend":false}`)
	a.mustApply("alice", `{"commonMetadata":{"labels":{"b":"2"}},"interval":"1m","prune":true,"sourceRef":{"kind":"Bucket","name":"a"}}`)
	want := `{"commonMetadata":{"labels":{"b":"2"}},"force":false,"interval":"1m","prune":true,"sourceRef":{"kind":"Bucket","name":"a"}}`
	if diff := cmp.Diff(want, specText(t, a.live)); diff != "" {
		t.Errorf("(- want, + got):\n%s", diff)
	}
}
