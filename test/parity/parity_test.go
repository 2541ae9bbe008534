package parity

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	serializer "k8s.io/apimachinery/pkg/runtime/serializer/json"
	"k8s.io/apimachinery/pkg/util/validation/field"

	kustomizev1 "github.com/leat-dev/leat/pkg/apis/kustomize/v1"
	kustomizevalidation "github.com/leat-dev/leat/pkg/apis/kustomize/v1/validation"
	"github.com/leat-dev/leat/pkg/apis/schema"
	sourcev1 "github.com/leat-dev/leat/pkg/apis/source/v1"
	sourcevalidation "github.com/leat-dev/leat/pkg/apis/source/v1/validation"
)

func TestDataIsComplete(t *testing.T) {
	kinds, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	if len(kinds) != 15 {
		t.Errorf("data of %d kinds, want 15", len(kinds))
	}
	lines := 0
	for _, kind := range kinds {
		lines += len(kind.Fields)
		if _, err := newTree(kind); err != nil {
			t.Errorf("%s: %v", kind.Kind, err)
		}
	}
	if lines != 900 {
		t.Errorf("%d lines, want 900", lines)
	}
}

func TestPublishedSchema(t *testing.T) {
	doc := document(t)
	for _, kind := range served(t) {
		t.Run(kind.Kind, func(t *testing.T) {
			differences, err := CheckPublished(doc, kind)
			if err != nil {
				t.Fatal(err)
			}
			for _, difference := range differences {
				t.Error(difference)
			}
		})
	}
}

// TestWrongLinesAreFound changes each fact of each line in turn, and takes each
// line away: a check that cannot fail says nothing.
func TestWrongLinesAreFound(t *testing.T) {
	doc := document(t)
	for _, kind := range served(t) {
		t.Run(kind.Kind, func(t *testing.T) {
			published, err := ReadPublished(doc, kind)
			if err != nil {
				t.Fatal(err)
			}
			tried := 0
			for i, field := range kind.Fields {
				for fact, wrong := range Wrong(field) {
					lines := append([]Field(nil), kind.Fields...)
					lines[i] = wrong
					mustDiffer(t, published, lines, field.Path+" "+fact)
					tried++
				}
				mustDiffer(t, published, append(append([]Field(nil), kind.Fields[:i]...), kind.Fields[i+1:]...), field.Path+" left out")
			}
			if tried < 8*len(kind.Fields) {
				t.Errorf("only %d wrong facts tried on %d lines", tried, len(kind.Fields))
			}
			extra := append(append([]Field(nil), kind.Fields...), Field{Path: "spec.invented", Facts: Facts{Type: "string"}})
			mustDiffer(t, published, extra, "spec.invented")
		})
	}
}

func TestCases(t *testing.T) {
	accept := newAdmission(t)
	for _, kind := range served(t) {
		cases, err := Cases(kind)
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%s: %d cases", kind.Kind, len(cases))
		for _, c := range cases {
			t.Run(kind.Kind+"/"+c.Name(), func(t *testing.T) {
				if err := Check(kind, c, accept.try); err != nil {
					t.Error(err)
				}
			})
		}
	}
}

// TestCheckCanFail gives the checks an admission that accepts all, one that
// refuses all, and one that loses a field.
func TestCheckCanFail(t *testing.T) {
	accept := newAdmission(t)
	servers := map[string]Try{
		"accepts all": func(c Case) (*unstructured.Unstructured, error) { return c.Object, nil },
		"refuses all": func(Case) (*unstructured.Unstructured, error) { return nil, fmt.Errorf("no") },
		"forgets": func(c Case) (*unstructured.Unstructured, error) {
			got, err := accept.try(c)
			if err == nil {
				unstructured.RemoveNestedField(got.Object, strings.Split(c.Path, ".")...)
			}
			return got, err
		},
	}
	for name, try := range servers {
		for _, kind := range served(t) {
			cases, err := Cases(kind)
			if err != nil {
				t.Fatal(err)
			}
			failed := 0
			for _, c := range cases {
				if Check(kind, c, try) != nil {
					failed++
				}
			}
			if failed < len(cases)/10 {
				t.Errorf("a server that %s passes %d of %d cases of %s", name, len(cases)-failed, len(cases), kind.Kind)
			}
		}
	}
}

// admission does to an object what the server does before it stores it.
type admission struct {
	scheme    *runtime.Scheme
	decoder   runtime.Decoder
	validator *schema.Validator
}

func newAdmission(t testing.TB) *admission {
	t.Helper()
	validator, err := schema.New(published(t))
	if err != nil {
		t.Fatal(err)
	}
	scheme := external(t)
	decoder := serializer.NewSerializerWithOptions(serializer.DefaultMetaFactory, scheme, scheme, serializer.SerializerOptions{Strict: true})
	return &admission{scheme: scheme, decoder: decoder, validator: validator}
}

func (a *admission) try(c Case) (*unstructured.Unstructured, error) {
	obj, err := a.decode(c.Object.Object)
	if err != nil {
		return nil, err
	}
	errs := a.validator.Validate(obj.(interface{ OpenAPIModelName() string }).OpenAPIModelName(), obj)
	switch o := obj.(type) {
	case *sourcev1.GitRepository:
		errs = append(errs, sourcevalidation.ValidateGitRepository(o)...)
	case *kustomizev1.Kustomization:
		errs = append(errs, kustomizevalidation.ValidateKustomization(o)...)
	default:
		errs = append(errs, field.InternalError(nil, fmt.Errorf("unknown type %T", obj)))
	}
	if len(errs) > 0 {
		return nil, errs.ToAggregate()
	}
	data, err := json.Marshal(obj)
	if err != nil {
		return nil, err
	}
	returned := &unstructured.Unstructured{}
	return returned, returned.UnmarshalJSON(data)
}

// decode reads strictly, as the server does for field validation, and defaults.
func (a *admission) decode(content map[string]any) (runtime.Object, error) {
	data, err := json.Marshal(content)
	if err != nil {
		return nil, err
	}
	obj, _, err := a.decoder.Decode(data, nil, nil)
	if err != nil {
		return nil, err
	}
	a.scheme.Default(obj)
	return obj, nil
}

func mustDiffer(t *testing.T, published map[string]Facts, lines []Field, what string) {
	t.Helper()
	if differences := Compare(published, lines); len(differences) != 1 {
		t.Errorf("%s: %d differences, want 1: %v", what, len(differences), differences)
	}
}
