package generic

import (
	"context"
	"fmt"
	"strings"

	apiequality "k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/validation"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/apiserver/pkg/registry/rest"
	"k8s.io/apiserver/pkg/storage/names"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
)

var (
	_ rest.RESTCreateUpdateStrategy = (*strategy[Object, any, any])(nil)
	_ rest.RESTDeleteStrategy       = (*strategy[Object, any, any])(nil)
	_ rest.ResetFieldsStrategy      = (*strategy[Object, any, any])(nil)
)

// strategy is how the writer of a spec changes an object: its status stays as
// it is, and its generation moves if and only if the spec does.
type strategy[O Object, Spec, Status any] struct {
	runtime.ObjectTyper
	names.NameGenerator

	kind   *Kind[O, Spec, Status]
	schema Schema
	model  string
}

func newStrategy[O Object, Spec, Status any](kind *Kind[O, Spec, Status], env Environment) strategy[O, Spec, Status] {
	return strategy[O, Spec, Status]{
		ObjectTyper:   env.Scheme,
		NameGenerator: names.SimpleNameGenerator,
		kind:          kind,
		schema:        env.Schema,
		model:         kind.New().OpenAPIModelName(),
	}
}

// NamespaceScoped is true: all kinds of this server live in namespaces.
func (s strategy[O, Spec, Status]) NamespaceScoped() bool { return true }

// AllowCreateOnUpdate is false, as for custom resources: to create is a POST.
func (s strategy[O, Spec, Status]) AllowCreateOnUpdate(context.Context) bool { return false }

// AllowUnconditionalUpdate is false, as for custom resources: an update names
// the resource version that it was made from.
func (s strategy[O, Spec, Status]) AllowUnconditionalUpdate(context.Context) bool { return false }

// Canonicalize changes nothing: what was written is what is stored.
func (s strategy[O, Spec, Status]) Canonicalize(runtime.Object) {}

// GetResetFields names what a write of the spec cannot set.
func (s strategy[O, Spec, Status]) GetResetFields() map[fieldpath.APIVersion]*fieldpath.Set {
	return s.resetFields(append(suspensionFields(), fieldpath.MakePathOrDie("status"))...)
}

func (s strategy[O, Spec, Status]) resetFields(paths ...fieldpath.Path) map[fieldpath.APIVersion]*fieldpath.Set {
	return map[fieldpath.APIVersion]*fieldpath.Set{
		fieldpath.APIVersion(s.kind.GroupVersionKind.GroupVersion().String()): fieldpath.NewSet(paths...),
	}
}

// PrepareForCreate starts the object's life: first generation, nothing observed.
func (s strategy[O, Spec, Status]) PrepareForCreate(ctx context.Context, obj runtime.Object) {
	o := obj.(O)
	o.SetGeneration(1)
	settleSuspension(ctx, o, nil, s.kind.Summary(o).Suspended)
	_, status := s.kind.Parts(o)
	*status = s.kind.InitialStatus()
}

// PrepareForUpdate keeps the status and moves the generation with the spec.
func (s strategy[O, Spec, Status]) PrepareForUpdate(ctx context.Context, obj, old runtime.Object) {
	newObject, oldObject := obj.(O), old.(O)
	newSpec, newStatus := s.kind.Parts(newObject)
	oldSpec, oldStatus := s.kind.Parts(oldObject)
	*newStatus = *oldStatus
	settleSuspension(ctx, newObject, oldObject, s.kind.Summary(newObject).Suspended)
	if !apiequality.Semantic.DeepEqual(*newSpec, *oldSpec) {
		newObject.SetGeneration(oldObject.GetGeneration() + 1)
	}
}

// Validate checks a new object.
func (s strategy[O, Spec, Status]) Validate(_ context.Context, obj runtime.Object) field.ErrorList {
	return limited(s.validate(obj.(O)))
}

// ValidateUpdate checks what an update makes of an object. What was wrong
// before is not held against the update: an object that a stricter version of
// this server would refuse must still be able to lose its finalizer.
func (s strategy[O, Spec, Status]) ValidateUpdate(_ context.Context, obj, old runtime.Object) field.ErrorList {
	errs := s.validate(obj.(O))
	if len(errs) == 0 {
		return nil
	}
	return limited(without(errs, s.validate(old.(O))))
}

func (s strategy[O, Spec, Status]) validate(o O) field.ErrorList {
	errs := validation.ValidateObjectMetaAccessor(o, true, validation.NameIsDNSSubdomain, field.NewPath("metadata"))
	errs = append(errs, s.schema.Validate(s.model, o)...)
	if s.kind.Validate != nil {
		errs = append(errs, s.kind.Validate(o)...)
	}
	return append(errs, validateSize(o)...)
}

// without returns the errors that are not in known.
func without(errs, known field.ErrorList) field.ErrorList {
	seen := sets.New[string]()
	for _, err := range known {
		seen.Insert(err.Error())
	}
	var rest field.ErrorList
	for _, err := range errs {
		if !seen.Has(err.Error()) {
			rest = append(rest, err)
		}
	}
	return rest
}

// WarningsOnCreate warns of what is accepted, and will be regretted.
func (s strategy[O, Spec, Status]) WarningsOnCreate(_ context.Context, obj runtime.Object) []string {
	return finalizerWarnings(obj.(O), nil)
}

// WarningsOnUpdate warns of what the update brought in.
func (s strategy[O, Spec, Status]) WarningsOnUpdate(_ context.Context, obj, old runtime.Object) []string {
	return finalizerWarnings(obj.(O), old.(O).GetFinalizers())
}

// finalizerWarnings names new finalizers that could clash with those of others.
func finalizerWarnings(o metav1.Object, known []string) []string {
	var warnings []string
	for _, name := range sets.List(sets.New(o.GetFinalizers()...).Delete(known...)) {
		if strings.Contains(name, "/") || strings.Contains(name, ".") || name == metav1.FinalizerOrphanDependents || name == metav1.FinalizerDeleteDependents {
			continue
		}
		warnings = append(warnings, fmt.Sprintf("metadata.finalizers: %q: prefer a domain-qualified name that includes a path, such as example.com/finalizer, to avoid accidental conflicts", name))
	}
	return warnings
}
