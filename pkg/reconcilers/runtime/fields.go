package runtime

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/runtime"
)

// Field is a field of a spec that the engines act on.
type Field struct {
	// Path is the field's path, with [] for the elements of a list and {} for
	// the values of a map: spec.patches[].target.kind, spec.labels{}.
	Path string
	// Accept says which values are acted on; nil means all.
	Accept func(value any) bool
}

// Fields is the list of what is acted on. It lists what is done, not what is
// not: a field that is added to the API and forgotten here is refused, and not
// silently ignored.
type Fields struct {
	accept map[string]func(any) bool
	// above holds the paths that have a supported field below them.
	above map[string]bool
}

// NewFields makes the table.
func NewFields(fields ...Field) Fields {
	t := Fields{accept: make(map[string]func(any) bool, len(fields)), above: map[string]bool{}}
	for _, f := range fields {
		for i, c := range f.Path {
			if strings.ContainsRune(".[{", c) {
				t.above[f.Path[:i]] = true
			}
		}
		accept := f.Accept
		if accept == nil {
			accept = func(any) bool { return true }
		}
		t.accept[f.Path] = accept
	}
	return t
}

// Paths makes fields all of whose values are acted on.
func Paths(paths ...string) []Field {
	fields := make([]Field, len(paths))
	for i, p := range paths {
		fields[i] = Field{Path: p}
	}
	return fields
}

// OneOf accepts the given values.
func OneOf(values ...any) func(any) bool {
	return func(v any) bool { return slices.Contains(values, v) }
}

// Unsupported returns the paths, sorted, of what spec sets and nobody acts on.
// A struct that holds nothing supported at all is named as a whole.
func (t Fields) Unsupported(spec any) ([]string, error) {
	tree, err := runtime.DefaultUnstructuredConverter.ToUnstructured(spec)
	if err != nil {
		return nil, fmt.Errorf("reading the fields of %T: %w", spec, err)
	}
	found := t.walk(nil, "spec", tree)
	slices.Sort(found)
	return slices.Compact(found), nil
}

func (t Fields) walk(found []string, path string, value any) []string {
	if isUnset(value) {
		return found
	}
	if accept, ok := t.accept[path]; ok {
		if !accept(value) {
			found = append(found, path)
		}
		return found
	}
	if !t.above[path] {
		return append(found, path)
	}
	switch v := value.(type) {
	case map[string]any:
		_, isMap := t.accept[path+"{}"]
		for name, child := range v {
			at := path + "." + name
			if isMap {
				at = path + "{}"
			}
			found = t.walk(found, at, child)
		}
		return found
	case []any:
		for _, child := range v {
			found = t.walk(found, path+"[]", child)
		}
		return found
	}
	return append(found, path)
}

// isUnset treats empty as absent, as the reconcilers do.
func isUnset(value any) bool {
	switch v := value.(type) {
	case nil:
		return true
	case string:
		return v == ""
	case []any:
		return len(v) == 0
	case map[string]any:
		return len(v) == 0
	}
	return false
}

// UnsupportedFieldsError says what to do about fields that nobody acts on.
func UnsupportedFieldsError(paths []string) error {
	return fmt.Errorf("not acted on yet: %s; nothing is done until these fields, or these values of them, are removed",
		strings.Join(paths, ", "))
}

// ActsOn reports whether some value of a field is acted on.
func (t Fields) ActsOn(path string) bool {
	_, ok := t.accept[path]
	return ok
}

// Paths returns the fields of the table, sorted.
func (t Fields) Paths() []string { return slices.Sorted(maps.Keys(t.accept)) }
