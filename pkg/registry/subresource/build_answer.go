package subresource

import (
	"bytes"
	"encoding/json"
	"fmt"

	"sigs.k8s.io/yaml"

	"github.com/leat-dev/leat/pkg/preview"
)

// buildAnswer writes manifests.
type buildAnswer struct {
	*preview.Manifests
}

func (a buildAnswer) encode(output string) ([]byte, error) {
	if output == asJSON {
		return a.encodeJSON()
	}
	return a.encodeYAML()
}

// encodeYAML writes what kubectl apply reads. The comments say where an object is
// from.
func (a buildAnswer) encodeYAML() ([]byte, error) {
	var out bytes.Buffer
	fmt.Fprintf(&out, "# revision: %s\n", oneLine(a.Revision))
	for _, m := range a.Objects {
		body, err := yaml.Marshal(m.Object.Object)
		if err != nil {
			return nil, fmt.Errorf("encoding %s %s: %w", m.Object.GetKind(), m.Object.GetName(), err)
		}
		out.WriteString("---\n")
		if m.File != "" {
			fmt.Fprintf(&out, "# file: %s\n", oneLine(m.File))
		}
		out.Write(body)
	}
	return out.Bytes(), nil
}

func (a buildAnswer) encodeJSON() ([]byte, error) {
	items := make([]map[string]any, 0, len(a.Objects))
	for _, m := range a.Objects {
		items = append(items, m.Object.Object)
	}
	data, err := json.Marshal(map[string]any{"apiVersion": "v1", "kind": "List", "metadata": map[string]any{}, "items": items})
	if err != nil {
		return nil, fmt.Errorf("encoding the manifests: %w", err)
	}
	return append(data, '\n'), nil
}

func (a buildAnswer) size() int64 {
	var total int64
	for _, m := range a.Objects {
		total += sizeOf(m.Object.Object)
	}
	return total
}

// sizeOf is about what a JSON value takes in memory.
func sizeOf(value any) int64 {
	const word = 16
	switch v := value.(type) {
	case string:
		return word + int64(len(v))
	case map[string]any:
		total := int64(4 * word)
		for key, field := range v {
			total += 2*word + int64(len(key)) + sizeOf(field)
		}
		return total
	case []any:
		total := int64(2 * word)
		for _, item := range v {
			total += word + sizeOf(item)
		}
		return total
	default:
		return word
	}
}
