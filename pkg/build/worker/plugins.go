package worker

import (
	"fmt"
	"path"

	"sigs.k8s.io/kustomize/api/konfig"
	"sigs.k8s.io/kustomize/api/provider"
)

// configs checks configurations of generators, transformers and validators:
// only those built into kustomize run, and their paths do not lead out of the
// tree either. What cannot be read is left to kustomize to complain about.
func (w *walker) configs(file, field string, content []byte) error {
	resources, err := provider.NewDefaultDepProvider().GetResourceFactory().SliceFromBytes(content)
	if err != nil {
		return nil //nolint:nilerr // kustomize reports it, or takes it for something else
	}
	for _, r := range resources {
		if r.GetApiVersion() != konfig.BuiltinPluginApiVersion {
			return refusal(file, field, fmt.Errorf("plug-in %s of %s is not built in: no other plug-in runs", r.GetKind(), r.GetApiVersion()))
		}
		if r.GetKind() == "HelmChartInflationGenerator" {
			return refusal(file, field, errChart)
		}
		config, err := r.Map()
		if err != nil {
			return invalid(file, "reading the configuration of plug-in %s: %w", r.GetKind(), err)
		}
		for _, p := range configPaths(config) {
			if isRemote(p.value) {
				return refusal(file, join(field, p.field), fmt.Errorf("%s is remote: builds do not fetch anything", redact(p.value)))
			}
			if path.IsAbs(p.value) {
				return refusal(file, join(field, p.field), fmt.Errorf("%s leads out of the source", p.value))
			}
		}
	}
	return nil
}

func join(field, sub string) string {
	if field == "" {
		return sub
	}
	return field + "." + sub
}

// configPaths returns the values of a built-in plug-in's configuration that
// are paths of files.
func configPaths(config map[string]any) []entry {
	var list []entry
	for _, field := range []string{"path", "paths", "targetFilePath", "files", "envs", "env"} {
		for _, v := range stringsIn(config[field]) {
			list = append(list, entry{field: field, value: filePart(v)})
		}
	}
	replacements, _ := config["replacements"].([]any)
	for i, r := range replacements {
		if r, ok := r.(map[string]any); ok {
			for _, v := range stringsIn(r["path"]) {
				list = append(list, entry{field: fmt.Sprintf("replacements[%d].path", i), value: v})
			}
		}
	}
	return list
}

// stringsIn returns the string or strings that value is.
func stringsIn(value any) []string {
	switch v := value.(type) {
	case string:
		return []string{v}
	case []any:
		var list []string
		for _, e := range v {
			list = append(list, stringsIn(e)...)
		}
		return list
	default:
		return nil
	}
}
