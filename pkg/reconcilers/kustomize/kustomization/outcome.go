package kustomization

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/klog/v2"

	kustomizev1 "github.com/leat-dev/leat/pkg/apis/kustomize/v1"
	"github.com/leat-dev/leat/pkg/apis/meta"
	"github.com/leat-dev/leat/pkg/apply"
	"github.com/leat-dev/leat/pkg/reconcilers/runtime"
	"github.com/leat-dev/leat/pkg/runlog"
)

func (a *attempt) conditions() *runtime.Conditions {
	return runtime.ResumeConditions(a.stored.Status.Conditions, a.status.Conditions, a.obj.Generation, a.Clock.Now())
}

// setCondition sets one condition, or removes it if the status is empty.
func (a *attempt) setCondition(kind string, status metav1.ConditionStatus, reason, message string) {
	c := a.conditions()
	if status == "" {
		c.Remove(kind)
	} else {
		c.Set(kind, status, reason, message)
	}
	a.status.Conditions = c.List()
}

// progress writes that the run goes on. That it fails does not matter: the
// outcome is written in any case.
func (a *attempt) progress(ctx context.Context, message string) {
	c := a.conditions()
	c.Progressing(message)
	a.status.Conditions = c.List()
	if err := a.write(ctx); err != nil {
		klog.FromContext(ctx).V(2).Info("Writing progress failed", "err", err)
	}
	a.tellChanges(meta.ProgressingReason)
}

func (a *attempt) write(ctx context.Context) error {
	written, exists, err := a.Writer.WriteStatus(ctx, a.stored, a.stored.Status, *a.status)
	if err == nil && exists {
		a.stored = written
	}
	return err
}

// finish tells the outcome of a run and says when the next one is due.
func (a *attempt) finish(ctx context.Context, err error) (runtime.Result, error) {
	if ctx.Err() != nil {
		return runtime.Result{}, context.Cause(ctx)
	}
	var f *failure
	switch {
	case err == nil:
		return a.succeeded(ctx)
	case !errors.As(err, &f):
		f = &failure{reason: meta.ReconciliationFailedReason, err: err, system: true}
	case f.patient:
		a.run.Log.End(runlog.Outcome{Postponed: true})
		return runtime.Result{Next: f.patience, Retry: true}, nil
	}
	wasTold := runtime.Message(a.obj.Status.Conditions, meta.ReadyCondition) == f.Error()
	c := a.conditions()
	switch {
	case f.stalled:
		c.Stalled(f.reason, f.Error())
		a.status.ObservedGeneration = a.obj.Generation
	case f.reason == meta.ProgressingReason:
		c.Progressing(f.Error())
	default:
		c.Failed(f.reason, f.Error())
	}
	a.status.Conditions = c.List()
	if f.answered() {
		a.handled(f.reason)
	}
	if err := a.write(ctx); err != nil {
		return runtime.Result{}, err
	}
	a.run.Log.End(a.failedRun(f))
	a.tellChanges(meta.ProgressingReason)
	if told := wasTold && (f.waiting || f.stalled); !told && !f.superseded {
		a.tell(f)
	}
	retry := runtime.Period(a.obj.GetRetryInterval())
	switch {
	case f.stalled, f.superseded:
		return runtime.Result{}, nil
	case f.system:
		return runtime.Result{BackoffLimit: retry}, f
	}
	return runtime.Result{Next: retry, Retry: true}, nil
}

func (a *attempt) tell(f *failure) {
	metadata := a.metadata()
	if f.waiting {
		a.Events.Normal(a.obj, f.reason, f.Error(), metadata)
		return
	}
	a.Events.Warning(a.obj, f.reason, f.Error(), metadata)
}

// succeeded ends a run whose revision is applied and, where that is asked for,
// healthy.
func (a *attempt) succeeded(ctx context.Context) (runtime.Result, error) {
	before := a.obj.Status
	wasReady := runtime.IsTrue(before.Conditions, meta.ReadyCondition)
	// That nothing has changed, and nothing had to be put right, is no news: an
	// interval that finds everything in order costs no write.
	news := a.requested || len(a.changes) > 0 || !wasReady ||
		before.LastAppliedRevision != a.revision || before.ObservedGeneration != a.obj.Generation

	c := a.conditions()
	c.Succeeded(meta.ReconciliationSucceededReason, "Applied revision: "+a.revision)
	a.status.Conditions = c.List()
	a.status.ObservedGeneration = a.obj.Generation
	a.status.LastAppliedRevision, a.status.LastAppliedOriginRevision = a.revision, a.originRevision
	if news {
		a.handled(meta.ReconciliationSucceededReason)
	}
	if err := a.write(ctx); err != nil {
		return runtime.Result{}, err
	}
	a.run.Log.End(runlog.Outcome{
		Phase: runlog.Succeeded, Message: "Applied revision: " + a.revision,
		News: a.requested || !wasReady || before.ObservedGeneration != a.obj.Generation,
	})
	if len(a.changes) == 0 && !wasReady {
		a.Events.Normal(a.obj, meta.ReconciliationSucceededReason, "Applied revision: "+a.revision, a.metadata())
	}
	a.tellChanges(meta.ReconciliationSucceededReason)
	if runtime.Period(a.obj.GetInterval()) == 0 {
		return runtime.Result{}, nil
	}
	return runtime.Result{Next: max(a.memo.due.Sub(a.Clock.Now()), time.Millisecond)}, nil
}

// handled notes that the request was answered, and how the run ended.
func (a *attempt) handled(reason string) {
	if a.token != "" {
		a.status.LastHandledReconcileAt = a.token
	}
	if a.digest == "" {
		return
	}
	now := metav1.NewTime(a.Clock.Now().Truncate(time.Second))
	a.status.History = record(a.status.History, kustomizev1.Snapshot{
		Digest: a.digest, FirstReconciled: now, LastReconciled: now, TotalReconciliations: 1,
		LastReconciledStatus:   reason,
		LastReconciledDuration: meta.DurationOf(a.Clock.Since(a.start).Round(time.Millisecond)),
		Metadata:               snapshotMetadata(a.revision, a.originRevision),
	})
}

func snapshotMetadata(revision, originRevision string) map[string]string {
	m := map[string]string{runtime.MetaRevision: revision}
	if originRevision != "" {
		m[runtime.MetaOriginRevision] = originRevision
	}
	return m
}

// maxHistory is how many different outcomes are kept.
const maxHistory = 5

// record puts an outcome in front of a history; the same outcome again counts
// with the earlier one.
func record(history []kustomizev1.Snapshot, s kustomizev1.Snapshot) []kustomizev1.Snapshot {
	same := func(h kustomizev1.Snapshot) bool {
		return h.Digest == s.Digest && h.LastReconciledStatus == s.LastReconciledStatus
	}
	if i := slices.IndexFunc(history, same); i >= 0 {
		s.FirstReconciled = history[i].FirstReconciled
		s.TotalReconciliations += history[i].TotalReconciliations
		history = slices.Delete(slices.Clone(history), i, i+1)
	}
	history = slices.Insert(slices.Clone(history), 0, s)
	return history[:min(len(history), maxHistory)]
}

// inventory is what the status shows of an inventory.
func inventory(inv *apply.Inventory) *kustomizev1.ResourceInventory {
	entries := make([]kustomizev1.ResourceRef, len(inv.Entries))
	for i, e := range inv.Entries {
		entries[i] = kustomizev1.ResourceRef{ID: e.ID(), Version: e.Version}
	}
	return &kustomizev1.ResourceInventory{Entries: entries}
}

// tellChanges writes the event that lists what the run changed, once.
func (a *attempt) tellChanges(reason string) {
	if len(a.changes) == 0 {
		return
	}
	a.Events.Normal(a.obj, reason, listChanges(a.changes), a.metadata())
	a.changes = nil
}

func listChanges(changes []apply.Change) string {
	lines := make([]string, len(changes))
	for i, c := range changes {
		lines[i] = fmt.Sprintf("%s %s", c.Key, c.Action)
	}
	return strings.Join(lines, "\n")
}

func (a *attempt) metadata() map[string]string {
	m := map[string]string{runtime.MetaRevision: a.revision, runtime.MetaOriginRevision: a.originRevision}
	if a.requested {
		m[runtime.MetaToken] = a.token
	}
	return m
}
