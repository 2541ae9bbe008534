package preview

import (
	"maps"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
)

// Body is the body of an object together with what of it may be shown. The zero
// value is that of an object that does not exist. Bodies share parts with what
// they were made of, and are not changed.
type Body struct {
	// fields holds JSON values, and a *veil in the place of each value that may
	// not be shown.
	fields map[string]any
}

// veil stands for a value that may not be shown. It is kept to say whether two
// of them are the same.
type veil struct{ value any }

// hiddenKey stands for the keys of a map that may not be shown; its value is a
// veil over all their entries.
const hiddenKey = "***"

// Open returns a body all of which may be shown.
func Open(fields map[string]any) Body { return Body{fields} }

// Exists reports whether there is an object.
func (b Body) Exists() bool { return b.fields != nil }

// Reveal shows what of an object's fields some public body has in the same
// place, and nothing else. Where lists differ in length, places are found as
// for a comparison.
//
// It hides by what is known to be public rather than by what is known to be
// secret: whatever became of a value on its way, it is not among what came out
// without it.
func Reveal(fields map[string]any, public ...map[string]any) Body {
	return Derive(fields, Body{}, public...)
}

// Derive is Reveal for what was made of an older object, for instance by a
// dry-run: what is as it was in from, and shown there, is shown too.
func Derive(fields map[string]any, from Body, public ...map[string]any) Body {
	if fields == nil {
		return Body{}
	}
	var sources []any
	for _, p := range public {
		if p != nil {
			sources = append(sources, p)
		}
	}
	if from.fields != nil {
		sources = append(sources, from.fields)
	}
	shown, ok := reveal(fields, sources).(map[string]any)
	if !ok {
		shown = map[string]any{hiddenKey: &veil{fields}}
	}
	return Body{shown}
}

// reveal returns v with veils over what none of sources has.
func reveal(v any, sources []any) any {
	switch v := v.(type) {
	case map[string]any:
		return revealMap(v, sources)
	case []any:
		return revealList(v, sources)
	}
	for _, s := range sources {
		if _, hidden := s.(*veil); !hidden && equal(v, s) {
			return v
		}
	}
	return &veil{v}
}

func revealMap(v map[string]any, sources []any) any {
	out, hidden, known := make(map[string]any, len(v)), map[string]any{}, false
	for _, s := range sources {
		_, ok := s.(map[string]any)
		known = known || ok
	}
	if !known {
		return &veil{v}
	}
	for key, value := range v {
		var inner []any
		for _, s := range sources {
			if m, ok := s.(map[string]any); ok {
				if found, ok := m[key]; ok {
					inner = append(inner, found)
				}
			}
		}
		if len(inner) == 0 {
			hidden[key] = value
			continue
		}
		out[key] = reveal(value, inner)
	}
	return withHidden(out, hidden)
}

// withHidden adds to a map entries whose keys may not be shown.
func withHidden(out, hidden map[string]any) any {
	if len(hidden) > 0 {
		key := hiddenKey
		for out[key] != nil {
			key += "*"
		}
		out[key] = &veil{hidden}
	}
	return out
}

func revealList(v []any, sources []any) any {
	places := make([][]any, len(v))
	known := false
	for _, s := range sources {
		list, ok := s.([]any)
		if !ok {
			continue
		}
		known = true
		pairs, _ := match(list, v)
		for _, p := range pairs {
			if p.old >= 0 && p.new >= 0 {
				places[p.new] = append(places[p.new], list[p.old])
			}
		}
	}
	if !known {
		return &veil{v}
	}
	out := make([]any, len(v))
	for i, e := range v {
		out[i] = reveal(e, places[i])
	}
	return out
}

// Witness is one object rendered twice: as it is, and without the secret values.
// Where the two differ the object holds something secret.
type Witness struct{ Real, Public map[string]any }

// Conceal hides what of an object's fields stands where a witness has something
// secret. What no witness knows of is shown: this is for objects that the caller
// may read in the cluster, where all of it is to be seen.
//
// With instead, the text of a witness' public rendering is shown in the place of
// what is hidden: for a comparison with what was rendered without the secret
// values too.
func Conceal(fields map[string]any, instead bool, witnesses ...Witness) Body {
	if fields == nil {
		return Body{}
	}
	var out any = fields
	for _, w := range witnesses {
		out = conceal(out, w.Real, w.Public, instead)
	}
	shown, ok := out.(map[string]any)
	if !ok {
		shown = map[string]any{hiddenKey: &veil{fields}}
	}
	return Body{shown}
}

func conceal(v, secret, public any, instead bool) any {
	if equal(secret, public) {
		return v
	}
	switch v := v.(type) {
	case *veil:
		return v
	case map[string]any:
		s, ok := secret.(map[string]any)
		p, both := public.(map[string]any)
		if ok && both {
			return concealMap(v, s, p, instead)
		}
	case []any:
		s, ok := secret.([]any)
		p, both := public.([]any)
		if ok && both && len(s) == len(p) {
			return concealList(v, s, p, instead)
		}
	default:
		if instead && isScalar(public) && isScalar(secret) {
			return public
		}
	}
	return &veil{v}
}

func concealMap(v, secret, public map[string]any, instead bool) any {
	// Where a key is secret, one that is not known may be what it was before.
	strict := slices.ContainsFunc(slices.Collect(maps.Keys(secret)), func(key string) bool {
		_, ok := public[key]
		return !ok
	})
	out, hidden := make(map[string]any, len(v)), map[string]any{}
	for key, value := range v {
		s, inSecret := secret[key]
		p, inPublic := public[key]
		switch {
		case inSecret && inPublic:
			out[key] = conceal(value, s, p, instead)
		case inSecret, strict && !inPublic:
			hidden[key] = value
		default:
			out[key] = value
		}
	}
	return withHidden(out, hidden)
}

// concealList knows the place of an element by what the witness has there. An
// element that is in no place may be one that is secret.
func concealList(v, secret, public []any, instead bool) any {
	out := make([]any, len(v))
	pairs, _ := match(secret, v)
	for _, p := range pairs {
		switch {
		case p.new < 0:
		case p.old < 0:
			out[p.new] = &veil{v[p.new]}
		default:
			out[p.new] = conceal(v[p.new], secret[p.old], public[p.old], instead)
		}
	}
	return out
}

func isScalar(v any) bool {
	switch v.(type) {
	case map[string]any, []any, *veil:
		return false
	}
	return true
}

// Strip returns an object's fields without what a cluster adds to every object,
// and without the copy of them that kubectl keeps in an annotation. It shares
// the rest with u, which may be nil.
func Strip(u *unstructured.Unstructured) map[string]any {
	if u == nil || u.Object == nil {
		return nil
	}
	out := maps.Clone(u.Object)
	delete(out, "status")
	in, ok := out["metadata"].(map[string]any)
	if !ok {
		return out
	}
	meta := maps.Clone(in)
	for _, name := range []string{"managedFields", "resourceVersion", "uid", "creationTimestamp", "generation", "selfLink"} {
		delete(meta, name)
	}
	if annotations, ok := meta["annotations"].(map[string]any); ok {
		rest := maps.Clone(annotations)
		delete(rest, lastApplied)
		meta["annotations"] = rest
		if len(rest) == 0 {
			delete(meta, "annotations")
		}
	}
	out["metadata"] = meta
	return out
}

// lastApplied is the annotation in which kubectl keeps what it applied, Secrets
// included.
const lastApplied = "kubectl.kubernetes.io/last-applied-configuration"

// equal compares values by what they mean, veils by what is under them.
func equal(a, b any) bool {
	a, b = bare(a), bare(b)
	switch a := a.(type) {
	case map[string]any:
		b, ok := b.(map[string]any)
		return ok && equalMaps(a, b)
	case []any:
		b, ok := b.([]any)
		return ok && slices.EqualFunc(a, b, equal)
	case int64:
		if f, ok := b.(float64); ok {
			return float64(a) == f
		}
	case float64:
		if i, ok := b.(int64); ok {
			return a == float64(i)
		}
	}
	if !isScalar(b) {
		return false
	}
	return a == b
}

// equalMaps compares maps, some of whose entries may be in a veil together.
func equalMaps(a, b map[string]any) bool {
	return maps.EqualFunc(spread(a), spread(b), equal)
}

// spread puts entries with hidden keys back among the others.
func spread(m map[string]any) map[string]any {
	var out map[string]any
	for key, value := range m {
		hidden, ok := value.(*veil)
		if !ok || key == "" || key[0] != hiddenKey[0] {
			continue
		}
		if entries, ok := hidden.value.(map[string]any); ok && isHiddenKey(key) {
			if out == nil {
				out = maps.Clone(m)
			}
			delete(out, key)
			maps.Copy(out, entries)
		}
	}
	if out == nil {
		return m
	}
	return out
}

func isHiddenKey(key string) bool {
	for _, c := range key {
		if c != '*' {
			return false
		}
	}
	return len(key) >= len(hiddenKey)
}

func bare(v any) any {
	if v, ok := v.(*veil); ok {
		return v.value
	}
	return v
}

// whole makes a body an object again, sharing nothing with it.
func whole(fields any) *unstructured.Unstructured {
	m, ok := fields.(map[string]any)
	if !ok {
		return nil
	}
	return &unstructured.Unstructured{Object: runtime.DeepCopyJSON(m)}
}
