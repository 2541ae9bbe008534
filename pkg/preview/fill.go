package preview

import (
	"maps"
	"slices"
)

// Fill adds to fields that were rendered, and not seen by a server, what it would
// leave as it is: what the elements of lists have in before, where they can be
// told apart. All else of before is in fields already. What is taken away from
// such an element does not show, but neither do all of its defaults as taken
// away.
func Fill(fields, before map[string]any) map[string]any {
	out, ok := fill(fields, before, false).(map[string]any)
	if !ok {
		return fields
	}
	return out
}

func fill(v, before any, element bool) any {
	switch v := v.(type) {
	case map[string]any:
		old, ok := before.(map[string]any)
		if !ok {
			return v
		}
		out := make(map[string]any, len(v))
		if element {
			maps.Copy(out, old)
		}
		for key, value := range v {
			out[key] = value
			if was, ok := old[key]; ok {
				out[key] = fill(value, was, element)
			}
		}
		return out
	case []any:
		old, ok := before.([]any)
		if !ok || !named(old, v) {
			return v
		}
		out := make([]any, len(v))
		pairs, _ := match(old, v)
		for _, p := range pairs {
			switch {
			case p.new < 0:
			case p.old < 0:
				out[p.new] = v[p.new]
			default:
				out[p.new] = fill(v[p.new], old[p.old], true)
			}
		}
		return out
	}
	return v
}

// StandIn returns a public rendering as a server takes it that wants a number, or
// true or false, where there is a placeholder: typed has one in the same place.
func StandIn(public, typed map[string]any) map[string]any {
	out, ok := standIn(public, typed).(map[string]any)
	if !ok {
		return public
	}
	return out
}

func standIn(v, typed any) any {
	switch v := v.(type) {
	case map[string]any:
		t, ok := typed.(map[string]any)
		if !ok {
			return v
		}
		out := make(map[string]any, len(v))
		for key, value := range v {
			out[key] = standIn(value, t[key])
		}
		return out
	case []any:
		t, ok := typed.([]any)
		if !ok {
			return v
		}
		out := slices.Clone(v)
		pairs, _ := match(t, v)
		for _, p := range pairs {
			if p.old >= 0 && p.new >= 0 {
				out[p.new] = standIn(v[p.new], t[p.old])
			}
		}
		return out
	case string:
		switch {
		case !HoldsPlaceholder(v):
		case isNumber(typed):
			return int64(1)
		case typed == true, typed == false:
			return true
		}
	}
	return v
}

func isNumber(v any) bool {
	switch v.(type) {
	case int64, float64:
		return true
	}
	return false
}
