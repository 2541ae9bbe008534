package parity

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/util/jsonpath"
)

// ageType is how a column says that it holds an age rather than a text.
const ageType = "date"

// CheckNames compares what discovery says of a group version with the header of
// a kind: plural, singular and short names, categories, scope, subresources.
// More subresources than the kind has in Flux are welcome.
func CheckNames(resources *metav1.APIResourceList, kind *Kind) []string {
	var differences []string
	differ := func(what string, want, got any) {
		if diff := cmp.Diff(want, got); diff != "" {
			differences = append(differences, fmt.Sprintf("%s: differs (- known, + discovered):\n%s", what, diff))
		}
	}
	differ("group version", kind.GroupVersionKind().GroupVersion().String(), resources.GroupVersion)
	byName := map[string]metav1.APIResource{}
	for _, resource := range resources.APIResources {
		byName[resource.Name] = resource
	}
	resource, ok := byName[kind.Plural]
	if !ok {
		return append(differences, kind.Plural+": is not discovered")
	}
	differ("kind", kind.Kind, resource.Kind)
	differ("singular name", kind.Singular, resource.SingularName)
	differ("short names", sorted(kind.ShortNames), sorted(resource.ShortNames))
	differ("categories", sorted(kind.Categories), sorted(resource.Categories))
	differ("namespaced", kind.Scope == "Namespaced", resource.Namespaced)
	for _, verb := range []string{"create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"} {
		if !slices.Contains(resource.Verbs, verb) {
			differences = append(differences, fmt.Sprintf("verb %s: is not discovered", verb))
		}
	}
	for _, subresource := range kind.Subresources {
		if _, ok := byName[kind.Plural+"/"+subresource]; !ok {
			differences = append(differences, fmt.Sprintf("subresource %s: is not discovered", subresource))
		}
	}
	return differences
}

// CheckTable compares the columns of a table with the header of a kind, and
// each of their cells with what the column's path finds in the row's object,
// given as it was read from the server. After the name come the known columns,
// in order; more may follow, if they are for wide output.
func CheckTable(table *metav1.Table, objects map[string]map[string]any, kind *Kind) []string {
	var differences []string
	definitions := table.ColumnDefinitions
	if len(definitions) < 1+len(kind.Columns) {
		return []string{fmt.Sprintf("%d columns, want a name and %d more", len(definitions), len(kind.Columns))}
	}
	if definitions[0].Format != "name" {
		differences = append(differences, "the first column does not hold the name")
	}
	for i, column := range kind.Columns {
		if got := definitions[1+i]; got.Name != column.Name || got.Priority != 0 {
			differences = append(differences, fmt.Sprintf("column %d: is %s with priority %d, want %s with priority 0", 1+i, got.Name, got.Priority, column.Name))
		}
	}
	for _, more := range definitions[1+len(kind.Columns):] {
		if more.Priority == 0 {
			differences = append(differences, fmt.Sprintf("column %s: is not known, so it must be for wide output only", more.Name))
		}
	}
	for _, row := range table.Rows {
		differences = append(differences, checkRow(row, definitions, objects, kind)...)
	}
	return differences
}

func checkRow(row metav1.TableRow, definitions []metav1.TableColumnDefinition, objects map[string]map[string]any, kind *Kind) []string {
	if len(row.Cells) != len(definitions) {
		return []string{fmt.Sprintf("a row has %d cells, want %d", len(row.Cells), len(definitions))}
	}
	name := fmt.Sprint(row.Cells[0])
	object, ok := objects[name]
	if !ok {
		return []string{fmt.Sprintf("row %s: is of no known object", name)}
	}
	var differences []string
	for i, column := range kind.Columns {
		cell := row.Cells[1+i]
		if definitions[1+i].Type == ageType || column.JSONPath == ".metadata.creationTimestamp" {
			if cell == nil || fmt.Sprint(cell) == "" {
				differences = append(differences, fmt.Sprintf("row %s: column %s is empty", name, column.Name))
			}
			continue
		}
		want, err := find(object, column.JSONPath)
		if err != nil {
			differences = append(differences, fmt.Sprintf("row %s: column %s: %v", name, column.Name, err))
			continue
		}
		got := ""
		if cell != nil {
			got = fmt.Sprint(cell)
		}
		if got != want {
			differences = append(differences, fmt.Sprintf("row %s: column %s is %q, want %q", name, column.Name, got, want))
		}
	}
	return differences
}

// find gives what a path leads to in an object, and no text where it leads
// nowhere.
func find(object map[string]any, path string) (string, error) {
	finder := jsonpath.New("column").AllowMissingKeys(true)
	if err := finder.Parse("{" + path + "}"); err != nil {
		return "", fmt.Errorf("parsing path %s: %w", path, err)
	}
	var out bytes.Buffer
	if err := finder.Execute(&out, object); err != nil {
		return "", fmt.Errorf("following path %s: %w", path, err)
	}
	return out.String(), nil
}
