package preview

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	leatv1alpha1 "github.com/leat-dev/leat/pkg/apis/leat/v1alpha1"
)

// What is shown in the place of values that may not be shown. They tell nothing
// of a value but whether its two sides are the same.
const (
	maskSame    = "***(same)"
	maskChanged = "***(changed)"
)

// maxFields bounds how many fields of one object are told one by one.
const maxFields = 10_000

// Comparison says how two bodies differ.
type Comparison struct {
	// Fields are sorted by path. Truncated says that more of them differ than are
	// told.
	Fields    []leatv1alpha1.DiffField
	Truncated bool
	// Old and New are the bodies with masks. One that does not exist is nil.
	Old, New *unstructured.Unstructured
}

// Compare compares two bodies field by field. What is only on one side as a
// whole is one field with all that is below it.
func Compare(before, after Body) (Comparison, error) {
	c := &comparer{}
	var out Comparison
	switch {
	case !before.Exists():
		out.New = whole(c.reveal(after.fields).value)
	case !after.Exists():
		out.Old = whole(c.reveal(before.fields).value)
	default:
		a, b := c.values("", before.fields, after.fields)
		out.Old, out.New = whole(a), whole(b)
	}
	if c.err != nil {
		return Comparison{}, c.err
	}
	slices.SortStableFunc(c.fields, func(a, b leatv1alpha1.DiffField) int { return cmp.Compare(a.Path, b.Path) })
	out.Fields, out.Truncated = c.fields, c.truncated
	return out, nil
}

type comparer struct {
	fields    []leatv1alpha1.DiffField
	truncated bool
	err       error
}

// shown is a value with masks in the places of veils, if there were some.
type shown struct {
	value  any
	masked bool
}

// values compares two values that are in the same place, and returns how they
// are shown.
func (c *comparer) values(path string, a, b any) (any, any) {
	_, veiledA := a.(*veil)
	_, veiledB := b.(*veil)
	if veiledA || veiledB {
		if equal(a, b) {
			return maskSame, maskSame
		}
		c.add(path, &shown{maskChanged, true}, &shown{maskChanged, true})
		return maskChanged, maskChanged
	}
	switch a := a.(type) {
	case map[string]any:
		if b, ok := b.(map[string]any); ok {
			return c.maps(path, a, b)
		}
	case []any:
		if b, ok := b.([]any); ok {
			return c.lists(path, a, b)
		}
	default:
		if equal(a, b) {
			return a, b
		}
	}
	before, after := c.reveal(a), c.reveal(b)
	c.add(path, &before, &after)
	return before.value, after.value
}

func (c *comparer) maps(path string, a, b map[string]any) (any, any) {
	before, after := make(map[string]any, len(a)), make(map[string]any, len(b))
	for _, key := range slices.Sorted(maps.Keys(a)) {
		if other, ok := b[key]; ok {
			before[key], after[key] = c.values(path+"/"+escape(key), a[key], other)
			continue
		}
		before[key] = c.removed(path+"/"+escape(key), a[key])
	}
	for _, key := range slices.Sorted(maps.Keys(b)) {
		if _, ok := a[key]; !ok {
			after[key] = c.added(path+"/"+escape(key), b[key])
		}
	}
	return before, after
}

// lists compares lists element by element. The order of elements counts: where
// some have changed places, that is told of the list as a whole.
func (c *comparer) lists(path string, a, b []any) (any, any) {
	pairs, ordered := match(a, b)
	if !ordered {
		before, after := c.reveal(a), c.reveal(b)
		c.add(path, &before, &after)
		return before.value, after.value
	}
	before, after := make([]any, len(a)), make([]any, len(b))
	for _, p := range pairs {
		switch {
		case p.new < 0:
			before[p.old] = c.removed(path+"/"+strconv.Itoa(p.old), a[p.old])
		case p.old < 0:
			after[p.new] = c.added(path+"/"+strconv.Itoa(p.new), b[p.new])
		default:
			before[p.old], after[p.new] = c.values(path+"/"+strconv.Itoa(p.new), a[p.old], b[p.new])
		}
	}
	return before, after
}

func (c *comparer) removed(path string, v any) any {
	before := c.reveal(v)
	c.add(path, &before, nil)
	return before.value
}

func (c *comparer) added(path string, v any) any {
	after := c.reveal(v)
	c.add(path, nil, &after)
	return after.value
}

// reveal masks what may not be shown of a value that has no other side.
func (c *comparer) reveal(v any) shown {
	switch v := v.(type) {
	case *veil:
		return shown{maskChanged, true}
	case map[string]any:
		out := make(map[string]any, len(v))
		masked := false
		for key, value := range v {
			s := c.reveal(value)
			out[key], masked = s.value, masked || s.masked
		}
		return shown{out, masked}
	case []any:
		out := make([]any, len(v))
		masked := false
		for i, value := range v {
			s := c.reveal(value)
			out[i], masked = s.value, masked || s.masked
		}
		return shown{out, masked}
	}
	return shown{value: v}
}

func (c *comparer) add(path string, before, after *shown) {
	switch {
	case c.err != nil:
		return
	case len(c.fields) >= maxFields:
		c.truncated = true
		return
	}
	field := leatv1alpha1.DiffField{Path: path}
	for _, side := range []struct {
		from *shown
		to   **leatv1alpha1.JSONValue
	}{{before, &field.Old}, {after, &field.New}} {
		if side.from == nil {
			continue
		}
		var text bytes.Buffer
		e := json.NewEncoder(&text)
		e.SetEscapeHTML(false)
		if err := e.Encode(side.from.value); err != nil {
			c.err = fmt.Errorf("encoding the field %s: %w", path, err)
			return
		}
		*side.to = &leatv1alpha1.JSONValue{Raw: bytes.TrimSpace(text.Bytes())}
		field.Masked = field.Masked || side.from.masked
	}
	c.fields = append(c.fields, field)
}

// escape makes a key a part of a JSON Pointer.
func escape(key string) string {
	return strings.ReplaceAll(strings.ReplaceAll(key, "~", "~0"), "/", "~1")
}
