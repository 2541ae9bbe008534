package apply

import (
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/leat-dev/leat/pkg/object"
)

const thingSchema = `
type: object
properties:
  spec:
    type: object
    required: [size]
    properties:
      size: {type: integer, minimum: 1}
      port: {x-kubernetes-int-or-string: true}
      mode: {type: string, enum: [fast, slow]}
      note: {type: string, nullable: true}
      labels: {type: object, additionalProperties: {type: string}}
      any: {type: object, x-kubernetes-preserve-unknown-fields: true}
      list: {type: array, items: {type: object, properties: {name: {type: string}}}}`

func TestCheckSchema(t *testing.T) {
	tests := []struct{ spec, want string }{
		{"{size: 1, port: 80, mode: fast, note: null, labels: {a: b}, any: {x: {y: 1}}, list: [{name: a}]}", ""},
		{"{size: 1, port: http}", ""},
		{"{mode: fast}", "spec.size"},
		{"{size: large}", "spec.size"},
		{"{size: 0}", "spec.size"},
		{"{size: 1, mode: medium}", "spec.mode"},
		{"{size: 1, labels: {a: 1}}", "spec.labels.a"},
		{"{size: 1, sise: 2}", ".spec.sise: field not declared"},
		{"{size: 1, list: [{nam: a}]}", ".spec.list[0].nam: field not declared"},
		{"[]", "spec"},
		{"null", ""},
	}
	var s map[string]any
	if err := yaml.Unmarshal([]byte(thingSchema), &s); err != nil {
		t.Fatal(err)
	}
	for _, tt := range tests {
		t.Run(tt.spec, func(t *testing.T) {
			u := &unstructured.Unstructured{}
			doc := "{apiVersion: example.org/v1, kind: Thing, metadata: {name: x}, status: {a: 1}, spec: " + tt.spec + "}"
			if err := yaml.Unmarshal([]byte(doc), &u.Object); err != nil {
				t.Fatal(err)
			}
			it := &item{obj: object.Object{Unstructured: u}}
			err := checkSchema(s, it)
			switch {
			case tt.want == "" && tt.spec != "null" && err != nil:
				t.Errorf("refused: %v", err)
			case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
				t.Errorf("error %v, want one that names %q", err, tt.want)
			}
			it.obj.Tainted = true
			if err := checkSchema(s, it); err != nil && strings.Contains(err.Error(), "spec.") {
				t.Errorf("shows values of a tainted object: %v", err)
			}
		})
	}
}

func TestCheckSchemaSurvivesNonsense(t *testing.T) {
	u := &unstructured.Unstructured{Object: map[string]any{"spec": map[string]any{"a": "b"}}}
	for _, s := range []map[string]any{
		nil, {}, {"type": int64(1)}, {"properties": "x"}, {"pattern": "("}, {"$ref": "#/nowhere"},
		{"type": "object", "properties": map[string]any{"spec": map[string]any{"type": "object", "properties": map[string]any{"a": map[string]any{"type": "string", "pattern": "("}}}}},
	} {
		checkSchema(s, &item{obj: object.Object{Unstructured: u}})
	}
}
