package subresource

import (
	"context"
	"strconv"
	"sync"

	apiequality "k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/internalversion"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/apiserver/pkg/authorization/authorizer"
	"k8s.io/apiserver/pkg/endpoints/request"
	"k8s.io/apiserver/pkg/registry/rest"

	kustomizev1 "github.com/leat-dev/leat/pkg/apis/kustomize/v1"
	leatv1alpha1 "github.com/leat-dev/leat/pkg/apis/leat/v1alpha1"
	sourcev1 "github.com/leat-dev/leat/pkg/apis/source/v1"
	"github.com/leat-dev/leat/pkg/registry/generic"
)

// storage is a small store of one kind with watches.
type storage struct {
	Parent // what is not implemented is not used

	kind      schema.GroupVersionKind
	resource  string
	summarize func(runtime.Object) generic.Summary
	suspend   func(runtime.Object, bool)

	mu       sync.Mutex
	version  int
	objects  map[string]runtime.Object // by namespace/name
	watchers []*watch.FakeWatcher
}

func newRepositories(objects ...*sourcev1.GitRepository) *storage {
	s := &storage{
		kind: sourcev1.SchemeGroupVersion.WithKind("GitRepository"), resource: "gitrepositories", objects: map[string]runtime.Object{},
		summarize: func(obj runtime.Object) generic.Summary {
			o := obj.(*sourcev1.GitRepository)
			summary := generic.Summary{Suspended: o.IsSuspended(), Conditions: o.Status.Conditions, HandledAt: o.Status.LastHandledReconcileAt, ObservedGeneration: o.Status.ObservedGeneration}
			if o.Status.Artifact != nil {
				summary.Revision, summary.Attempted, summary.Artifact = o.Status.Artifact.Revision, o.Status.Artifact.Revision, o.Status.Artifact.Digest
			}
			return summary
		},
	}
	s.suspend = func(obj runtime.Object, suspended bool) { obj.(*sourcev1.GitRepository).Spec.Suspend = &suspended }
	for _, o := range objects {
		s.objects[o.Namespace+"/"+o.Name] = o
	}
	return s
}

func newKustomizations(objects ...*kustomizev1.Kustomization) *storage {
	s := &storage{
		kind: kustomizev1.SchemeGroupVersion.WithKind("Kustomization"), resource: "kustomizations", objects: map[string]runtime.Object{},
		summarize: func(obj runtime.Object) generic.Summary {
			o := obj.(*kustomizev1.Kustomization)
			return generic.Summary{Suspended: o.IsSuspended(), Conditions: o.Status.Conditions, HandledAt: o.Status.LastHandledReconcileAt,
				ObservedGeneration: o.Status.ObservedGeneration, Revision: o.Status.LastAppliedRevision, Attempted: o.Status.LastAttemptedRevision}
		},
	}
	s.suspend = func(obj runtime.Object, suspended bool) { obj.(*kustomizev1.Kustomization).Spec.Suspend = &suspended }
	for _, o := range objects {
		s.objects[o.Namespace+"/"+o.Name] = o
	}
	return s
}

func (s *storage) Served() schema.GroupVersionKind { return s.kind }
func (s *storage) Resource() schema.GroupResource {
	return schema.GroupResource{Group: s.kind.Group, Resource: s.resource}
}
func (s *storage) Summarize(obj runtime.Object) generic.Summary { return s.summarize(obj) }

func (s *storage) SetSuspended(obj runtime.Object, suspended bool) { s.suspend(obj, suspended) }

func (s *storage) Get(ctx context.Context, name string, _ *metav1.GetOptions) (runtime.Object, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	obj, ok := s.objects[request.NamespaceValue(ctx)+"/"+name]
	if !ok {
		return nil, apierrors.NewNotFound(s.Resource(), name)
	}
	return obj.DeepCopyObject(), nil
}

func (s *storage) Update(ctx context.Context, name string, info rest.UpdatedObjectInfo, _ rest.ValidateObjectFunc, _ rest.ValidateObjectUpdateFunc, _ bool, options *metav1.UpdateOptions) (runtime.Object, bool, error) {
	old, err := s.Get(ctx, name, nil)
	if err != nil {
		return nil, false, err
	}
	obj, err := info.UpdatedObject(ctx, old)
	if err != nil {
		return nil, false, err
	}
	if len(options.DryRun) == 0 && !apiequality.Semantic.DeepEqual(obj, old) {
		s.put(obj)
	}
	return obj, false, nil
}

// put stores an object and tells the watchers.
func (s *storage) put(obj runtime.Object) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.version++
	m := obj.(metav1.Object)
	m.SetResourceVersion(strconv.Itoa(s.version))
	s.objects[m.GetNamespace()+"/"+m.GetName()] = obj
	for _, w := range s.watchers {
		w.Modify(obj)
	}
}

func (s *storage) Watch(context.Context, *internalversion.ListOptions) (watch.Interface, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	w := watch.NewFakeWithChanSize(100, false)
	s.watchers = append(s.watchers, w)
	return w, nil
}

// watched gives the watchers, of which there are n at least.
func (s *storage) watched(n int) []*watch.FakeWatcher {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.watchers) < n {
		return nil
	}
	return s.watchers
}

// waitLimit is a schema that knows the limit of a wait.
type waitLimit struct{}

func (waitLimit) Validate(_ string, obj any) field.ErrorList {
	if req, ok := obj.(*leatv1alpha1.ReconcileRequest); ok && req.Spec.WaitSeconds > leatv1alpha1.MaxReconcileWaitSeconds {
		return field.ErrorList{field.Invalid(field.NewPath("spec", "waitSeconds"), req.Spec.WaitSeconds, "too long")}
	}
	return nil
}

// only allows the verbs on a resource that it is asked about first.
func only(user, resource, subresource string) authorizer.Authorizer {
	return authorizer.AuthorizerFunc(func(_ context.Context, a authorizer.Attributes) (authorizer.Decision, string, error) {
		if a.GetUser().GetName() == user && a.GetVerb() == "create" && a.GetResource() == resource && a.GetSubresource() == subresource {
			return authorizer.DecisionAllow, "", nil
		}
		return authorizer.DecisionNoOpinion, "no rule", nil
	})
}
