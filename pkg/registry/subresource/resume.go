package subresource

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/registry/rest"
	"k8s.io/utils/clock"

	leatv1alpha1 "github.com/leat-dev/leat/pkg/apis/leat/v1alpha1"
	"github.com/leat-dev/leat/pkg/registry/generic"
)

var (
	_ rest.NamedCreater             = (*ResumeREST)(nil)
	_ rest.GroupVersionKindProvider = (*ResumeREST)(nil)
	_ rest.GroupVersionAcceptor     = (*ResumeREST)(nil)
)

// ResumeREST has an object reconciled again that is suspended, and forgets who
// suspended it.
type ResumeREST struct {
	parent Parent
	schema generic.Schema
	clock  clock.PassiveClock
}

// NewResume returns the subresource resume of a kind.
func NewResume(parent Parent, env generic.Environment) *ResumeREST {
	return &ResumeREST{parent: parent, schema: env.Schema, clock: env.Clock}
}

// New returns an empty request.
func (r *ResumeREST) New() runtime.Object { return &leatv1alpha1.ResumeRequest{} }

// Destroy does nothing: the storage belongs to the parent.
func (r *ResumeREST) Destroy() {}

// GroupVersionKind implements rest.GroupVersionKindProvider: the type is of
// another group than the object.
func (r *ResumeREST) GroupVersionKind(schema.GroupVersion) schema.GroupVersionKind {
	return leatv1alpha1.SchemeGroupVersion.WithKind(leatv1alpha1.ResumeRequestKind)
}

// AcceptsGroupVersion implements rest.GroupVersionAcceptor.
func (r *ResumeREST) AcceptsGroupVersion(gv schema.GroupVersion) bool {
	return gv == leatv1alpha1.SchemeGroupVersion
}

// Create resumes the named object. One that is not suspended stays as it is.
func (r *ResumeREST) Create(ctx context.Context, name string, obj runtime.Object, validate rest.ValidateObjectFunc, options *metav1.CreateOptions) (runtime.Object, error) {
	req, ok := obj.(*leatv1alpha1.ResumeRequest)
	if !ok {
		return nil, apierrors.NewBadRequest(fmt.Sprintf("not a ResumeRequest: %T", obj))
	}
	if errs := checkAction(r.schema, name, req); len(errs) > 0 {
		return nil, apierrors.NewInvalid(leatv1alpha1.Kind(leatv1alpha1.ResumeRequestKind), name, errs)
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
	if err := setSuspension(ctx, r.parent, name, leatv1alpha1.SuspensionStatus{}, options); err != nil {
		return nil, err
	}
	result := req.DeepCopy()
	result.Name, result.ManagedFields = name, nil
	result.CreationTimestamp = metav1.NewTime(r.clock.Now()).Rfc3339Copy()
	result.Status = leatv1alpha1.SuspensionStatus{By: by}
	return result, nil
}
