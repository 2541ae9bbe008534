package subresource

import (
	"context"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/apiserver/pkg/authorization/authorizer"
	"k8s.io/apiserver/pkg/endpoints/request"
	"k8s.io/apiserver/pkg/registry/rest"
	"k8s.io/apiserver/pkg/util/dryrun"
	"k8s.io/utils/clock"

	leatv1alpha1 "github.com/leat-dev/leat/pkg/apis/leat/v1alpha1"
	leatmeta "github.com/leat-dev/leat/pkg/apis/meta"
	"github.com/leat-dev/leat/pkg/registry/generic"
)

var (
	_ rest.NamedCreater             = (*ReconcileREST)(nil)
	_ rest.GroupVersionKindProvider = (*ReconcileREST)(nil)
	_ rest.GroupVersionAcceptor     = (*ReconcileREST)(nil)
)

// ReconcileREST asks for a run of an object, by the annotation that the clients
// of Flux set as well, so that a reconciler in any replica sees the same request.
type ReconcileREST struct {
	parent     Parent
	sourceOf   func(runtime.Object) Reference
	directory  *Directory
	schema     generic.Schema
	authorizer authorizer.Authorizer
	clock      clock.WithTicker
}

// NewReconcile returns the subresource reconcile of a kind. sourceOf returns the
// source of an object; it is nil for kinds that have none.
func NewReconcile(parent Parent, sourceOf func(runtime.Object) Reference, directory *Directory, env generic.Environment) *ReconcileREST {
	return &ReconcileREST{
		parent:     parent,
		sourceOf:   sourceOf,
		directory:  directory,
		schema:     env.Schema,
		authorizer: env.Authorizer,
		clock:      env.Clock,
	}
}

// New returns an empty request.
func (r *ReconcileREST) New() runtime.Object { return &leatv1alpha1.ReconcileRequest{} }

// Destroy does nothing: the storage belongs to the parent.
func (r *ReconcileREST) Destroy() {}

// GroupVersionKind implements rest.GroupVersionKindProvider: the type is of
// another group than the object.
func (r *ReconcileREST) GroupVersionKind(schema.GroupVersion) schema.GroupVersionKind {
	return leatv1alpha1.SchemeGroupVersion.WithKind(leatv1alpha1.ReconcileRequestKind)
}

// AcceptsGroupVersion implements rest.GroupVersionAcceptor.
func (r *ReconcileREST) AcceptsGroupVersion(gv schema.GroupVersion) bool {
	return gv == leatv1alpha1.SchemeGroupVersion
}

// Create asks for a run of the named object, and waits for it as long as the
// request says. The answer to a wait that was too short is no error: its phase
// says how far the run is.
func (r *ReconcileREST) Create(ctx context.Context, name string, obj runtime.Object, validate rest.ValidateObjectFunc, options *metav1.CreateOptions) (runtime.Object, error) {
	req, ok := obj.(*leatv1alpha1.ReconcileRequest)
	if !ok {
		return nil, apierrors.NewBadRequest(fmt.Sprintf("not a ReconcileRequest: %T", obj))
	}
	if err := r.check(name, req); err != nil {
		return nil, err
	}
	if validate != nil {
		if err := validate(ctx, req.DeepCopyObject()); err != nil {
			return nil, err
		}
	}

	asked := r.clock.Now()
	result := req.DeepCopy()
	result.Name, result.ManagedFields = name, nil
	result.CreationTimestamp = metav1.NewTime(asked).Rfc3339Copy()
	result.Status = leatv1alpha1.ReconcileRequestStatus{
		RequestID: asked.UTC().Format(time.RFC3339Nano),
		Phase:     leatv1alpha1.RequestQueued,
	}
	stamps, err := r.stamp(ctx, name, result, options)
	if err != nil {
		return nil, err
	}
	if req.Spec.WaitSeconds == 0 || dryrun.IsDryRun(options.DryRun) {
		return result, nil
	}
	wait := &waiter{clock: r.clock, requestID: result.Status.RequestID, stamps: stamps}
	if err := wait.run(ctx, time.Duration(req.Spec.WaitSeconds)*time.Second, &result.Status); err != nil {
		return nil, err
	}
	return result, nil
}

// check refuses requests that make no sense for this object.
func (r *ReconcileREST) check(name string, req *leatv1alpha1.ReconcileRequest) error {
	errs := r.schema.Validate(req.OpenAPIModelName(), req)
	if req.Name != "" && req.Name != name {
		errs = append(errs, field.Invalid(field.NewPath("metadata", "name"), req.Name, fmt.Sprintf("must be empty or the name in the URL, %q", name)))
	}
	if req.Spec.WithSource && r.sourceOf == nil {
		errs = append(errs, field.Invalid(field.NewPath("spec", "withSource"), true, r.parent.Served().Kind+" has no source: leave it out"))
	}
	if len(errs) > 0 {
		return apierrors.NewInvalid(leatv1alpha1.Kind(leatv1alpha1.ReconcileRequestKind), name, errs)
	}
	return nil
}

// stamped is an object that was asked to run.
type stamped struct {
	ref    Reference
	parent Parent
	obj    runtime.Object
}

// stamp sets the annotation on the object, and on its source first where that is
// asked for: the run of the object must not begin with the old artifact when the
// new one is on its way.
func (r *ReconcileREST) stamp(ctx context.Context, name string, req *leatv1alpha1.ReconcileRequest, options *metav1.CreateOptions) ([]stamped, error) {
	obj, err := r.parent.Get(ctx, name, &metav1.GetOptions{})
	if err != nil {
		return nil, err
	}
	object := stamped{ref: reference(r.parent, obj), parent: r.parent}
	if err := notSuspended(r.parent, obj); err != nil {
		return nil, err
	}
	var stamps []stamped
	if req.Spec.WithSource {
		source, err := r.source(ctx, obj)
		if err != nil {
			return nil, err
		}
		if err := source.set(ctx, req, options); err != nil {
			return nil, err
		}
		stamps = append(stamps, source)
	}
	if err := object.set(ctx, req, options); err != nil {
		return nil, err
	}
	return append(stamps, object), nil
}

// source finds the source of an object. To run it needs the same permission as
// asking for it directly.
func (r *ReconcileREST) source(ctx context.Context, obj runtime.Object) (stamped, error) {
	ref := r.sourceOf(obj)
	parent, ok := r.directory.Find(ref.Kind)
	if !ok {
		return stamped{}, apierrors.NewInvalid(leatv1alpha1.Kind(leatv1alpha1.ReconcileRequestKind), ref.Name, field.ErrorList{
			field.Invalid(field.NewPath("spec", "withSource"), true, fmt.Sprintf("the source %s is not of a kind that this server reconciles: leave it out", ref)),
		})
	}
	user, ok := request.UserFrom(ctx)
	if !ok {
		return stamped{}, apierrors.NewInternalError(fmt.Errorf("asking for a run of %s: the request has no user", ref))
	}
	resource := parent.Resource()
	decision, reason, err := r.authorizer.Authorize(ctx, authorizer.AttributesRecord{
		User:            user,
		Verb:            "create",
		Namespace:       ref.Namespace,
		APIGroup:        resource.Group,
		APIVersion:      parent.Served().Version,
		Resource:        resource.Resource,
		Subresource:     "reconcile",
		Name:            ref.Name,
		ResourceRequest: true,
	})
	if err != nil {
		return stamped{}, apierrors.NewInternalError(fmt.Errorf("authorizing a run of %s: %w", ref, err))
	}
	if decision != authorizer.DecisionAllow {
		return stamped{}, apierrors.NewForbidden(resource, ref.Name, fmt.Errorf("user %q may not create %s/reconcile in namespace %q, which spec.withSource needs: %s", user.GetName(), resource, ref.Namespace, reason))
	}
	return stamped{ref: ref, parent: parent}, nil
}

// set writes the annotations through the object's storage, so that it meets all
// that any other change of the object meets.
func (s *stamped) set(ctx context.Context, req *leatv1alpha1.ReconcileRequest, options *metav1.CreateOptions) error {
	ctx = s.context(ctx)
	change := rest.DefaultUpdatedObjectInfo(nil, func(_ context.Context, _, stored runtime.Object) (runtime.Object, error) {
		if err := notSuspended(s.parent, stored); err != nil {
			return nil, err
		}
		obj := stored.DeepCopyObject()
		m, err := meta.Accessor(obj)
		if err != nil {
			return nil, fmt.Errorf("reading the metadata of %s: %w", s.ref, err)
		}
		annotations := m.GetAnnotations()
		if annotations == nil {
			annotations = map[string]string{}
		}
		annotations[leatmeta.ReconcileRequestAnnotation] = req.Status.RequestID
		if req.Spec.Force {
			annotations[leatmeta.ForceRequestAnnotation] = req.Status.RequestID
		}
		if req.Spec.Reset {
			annotations[leatmeta.ResetRequestAnnotation] = req.Status.RequestID
		}
		m.SetAnnotations(annotations)
		return obj, nil
	})
	update := &metav1.UpdateOptions{DryRun: options.DryRun, FieldManager: options.FieldManager}
	obj, _, err := s.parent.Update(ctx, s.ref.Name, change, rest.ValidateAllObjectFunc, rest.ValidateAllObjectUpdateFunc, false, update)
	if err != nil {
		return err
	}
	s.obj = obj
	return nil
}

// context makes requests to the object's storage look like what they are: errors
// take the name of the resource from it.
func (s *stamped) context(ctx context.Context) context.Context {
	resource := s.parent.Resource()
	return request.WithRequestInfo(request.WithNamespace(ctx, s.ref.Namespace), &request.RequestInfo{
		IsResourceRequest: true,
		Verb:              "update",
		APIGroup:          resource.Group,
		APIVersion:        s.parent.Served().Version,
		Resource:          resource.Resource,
		Namespace:         s.ref.Namespace,
		Name:              s.ref.Name,
	})
}

// notSuspended refuses what would only be noted down and never acted on.
func notSuspended(parent Parent, obj runtime.Object) error {
	if !parent.Summarize(obj).Suspended {
		return nil
	}
	ref := reference(parent, obj)
	return apierrors.NewConflict(parent.Resource(), ref.Name, fmt.Errorf("%s is suspended%s: post to its subresource resume, or set spec.suspend to false, to have it reconciled", ref, suspension(obj)))
}

func reference(parent Parent, obj runtime.Object) Reference {
	ref := Reference{Kind: parent.Served().GroupKind()}
	if m, err := meta.Accessor(obj); err == nil {
		ref.Namespace, ref.Name = m.GetNamespace(), m.GetName()
	}
	return ref
}
