package kustomization

import (
	"context"
	"errors"
	"fmt"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	kustomizev1 "github.com/leat-dev/leat/pkg/apis/kustomize/v1"
	"github.com/leat-dev/leat/pkg/apis/meta"
	"github.com/leat-dev/leat/pkg/apply"
	"github.com/leat-dev/leat/pkg/reconcilers/runtime"
	"github.com/leat-dev/leat/pkg/runlog"
)

// finalize carries out the deletion policy and lets the object go.
func (r *Reconciler) finalize(ctx context.Context, run *runtime.Run, obj *kustomizev1.Kustomization) (runtime.Result, error) {
	if !slices.Contains(obj.Finalizers, meta.Finalizer) {
		r.memory.forget(run.Key)
		return runtime.Result{}, nil
	}
	request := apply.DeleteRequest{
		Owner: owner(obj), Identity: r.identity(obj),
		Policy: apply.DeletionPolicy(obj.GetDeletionPolicy()), Prune: isTrue(obj.Spec.Prune), Timeout: obj.GetTimeout(),
	}
	orphan, err := r.mustOrphan(ctx, obj)
	if err != nil {
		return runtime.Result{}, err
	}
	if orphan.why != "" || obj.IsSuspended() {
		request.Policy = apply.DeletionOrphan
	}
	if request.Policy == apply.DeletionWaitForTermination {
		run.Yield() // it may take minutes
	}
	stage := run.Log.Stage(runlog.Prune, fmt.Sprintf("the object is being deleted: deletion policy %s", request.Policy))
	deleting, cancel := run.Interruptible(ctx, runtime.Superseding)
	result, err := r.Engine.Delete(deleting, request)
	cancel()
	stage.End(err, "what was applied is dealt with")
	recordWork(run.Log, "", result)
	switch {
	case err != nil && ctx.Err() != nil:
		return runtime.Result{}, err
	case err != nil && runtime.IsSuperseded(deleting):
		return runtime.Result{}, nil // by another policy, which the next run follows
	}
	if result != nil {
		if changed := result.Changed(); len(changed) > 0 {
			r.Events.Normal(obj, meta.ReconciliationSucceededReason, listChanges(changed), nil)
		}
	}
	r.tellLeft(run, obj, result)
	if err != nil {
		run.Log.End(runlog.Outcome{Phase: runlog.Failed, Message: err.Error(), News: true})
		return runtime.Result{BackoffLimit: runtime.Period(obj.GetRetryInterval())}, r.deletionFailed(ctx, obj, err)
	}
	r.tellOrphans(ctx, run, obj, orphan)
	if _, _, err := r.Writer.RemoveFinalizer(ctx, obj, meta.Finalizer); err != nil {
		return runtime.Result{}, err
	}
	r.memory.forget(run.Key)
	run.Log.End(runlog.Outcome{Phase: runlog.Succeeded, Message: "the object is deleted"})
	return runtime.Result{}, nil
}

// mustOrphan says why the objects cannot be deleted in the right way, whatever
// the policy says; nothing if they can.
//
//	namespace of the object   service account   objects
//	being deleted, or gone    –                 orphaned: the rights to delete go at the same time
//	there                     named, and gone   orphaned: there is nobody to delete as
//	there                     –                 by the policy
func (r *Reconciler) mustOrphan(ctx context.Context, obj *kustomizev1.Kustomization) (orphaning, error) {
	ns, err := r.Core.Namespaces().Get(ctx, obj.Namespace, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		return orphaning{namespaceGoes: true, why: fmt.Sprintf("Namespace %s is gone: the applied objects outside of it are left as they are", obj.Namespace)}, nil
	case err != nil:
		return orphaning{}, fmt.Errorf("reading namespace %s: %w", obj.Namespace, err)
	case !ns.DeletionTimestamp.IsZero():
		return orphaning{namespaceGoes: true, why: fmt.Sprintf("Namespace %s is being deleted: the applied objects outside of it are left as they are", obj.Namespace)}, nil
	}
	name := r.serviceAccount(obj)
	if name == "" {
		return orphaning{}, nil
	}
	_, err = r.Core.ServiceAccounts(obj.Namespace).Get(ctx, name, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		return orphaning{why: fmt.Sprintf("ServiceAccount %s/%s is gone: the applied objects are left as they are", obj.Namespace, name)}, nil
	case err != nil:
		return orphaning{}, fmt.Errorf("reading service account %s/%s: %w", obj.Namespace, name, err)
	}
	return orphaning{}, nil
}

// deletionFailed tells why an object is still there and returns the cause.
func (r *Reconciler) deletionFailed(ctx context.Context, obj *kustomizev1.Kustomization, cause error) error {
	status := obj.Status.DeepCopy()
	c := runtime.NewConditions(status.Conditions, obj.Generation, r.Clock.Now())
	c.Failed(meta.PruneFailedReason, cause.Error())
	status.Conditions = c.List()
	_, _, err := r.Writer.WriteStatus(ctx, obj, obj.Status, *status)
	r.Events.Warning(obj, meta.PruneFailedReason, cause.Error(), nil)
	return errors.Join(fmt.Errorf("deleting what was applied: %w", cause), err)
}
