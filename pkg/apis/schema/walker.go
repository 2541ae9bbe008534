package schema

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/structured-merge-diff/v6/value"
)

// maxShown is how many characters of a refused value a message repeats.
const maxShown = 80

// walker goes over one object. Paths are linked from the leaf to the root and
// spelled only when there is an error: most objects are good.
type walker struct {
	allocator value.Allocator
	errs      field.ErrorList
}

// at is a place in an object.
type at struct {
	parent *at
	name   string // of a field, or a key of a map if isKey
	index  int    // in a list, if name is empty
	isKey  bool
}

func (a *at) path() *field.Path {
	switch {
	case a == nil:
		return nil
	case a.isKey:
		return a.parent.path().Key(a.name)
	case a.name == "":
		return a.parent.path().Index(a.index)
	default:
		return a.parent.path().Child(a.name)
	}
}

func (w *walker) add(err *field.Error) {
	if len(w.errs) < MaxErrors {
		w.errs = append(w.errs, err)
	}
}

func (w *walker) check(n *node, v value.Value, place *at) {
	for _, part := range n.all {
		w.check(part, v, place)
	}
	switch {
	case v.IsNull():
		// Whoever writes null means that there is nothing; a required field
		// is refused by the object that holds it.
	case n.kind == "":
	case n.kind == "object" && v.IsMap():
		w.checkObject(n, v, place)
	case n.kind == "array" && v.IsList():
		w.checkList(n, v, place)
	case n.kind == "string" && v.IsString():
		w.checkString(n, v.AsString(), place)
	case n.kind == "integer" && v.IsInt():
		w.checkNumber(n, float64(v.AsInt()), place)
	case n.kind == "number" && v.IsInt():
		w.checkNumber(n, float64(v.AsInt()), place)
	case n.kind == "number" && v.IsFloat():
		w.checkNumber(n, v.AsFloat(), place)
	case n.kind == "boolean" && v.IsBool():
	default:
		w.add(field.TypeInvalid(place.path(), v.Unstructured(), "must be of type "+n.kind))
	}
}

func (w *walker) checkObject(n *node, v value.Value, place *at) {
	known := len(w.errs)
	m := v.AsMapUsing(w.allocator)
	defer w.allocator.Free(m)
	m.IterateUsing(w.allocator, func(name string, child value.Value) bool {
		if property, ok := n.properties[name]; ok {
			w.check(property, child, &at{parent: place, name: name})
		} else if n.additional != nil {
			w.check(n.additional, child, &at{parent: place, name: name, isKey: true})
		}
		return len(w.errs) < MaxErrors
	})
	for _, name := range n.required {
		w.checkRequired(n, m, name, place)
	}
	// A rule may rely on what the rest of the schema says of the object.
	if len(n.rules) > 0 && len(w.errs) == known {
		w.checkRules(n, v.Unstructured(), place)
	}
}

// checkRequired refuses an object without a required field. Where the field is
// an object with required fields of its own, those are what is named: the Go
// types do not tell an absent object from an empty one.
func (w *walker) checkRequired(n *node, m value.Map, name string, place *at) {
	child, ok := m.GetUsing(w.allocator, name)
	if ok {
		defer w.allocator.Free(child)
	}
	if ok && !child.IsNull() {
		return
	}
	missing := &at{parent: place, name: name}
	if property := n.properties[name]; property != nil && len(property.required) > 0 {
		w.check(property, value.NewValueInterface(map[string]any{}), missing)
		return
	}
	w.add(field.Required(missing.path(), "must be set, and not be empty"))
}

func (w *walker) checkRules(n *node, self any, place *at) {
	for i := range n.rules {
		holds, err := n.rules[i].holds(self)
		if err != nil {
			w.add(field.Invalid(place.path(), "object", err.Error()))
		} else if !holds {
			w.add(field.Invalid(place.path(), "object", n.rules[i].message))
		}
	}
}

func (w *walker) checkList(n *node, v value.Value, place *at) {
	list := v.AsListUsing(w.allocator)
	defer w.allocator.Free(list)
	length := int64(list.Length())
	if n.minItems != nil && length < *n.minItems {
		w.add(field.Invalid(place.path(), length, fmt.Sprintf("must have at least %d items", *n.minItems)))
	}
	if n.maxItems != nil && length > *n.maxItems {
		w.add(field.TooMany(place.path(), int(length), int(*n.maxItems)))
	}
	if n.items == nil {
		return
	}
	items := list.RangeUsing(w.allocator)
	defer w.allocator.Free(items)
	for items.Next() && len(w.errs) < MaxErrors {
		i, item := items.Item()
		place := &at{parent: place, index: i}
		if item.IsNull() {
			w.add(field.Required(place.path(), "must not be null"))
			continue
		}
		w.check(n.items, item, place)
	}
}

func (w *walker) checkString(n *node, text string, place *at) {
	if n.minLength != nil || n.maxLength != nil {
		w.checkLength(n, text, place)
	}
	if n.enum != nil && !slices.Contains(n.enum, text) {
		w.add(field.NotSupported(place.path(), shown(n, text), n.enum))
	}
	if n.pattern != nil && !n.pattern.MatchString(text) {
		w.add(field.Invalid(place.path(), shown(n, text), "must match "+n.pattern.String()))
	}
	if n.dateTime {
		if _, err := time.Parse(time.RFC3339, text); err != nil {
			w.add(field.Invalid(place.path(), shown(n, text), "must be a time as in RFC 3339, such as 2006-01-02T15:04:05Z"))
		}
	}
}

func (w *walker) checkLength(n *node, text string, place *at) {
	length := int64(utf8.RuneCountInString(text))
	if n.minLength != nil && length < *n.minLength {
		w.add(field.Invalid(place.path(), shown(n, text), fmt.Sprintf("must have at least %d characters", *n.minLength)))
	}
	if n.maxLength != nil && length > *n.maxLength {
		w.add(field.Invalid(place.path(), shown(n, text), fmt.Sprintf("must have at most %d characters, has %d", *n.maxLength, length)))
	}
}

func (w *walker) checkNumber(n *node, number float64, place *at) {
	if n.minimum != nil && number < *n.minimum {
		w.add(field.Invalid(place.path(), number, fmt.Sprintf("must be at least %v", *n.minimum)))
	}
	if n.maximum != nil && number > *n.maximum {
		w.add(field.Invalid(place.path(), number, fmt.Sprintf("must be at most %v", *n.maximum)))
	}
}

// checkAbsentSpec refuses an object without a spec where the spec has required
// fields. Custom resources let it pass, because the kinds do not require the
// field; such an object could never run.
func (w *walker) checkAbsentSpec(n *node, v value.Value) {
	spec := n.properties["spec"]
	if spec == nil || len(spec.required) == 0 || !v.IsMap() {
		return
	}
	m := v.AsMapUsing(w.allocator)
	defer w.allocator.Free(m)
	w.checkRequired(n, m, "spec", nil)
}

// shown is what a message repeats of a refused value: not all of a long one,
// and nothing of what may be a password.
func shown(n *node, text string) string {
	if n.isURL {
		text = redacted(text)
	}
	if utf8.RuneCountInString(text) <= maxShown {
		return text
	}
	return string([]rune(text)[:maxShown]) + "…"
}

// redacted masks what stands before the last @ of something that should have
// been a URL. A password may hold any character that its writer forgot to
// escape, so more is masked rather than less.
func redacted(text string) string {
	scheme, rest, ok := strings.Cut(text, "://")
	if !ok {
		scheme, rest = "", text
	} else {
		scheme += "://"
	}
	if last := strings.LastIndexByte(rest, '@'); last >= 0 {
		return scheme + "***" + rest[last:]
	}
	return text
}
