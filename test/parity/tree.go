package parity

import (
	"fmt"
	"sort"
	"strings"
)

// tree is the fields of a kind by nesting, to build objects from.
type tree struct {
	Facts

	path       string
	properties map[string]*tree
	items      *tree // of a list
	values     *tree // of a map
}

// newTree nests the lines of a kind. A line whose parent has none is an error.
func newTree(kind *Kind) (*tree, error) {
	root := &tree{Facts: Facts{Type: "object"}, properties: map[string]*tree{}}
	fields := append([]Field(nil), kind.Fields...)
	sort.Slice(fields, func(i, j int) bool { return len(fields[i].Path) < len(fields[j].Path) })
	for _, field := range fields {
		steps := split(field.Path)
		parent := root
		for _, step := range steps[:len(steps)-1] {
			if parent = parent.child(step); parent == nil {
				return nil, fmt.Errorf("%s: the field around it has no line", field.Path)
			}
		}
		parent.add(steps[len(steps)-1], &tree{Facts: field.Facts, path: field.Path, properties: map[string]*tree{}})
	}
	return root, nil
}

// split takes a path apart: a.b[].c gives a, b, [] and c.
func split(path string) []string {
	path = strings.ReplaceAll(path, "[]", ".[]")
	path = strings.ReplaceAll(path, "{}", ".{}")
	return strings.Split(path, ".")
}

func (t *tree) child(step string) *tree {
	switch step {
	case "[]":
		return t.items
	case "{}":
		return t.values
	}
	return t.properties[step]
}

func (t *tree) add(step string, child *tree) {
	switch step {
	case "[]":
		t.items = child
	case "{}":
		t.values = child
	default:
		t.properties[step] = child
	}
}

// at finds the field of a path.
func (t *tree) at(path string) *tree {
	for _, step := range split(path) {
		if t = t.child(step); t == nil {
			return nil
		}
	}
	return t
}

// mapKey is the key that stands for all keys of a map.
const mapKey = "key"

// sample makes a valid value of the field, with no more in it than is required.
func (t *tree) sample(s *samples) any {
	if value, ok := s.byPath[t.path]; ok {
		return value
	}
	switch {
	case t.Type == "object" && t.values != nil:
		return map[string]any{mapKey: t.values.sample(s)}
	case t.Type == "object":
		object := map[string]any{}
		for name, property := range t.properties {
			if property.Required {
				object[name] = property.sample(s)
			}
		}
		return object
	case t.Type == "array":
		return []any{t.items.sample(s)}
	case t.Type == "integer":
		return int64(1)
	case t.Type == "boolean":
		return true
	case len(t.Enum) > 0:
		return t.Enum[0]
	case t.Pattern != "":
		return s.byPattern[t.Pattern].good
	case t.Format == "date-time":
		return "2026-02-03T04:05:06Z"
	default:
		return "text"
	}
}

// set puts a value at a path of an object, with what is required around it.
func (t *tree) set(object map[string]any, path string, value any, s *samples) {
	var current any = object
	for steps := split(path); ; steps = steps[1:] {
		t = t.child(steps[0])
		next := value
		if len(steps) > 1 {
			next = existing(current, steps[0])
			if next == nil {
				next = t.sample(s)
			}
		}
		put(current, steps[0], next)
		if len(steps) == 1 {
			return
		}
		current = next
	}
}

func existing(container any, step string) any {
	switch c := container.(type) {
	case map[string]any:
		return c[key(step)]
	case []any:
		return c[0]
	}
	return nil
}

func put(container any, step string, value any) {
	switch c := container.(type) {
	case map[string]any:
		c[key(step)] = value
	case []any:
		c[0] = value
	}
}

func key(step string) string {
	if step == "{}" {
		return mapKey
	}
	return step
}

// remove takes away what stands at a path.
func remove(object map[string]any, path string) {
	steps := split(path)
	var current any = object
	for _, step := range steps[:len(steps)-1] {
		current = existing(current, step)
	}
	if m, ok := current.(map[string]any); ok {
		delete(m, steps[len(steps)-1])
	}
}

// concrete spells a path as an error does that is about a generated object.
func concrete(path string) string {
	path = strings.ReplaceAll(path, "[]", "[0]")
	return strings.ReplaceAll(path, "{}", "["+mapKey+"]")
}

// withDefaults adds to a value what the server adds.
func (t *tree) withDefaults(value any) any {
	switch v := value.(type) {
	case map[string]any:
		for name, property := range t.properties {
			if _, ok := v[name]; !ok && property.Default != nil {
				v[name] = property.Default
			}
			if child, ok := v[name]; ok {
				v[name] = property.withDefaults(child)
			}
		}
	case []any:
		for i := range v {
			v[i] = t.items.withDefaults(v[i])
		}
	}
	return value
}
