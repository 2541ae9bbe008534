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
		if entries, ok := hiddenEntries(key, value); ok {
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

// hiddenEntries returns the entries that an entry of a map stands for, if it
// stands for entries with hidden keys.
func hiddenEntries(key string, value any) (map[string]any, bool) {
	hidden, ok := value.(*veil)
	if !ok || !isHiddenKey(key) {
		return nil, false
	}
	entries, ok := hidden.value.(map[string]any)
	return entries, ok
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
