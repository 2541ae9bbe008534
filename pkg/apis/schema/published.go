package schema

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/kube-openapi/pkg/common"
	"k8s.io/kube-openapi/pkg/validation/spec"
	"k8s.io/utils/ptr"
)

// ConditionModel names the definition of a condition with its limits. The one
// of metav1 says the same in its comments, and publishes none of it.
const ConditionModel = "io.fluxcd.toolkit.meta.v1.Condition"

// ownModels are the prefixes of the definitions that this project writes. Those
// of Kubernetes are published as they are: the aggregator merges the documents
// of all servers, and two definitions of one name that differ are a conflict.
var ownModels = []string{"io.fluxcd.", "dev.leat."}

func own(model string) bool {
	return slices.ContainsFunc(ownModels, func(prefix string) bool { return strings.HasPrefix(model, prefix) })
}

// Published turns the generated definitions into those that are published. It
// does three things that no marker can:
//
//   - it takes away the default {} that the generator gives each field that is
//     a struct: nobody asked for that default, and it is not applied;
//   - it gives a kind's status the default that the scheme's defaulting sets,
//     by running it on an empty object, so that the two are one;
//   - it gives conditions a definition of their own that has the limits.
//
// The scheme must hold the served versions only.
func Published(scheme *runtime.Scheme, generated common.GetOpenAPIDefinitions) (common.GetOpenAPIDefinitions, error) {
	defaults, err := statusDefaults(scheme)
	if err != nil {
		return nil, err
	}
	return func(ref common.ReferenceCallback) map[string]common.OpenAPIDefinition {
		defs := generated(ref)
		upstream := metav1.Condition{}.OpenAPIModelName()
		if condition, ok := defs[upstream]; ok {
			defs[ConditionModel] = limitedCondition(condition)
		}
		for model, def := range defs {
			if !own(model) {
				continue
			}
			for name, property := range def.Schema.Properties {
				if isEmptyMap(property.Default) {
					property.Default = nil
				}
				if name == "status" && defaults[model] != nil {
					property.Default = runtime.DeepCopyJSON(defaults[model])
				}
				replaceRef(&property, ref(upstream), ref(ConditionModel))
				def.Schema.Properties[name] = property
			}
			for i, dependency := range def.Dependencies {
				if dependency == upstream {
					def.Dependencies[i] = ConditionModel
				}
			}
		}
		return defs
	}, nil
}

// statusDefaults gives for each kind's model what defaulting makes of a status
// that nothing was written to.
func statusDefaults(scheme *runtime.Scheme) (map[string]map[string]any, error) {
	defaults := map[string]map[string]any{}
	for gvk := range scheme.AllKnownTypes() {
		obj, err := scheme.New(gvk)
		if err != nil {
			return nil, fmt.Errorf("making an empty %s: %w", gvk, err)
		}
		named, ok := obj.(interface{ OpenAPIModelName() string })
		if !ok || !own(named.OpenAPIModelName()) {
			continue
		}
		scheme.Default(obj)
		content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(obj)
		if err != nil {
			return nil, fmt.Errorf("reading the defaults of %s: %w", gvk, err)
		}
		if status, ok := content["status"].(map[string]any); ok && len(status) > 0 {
			defaults[named.OpenAPIModelName()] = status
		}
	}
	return defaults, nil
}

func isEmptyMap(value any) bool {
	v := reflect.ValueOf(value)
	return v.Kind() == reflect.Map && v.Len() == 0
}

// replaceRef points a property, or the items of a list, to another definition.
func replaceRef(s *spec.Schema, from, to spec.Ref) {
	if s.Ref.String() == from.String() {
		s.Ref = to
	}
	if s.Items != nil && s.Items.Schema != nil {
		replaceRef(s.Items.Schema, from, to)
	}
}

// limitedCondition adds to the definition of a condition the limits that custom
// resources have for it.
func limitedCondition(upstream common.OpenAPIDefinition) common.OpenAPIDefinition {
	limits := map[string]spec.SchemaProps{
		"type": {
			Pattern:   `^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])$`,
			MaxLength: ptr.To[int64](316),
		},
		"status": {
			Enum: []any{string(metav1.ConditionTrue), string(metav1.ConditionFalse), string(metav1.ConditionUnknown)},
		},
		"observedGeneration": {
			Minimum: ptr.To[float64](0),
		},
		"reason": {
			Pattern:   `^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$`,
			MinLength: ptr.To[int64](1),
			MaxLength: ptr.To[int64](1024),
		},
		"message": {
			MaxLength: ptr.To[int64](32768),
		},
	}
	def := upstream
	def.Schema.Properties = maps.Clone(upstream.Schema.Properties)
	for name, property := range def.Schema.Properties {
		limit := limits[name]
		property.Default = nil
		property.Pattern = limit.Pattern
		property.Enum = limit.Enum
		property.MinLength = limit.MinLength
		property.MaxLength = limit.MaxLength
		property.Minimum = limit.Minimum
		def.Schema.Properties[name] = property
	}
	def.Dependencies = slices.Clone(upstream.Dependencies)
	return def
}
