package parity

import (
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/kube-openapi/pkg/validation/spec"

	"github.com/leat-dev/leat/pkg/apis/schema"
	"github.com/leat-dev/leat/pkg/generated/openapi"
)

// TestDefinitionsOfKubernetesAreUntouched matters to the aggregator, which
// merges the definitions of all servers by name.
func TestDefinitionsOfKubernetesAreUntouched(t *testing.T) {
	ref := func(name string) spec.Ref { return spec.MustCreateRef("#/definitions/" + name) }
	before, after := openapi.GetOpenAPIDefinitions(ref), published(t)(ref)
	for name := range before {
		if strings.HasPrefix(name, "io.k8s.") && !reflect.DeepEqual(before[name], after[name]) {
			t.Errorf("%s differs:\n%s", name, cmp.Diff(before[name].Schema, after[name].Schema))
		}
	}
	if _, ok := after[schema.ConditionModel]; !ok {
		t.Errorf("%s is not defined", schema.ConditionModel)
	}
}

// TestEveryFieldIsExplained looks at what kubectl explain shows.
func TestEveryFieldIsExplained(t *testing.T) {
	upstream := metav1.Condition{}.OpenAPIModelName()
	for name, model := range schemas(t) {
		if strings.HasPrefix(name, "io.k8s.") {
			if name == upstream {
				t.Errorf("%s is referred to, so that conditions are published without their limits", name)
			}
			continue
		}
		if model.Description == "" {
			t.Errorf("%s has no description", name)
		}
		for field, property := range model.Properties {
			switch {
			case field == "apiVersion" || field == "kind":
			case len(property.Description) < len("Name of it."):
				t.Errorf("%s.%s has no description", name, field)
			case !strings.HasPrefix(name, "io.fluxcd.toolkit.meta.v1.Condition") && strings.HasPrefix(strings.ToLower(property.Description), strings.ToLower(field)+" is "):
				t.Errorf("%s.%s: the description begins with the name, not with what it is for: %s", name, field, property.Description)
			}
			if reflect.ValueOf(property.Default).Kind() == reflect.Map && reflect.ValueOf(property.Default).Len() == 0 {
				t.Errorf("%s.%s has an empty default", name, field)
			}
		}
	}
}
