package kustomization

import (
	"time"

	kustomizev1 "github.com/leat-dev/leat/pkg/apis/kustomize/v1"
	"github.com/leat-dev/leat/pkg/registry/generic"
)

func columns() []generic.Column {
	return []generic.Column{
		generic.AgeColumn(),
		generic.ReadyColumn(),
		generic.StatusColumn(),
		generic.RevisionColumn(),
		generic.SuspendedColumn(),
		{Name: "Source", Wide: true, Description: "Source whose artifact is applied.", Cell: generic.Cell(source)},
		{Name: "Path", Wide: true, Description: "Directory of the artifact that is built.", Cell: generic.Cell(path)},
		{Name: "Objects", Type: "integer", Wide: true, Description: "How many objects are looked after.", Cell: generic.Cell(objects)},
		{Name: "Last Applied", Type: "date", Wide: true, Description: "Time since the last run.", Cell: lastApplied},
		{Name: "Next Run", Wide: true, Description: "About how soon the next run is due if nothing calls for one earlier.", Cell: nextRun},
	}
}

// source is kind/name, with the namespace where it is another one.
func source(o *kustomizev1.Kustomization) any {
	ref := o.Spec.SourceRef
	name := ref.Name
	if namespace := ref.GetNamespace(o.Namespace); namespace != o.Namespace {
		name = namespace + "/" + name
	}
	return string(ref.Kind) + "/" + name
}

func path(o *kustomizev1.Kustomization) any {
	if o.Spec.Path == nil || *o.Spec.Path == "" {
		return "./"
	}
	return *o.Spec.Path
}

func objects(o *kustomizev1.Kustomization) any {
	if o.Status.Inventory == nil {
		return int64(0)
	}
	return int64(len(o.Status.Inventory.Entries))
}

func lastApplied(row generic.Row) any {
	history := row.Object.(*kustomizev1.Kustomization).Status.History
	if len(history) == 0 {
		return nil
	}
	return generic.Since(row.Now, &history[0].LastReconciled)
}

// nextRun counts from the last run that was told: by the interval, or sooner
// where that run failed. An interval that finds everything in order tells
// nothing, so a time that has passed stands for the ones that follow it.
func nextRun(row generic.Row) any {
	o := row.Object.(*kustomizev1.Kustomization)
	if row.Summary.Suspended || len(o.Status.History) == 0 {
		return nil
	}
	told := o.Status.History[0].LastReconciled
	ready := row.Summary.Condition("Ready")
	if ready == nil || ready.Status != "True" {
		return untilRun(row, told.Add(o.GetRetryInterval()), o.GetRetryInterval())
	}
	interval := o.GetInterval()
	passed := max(row.Now.Sub(told.Time), 0)
	if interval > 0 {
		passed = passed / interval * interval
	}
	return untilRun(row, told.Add(passed+interval), interval)
}

func untilRun(row generic.Row, next time.Time, interval time.Duration) any {
	if interval <= 0 {
		return nil
	}
	return generic.Until(row.Now, next)
}
