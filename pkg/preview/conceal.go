package preview

import (
	"maps"
	"slices"
)

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
		if entries, ok := hiddenEntries(key, value); ok {
			maps.Copy(hidden, entries) // of another witness
			continue
		}
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

// Shade returns what became of an object by a dry-run that no secret value was
// sent with. All of it may be shown but what it still has of the object as it
// was before, where that is hidden: it is shown as there.
func Shade(after Body, before map[string]any, shown Body) Body {
	if after.fields == nil || before == nil || shown.fields == nil {
		return after
	}
	out, ok := shade(after.fields, before, shown.fields).(map[string]any)
	if !ok {
		out = map[string]any{hiddenKey: &veil{after.fields}}
	}
	return Body{out}
}

func shade(v, before, shown any) any {
	if _, hidden := shown.(*veil); hidden || isScalar(shown) {
		if equal(v, before) {
			return shown
		}
		return v
	}
	switch v := v.(type) {
	case map[string]any:
		b, ok := before.(map[string]any)
		s, both := shown.(map[string]any)
		if !ok || !both {
			return v
		}
		out, hidden := make(map[string]any, len(v)), map[string]any{}
		for key, value := range v {
			old, inBefore := b[key]
			seen, inShown := s[key]
			switch {
			case inBefore && inShown:
				out[key] = shade(value, old, seen)
			case inBefore:
				hidden[key] = value
			default:
				out[key] = value
			}
		}
		return withHidden(out, hidden)
	case []any:
		b, ok := before.([]any)
		s, both := shown.([]any)
		if !ok || !both || len(b) != len(s) {
			return v
		}
		out := make([]any, len(v))
		pairs, _ := match(b, v)
		for _, p := range pairs {
			switch {
			case p.new < 0:
			case p.old < 0:
				out[p.new] = shadeMoved(v[p.new], b, s)
			default:
				out[p.new] = shadeMoved(shade(v[p.new], b[p.old], s[p.old]), b, s)
			}
		}
		return out
	}
	return v
}

// shadeMoved finds an element of a list that is hidden in another place.
func shadeMoved(v any, before, shown []any) any {
	if _, hidden := v.(*veil); hidden {
		return v
	}
	for i, old := range before {
		if equal(v, old) && !equalShown(old, shown[i]) {
			return shown[i]
		}
	}
	return v
}

// equalShown says that a value is shown as it is, and all that is in it.
func equalShown(v, shown any) bool {
	switch s := shown.(type) {
	case *veil:
		return false
	case map[string]any:
		v, ok := v.(map[string]any)
		return ok && maps.EqualFunc(v, s, equalShown)
	case []any:
		v, ok := v.([]any)
		return ok && slices.EqualFunc(v, s, equalShown)
	}
	return equal(v, shown)
}
