package parity

import (
	"fmt"
	"strings"
)

// samples is what cannot be read from the lines: text that matches a pattern and
// text that does not, and objects that keep a rule and break it.
type samples struct {
	byPattern map[string]sample
	byRule    map[string]ruleSample

	// byPath holds values for fields that take less than their line says.
	byPath map[string]any

	// needs holds what else must be set for a field of a kind to be accepted.
	needs map[string]map[string]any

	// lenient names required fields that may be left out, and why.
	lenient map[string]string
}

type sample struct{ good, bad string }

// ruleSample holds values for the field that a rule is about.
type ruleSample struct{ keeps, breaks map[string]any }

// newSamples also checks that each pattern and each rule of the kind has some.
func newSamples(kind *Kind) (*samples, error) {
	s := &samples{
		byPattern: map[string]sample{
			`^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$`:                {"1h30m", "1 hour"},
			`^([0-9]+(\.[0-9]+)?(ms|s|m))+$`:                  {"90s", "1h"},
			`^(http|https|ssh)://.*$`:                         {"https://git.example.com/app.git", "git@example.com:app.git"},
			`^[a-z0-9]+(?:[.+_-][a-z0-9]+)*:[a-zA-Z0-9=_-]+$`: {"sha256:" + strings.Repeat("a", 64), "a digest"},
			`^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$`:        {"Succeeded", "not one word"},
			`^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])$`: {"Ready", "-Ready"},
		},
		byRule: map[string]ruleSample{
			"!has(self.serviceAccountName) || (has(self.provider) && (self.provider == 'azure' || self.provider == 'aws'))": {
				keeps:  map[string]any{"serviceAccountName": "text", "provider": "azure"},
				breaks: map[string]any{"serviceAccountName": "text", "provider": "generic"},
			},
			"has(self.configMapRef) || has(self.secretRef)": {
				keeps:  map[string]any{"configMapRef": map[string]any{"name": "text"}},
				breaks: map[string]any{},
			},
			"!has(self.configMapRef) || !has(self.secretRef)": {
				keeps:  map[string]any{"secretRef": map[string]any{"name": "text"}},
				breaks: map[string]any{"configMapRef": map[string]any{"name": "text"}, "secretRef": map[string]any{"name": "text"}},
			},
		},
		lenient: map[string]string{
			"status.conditions[].message": "the Go type of a condition does not tell an absent message from an empty one, which is allowed",
		},
		byPath: map[string]any{
			"spec.ref.semver": ">=1.0.0",
		},
		needs: map[string]map[string]any{
			"GitRepository spec.serviceAccountName": {"spec.provider": "aws"},
			"Kustomization spec.kubeConfig":         {"spec.kubeConfig.secretRef": map[string]any{"name": "text"}},
		},
	}
	for _, field := range kind.Fields {
		if _, ok := s.byPattern[field.Pattern]; field.Pattern != "" && !ok {
			return nil, fmt.Errorf("%s: no sample for pattern %s", field.Path, field.Pattern)
		}
		for _, rule := range field.Rules {
			if _, ok := s.byRule[rule]; !ok {
				return nil, fmt.Errorf("%s: no sample for rule %s", field.Path, rule)
			}
		}
	}
	return s, nil
}
