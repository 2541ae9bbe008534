package generic

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clocktesting "k8s.io/utils/clock/testing"
)

func newLeafTable(now time.Time) *table {
	kind := newLeafKind()
	return &table{
		columns: kind.Columns,
		summary: func(obj runtime.Object) Summary { return kind.Summary(obj.(*leaf)) },
		clock:   clocktesting.NewFakePassiveClock(now),
	}
}

func TestTable(t *testing.T) {
	l := newLeaf("green")
	l.CreationTimestamp = metav1.NewTime(time.Now().Add(-90 * time.Second))
	l.Spec.Withered = true
	l.Status.Conditions = []metav1.Condition{{Type: "Other", Status: "False", Message: "no"}, {Type: "Ready", Status: "True", Message: "grown"}}
	fresh := newLeaf("red")
	fresh.Name, fresh.CreationTimestamp = "second", metav1.Time{}
	remaining := int64(5)
	list := &leafList{ListMeta: metav1.ListMeta{ResourceVersion: "9", Continue: "more", RemainingItemCount: &remaining}, Items: []leaf{*l, *fresh}}

	got, err := newLeafTable(time.Unix(2000, 0)).ConvertToTable(t.Context(), list, nil)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(list.ListMeta, got.ListMeta); diff != "" {
		t.Errorf("list metadata (-want +got):\n%s", diff)
	}
	want := [][]any{
		{"first", "green", "90s", "True", "grown", "", true},
		{"second", "red", "<unknown>", nil, nil, "", false},
	}
	var cells [][]any
	for _, row := range got.Rows {
		cells = append(cells, row.Cells)
	}
	if diff := cmp.Diff(want, cells); diff != "" {
		t.Errorf("cells (-want +got):\n%s", diff)
	}
	var columns []string
	for i, column := range got.ColumnDefinitions {
		columns = append(columns, column.Name+" "+column.Type)
		if wide := i >= 5; wide != (column.Priority == 1) {
			t.Errorf("column %s has priority %d", column.Name, column.Priority)
		}
	}
	if diff := cmp.Diff([]string{"Name string", "Colour string", "Age date", "Ready string", "Status string", "Revision string", "Suspended boolean"}, columns); diff != "" {
		t.Errorf("columns (-want +got):\n%s", diff)
	}
	if _, err := json.Marshal(got.Rows); err != nil {
		t.Errorf("encoding the rows: %v", err)
	}
}

func TestTableOfOneObjectWithoutHeaders(t *testing.T) {
	got, err := newLeafTable(time.Unix(2000, 0)).ConvertToTable(t.Context(), newLeaf("green"), &metav1.TableOptions{NoHeaders: true})
	if err != nil {
		t.Fatal(err)
	}
	if len(got.ColumnDefinitions) != 0 || len(got.Rows) != 1 || got.ResourceVersion != "7" {
		t.Errorf("got %d columns, %d rows, version %s", len(got.ColumnDefinitions), len(got.Rows), got.ResourceVersion)
	}
}

func TestTimesForPeople(t *testing.T) {
	now := time.Unix(10000, 0)
	before := metav1.NewTime(now.Add(-3 * time.Minute))
	for name, test := range map[string]struct{ got, want any }{
		"never":      {Since(now, nil), nil},
		"not yet":    {Since(now, &metav1.Time{}), nil},
		"before":     {Since(now, &before), "3m"},
		"due":        {Until(now, now), "now"},
		"overdue":    {Until(now, now.Add(-time.Hour)), "now"},
		"in a while": {Until(now, now.Add(45*time.Second)), "45s"},
	} {
		if test.got != test.want {
			t.Errorf("%s: got %v, want %v", name, test.got, test.want)
		}
	}
}

func TestCondition(t *testing.T) {
	s := Summary{Conditions: []metav1.Condition{{Type: "A"}, {Type: "B", Reason: "here"}}}
	if c := s.Condition("B"); c == nil || c.Reason != "here" {
		t.Errorf("got %v", c)
	}
	if c := s.Condition("C"); c != nil {
		t.Errorf("of a type that is not there: got %v", c)
	}
}
