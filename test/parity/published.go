package parity

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"sort"
	"strings"

	"github.com/google/go-cmp/cmp"
	"k8s.io/kube-openapi/pkg/spec3"
	"k8s.io/kube-openapi/pkg/validation/spec"
)

// maxDepth is how deep a published schema may be nested; more means that it
// refers to itself.
const maxDepth = 32

// CheckPublished compares what a document says of a kind's spec and status with
// what is known, after resolving references, and names all that differs: lines
// without a published field, published fields without a line, and facts.
func CheckPublished(doc *spec3.OpenAPI, kind *Kind) ([]string, error) {
	published, err := ReadPublished(doc, kind)
	if err != nil {
		return nil, err
	}
	return Compare(published, kind.Fields), nil
}

// ReadPublished gives what a document says of a kind's spec and status, by path.
func ReadPublished(doc *spec3.OpenAPI, kind *Kind) (map[string]Facts, error) {
	reader := &reader{doc: doc, facts: map[string]Facts{}}
	root, err := reader.root(kind)
	if err != nil {
		return nil, err
	}
	for _, name := range []string{"spec", "status"} {
		if property, ok := root.Properties[name]; ok {
			if err := reader.read(name, property, slices.Contains(root.Required, name), 0); err != nil {
				return nil, err
			}
		}
	}
	return reader.facts, nil
}

// Compare names what differs between published facts and known ones.
func Compare(published map[string]Facts, fields []Field) []string {
	var differences []string
	known := map[string]bool{}
	for _, field := range fields {
		known[field.Path] = true
		facts, ok := published[field.Path]
		if !ok {
			differences = append(differences, field.Path+": is not published")
			continue
		}
		want, got := normal(field.Facts), normal(facts)
		if !reflect.DeepEqual(want, got) {
			differences = append(differences, fmt.Sprintf("%s: differs (- known, + published):\n%s", field.Path, cmp.Diff(want, got)))
		}
	}
	for name := range published {
		if !known[name] {
			differences = append(differences, name+": is published, and not known")
		}
	}
	sort.Strings(differences)
	return differences
}

// reader collects what a document says, as facts by path.
type reader struct {
	doc   *spec3.OpenAPI
	facts map[string]Facts
}

func (r *reader) root(kind *Kind) (*spec.Schema, error) {
	if r.doc.Components == nil {
		return nil, fmt.Errorf("the document has no schemas")
	}
	want := map[string]any{"group": kind.Group, "version": kind.Version, "kind": kind.Kind}
	for _, schema := range r.doc.Components.Schemas {
		entries, _ := schema.Extensions["x-kubernetes-group-version-kind"].([]any)
		for _, entry := range entries {
			if cmp.Equal(entry, any(want)) {
				if len(entries) > 1 {
					return nil, fmt.Errorf("the schema of %s is also published as %v", kind.Kind, entries)
				}
				return schema, nil
			}
		}
	}
	return nil, fmt.Errorf("no schema is published for %s", kind.GroupVersionKind())
}

func (r *reader) read(name string, s spec.Schema, required bool, depth int) error {
	if depth > maxDepth {
		return fmt.Errorf("%s: nested deeper than %d", name, maxDepth)
	}
	s, err := r.resolve(s, depth)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	r.facts[name] = factsOf(s, required)
	for property, schema := range s.Properties {
		if err := r.read(name+"."+property, schema, slices.Contains(s.Required, property), depth+1); err != nil {
			return err
		}
	}
	for _, property := range s.Required {
		if _, ok := s.Properties[property]; !ok {
			return fmt.Errorf("%s requires %s, which is not published", name, property)
		}
	}
	if s.Items != nil && s.Items.Schema != nil {
		if err := r.read(name+"[]", *s.Items.Schema, false, depth+1); err != nil {
			return err
		}
	}
	if s.AdditionalProperties != nil && s.AdditionalProperties.Schema != nil {
		return r.read(name+"{}", *s.AdditionalProperties.Schema, false, depth+1)
	}
	return nil
}

// resolve follows references, and folds the parts of allOf into one schema: the
// publisher wraps a reference so that it can stand beside a default.
func (r *reader) resolve(s spec.Schema, depth int) (spec.Schema, error) {
	if depth > maxDepth {
		return s, fmt.Errorf("references go in a circle")
	}
	var parts []spec.Schema
	if ref := s.Ref.String(); ref != "" {
		target, ok := r.doc.Components.Schemas[strings.TrimPrefix(ref, "#/components/schemas/")]
		if !ok {
			return s, fmt.Errorf("reference %s leads nowhere", ref)
		}
		parts = append(parts, *target)
	}
	parts = append(parts, s.AllOf...)
	s.Ref, s.AllOf = spec.Ref{}, nil
	for _, part := range parts {
		part, err := r.resolve(part, depth+1)
		if err != nil {
			return s, err
		}
		if s, err = merge(s, part); err != nil {
			return s, err
		}
	}
	return s, nil
}

// merge fills in s what only part says. JSON does the work: what both say, s
// decides.
func merge(s, part spec.Schema) (spec.Schema, error) {
	below, err := toMap(part)
	if err != nil {
		return s, err
	}
	above, err := toMap(s)
	if err != nil {
		return s, err
	}
	for key, value := range above {
		below[key] = value
	}
	data, err := json.Marshal(below)
	if err != nil {
		return s, err
	}
	var merged spec.Schema
	return merged, json.Unmarshal(data, &merged)
}

func toMap(s spec.Schema) (map[string]any, error) {
	data, err := json.Marshal(s)
	if err != nil {
		return nil, err
	}
	m := map[string]any{}
	return m, json.Unmarshal(data, &m)
}

func factsOf(s spec.Schema, required bool) Facts {
	facts := Facts{
		Format:    s.Format,
		Required:  required,
		Default:   s.Default,
		Pattern:   s.Pattern,
		MinLength: s.MinLength,
		MaxLength: s.MaxLength,
		MinItems:  s.MinItems,
		MaxItems:  s.MaxItems,
		Minimum:   s.Minimum,
		Maximum:   s.Maximum,
	}
	facts.Type = strings.Join(s.Type, " or ")
	for _, value := range s.Enum {
		facts.Enum = append(facts.Enum, fmt.Sprint(value))
	}
	facts.ListType, _ = s.Extensions["x-kubernetes-list-type"].(string)
	facts.MapType, _ = s.Extensions["x-kubernetes-map-type"].(string)
	keys, _ := s.Extensions["x-kubernetes-list-map-keys"].([]any)
	for _, key := range keys {
		facts.ListMapKeys = append(facts.ListMapKeys, fmt.Sprint(key))
	}
	facts.Opaque, _ = s.Extensions["x-kubernetes-preserve-unknown-fields"].(bool)
	rules, _ := s.Extensions["x-kubernetes-validations"].([]any)
	for _, rule := range rules {
		if fields, ok := rule.(map[string]any); ok {
			facts.Rules = append(facts.Rules, fmt.Sprint(fields["rule"]))
		}
	}
	return facts
}

// normal makes facts comparable: the order of values and rules says nothing, a
// number is a number, and what is said by default is not said.
func normal(f Facts) Facts {
	if f.Type == "array" && f.ListType == "atomic" {
		f.ListType = ""
	}
	if f.Type == "object" && f.MapType == "granular" {
		f.MapType = ""
	}
	f.Enum = sorted(f.Enum)
	f.Rules = sorted(f.Rules)
	data, err := json.Marshal(f.Default)
	if err != nil {
		f.Default = err.Error()
		return f
	}
	f.Default = string(data)
	return f
}

func sorted(list []string) []string {
	list = slices.Clone(list)
	slices.Sort(list)
	return list
}
