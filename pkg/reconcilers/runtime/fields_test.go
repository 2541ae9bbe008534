package runtime

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestUnsupported(t *testing.T) {
	type target struct {
		Kind  string `json:"kind,omitempty"`
		Label string `json:"label,omitempty"`
	}
	type patch struct {
		Patch  string  `json:"patch,omitempty"`
		Target *target `json:"target,omitempty"`
	}
	type verify struct {
		Mode string `json:"mode,omitempty"`
	}
	type spec struct {
		URL      string            `json:"url,omitempty"`
		Provider string            `json:"provider,omitempty"`
		Deep     *bool             `json:"deep,omitempty"`
		Verify   *verify           `json:"verify,omitempty"`
		Patches  []patch           `json:"patches,omitempty"`
		Labels   map[string]string `json:"labels,omitempty"`
		Names    []string          `json:"names,omitempty"`
		Include  []patch           `json:"include,omitempty"`
	}
	fields := NewFields(append(Paths("spec.url", "spec.patches[].patch", "spec.patches[].target.kind", "spec.labels{}", "spec.names[]"),
		Field{Path: "spec.provider", Accept: OneOf("generic")}, Field{Path: "spec.deep", Accept: OneOf(false)})...)
	yes, no := true, false
	for _, tc := range []struct {
		name string
		spec spec
		want []string
	}{
		{"empty", spec{}, nil},
		{"supported", spec{
			URL: "u", Provider: "generic", Deep: &no, Names: []string{"a"}, Labels: map[string]string{"verify": "x", "a.b/c": "y"},
			Patches: []patch{{Patch: "p", Target: &target{Kind: "k"}}},
		}, nil},
		{"a value", spec{Provider: "aws", Deep: &yes}, []string{"spec.deep", "spec.provider"}},
		{"a struct is named as a whole", spec{Verify: &verify{Mode: "HEAD"}}, []string{"spec.verify"}},
		{"a list is named as a whole, once", spec{Include: []patch{{Patch: "a"}, {Patch: "b"}}}, []string{"spec.include"}},
		{"deep in a list", spec{Patches: []patch{{Patch: "p"}, {Target: &target{Label: "l"}}}}, []string{"spec.patches[].target.label"}},
		{"empty things are not set", spec{Verify: &verify{}, Include: []patch{}}, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := fields.Unsupported(&tc.spec)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
