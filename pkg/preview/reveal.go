package preview

// Reveal shows what of an object's fields some public body has in the same
// place, and nothing else. Where lists differ in length, places are found as
// for a comparison.
//
// It hides by what is known to be public rather than by what is known to be
// secret: whatever became of a value on its way, it is not among what came out
// without it.
func Reveal(fields map[string]any, public ...map[string]any) Body {
	sources := make([]Body, len(public))
	for i := range public {
		sources[i] = Open(public[i])
	}
	return Derive(fields, sources...)
}

// Derive is Reveal for what was made of other objects, for instance by a dry-run:
// what is as it was in one of them, and shown there, is shown.
func Derive(fields map[string]any, of ...Body) Body {
	if fields == nil {
		return Body{}
	}
	var sources []any
	for _, b := range of {
		if b.fields != nil {
			sources = append(sources, b.fields)
		}
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
