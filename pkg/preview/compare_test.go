package preview

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/json"
	"sigs.k8s.io/yaml"
)

// fields reads YAML as a cluster's client reads JSON.
func fields(t testing.TB, text string) map[string]any {
	t.Helper()
	if text == "" {
		return nil
	}
	data, err := yaml.YAMLToJSON([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	var out map[string]any
	if err := json.Unmarshal(data, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

// told are the fields of a comparison, one a line; a mask has an m.
func told(c Comparison) string {
	var b strings.Builder
	for _, f := range c.Fields {
		before, after := "-", "-"
		if f.Old != nil {
			before = string(f.Old.Raw)
		}
		if f.New != nil {
			after = string(f.New.Raw)
		}
		mark := ""
		if f.Masked {
			mark = " m"
		}
		fmt.Fprintf(&b, "%s %s %s%s\n", f.Path, before, after, mark)
	}
	return b.String()
}

func TestCompare(t *testing.T) {
	tests := []struct{ name, before, after, want string }{
		{"nothing", "a: 1\nb: [x]", "b: [x]\na: 1", ""},
		{"numbers of two kinds", "a: 1", "a: 1.0", ""},
		{"a scalar", "a: 1", "a: 2", "/a 1 2\n"},
		{"null is not nothing", "a: null", "{}", "/a null -\n"},
		{"kinds of values", "a: {b: 1}", "a: [1]", `/a {"b":1} [1]` + "\n"},
		{"a whole subtree is one field", "a: {}", "a: {b: {c: 1, d: [2]}}", `/a/b - {"c":1,"d":[2]}` + "\n"},
		{"sorted by path", "b: 1\na: {z: 1, u: 1}", "b: 2\na: {z: 2, u: 2}", "/a/u 1 2\n/a/z 1 2\n/b 1 2\n"},
		{"escaped", `{"a/b": {"~": 1}}`, `{"a/b": {"~": 2}}`, "/a~1b/~0 1 2\n"},
		{"inserted in front", "a: [x, u]", "a: [w, x, u]", `/a/0 - "w"` + "\n"},
		{"removed in front", "a: [w, x, u]", "a: [x, u]", `/a/0 "w" -` + "\n"},
		{"changed in the middle", "a: [w, x, u]", "a: [w, z, u]", `/a/1 "x" "z"` + "\n"},
		{"appended", "a: [w]", "a: [w, z]", `/a/1 - "z"` + "\n"},
		{"equal elements", "a: [x, x]", "a: [x, x, x]", `/a/2 - "x"` + "\n"},
		{"by name", "a: [{name: x, v: 1}, {name: u, v: 1}]", "a: [{name: w, v: 1}, {name: x, v: 2}, {name: u, v: 1}]",
			`/a/0 - {"name":"w","v":1}` + "\n/a/1/v 1 2\n"},
		{"another name is another element", "a: [{name: x, v: 1}]", "a: [{name: u, v: 1}]",
			`/a/0 {"name":"x","v":1} -` + "\n" + `/a/0 - {"name":"u","v":1}` + "\n"},
		{"order counts", "a: [{name: x}, {name: u}]", "a: [{name: u}, {name: x}]", `/a [{"name":"x"},{"name":"u"}] [{"name":"u"},{"name":"x"}]` + "\n"},
		{"ports of two protocols", "a: [{containerPort: 53, protocol: UDP}]", "a: [{containerPort: 53, protocol: TCP}, {containerPort: 53, protocol: UDP}]",
			`/a/0 - {"containerPort":53,"protocol":"TCP"}` + "\n"},
		{"names that are there twice", "a: [{name: x, v: 1}, {name: x, v: 2}]", "a: [{name: x, v: 1}, {name: x, v: 3}]", "/a/1/v 2 3\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			before, after := fields(t, tt.before), fields(t, tt.after)
			c, err := Compare(Open(before), Open(after))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, told(c)); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(before, c.Old.Object); diff != "" {
				t.Error("old body:", diff)
			}
			if diff := cmp.Diff(after, c.New.Object); diff != "" {
				t.Error("new body:", diff)
			}
		})
	}
}

func TestCompareOneSide(t *testing.T) {
	body := Open(fields(t, "a: 1"))
	c, err := Compare(Body{}, body)
	if err != nil || c.Old != nil || c.New == nil || len(c.Fields) != 0 {
		t.Errorf("created: %+v, %v", c, err)
	}
	c, err = Compare(body, Body{})
	if err != nil || c.Old == nil || c.New != nil || len(c.Fields) != 0 {
		t.Errorf("deleted: %+v, %v", c, err)
	}
}

func TestCompareBoundsFields(t *testing.T) {
	before, after := map[string]any{}, map[string]any{}
	for i := range maxFields + 1 {
		before[fmt.Sprint(i)], after[fmt.Sprint(i)] = "a", "b"
	}
	c, err := Compare(Open(before), Open(after))
	if err != nil || len(c.Fields) != maxFields || !c.Truncated {
		t.Errorf("%d fields, truncated %t, %v", len(c.Fields), c.Truncated, err)
	}
	if len(c.New.Object) != maxFields+1 {
		t.Errorf("the body has %d fields", len(c.New.Object))
	}
}

func TestStrip(t *testing.T) {
	u := &unstructured.Unstructured{Object: fields(t, `
metadata:
  name: a
  uid: u
  resourceVersion: "1"
  generation: 3
  creationTimestamp: x
  managedFields: []
  annotations: {kubectl.kubernetes.io/last-applied-configuration: "{}"}
  labels: {a: b}
status: {ready: true}
data: {k: v}
`)}
	before := u.DeepCopy()
	if diff := cmp.Diff(fields(t, "metadata: {name: a, labels: {a: b}}\ndata: {k: v}"), Strip(u)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(before.Object, u.Object); diff != "" {
		t.Error("the object was changed:", diff)
	}
	if Strip(nil) != nil {
		t.Error("nothing became something")
	}
}
