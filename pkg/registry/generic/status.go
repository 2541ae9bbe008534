package generic

import (
	"context"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apiserver/pkg/registry/rest"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
)

var (
	_ rest.RESTUpdateStrategy  = (*statusStrategy[Object, any, any])(nil)
	_ rest.ResetFieldsStrategy = (*statusStrategy[Object, any, any])(nil)
)

// statusStrategy is how the writer of a status changes an object. As with
// custom resources nothing else is taken from the request: spec, labels,
// annotations, finalizers and owners stay as they are stored.
type statusStrategy[O Object, Spec, Status any] struct {
	strategy[O, Spec, Status]
}

// GetResetFields names what a write of the status cannot set.
func (s statusStrategy[O, Spec, Status]) GetResetFields() map[fieldpath.APIVersion]*fieldpath.Set {
	return s.resetFields(fieldpath.MakePathOrDie("metadata"), fieldpath.MakePathOrDie("spec"))
}

// PrepareForUpdate takes the status of the request and the rest of the stored
// object. The managed fields are the request's: they say who wrote the status.
func (s statusStrategy[O, Spec, Status]) PrepareForUpdate(_ context.Context, obj, old runtime.Object) {
	newObject := obj.(O)
	kept := old.DeepCopyObject().(O)
	managers := newObject.GetManagedFields()

	newSpec, _ := s.kind.Parts(newObject)
	keptSpec, _ := s.kind.Parts(kept)
	*newSpec = *keptSpec
	*objectMeta(newObject) = *objectMeta(kept)
	newObject.SetManagedFields(managers)
}

// WarningsOnUpdate is empty: all that could be warned of belongs to the spec.
func (s statusStrategy[O, Spec, Status]) WarningsOnUpdate(context.Context, runtime.Object, runtime.Object) []string {
	return nil
}

func objectMeta(o metav1.Object) *metav1.ObjectMeta {
	return o.(metav1.ObjectMetaAccessor).GetObjectMeta().(*metav1.ObjectMeta)
}
