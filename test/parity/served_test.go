package parity

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// discovered and tabled answer as a server does that keeps to the header.
func discovered(kind *Kind) *metav1.APIResourceList {
	list := &metav1.APIResourceList{
		GroupVersion: kind.GroupVersionKind().GroupVersion().String(),
		APIResources: []metav1.APIResource{{
			Name: kind.Plural, SingularName: kind.Singular, Kind: kind.Kind, Namespaced: true,
			ShortNames: kind.ShortNames, Categories: kind.Categories,
			Verbs: metav1.Verbs{"create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"},
		}},
	}
	for _, subresource := range kind.Subresources {
		list.APIResources = append(list.APIResources, metav1.APIResource{Name: kind.Plural + "/" + subresource, Kind: kind.Kind, Namespaced: true})
	}
	return list
}

func tabled(kind *Kind) (*metav1.Table, map[string]map[string]any) {
	object := map[string]any{
		"metadata": map[string]any{"name": "a", "creationTimestamp": "2026-01-01T00:00:00Z"},
		"spec":     map[string]any{"url": "https://git.example.com/a.git"},
		"status": map[string]any{"conditions": []any{
			map[string]any{"type": "Stalled", "status": "False", "message": "no"},
			map[string]any{"type": "Ready", "status": "True", "message": "all is well"},
		}},
	}
	table := &metav1.Table{
		ColumnDefinitions: []metav1.TableColumnDefinition{{Name: "Name", Type: "string", Format: "name"}},
		Rows:              []metav1.TableRow{{Cells: []any{"a"}}},
	}
	cells := map[string]any{"URL": "https://git.example.com/a.git", "Age": "5m", "Ready": "True", "Status": "all is well"}
	for _, column := range kind.Columns {
		table.ColumnDefinitions = append(table.ColumnDefinitions, metav1.TableColumnDefinition{Name: column.Name, Type: "string"})
		table.Rows[0].Cells = append(table.Rows[0].Cells, cells[column.Name])
	}
	table.ColumnDefinitions = append(table.ColumnDefinitions, metav1.TableColumnDefinition{Name: "Revision", Type: "string", Priority: 1})
	table.Rows[0].Cells = append(table.Rows[0].Cells, "main@sha1:0")
	return table, map[string]map[string]any{"a": object}
}

func TestCheckNames(t *testing.T) {
	wrong := map[string]func(*metav1.APIResourceList){
		"group version": func(l *metav1.APIResourceList) { l.GroupVersion = "v1" },
		"plural":        func(l *metav1.APIResourceList) { l.APIResources[0].Name = "things" },
		"singular":      func(l *metav1.APIResourceList) { l.APIResources[0].SingularName = "thing" },
		"kind":          func(l *metav1.APIResourceList) { l.APIResources[0].Kind = "Thing" },
		"scope":         func(l *metav1.APIResourceList) { l.APIResources[0].Namespaced = false },
		"short names":   func(l *metav1.APIResourceList) { l.APIResources[0].ShortNames = []string{"th"} },
		"categories":    func(l *metav1.APIResourceList) { l.APIResources[0].Categories = nil },
		"verbs":         func(l *metav1.APIResourceList) { l.APIResources[0].Verbs = metav1.Verbs{"get"} },
		"subresources":  func(l *metav1.APIResourceList) { l.APIResources = l.APIResources[:1] },
	}
	for _, kind := range served(t) {
		if differences := CheckNames(discovered(kind), kind); len(differences) > 0 {
			t.Errorf("%s: %v", kind.Kind, differences)
		}
		for name, change := range wrong {
			list := discovered(kind)
			change(list)
			if len(CheckNames(list, kind)) == 0 {
				t.Errorf("%s: wrong %s is not found", kind.Kind, name)
			}
		}
	}
}

func TestCheckTable(t *testing.T) {
	wrong := map[string]func(*metav1.Table){
		"missing column":  func(t *metav1.Table) { t.ColumnDefinitions = t.ColumnDefinitions[:2] },
		"name":            func(t *metav1.Table) { t.ColumnDefinitions[0].Format = "" },
		"column name":     func(t *metav1.Table) { t.ColumnDefinitions[2].Name = "READY?" },
		"priority":        func(t *metav1.Table) { t.ColumnDefinitions[1].Priority = 1 },
		"unknown column":  func(t *metav1.Table) { t.ColumnDefinitions[len(t.ColumnDefinitions)-1].Priority = 0 },
		"cell":            func(t *metav1.Table) { t.Rows[0].Cells[len(t.Rows[0].Cells)-2] = "all is ill" },
		"number of cells": func(t *metav1.Table) { t.Rows[0].Cells = t.Rows[0].Cells[:2] },
		"row":             func(t *metav1.Table) { t.Rows[0].Cells[0] = "b" },
	}
	for _, kind := range served(t) {
		table, objects := tabled(kind)
		if differences := CheckTable(table, objects, kind); len(differences) > 0 {
			t.Errorf("%s: %v", kind.Kind, differences)
		}
		for name, change := range wrong {
			table, objects := tabled(kind)
			change(table)
			if len(CheckTable(table, objects, kind)) == 0 {
				t.Errorf("%s: wrong %s is not found", kind.Kind, name)
			}
		}
	}
}
