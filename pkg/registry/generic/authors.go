package generic

import (
	"context"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apiserver/pkg/endpoints/request"
	"k8s.io/apiserver/pkg/registry/rest"
	"k8s.io/apiserver/pkg/util/dryrun"

	leatmeta "github.com/leat-dev/leat/pkg/apis/meta"
)

// Authors learns who makes objects run. Objects themselves do not say so: managed
// fields name programs, and an annotation could be written by anybody.
type Authors interface {
	// WroteSpec says that user has given an object its generation.
	WroteSpec(uid types.UID, generation int64, user string)
	// Requested says that user has asked for a run by the annotation's value.
	Requested(uid types.UID, request, user string)
}

// create creates an object and says who did.
func (r *REST) create(ctx context.Context, obj runtime.Object, validate rest.ValidateObjectFunc, options *metav1.CreateOptions) (runtime.Object, error) {
	created, err := r.Store.Create(ctx, obj, validate, options)
	if err == nil && !dryrun.IsDryRun(options.DryRun) {
		r.note(ctx, asks{}, created)
	}
	return created, err
}

// update changes an object and says who did, if the change makes it run.
func (r *REST) update(ctx context.Context, name string, info rest.UpdatedObjectInfo, createValidation rest.ValidateObjectFunc, updateValidation rest.ValidateObjectUpdateFunc, forceAllowCreate bool, options *metav1.UpdateOptions) (runtime.Object, bool, error) {
	var before asks
	seen := rest.WrapUpdatedObjectInfo(info, func(_ context.Context, obj, old runtime.Object) (runtime.Object, error) {
		before = asksOf(old)
		return obj, nil
	})
	updated, created, err := r.Store.Update(ctx, name, seen, createValidation, updateValidation, forceAllowCreate, options)
	if err == nil && !dryrun.IsDryRun(options.DryRun) {
		r.note(ctx, before, updated)
	}
	return updated, created, err
}

// asks is what makes an object run.
type asks struct {
	generation int64
	request    string
}

func asksOf(obj runtime.Object) asks {
	m, err := meta.Accessor(obj)
	if err != nil {
		return asks{} // nothing is there yet
	}
	a := asks{generation: m.GetGeneration()}
	a.request, _ = leatmeta.ReconcileRequested(m.GetAnnotations())
	return a
}

// note says who made of an object what it is now. A run that is faster than this
// is told who it ran for all the same: the log names users when it writes.
func (r *REST) note(ctx context.Context, before asks, obj runtime.Object) {
	user, ok := request.UserFrom(ctx)
	m, err := meta.Accessor(obj)
	if r.authors == nil || !ok || err != nil {
		return
	}
	after := asksOf(obj)
	if after.generation != before.generation {
		r.authors.WroteSpec(m.GetUID(), after.generation, user.GetName())
	}
	if after.request != "" && after.request != before.request {
		r.authors.Requested(m.GetUID(), after.request, user.GetName())
	}
}
