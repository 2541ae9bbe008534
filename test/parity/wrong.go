package parity

import "k8s.io/utils/ptr"

// Wrong changes each fact of a line in turn. Each of the lines that it gives
// must make CheckPublished fail; one that does not shows a check that looks the
// other way.
func Wrong(field Field) map[string]Field {
	wrong := map[string]Field{}
	change := func(fact string, change func(f *Facts)) {
		changed := field
		change(&changed.Facts)
		wrong[fact] = changed
	}
	change("type", func(f *Facts) { f.Type += "x" })
	change("format", func(f *Facts) { f.Format += "x" })
	change("required", func(f *Facts) { f.Required = !f.Required })
	change("default", func(f *Facts) { f.Default = "wrong" })
	change("enum", func(f *Facts) { f.Enum = append([]string{"wrong"}, f.Enum...) })
	change("pattern", func(f *Facts) { f.Pattern += "x" })
	change("minLength", func(f *Facts) { f.MinLength = ptr.To(ptr.Deref(f.MinLength, 0) + 1) })
	change("maxLength", func(f *Facts) { f.MaxLength = ptr.To(ptr.Deref(f.MaxLength, 0) + 1) })
	change("minimum", func(f *Facts) { f.Minimum = ptr.To(ptr.Deref(f.Minimum, 0) + 1) })
	change("rules", func(f *Facts) { f.Rules = append([]string{"true"}, f.Rules...) })
	change("list type", func(f *Facts) { f.ListType = "map" })
	change("map type", func(f *Facts) { f.MapType = "atomic" })
	return wrong
}
