package worker

import (
	"fmt"
	"strings"

	"sigs.k8s.io/kustomize/api/types"
)

// want is what a field's path may lead to.
type want byte

const (
	aFile   want = iota
	aDir         // a component
	either       // a file of resources, or a kustomization
	aConfig      // as either, but of configurations of plug-ins; or inline
	aPatch       // a file, or a patch inline
)

// entry is a value of a path-valued field.
type entry struct {
	field, value string
	want         want
}

// entries returns all values of all path-valued fields of k.
func entries(k *types.Kustomization) []entry {
	var list []entry
	add := func(field string, want want, values ...string) {
		for _, v := range values {
			list = append(list, entry{field, v, want})
		}
	}
	add("resources", either, k.Resources...)
	add("bases", either, k.Bases...) //nolint:staticcheck // deprecated, but in use
	add("components", aDir, k.Components...)
	add("crds", aFile, k.Crds...)
	add("configurations", aFile, k.Configurations...)
	add("generators", aConfig, k.Generators...)
	add("transformers", aConfig, k.Transformers...)
	add("validators", aConfig, k.Validators...)
	for _, p := range k.PatchesStrategicMerge { //nolint:staticcheck // deprecated, but in use
		add("patchesStrategicMerge", aPatch, string(p))
	}
	addOptional := func(field string, i int, value string) {
		if value != "" {
			add(fmt.Sprintf(field, i), aFile, value)
		}
	}
	for i, p := range k.Patches {
		addOptional("patches[%d].path", i, p.Path)
	}
	for i, p := range k.PatchesJson6902 { //nolint:staticcheck // deprecated, but in use
		addOptional("patchesJson6902[%d].path", i, p.Path)
	}
	for i, r := range k.Replacements {
		addOptional("replacements[%d].path", i, r.Path)
	}
	if p, ok := k.OpenAPI["path"]; ok {
		add("openapi.path", aFile, p)
	}
	for i := range k.ConfigMapGenerator {
		addSources(add, fmt.Sprintf("configMapGenerator[%d]", i), &k.ConfigMapGenerator[i].KvPairSources)
	}
	for i := range k.SecretGenerator {
		addSources(add, fmt.Sprintf("secretGenerator[%d]", i), &k.SecretGenerator[i].KvPairSources)
	}
	return list
}

func addSources(add func(string, want, ...string), field string, s *types.KvPairSources) {
	for _, file := range s.FileSources {
		add(field+".files", aFile, filePart(file))
	}
	add(field+".envs", aFile, s.EnvSources...)
	if s.EnvSource != "" {
		add(field+".env", aFile, s.EnvSource)
	}
}

// filePart returns the path of a "path" or "key=path".
func filePart(source string) string {
	if _, p, ok := strings.Cut(source, "="); ok && !isRemote(source) {
		return p
	}
	return source
}

// chartField returns the field by which k asks for a Helm chart, if it does.
func chartField(k *types.Kustomization) string {
	switch {
	case len(k.HelmCharts) > 0:
		return "helmCharts"
	case len(k.HelmChartInflationGenerator) > 0:
		return "helmChartInflationGenerator"
	case k.HelmGlobals != nil:
		return "helmGlobals"
	default:
		return ""
	}
}

// isInline says that the value of a field that holds either a path or YAML
// holds YAML.
func isInline(value string) bool {
	return strings.ContainsAny(value, "\n{") || strings.Contains(value, ": ")
}
