package parity

import (
	"bufio"
	"bytes"
	"embed"
	"encoding/json"
	"fmt"
	"path"
	"strings"

	"k8s.io/apimachinery/pkg/runtime/schema"
)

//go:embed testdata/*.tsv
var files embed.FS

// Kind is what is known of one kind.
type Kind struct {
	Group        string   `json:"group"`
	Version      string   `json:"version"`
	Kind         string   `json:"kind"`
	Plural       string   `json:"plural"`
	Singular     string   `json:"singular"`
	ShortNames   []string `json:"shortNames"`
	Categories   []string `json:"categories"`
	Scope        string   `json:"scope"`
	Served       bool     `json:"served"`
	Storage      bool     `json:"storage"`
	Subresources []string `json:"subresources"`
	Columns      []Column `json:"columns"`

	// Fields are the lines, in the order of the file.
	Fields []Field `json:"-"`
}

// GroupVersionKind names the kind.
func (k *Kind) GroupVersionKind() schema.GroupVersionKind {
	return schema.GroupVersionKind{Group: k.Group, Version: k.Version, Kind: k.Kind}
}

// GroupVersionResource names the resource of the kind.
func (k *Kind) GroupVersionResource() schema.GroupVersionResource {
	return schema.GroupVersionResource{Group: k.Group, Version: k.Version, Resource: k.Plural}
}

// Column is one column that kubectl get prints.
type Column struct {
	Name, JSONPath string
}

// UnmarshalJSON reads a column from its form in the files: a list of its name,
// its path, and nothing or a priority.
func (c *Column) UnmarshalJSON(data []byte) error {
	var parts []any
	if err := json.Unmarshal(data, &parts); err != nil {
		return err
	}
	if len(parts) < 2 {
		return fmt.Errorf("column %s has no name or no path", data)
	}
	c.Name, _ = parts[0].(string)
	c.JSONPath, _ = parts[1].(string)
	return nil
}

// Field is one line: a path such as spec.patches[].patch, where [] stands for
// the items of a list and {} for the values of a map, and what holds there.
type Field struct {
	Path string
	Facts
}

// Facts is what holds of one field.
type Facts struct {
	Type      string   `json:"type,omitempty"`
	Format    string   `json:"format,omitempty"`
	Required  bool     `json:"required,omitempty"`
	Default   any      `json:"default,omitempty"`
	Enum      []string `json:"enum,omitempty"`
	Pattern   string   `json:"pattern,omitempty"`
	MinLength *int64   `json:"minLength,omitempty"`
	MaxLength *int64   `json:"maxLength,omitempty"`
	MinItems  *int64   `json:"minItems,omitempty"`
	MaxItems  *int64   `json:"maxItems,omitempty"`
	Minimum   *float64 `json:"minimum,omitempty"`
	Maximum   *float64 `json:"maximum,omitempty"`
	Rules     []string `json:"rules,omitempty"`
	Opaque    bool     `json:"preserve-unknown-fields,omitempty"`

	// How server-side apply merges. A list without a type is atomic, a map and
	// an object without one are granular.
	ListType    string   `json:"list-type,omitempty"`
	ListMapKeys []string `json:"list-map-keys,omitempty"`
	MapType     string   `json:"map-type,omitempty"`
}

// Load reads what is known of all kinds.
func Load() ([]*Kind, error) {
	entries, err := files.ReadDir("testdata")
	if err != nil {
		return nil, fmt.Errorf("listing the data: %w", err)
	}
	kinds := make([]*Kind, 0, len(entries))
	for _, entry := range entries {
		data, err := files.ReadFile(path.Join("testdata", entry.Name()))
		if err != nil {
			return nil, fmt.Errorf("reading %s: %w", entry.Name(), err)
		}
		kind, err := parse(data)
		if err != nil {
			return nil, fmt.Errorf("parsing %s: %w", entry.Name(), err)
		}
		kinds = append(kinds, kind)
	}
	return kinds, nil
}

// Named gives those of the kinds that have one of these names; a name that is
// not among them is an error.
func Named(kinds []*Kind, names ...string) ([]*Kind, error) {
	byName := map[string]*Kind{}
	for _, kind := range kinds {
		byName[kind.Kind] = kind
	}
	named := make([]*Kind, 0, len(names))
	for _, name := range names {
		kind, ok := byName[name]
		if !ok {
			return nil, fmt.Errorf("nothing is known of kind %q", name)
		}
		named = append(named, kind)
	}
	return named, nil
}

func parse(data []byte) (*Kind, error) {
	lines := bufio.NewScanner(bytes.NewReader(data))
	if !lines.Scan() {
		return nil, fmt.Errorf("the file is empty")
	}
	header, ok := strings.CutPrefix(lines.Text(), "# ")
	if !ok {
		return nil, fmt.Errorf("the first line is not a header")
	}
	kind := &Kind{}
	if err := decodeStrictly(header, kind); err != nil {
		return nil, fmt.Errorf("header: %w", err)
	}
	seen := map[string]bool{}
	for lines.Scan() {
		name, facts, ok := strings.Cut(lines.Text(), "\t")
		if !ok {
			return nil, fmt.Errorf("line %q has no tab", lines.Text())
		}
		if seen[name] {
			return nil, fmt.Errorf("field %s has two lines", name)
		}
		seen[name] = true
		field := Field{Path: name}
		if err := decodeStrictly(facts, &field.Facts); err != nil {
			return nil, fmt.Errorf("field %s: %w", name, err)
		}
		kind.Fields = append(kind.Fields, field)
	}
	return kind, lines.Err()
}

// decodeStrictly refuses keys that it does not know, so that no fact is read
// and then ignored.
func decodeStrictly(text string, into any) error {
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.DisallowUnknownFields()
	return decoder.Decode(into)
}
