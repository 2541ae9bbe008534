package kustomization

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	kustomizev1 "github.com/leat-dev/leat/pkg/apis/kustomize/v1"
	"github.com/leat-dev/leat/pkg/apis/meta"
	"github.com/leat-dev/leat/pkg/apply"
	"github.com/leat-dev/leat/pkg/object"
	"github.com/leat-dev/leat/pkg/reconcilers/runtime"
	"github.com/leat-dev/leat/pkg/runlog"
)

// checksHealth reports whether the spec asks for health.
func checksHealth(spec *kustomizev1.KustomizationSpec) bool {
	return isTrue(spec.Wait) || len(spec.HealthChecks) > 0
}

// healthTargets names what to wait for: all that was applied, or what the spec
// lists. The object itself, which may be among what it applies, cannot become
// ready before this run ends, and what is excluded is nobody's to make ready.
func (a *attempt) healthTargets(result *apply.Result) []apply.HealthTarget {
	var targets []apply.HealthTarget
	if isTrue(a.obj.Spec.Wait) {
		targets = slices.Clone(result.Health)
	} else {
		for _, ref := range a.obj.Spec.HealthChecks {
			targets = append(targets, healthTarget(ref, a.obj.Namespace))
		}
	}
	self := object.Key{
		Group: kustomizev1.GroupName, Kind: kustomizev1.KustomizationKind, Namespace: a.obj.Namespace, Name: a.obj.Name,
	}
	left := map[object.Key]bool{self: true}
	for i := range result.Changes {
		if c := &result.Changes[i]; c.Excluded {
			left[c.Key] = true
		}
	}
	return slices.DeleteFunc(targets, func(t apply.HealthTarget) bool { return left[t.Key] })
}

func healthTarget(ref meta.NamespacedObjectKindReference, namespace string) apply.HealthTarget {
	gv, err := schema.ParseGroupVersion(text(ref.APIVersion))
	if err != nil { // more than one slash; no kind is served there, and the wait says so
		gv = schema.GroupVersion{Group: text(ref.APIVersion)}
	}
	if ns := text(ref.Namespace); ns != "" {
		namespace = ns
	}
	return apply.HealthTarget{
		Key:     object.Key{Group: gv.Group, Kind: ref.Kind, Namespace: namespace, Name: ref.Name},
		Version: gv.Version,
	}
}

// healthy waits until what was applied is healthy, if the spec asks for that.
// The run gives its slot away meanwhile, and gives up when it is superseded.
func (a *attempt) healthy(ctx context.Context) error {
	if !checksHealth(&a.obj.Spec) {
		a.setCondition(meta.HealthyCondition, "", "", "")
		a.memo.settled = true
		return nil
	}
	a.run.Yield()
	ctx, cancel := a.run.Interruptible(ctx, runtime.Superseding)
	defer cancel()
	began := a.Clock.Now()
	timeout := a.memo.healthDeadline.Sub(began)
	err := fmt.Errorf("the timeout of %s was over before health could be checked", a.obj.GetTimeout())
	stage := a.run.Log.Stage(runlog.Health, fmt.Sprintf("waiting for %d object(s) with a timeout of %s", len(a.memo.health), a.obj.GetTimeout()))
	if timeout > 0 {
		message := fmt.Sprintf("Running health checks for revision %s with a timeout of %s", a.revision, a.obj.GetTimeout())
		err = runtime.Patiently(ctx, a.Clock, a.Grace, func(ctx context.Context) error {
			return a.Engine.Wait(ctx, apply.HealthRequest{
				Identity: a.identity(a.obj), Objects: a.memo.health, Timeout: timeout,
			})
		}, func() {
			a.setCondition(meta.HealthyCondition, metav1.ConditionUnknown, meta.ProgressingReason, message)
			a.progress(ctx, message)
		})
	}
	stage.End(err, fmt.Sprintf("%d object(s) are ready", len(a.memo.health)))
	switch {
	case err == nil:
		a.memo.settled = true
		// That it is still healthy is no news, and costs no write.
		if len(a.changes) > 0 || !runtime.IsTrueAt(a.status.Conditions, meta.HealthyCondition, a.obj.Generation) {
			took := a.Clock.Since(began).Round(time.Millisecond)
			a.setCondition(meta.HealthyCondition, metav1.ConditionTrue, meta.SucceededReason, fmt.Sprintf("Health check passed in %s", took))
		}
		return nil
	case runtime.IsSuperseded(ctx):
		message := "health check cancelled: a newer revision, spec or request arrived"
		a.setCondition(meta.HealthyCondition, metav1.ConditionUnknown, meta.HealthCheckCanceledReason, message)
		return &failure{reason: meta.HealthCheckCanceledReason, err: errors.New(message), superseded: true}
	}
	a.memo.forgetRun()
	a.setCondition(meta.HealthyCondition, metav1.ConditionFalse, meta.HealthCheckFailedReason, err.Error())
	return a.failed(ctx, meta.HealthCheckFailedReason, err)
}

// isTransient reports whether an error says more about the moment than about
// what was asked for.
func isTransient(err error) bool {
	var network net.Error
	switch {
	case errors.As(err, &network):
		return true
	case apierrors.IsTooManyRequests(err), apierrors.IsServerTimeout(err), apierrors.IsTimeout(err),
		apierrors.IsServiceUnavailable(err), apierrors.IsInternalError(err), apierrors.IsConflict(err),
		apierrors.IsUnexpectedServerError(err):
		return true
	}
	return false
}
