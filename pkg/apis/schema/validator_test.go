package schema

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/kube-openapi/pkg/common"
	"k8s.io/kube-openapi/pkg/validation/spec"
	"k8s.io/utils/ptr"
)

const (
	kindModel = "dev.leat.test.Kind"
	specModel = "dev.leat.test.Spec"
	partModel = "dev.leat.test.Part"
)

func text(change func(*spec.SchemaProps)) spec.Schema {
	s := spec.Schema{SchemaProps: spec.SchemaProps{Type: []string{"string"}}}
	if change != nil {
		change(&s.SchemaProps)
	}
	return s
}

func list(items spec.Schema) spec.Schema {
	return *spec.ArrayProperty(&items)
}

// definitions describes a kind that has something of everything; change makes
// another of it.
func definitions(change func(properties map[string]spec.Schema)) common.GetOpenAPIDefinitions {
	return func(ref common.ReferenceCallback) map[string]common.OpenAPIDefinition {
		to := func(model string) spec.Schema {
			return spec.Schema{SchemaProps: spec.SchemaProps{Ref: ref(model)}}
		}
		object := func(properties map[string]spec.Schema, required ...string) spec.Schema {
			return spec.Schema{SchemaProps: spec.SchemaProps{Type: []string{"object"}, Properties: properties, Required: required}}
		}
		properties := map[string]spec.Schema{
			"url":     text(func(p *spec.SchemaProps) { p.Pattern = "^https://" }),
			"colour":  text(func(p *spec.SchemaProps) { p.Enum = []any{"red", "green"} }),
			"name":    text(func(p *spec.SchemaProps) { p.MinLength, p.MaxLength = ptr.To[int64](2), ptr.To[int64](4) }),
			"when":    text(func(p *spec.SchemaProps) { p.Format = "date-time" }),
			"count":   {SchemaProps: spec.SchemaProps{Type: []string{"integer"}, Minimum: ptr.To(1.0), Maximum: ptr.To(9.0)}},
			"share":   {SchemaProps: spec.SchemaProps{Type: []string{"number"}, Maximum: ptr.To(0.5)}},
			"on":      {SchemaProps: spec.SchemaProps{Type: []string{"boolean"}}},
			"any":     {},
			"part":    to(partModel),
			"parts":   list(to(partModel)),
			"few":     {SchemaProps: spec.SchemaProps{Type: []string{"array"}, MinItems: ptr.To[int64](1), MaxItems: ptr.To[int64](2), Items: &spec.SchemaOrArray{Schema: ptr.To(text(nil))}}},
			"labels":  *spec.MapProperty(ptr.To(text(func(p *spec.SchemaProps) { p.MaxLength = ptr.To[int64](3) }))),
			"wrapped": {SchemaProps: spec.SchemaProps{AllOf: []spec.Schema{to(partModel)}}},
		}
		if change != nil {
			change(properties)
		}
		kindSpec := object(properties, "url")
		kindSpec.AddExtension(rulesExtension, []any{
			map[string]any{"rule": "!has(self.on) || !self.on || has(self.name)", "message": "on needs a name"},
		})
		part := object(map[string]spec.Schema{"key": text(nil), "inner": to(partModel)}, "key")
		return map[string]common.OpenAPIDefinition{
			kindModel: {Schema: object(map[string]spec.Schema{"metadata": to("io.k8s.unknown"), "spec": to(specModel)})},
			specModel: {Schema: kindSpec},
			partModel: {Schema: part},
		}
	}
}

func TestValidate(t *testing.T) {
	v, err := New(definitions(nil))
	if err != nil {
		t.Fatal(err)
	}
	long := strings.Repeat("ä", 100)
	tests := map[string]struct {
		spec map[string]any
		want []string
	}{
		"good": {map[string]any{
			"url": "https://h", "colour": "red", "name": "äöü", "when": "2026-01-01T00:00:00Z", "count": int64(9), "share": 0.5, "on": true,
			"any": []any{int64(1)}, "part": map[string]any{"key": "a", "inner": map[string]any{"key": "b"}}, "parts": []any{},
			"few": []any{"a"}, "labels": map[string]any{"a": "b"}, "wrapped": map[string]any{"key": "a"},
		}, nil},
		"required":          {map[string]any{}, []string{`spec.url: Required value: must be set, and not be empty`}},
		"null is absent":    {map[string]any{"url": nil, "colour": nil}, []string{`spec.url: Required value: must be set, and not be empty`}},
		"pattern":           {map[string]any{"url": "ftp://h"}, []string{`spec.url: Invalid value: "ftp://h": must match ^https://`}},
		"password":          {map[string]any{"url": "ftp://me:pass/word@h/r"}, []string{`spec.url: Invalid value: "ftp://***@h/r": must match ^https://`}},
		"password, no URL":  {map[string]any{"url": "me:secret@h:r"}, []string{`spec.url: Invalid value: "***@h:r": must match ^https://`}},
		"long value":        {map[string]any{"url": long}, []string{`spec.url: Invalid value: "` + long[:160] + `…": must match ^https://`}},
		"enum":              {map[string]any{"url": "https://h", "colour": ""}, []string{`spec.colour: Unsupported value: "": supported values: "green", "red"`}},
		"too short":         {map[string]any{"url": "https://h", "name": "ä"}, []string{`spec.name: Invalid value: "ä": must have at least 2 characters`}},
		"too long":          {map[string]any{"url": "https://h", "name": "äöüßé"}, []string{`spec.name: Invalid value: "äöüßé": must have at most 4 characters, has 5`}},
		"time":              {map[string]any{"url": "https://h", "when": "today"}, []string{`spec.when: Invalid value: "today": must be a time as in RFC 3339, such as 2006-01-02T15:04:05Z`}},
		"minimum":           {map[string]any{"url": "https://h", "count": int64(0)}, []string{`spec.count: Invalid value: 0: must be at least 1`}},
		"maximum":           {map[string]any{"url": "https://h", "count": int64(10), "share": int64(1)}, []string{`spec.count: Invalid value: 10: must be at most 9`, `spec.share: Invalid value: 1: must be at most 0.5`}},
		"type":              {map[string]any{"url": "https://h", "on": "yes", "count": 1.5}, []string{`spec.count: Invalid value: 1.5: must be of type integer`, `spec.on: Invalid value: "yes": must be of type boolean`}},
		"in a reference":    {map[string]any{"url": "https://h", "part": map[string]any{"key": "a", "inner": map[string]any{}}}, []string{`spec.part.inner.key: Required value: must be set, and not be empty`}},
		"in a list":         {map[string]any{"url": "https://h", "parts": []any{map[string]any{"key": "a"}, map[string]any{"key": int64(1)}}}, []string{`spec.parts[1].key: Invalid value: 1: must be of type string`}},
		"null in a list":    {map[string]any{"url": "https://h", "parts": []any{nil}}, []string{`spec.parts[0]: Required value: must not be null`}},
		"too few":           {map[string]any{"url": "https://h", "few": []any{}}, []string{`spec.few: Invalid value: 0: must have at least 1 items`}},
		"too many":          {map[string]any{"url": "https://h", "few": []any{"a", "b", "c"}}, []string{`spec.few: Too many: 3: must have at most 2 items`}},
		"in a map":          {map[string]any{"url": "https://h", "labels": map[string]any{"a/b": "long"}}, []string{`spec.labels[a/b]: Invalid value: "long": must have at most 3 characters, has 4`}},
		"in allOf":          {map[string]any{"url": "https://h", "wrapped": map[string]any{}}, []string{`spec.wrapped.key: Required value: must be set, and not be empty`}},
		"rule":              {map[string]any{"url": "https://h", "on": true}, []string{`spec: Invalid value: "object": on needs a name`}},
		"order of the path": {map[string]any{"name": "a", "colour": "a"}, []string{`spec.colour: Unsupported value: "a": supported values: "green", "red"`, `spec.name: Invalid value: "a": must have at least 2 characters`, `spec.url: Required value: must be set, and not be empty`}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, err := range v.Validate(kindModel, map[string]any{"spec": test.spec}) {
				got = append(got, err.Error())
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("(- want, + got):\n%s", diff)
			}
		})
	}
}

func TestAbsentSpecIsRefused(t *testing.T) {
	v, err := New(definitions(nil))
	if err != nil {
		t.Fatal(err)
	}
	for name, obj := range map[string]map[string]any{"absent": {}, "null": {"spec": nil}} {
		errs := v.Validate(kindModel, obj)
		if len(errs) != 1 || errs[0].Field != "spec.url" {
			t.Errorf("%s: got %v, want that spec.url is required", name, errs)
		}
	}
}

func TestUnknownModel(t *testing.T) {
	v, err := New(definitions(nil))
	if err != nil {
		t.Fatal(err)
	}
	if errs := v.Validate("dev.leat.test.Nothing", map[string]any{}); len(errs) != 1 {
		t.Errorf("got %v, want one error", errs)
	}
	if errs := v.Validate(kindModel, 7); len(errs) != 1 {
		t.Errorf("an object that is none: got %v, want one error", errs)
	}
}

func TestErrorsAreLimited(t *testing.T) {
	v, err := New(definitions(nil))
	if err != nil {
		t.Fatal(err)
	}
	parts := make([]any, 10*MaxErrors)
	for i := range parts {
		parts[i] = map[string]any{}
	}
	errs := v.Validate(kindModel, map[string]any{"spec": map[string]any{"url": "https://h", "parts": parts}})
	if len(errs) != MaxErrors {
		t.Errorf("%d errors, want %d", len(errs), MaxErrors)
	}
}

func TestNewRefusesWhatItWouldNotEnforce(t *testing.T) {
	tests := map[string]spec.Schema{
		"keyword oneOf":     {SchemaProps: spec.SchemaProps{OneOf: []spec.Schema{{}}}},
		"keyword anyOf":     {SchemaProps: spec.SchemaProps{AnyOf: []spec.Schema{{}}}},
		"keyword not":       {SchemaProps: spec.SchemaProps{Not: &spec.Schema{}}},
		"multipleOf":        {SchemaProps: spec.SchemaProps{MultipleOf: ptr.To(2.0)}},
		"uniqueItems":       {SchemaProps: spec.SchemaProps{UniqueItems: true}},
		"exclusiveMinimum":  {SchemaProps: spec.SchemaProps{ExclusiveMinimum: true}},
		"minProperties":     {SchemaProps: spec.SchemaProps{MinProperties: ptr.To[int64](1)}},
		"patternProperties": {SchemaProps: spec.SchemaProps{PatternProperties: map[string]spec.Schema{"a": {}}}},
		"several values":    {SchemaProps: spec.SchemaProps{Type: []string{"string", "integer"}}},
		"pattern":           text(func(p *spec.SchemaProps) { p.Pattern = "(" }),
		"enum value":        text(func(p *spec.SchemaProps) { p.Enum = []any{7} }),
		"does not exist":    {SchemaProps: spec.SchemaProps{Ref: spec.MustCreateRef(refPrefix + "dev.leat.test.Nothing")}},
		"items: ":           list(text(func(p *spec.SchemaProps) { p.Pattern = "(" })),
		"rule ":             {VendorExtensible: spec.VendorExtensible{Extensions: spec.Extensions{rulesExtension: []any{map[string]any{"rule": "1 +", "message": "m"}}}}},
		"not a bool":        {VendorExtensible: spec.VendorExtensible{Extensions: spec.Extensions{rulesExtension: []any{map[string]any{"rule": "1 + 1", "message": "m"}}}}},
		"no message":        {VendorExtensible: spec.VendorExtensible{Extensions: spec.Extensions{rulesExtension: []any{map[string]any{"rule": "true"}}}}},
	}
	for want, property := range tests {
		t.Run(want, func(t *testing.T) {
			_, err := New(definitions(func(properties map[string]spec.Schema) { properties["broken"] = property }))
			if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "broken") {
				t.Errorf("got error %v, want one that names %q and the property", err, want)
			}
		})
	}
}

func TestValidatorIsSharedByGoroutines(t *testing.T) {
	v, err := New(definitions(nil))
	if err != nil {
		t.Fatal(err)
	}
	var wait sync.WaitGroup
	for i := range 8 {
		wait.Go(func() {
			for range 100 {
				errs := v.Validate(kindModel, map[string]any{"spec": map[string]any{"url": fmt.Sprint(i), "on": true}})
				if len(errs) != 1 {
					t.Errorf("got %v, want one error", errs)
				}
			}
		})
	}
	wait.Wait()
}
