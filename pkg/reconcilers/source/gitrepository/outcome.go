package gitrepository

import (
	"context"
	"errors"
	"fmt"
	"unicode/utf8"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/klog/v2"

	"github.com/leat-dev/leat/pkg/apis/meta"
	"github.com/leat-dev/leat/pkg/reconcilers/runtime"
	"github.com/leat-dev/leat/pkg/runlog"
)

func (a *attempt) conditions() *runtime.Conditions {
	return runtime.ResumeConditions(a.stored.Status.Conditions, a.status.Conditions, a.obj.Generation, a.Clock.Now())
}

func (a *attempt) setCondition(kind string, status metav1.ConditionStatus, reason, message string) {
	c := a.conditions()
	c.Set(kind, status, reason, message)
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
}

func (a *attempt) write(ctx context.Context) error {
	written, exists, err := a.Writer.WriteStatus(ctx, a.stored, a.stored.Status, *a.status)
	if err == nil && exists {
		a.stored = written
	}
	return err
}

// finish tells the outcome of a run and says when the next one is due.
//
// Ready sums up the conditions of negative polarity: the one that is True lends
// it reason and message.
func (a *attempt) finish(ctx context.Context, err error) (runtime.Result, error) {
	if ctx.Err() != nil {
		return runtime.Result{}, context.Cause(ctx)
	}
	if err == nil {
		return a.succeeded(ctx)
	}
	var f *failure
	if !errors.As(err, &f) {
		f = fetchFailed(meta.FailedReason, err)
	}
	if f.superseded {
		a.run.Log.End(runlog.Outcome{Phase: runlog.Failed, Message: f.Error(), Postponed: true})
		return runtime.Result{}, nil
	}
	wasTold := runtime.Message(a.obj.Status.Conditions, meta.ReadyCondition) == f.Error()
	c := a.conditions()
	if a.status.Artifact == nil {
		c.Remove(meta.ArtifactInStorageCondition)
	}
	if f.condition != "" {
		c.Set(f.condition, metav1.ConditionTrue, f.reason, f.Error())
	}
	if f.stalled {
		c.Stalled(f.reason, f.Error())
		a.status.ObservedGeneration = a.obj.Generation
	} else {
		c.Failed(f.reason, f.Error())
	}
	a.status.Conditions = c.List()
	a.handled()
	if err := a.write(ctx); err != nil {
		return runtime.Result{}, err
	}
	a.run.Log.End(runlog.Outcome{Phase: runlog.Failed, Message: f.Error(), News: true})
	if !wasTold || !f.stalled {
		a.Events.Warning(a.obj, f.reason, f.Error(), a.metadata())
	}
	if f.stalled {
		return runtime.Result{}, nil
	}
	return runtime.Result{BackoffLimit: runtime.Period(a.obj.GetInterval())}, f
}

// succeeded ends a run after which the artifact is that of the revision that
// the repository has.
func (a *attempt) succeeded(ctx context.Context) (runtime.Result, error) {
	wasReady := runtime.IsTrue(a.obj.Status.Conditions, meta.ReadyCondition)
	message := fmt.Sprintf("stored artifact for revision '%s'", a.status.Artifact.Revision)
	c := a.conditions()
	c.Remove(meta.FetchFailedCondition, meta.StorageOperationFailedCondition, meta.ArtifactOutdatedCondition, meta.IncludeUnavailableCondition)
	c.Set(meta.ArtifactInStorageCondition, metav1.ConditionTrue, meta.SucceededReason, message)
	c.Succeeded(meta.SucceededReason, message)
	a.status.Conditions = c.List()
	a.status.ObservedGeneration = a.obj.Generation
	a.handled()
	if err := a.write(ctx); err != nil {
		return runtime.Result{}, err
	}
	a.Fetched(a.run.Key, a.status.Artifact.Digest)
	a.run.Log.Did(runlog.Work{Digest: a.status.Artifact.Digest})
	a.run.Log.End(runlog.Outcome{
		Phase: runlog.Succeeded, Message: message,
		News: a.fresh != nil || a.requested || !wasReady || a.obj.Status.ObservedGeneration != a.obj.Generation,
	})
	switch {
	case a.fresh != nil:
		a.Events.Normal(a.obj, meta.NewArtifactReason, fmt.Sprintf("stored artifact for commit '%s'", shortSubject(a.subject)), a.metadata())
	case !wasReady:
		a.Events.Normal(a.obj, meta.SucceededReason, message, a.metadata())
	}
	return runtime.Result{Next: runtime.Period(a.obj.GetInterval())}, nil
}

func (a *attempt) handled() {
	if a.token != "" {
		a.status.LastHandledReconcileAt = a.token
	}
}

func (a *attempt) metadata() map[string]string {
	m := map[string]string{}
	if r := a.status.Artifact; r != nil {
		m[runtime.MetaRevision], m[runtime.MetaDigest] = r.Revision, r.Digest
	}
	if a.requested {
		m[runtime.MetaToken] = a.token
	}
	return m
}

// maxSubject is how much of a commit's subject an event shows.
const maxSubject = 50

func shortSubject(s string) string {
	if utf8.RuneCountInString(s) <= maxSubject {
		return s
	}
	return string([]rune(s)[:maxSubject]) + "..."
}
