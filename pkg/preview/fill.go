package preview

import "maps"

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
