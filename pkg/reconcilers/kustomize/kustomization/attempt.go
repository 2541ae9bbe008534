package kustomization

import (
	"context"
	"errors"
	"fmt"
	"time"

	kustomizev1 "github.com/leat-dev/leat/pkg/apis/kustomize/v1"
	"github.com/leat-dev/leat/pkg/apis/meta"
	"github.com/leat-dev/leat/pkg/apply"
	"github.com/leat-dev/leat/pkg/artifact"
	"github.com/leat-dev/leat/pkg/build"
	"github.com/leat-dev/leat/pkg/reconcilers/runtime"
	"github.com/leat-dev/leat/pkg/runlog"
)

// attempt is one run on its way.
type attempt struct {
	*Reconciler
	run *runtime.Run
	// obj is the object that the run began with. It does not change: parts of
	// the run read it while another one reports progress.
	obj *kustomizev1.Kustomization
	// stored is the object with the status that was written last, status what
	// the run makes of that.
	stored *kustomizev1.Kustomization
	status *kustomizev1.KustomizationStatus
	memo   *memo
	start  time.Time
	// token is the latest request; requested says that this run answers it.
	token     string
	requested bool
	// full says that everything is to be compared with the cluster, not only
	// what differs from the last run.
	full bool

	revision, originRevision string
	// digest is that of what was built, once that is known.
	digest string
	// changes wait to be told in an event.
	changes []apply.Change
}

// partial are the triggers that only say that some input is a new one.
const partial = runtime.Source | runtime.Dependency | runtime.Config

func (r *Reconciler) begin(run *runtime.Run, obj *kustomizev1.Kustomization) *attempt {
	a := &attempt{
		Reconciler: r, run: run, obj: obj, stored: obj, status: obj.Status.DeepCopy(),
		memo: r.memory.get(run.Key, obj.UID), start: r.Clock.Now(), token: requestedAt(obj),
	}
	a.requested = a.token != "" && a.token != obj.Status.LastHandledReconcileAt
	answers := ""
	if a.requested {
		run.ID, answers = a.token, a.token
	}
	run.Log.Answers(obj.Generation, answers)
	a.full = a.requested || !run.Triggers.Only(partial) || !a.start.Before(a.memo.due)
	return a
}

// execute goes from source to health. It returns nil or a *failure, unless ctx
// ended.
func (a *attempt) execute(ctx context.Context) error {
	if err := a.admit(a.obj); err != nil {
		return err
	}
	view, err := a.await(ctx)
	if err != nil {
		return err
	}
	a.status.LastAttemptedRevision = a.revision
	options := buildOptions(&a.obj.Spec)
	variables, err := a.variables(ctx, a.obj)
	if err != nil {
		return a.failed(ctx, meta.BuildFailedReason, err)
	}
	settings := a.Builder.InputDigest(nil, options, variables)
	timeout := a.obj.GetTimeout()
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, fmt.Errorf("the run took longer than its timeout of %s", timeout))
	defer cancel()

	// What is known of the last run decides how much is left to do:
	//
	//	inputs   last run   full   left to do
	//	same     settled    no     nothing
	//	same     waited     no     wait on
	//	–        –          –      everything
	if !a.full && a.memo.built.sameIn(a.obj.Generation, settings, view) {
		a.digest = a.memo.built.digest
		a.Metrics.Built(MetricsName, runtime.BuildSkipped)
		if a.memo.settled {
			return nil
		}
		if a.memo.applied && a.start.Before(a.memo.healthDeadline) && len(a.memo.health) > 0 {
			return a.healthy(ctx)
		}
	}
	done, err := a.buildAndApply(ctx, build.Request{
		Tenant: a.obj.Namespace, Tree: view, Options: options, Variables: variables,
	}, settings)
	if err != nil || done {
		return err
	}
	a.memo.healthDeadline = a.start.Add(timeout)
	return a.healthy(ctx)
}

// admit refuses what no run can be made of.
func (r *Reconciler) admit(obj *kustomizev1.Kustomization) error {
	unsupported, err := r.fields.Unsupported(&obj.Spec)
	if err != nil {
		return &failure{reason: meta.ReconciliationFailedReason, err: err}
	}
	if len(unsupported) > 0 {
		return &failure{reason: meta.UnsupportedFieldReason, stalled: true, err: runtime.UnsupportedFieldsError(unsupported)}
	}
	if !r.NoCrossNamespaceRefs {
		return nil
	}
	if ns := obj.Spec.SourceRef.GetNamespace(obj.Namespace); ns != obj.Namespace {
		return crossNamespace("spec.sourceRef.namespace", ns)
	}
	for i, d := range obj.Spec.DependsOn {
		if ns := d.GetNamespace(obj.Namespace); ns != obj.Namespace {
			return crossNamespace(fmt.Sprintf("spec.dependsOn[%d].namespace", i), ns)
		}
	}
	return nil
}

func crossNamespace(field, namespace string) error {
	return &failure{reason: meta.AccessDeniedReason, stalled: true, err: fmt.Errorf(
		"%s: %q: this server does not allow references across namespaces", field, namespace)}
}

// await finds the artifact, if neither source nor dependencies stand in the
// way. Who waits is triggered when that changes; what passes within a moment,
// as it does while a set of objects is being created, is not reported.
func (a *attempt) await(ctx context.Context) (*artifact.View, error) {
	key := sourceKey(a.obj)
	if a.awaitsSource() {
		f := a.waiting(meta.ProgressingReason, fmt.Sprintf("source '%s/%s' was asked to run together with this object, and has not answered yet", a.obj.Spec.SourceRef.Kind, key))
		f.unanswered = true
		return nil, f
	}
	found, view, err := a.source(a.obj)
	if err != nil {
		if errors.Is(err, errLost) {
			a.Refetch(key)
		}
		return nil, a.waiting(meta.ArtifactFailedReason, fmt.Sprintf("source '%s/%s': %v", a.obj.Spec.SourceRef.Kind, key, err))
	}
	a.revision, a.originRevision = found.Revision, found.Metadata[meta.OriginRevisionKey]
	a.run.Log.On(a.revision)
	if err := a.awaitFetch(ctx, key, found); err != nil {
		return nil, err
	}
	if why, soon := a.unready(a.obj, a.revision); why != "" {
		if way := a.cycle(a.obj); way != nil {
			return nil, &failure{reason: meta.DependencyNotReadyReason, stalled: true, err: fmt.Errorf(
				"spec.dependsOn: dependencies lead back to this object: %s", describe(way))}
		}
		f := a.waiting(meta.DependencyNotReadyReason, why)
		f.soon = soon
		return nil, f
	}
	a.memo.waiting = ""
	return view, nil
}

func (a *attempt) waiting(reason, why string) *failure {
	left, patient := a.memo.patient(reason, a.start, a.Grace)
	return &failure{reason: reason, err: errors.New(why), waiting: true, patience: left, patient: patient}
}

// buildAndApply does what its name says. done says that the build gave what is
// settled already, so that nothing was applied and nothing is left to do.
func (a *attempt) buildAndApply(ctx context.Context, request build.Request, settings string) (done bool, err error) {
	var rendered *build.Result
	var result *apply.Result
	settled := a.memo.settled && !a.full
	known := a.memo.built
	err = runtime.Patiently(ctx, a.Clock, a.Grace, func(ctx context.Context) error {
		var err error
		if rendered, err = a.build(ctx, request); err != nil {
			return a.buildFailed(ctx, err)
		}
		if done = settled && known.generation == a.obj.Generation && known.digest == rendered.Digest; done {
			return nil
		}
		if result, err = a.apply(ctx, rendered); err != nil {
			return a.applyFailed(ctx, err)
		}
		return nil
	}, func() { a.progress(ctx, fmt.Sprintf("Building and applying revision %s", a.revision)) })

	if rendered != nil {
		a.digest = rendered.Digest
	}
	a.recordWork(result)
	if result != nil {
		a.changes = result.Changed()
		a.tellExcluded(result)
		a.tellSpared(result)
		if result.Inventory != nil {
			a.status.Inventory = inventory(result.Inventory)
		}
	}
	if rendered != nil {
		a.count(known, rendered)
	}
	if err != nil {
		a.memo.forgetRun()
		return false, err
	}
	a.memo.built = &built{
		generation: a.obj.Generation, settings: settings, inputs: rendered.Inputs, digest: rendered.Digest,
	}
	if !done {
		a.memo.applied, a.memo.settled = true, false
		a.memo.due = a.Clock.Now().Add(runtime.Period(a.obj.GetInterval()))
		a.memo.health = a.healthTargets(result)
	}
	return done, nil
}

func (a *attempt) apply(ctx context.Context, rendered *build.Result) (*apply.Result, error) {
	planning := a.run.Log.Stage(runlog.Plan, "")
	plan, err := a.Engine.Plan(ctx, apply.Request{
		Owner:    owner(a.obj),
		Identity: a.identity(a.obj),
		Objects:  rendered.Objects,
		Force:    isTrue(a.obj.Spec.Force) || a.isForced(),
		Prune:    isTrue(a.obj.Spec.Prune),
		Exclude:  partOfFlux,
	})
	planning.End(err, planned(plan))
	if err != nil {
		return nil, err
	}
	a.looked(a.obj, a.revision)
	if err := a.awaitOthers(ctx, plan); err != nil {
		return nil, err
	}
	return a.Engine.Apply(ctx, plan)
}

// isForced reports whether the request that the run answers asks for force.
func (a *attempt) isForced() bool {
	return a.requested && a.obj.Annotations[meta.ForceRequestAnnotation] == a.token
}

// failure is how a run ends that did not succeed.
type failure struct {
	reason string
	err    error
	// stalled: only another spec helps. system: the cause does not lie in what
	// the user gave, so it is tried again soon. waiting: others have to act
	// first. superseded: the next run begins at once. unanswered: the request
	// is left to a later run. soon: what it waits for is under way.
	stalled, system, waiting, superseded, unanswered, soon bool
	// patient: nothing is reported yet, but again looked at after patience.
	patient  bool
	patience time.Duration
}

func (f *failure) Error() string { return f.err.Error() }

func (f *failure) Unwrap() error { return f.err }

// answered reports whether the outcome answers the request that the run began
// with.
func (f *failure) answered() bool { return !f.superseded && !f.unanswered }

// failed makes a failure of an error that may lie in the cluster.
func (a *attempt) failed(ctx context.Context, reason string, err error) error {
	cause := context.Cause(ctx)
	switch {
	case cause == nil:
		return &failure{reason: reason, err: err, system: isTransient(err)}
	case errors.Is(err, cause):
		return &failure{reason: reason, err: err}
	}
	return &failure{reason: reason, err: fmt.Errorf("%w: %w", cause, err)}
}

// buildFailed finds the reason for the error of a build.
func (a *attempt) buildFailed(ctx context.Context, err error) error {
	var e *build.Error
	if !errors.As(err, &e) {
		return a.failed(ctx, meta.BuildFailedReason, err)
	}
	f := &failure{reason: meta.BuildFailedReason, err: err, system: !e.Input()}
	switch e.Reason {
	case build.ReasonPathNotFound:
		f.reason = meta.ArtifactFailedReason
	case build.ReasonStore:
		f.reason = meta.ArtifactFailedReason
		a.Refetch(sourceKey(a.obj))
	}
	return f
}

// applyFailed finds the reason for the error of an apply.
func (a *attempt) applyFailed(ctx context.Context, err error) error {
	var e *apply.Error
	switch {
	case errors.Is(err, runtime.ErrSuperseded):
		return &failure{reason: meta.ProgressingReason, err: err, superseded: true}
	case errors.Is(err, apply.ErrEmptyBuild):
		return &failure{reason: meta.BuildFailedReason, err: err}
	case errors.As(err, &e) && e.Op == "pruning":
		return a.failed(ctx, meta.PruneFailedReason, err)
	}
	return a.failed(ctx, meta.ReconciliationFailedReason, err)
}
