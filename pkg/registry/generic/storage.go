package generic

import (
	"context"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/apiserver/pkg/authorization/authorizer"
	genericregistry "k8s.io/apiserver/pkg/registry/generic"
	"k8s.io/apiserver/pkg/registry/generic/registry"
	"k8s.io/apiserver/pkg/registry/rest"
	"k8s.io/utils/clock"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
)

var (
	_ rest.StandardStorage      = (*REST)(nil)
	_ rest.ShortNamesProvider   = (*REST)(nil)
	_ rest.CategoriesProvider   = (*REST)(nil)
	_ rest.SingularNameProvider = (*REST)(nil)
	_ rest.ResetFieldsStrategy  = (*REST)(nil)

	_ rest.Patcher             = (*StatusREST)(nil)
	_ rest.ResetFieldsStrategy = (*StatusREST)(nil)
	_ rest.TableConvertor      = (*StatusREST)(nil)
)

// REST serves a kind's resource.
type REST struct {
	*registry.Store

	served     schema.GroupVersionKind
	summary    func(runtime.Object) Summary
	suspend    func(runtime.Object, bool)
	shortNames []string
	categories []string
	authors    Authors
}

// Served is the kind of the objects.
func (r *REST) Served() schema.GroupVersionKind { return r.served }

// Resource is the name of the resource.
func (r *REST) Resource() schema.GroupResource { return r.DefaultQualifiedResource }

// Summarize reads what all kinds have in some form. It is for objects of this
// kind only.
func (r *REST) Summarize(obj runtime.Object) Summary { return r.summary(obj) }

// ShortNames are the abbreviations that kubectl accepts.
func (r *REST) ShortNames() []string { return r.shortNames }

// Categories are the groups of resources that kubectl get knows the kind by.
func (r *REST) Categories() []string { return r.categories }

// Create creates an object. What is expensive to refuse is refused first.
func (r *REST) Create(ctx context.Context, obj runtime.Object, validate rest.ValidateObjectFunc, options *metav1.CreateOptions) (runtime.Object, error) {
	if err := checkMetadata(r.served.GroupKind(), obj); err != nil {
		return nil, err
	}
	created, err := r.create(ctx, obj, validate, options)
	return created, shortened(err)
}

// Update changes an object.
func (r *REST) Update(ctx context.Context, name string, info rest.UpdatedObjectInfo, createValidation rest.ValidateObjectFunc, updateValidation rest.ValidateObjectUpdateFunc, forceAllowCreate bool, options *metav1.UpdateOptions) (runtime.Object, bool, error) {
	updated, created, err := r.update(ctx, name, change{info, r.served.GroupKind()}, createValidation, updateValidation, forceAllowCreate, options)
	return updated, created, shortened(err)
}

// StatusREST serves the status of a kind's objects.
type StatusREST struct {
	store *registry.Store
	kind  schema.GroupKind
}

// New returns an empty object of the kind.
func (r *StatusREST) New() runtime.Object { return r.store.New() }

// Destroy does nothing: the storage belongs to the main resource.
func (r *StatusREST) Destroy() {}

// Get returns the object; patches of the status are made against it.
func (r *StatusREST) Get(ctx context.Context, name string, options *metav1.GetOptions) (runtime.Object, error) {
	return r.store.Get(ctx, name, options)
}

// Update writes the status. An object is never created by it, whatever the
// caller allows: server-side apply to the status of nothing is a 404.
func (r *StatusREST) Update(ctx context.Context, name string, info rest.UpdatedObjectInfo, createValidation rest.ValidateObjectFunc, updateValidation rest.ValidateObjectUpdateFunc, _ bool, options *metav1.UpdateOptions) (runtime.Object, bool, error) {
	updated, created, err := r.store.Update(ctx, name, change{info, r.kind}, createValidation, updateValidation, false, options)
	return updated, created, shortened(err)
}

// GetResetFields names what a write of the status cannot set.
func (r *StatusREST) GetResetFields() map[fieldpath.APIVersion]*fieldpath.Set {
	return r.store.GetResetFields()
}

// ConvertToTable prints the object as the main resource does.
func (r *StatusREST) ConvertToTable(ctx context.Context, obj, options runtime.Object) (*metav1.Table, error) {
	return r.store.ConvertToTable(ctx, obj, options)
}

// Schema checks an object against the model of this name.
type Schema interface {
	Validate(model string, obj any) field.ErrorList
}

// Environment is what the storage of every kind is built from.
type Environment struct {
	// Scheme knows the kind and its list, both as served and as internal version.
	Scheme *runtime.Scheme

	// Schema checks objects against what is published of their kind.
	Schema Schema

	// RESTOptions leads to etcd.
	RESTOptions genericregistry.RESTOptionsGetter

	// Authorizer answers what the user of a request may do beyond the request.
	Authorizer authorizer.Authorizer

	// Authors learns who makes objects run. It may be nil.
	Authors Authors

	// Clock tells the time.
	Clock clock.WithTicker
}

// NewStorage builds the storage of a kind and of its status.
func NewStorage[O Object, Spec, Status any](kind *Kind[O, Spec, Status], env Environment) (*REST, *StatusREST, error) {
	main := newStrategy(kind, env)
	summary := func(obj runtime.Object) Summary { return kind.Summary(obj.(O)) }
	store := &registry.Store{
		NewFunc:                   func() runtime.Object { return kind.New() },
		NewListFunc:               kind.NewList,
		DefaultQualifiedResource:  kind.Resource(),
		SingularQualifiedResource: schema.GroupResource{Group: kind.GroupVersionKind.Group, Resource: kind.Singular},
		PredicateFunc:             kind.match,
		CreateStrategy:            main,
		UpdateStrategy:            main,
		DeleteStrategy:            main,
		ResetFieldsStrategy:       main,
		TableConvertor:            &table{columns: kind.Columns, summary: summary, clock: env.Clock},
	}
	options := &genericregistry.StoreOptions{
		RESTOptions: env.RESTOptions,
		AttrFunc:    kind.attributes,
		Indexers:    kind.indexers(),
	}
	if err := store.CompleteWithOptions(options); err != nil {
		return nil, nil, fmt.Errorf("opening the storage of %s: %w", kind.Resource(), err)
	}

	statusWriter := statusStrategy[O, Spec, Status]{main}
	statusStore := *store
	statusStore.UpdateStrategy = statusWriter
	statusStore.ResetFieldsStrategy = statusWriter

	rest := &REST{
		Store:      store,
		served:     kind.GroupVersionKind,
		summary:    summary,
		suspend:    func(obj runtime.Object, suspended bool) { kind.Suspend(obj.(O), suspended) },
		shortNames: kind.ShortNames,
		categories: kind.Categories,
		authors:    env.Authors,
	}
	return rest, &StatusREST{store: &statusStore, kind: kind.GroupVersionKind.GroupKind()}, nil
}
