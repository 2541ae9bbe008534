package preview

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	leatv1alpha1 "github.com/leat-dev/leat/pkg/apis/leat/v1alpha1"
)

// Two bodies that may be shown are shown as they are, and have fields that differ
// if and only if they are not the same.
func FuzzCompare(f *testing.F) {
	for _, seed := range [][2]string{
		{`{"a":1,"b":[1,2]}`, `{"a":2,"b":[2,1]}`},
		{`{"spec":{"containers":[{"name":"a","image":"x"}]}}`, `{"spec":{"containers":[{"name":"b"},{"name":"a","image":"y"}]}}`},
		{`{"a/b":{"~":null}}`, `{"a/b":{"~":{}}}`},
		{`{"***":"x","a":1.0}`, `{"***":"y","a":1}`},
		{`{"l":[{"name":"a"},{"name":"a"}]}`, `{"l":[{"name":"a"}]}`},
	} {
		f.Add([]byte(seed[0]), []byte(seed[1]))
	}
	f.Fuzz(func(t *testing.T, oldText, newText []byte) {
		var before, after map[string]any
		if json.Unmarshal(oldText, &before) != nil || json.Unmarshal(newText, &after) != nil || before == nil || after == nil {
			return
		}
		c, err := Compare(Open(before), Open(after))
		if err != nil {
			return
		}
		if diff := cmp.Diff(before, c.Old.Object) + cmp.Diff(after, c.New.Object); diff != "" {
			t.Errorf("shown as something else:\n%s", diff)
		}
		if same := cmp.Equal(before, after); same != (len(c.Fields) == 0) {
			t.Errorf("the same: %t, fields %+v", same, c.Fields)
		}
		if !slices.IsSortedFunc(c.Fields, func(a, b leatv1alpha1.DiffField) int { return strings.Compare(a.Path, b.Path) }) {
			t.Errorf("not in order: %+v", c.Fields)
		}
		for _, field := range c.Fields {
			if field.Path != "" && field.Path[0] != '/' || field.Masked || field.Old == nil && field.New == nil {
				t.Errorf("field %+v", field)
			}
		}
		if itself, err := Compare(Open(after), Open(after)); err != nil || len(itself.Fields) > 0 {
			t.Errorf("differs from itself: %+v, %v", itself.Fields, err)
		}
	})
}
