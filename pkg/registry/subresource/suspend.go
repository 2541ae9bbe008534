package subresource

import (
	"context"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/apiserver/pkg/registry/rest"
	"k8s.io/utils/clock"

	leatv1alpha1 "github.com/leat-dev/leat/pkg/apis/leat/v1alpha1"
	"github.com/leat-dev/leat/pkg/registry/generic"
)

var (
	_ rest.NamedCreater             = (*SuspendREST)(nil)
	_ rest.GroupVersionKindProvider = (*SuspendREST)(nil)
	_ rest.GroupVersionAcceptor     = (*SuspendREST)(nil)
)

// maxSuspension is how long an object may be suspended until it resumes by
// itself. Who means longer means forever, or has made a mistake.
const maxSuspension = 366 * 24 * time.Hour

// SuspendREST suspends an object: it sets spec.suspend, and notes down who did so,
// why and until when.
type SuspendREST struct {
	parent Parent
	schema generic.Schema
	clock  clock.PassiveClock
}

// NewSuspend returns the subresource suspend of a kind.
func NewSuspend(parent Parent, env generic.Environment) *SuspendREST {
	return &SuspendREST{parent: parent, schema: env.Schema, clock: env.Clock}
}

// New returns an empty request.
func (r *SuspendREST) New() runtime.Object { return &leatv1alpha1.SuspendRequest{} }

// Destroy does nothing: the storage belongs to the parent.
func (r *SuspendREST) Destroy() {}

// GroupVersionKind implements rest.GroupVersionKindProvider: the type is of
// another group than the object.
func (r *SuspendREST) GroupVersionKind(schema.GroupVersion) schema.GroupVersionKind {
	return leatv1alpha1.SchemeGroupVersion.WithKind(leatv1alpha1.SuspendRequestKind)
}

// AcceptsGroupVersion implements rest.GroupVersionAcceptor.
func (r *SuspendREST) AcceptsGroupVersion(gv schema.GroupVersion) bool {
	return gv == leatv1alpha1.SchemeGroupVersion
}

// Create suspends the named object. One that is suspended already is suspended
// anew: the answer to who, why and until when is the last one.
func (r *SuspendREST) Create(ctx context.Context, name string, obj runtime.Object, validate rest.ValidateObjectFunc, options *metav1.CreateOptions) (runtime.Object, error) {
	req, ok := obj.(*leatv1alpha1.SuspendRequest)
	if !ok {
		return nil, apierrors.NewBadRequest(fmt.Sprintf("not a SuspendRequest: %T", obj))
	}
	now := r.clock.Now()
	errs := checkAction(r.schema, name, req)
	var until *metav1.Time
	if len(errs) == 0 { // else it may be of any length
		var err error
		if until, err = parseUntil(req.Spec.Until, now); err != nil {
			errs = append(errs, field.Invalid(field.NewPath("spec", "until"), req.Spec.Until, err.Error()))
		}
	}
	if len(errs) > 0 {
		return nil, apierrors.NewInvalid(leatv1alpha1.Kind(leatv1alpha1.SuspendRequestKind), name, errs)
	}
	if validate != nil {
		if err := validate(ctx, req.DeepCopyObject()); err != nil {
			return nil, err
		}
	}
	by, err := requester(ctx)
	if err != nil {
		return nil, err
	}
	result := req.DeepCopy()
	result.Name, result.ManagedFields = name, nil
	result.CreationTimestamp = metav1.NewTime(now).Rfc3339Copy()
	result.Status = leatv1alpha1.SuspensionStatus{Suspended: true, By: by, Reason: req.Spec.Reason, Until: until}
	if err := setSuspension(ctx, r.parent, name, result.Status, options); err != nil {
		return nil, err
	}
	return result, nil
}

// parseUntil reads a time, or a duration from now on. Seconds are what a time in
// an annotation has; a part of one counts as a whole.
func parseUntil(text string, now time.Time) (*metav1.Time, error) {
	if text == "" {
		return nil, nil
	}
	until, err := time.Parse(time.RFC3339, text)
	if err != nil {
		duration, err := time.ParseDuration(text)
		if err != nil {
			return nil, fmt.Errorf("must be a time such as %s, or a duration such as 2h30m", now.Add(time.Hour).UTC().Format(time.RFC3339))
		}
		until = now.Add(duration)
	}
	switch {
	case !until.After(now):
		return nil, fmt.Errorf("is not in the future: it is %s now", now.UTC().Format(time.RFC3339))
	case until.After(now.Add(maxSuspension)):
		return nil, fmt.Errorf("is more than a year away: leave it out to suspend without an end")
	}
	if whole := until.Truncate(time.Second); !whole.Equal(until) {
		until = whole.Add(time.Second)
	}
	t := metav1.NewTime(until.UTC())
	return &t, nil
}
