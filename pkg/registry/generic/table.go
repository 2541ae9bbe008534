package generic

import (
	"context"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metatable "k8s.io/apimachinery/pkg/api/meta/table"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/duration"
	"k8s.io/apiserver/pkg/registry/rest"
	"k8s.io/utils/clock"
)

// Row is an object on its way into a table.
type Row struct {
	Object  runtime.Object
	Meta    metav1.Object
	Summary Summary
	Now     time.Time
}

// Column is one column of kubectl get.
type Column struct {
	Name        string
	Description string

	// Type is that of the cells in OpenAPI, "string" where it is empty.
	Type string

	// Wide columns show only with -o wide.
	Wide bool

	// Cell must return a JSON scalar or nil.
	Cell func(Row) any
}

// Cell makes a cell from what only one kind knows.
func Cell[O Object](value func(O) any) func(Row) any {
	return func(row Row) any { return value(row.Object.(O)) }
}

// AgeColumn is the time since the object was created.
func AgeColumn() Column {
	return Column{Name: "Age", Type: "date", Description: "Time since the object was created.", Cell: func(row Row) any {
		return metatable.ConvertToHumanReadableDateType(row.Meta.GetCreationTimestamp())
	}}
}

// ReadyColumn is the status of the Ready condition.
func ReadyColumn() Column {
	return Column{Name: "Ready", Description: "Whether the last run succeeded: True, False, or Unknown while it runs.", Cell: func(row Row) any {
		if ready := row.Summary.Condition("Ready"); ready != nil {
			return string(ready.Status)
		}
		return nil
	}}
}

// StatusColumn is the message of the Ready condition.
func StatusColumn() Column {
	return Column{Name: "Status", Description: "What the last run has to say.", Cell: func(row Row) any {
		if ready := row.Summary.Condition("Ready"); ready != nil {
			return ready.Message
		}
		return nil
	}}
}

// RevisionColumn is what the last successful run led to.
func RevisionColumn() Column {
	return Column{Name: "Revision", Wide: true, Description: "Revision that the last successful run led to.", Cell: func(row Row) any {
		return row.Summary.Revision
	}}
}

// SuspendedColumn tells whether the object is reconciled at all.
func SuspendedColumn() Column {
	return Column{Name: "Suspended", Type: "boolean", Wide: true, Description: "Whether reconciliation is suspended.", Cell: func(row Row) any {
		return row.Summary.Suspended
	}}
}

// Since prints how long ago something was, and nothing where it never was.
func Since(now time.Time, t *metav1.Time) any {
	if t.IsZero() {
		return nil
	}
	return duration.HumanDuration(now.Sub(t.Time))
}

// Until prints how soon something will be: "now" once it is due.
func Until(now, t time.Time) any {
	if !t.After(now) {
		return "now"
	}
	return duration.HumanDuration(t.Sub(now))
}

var _ rest.TableConvertor = (*table)(nil)

// table prints objects and lists of one kind.
type table struct {
	columns []Column
	summary func(runtime.Object) Summary
	clock   clock.PassiveClock
}

// ConvertToTable returns one row for an object, and one for each item of a list.
func (t *table) ConvertToTable(_ context.Context, obj, options runtime.Object) (*metav1.Table, error) {
	result := &metav1.Table{}
	if o, ok := options.(*metav1.TableOptions); !ok || !o.NoHeaders {
		result.ColumnDefinitions = t.definitions()
	}
	if list, err := meta.ListAccessor(obj); err == nil {
		result.ResourceVersion = list.GetResourceVersion()
		result.Continue = list.GetContinue()
		result.RemainingItemCount = list.GetRemainingItemCount()
	} else if object, err := meta.CommonAccessor(obj); err == nil {
		result.ResourceVersion = object.GetResourceVersion()
	}

	now := t.clock.Now()
	rows, err := metatable.MetaToTableRow(obj, func(o runtime.Object, m metav1.Object, name, _ string) ([]any, error) {
		row := Row{Object: o, Meta: m, Summary: t.summary(o), Now: now}
		cells := make([]any, 0, len(t.columns)+1)
		cells = append(cells, name)
		for _, column := range t.columns {
			cells = append(cells, column.Cell(row))
		}
		return cells, nil
	})
	if err != nil {
		return nil, fmt.Errorf("printing a table: %w", err)
	}
	result.Rows = rows
	return result, nil
}

func (t *table) definitions() []metav1.TableColumnDefinition {
	definitions := make([]metav1.TableColumnDefinition, 0, len(t.columns)+1)
	definitions = append(definitions, metav1.TableColumnDefinition{
		Name: "Name", Type: "string", Format: "name", Description: "Name of the object, unique in its namespace.",
	})
	for _, column := range t.columns {
		definition := metav1.TableColumnDefinition{Name: column.Name, Type: column.Type, Description: column.Description}
		if definition.Type == "" {
			definition.Type = "string"
		}
		if column.Wide {
			definition.Priority = 1
		}
		definitions = append(definitions, definition)
	}
	return definitions
}
