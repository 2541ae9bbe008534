package generic

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/apiserver/pkg/registry/rest"
)

// MaxMetadataEntries is how many labels, annotations, finalizers, owners or
// managers an object may have. The generic server reports every bad one of them,
// by an algorithm whose time grows with the square of their number: without a
// limit a request of 3 MiB keeps a CPU busy for hours after it has timed out.
const MaxMetadataEntries = 256

// maxPatchCopyBytes is what the copy operations of a JSON patch may add up to: the
// default of the generic server.
const maxPatchCopyBytes = 3 << 20

// checkMetadata refuses metadata that validation would choke on.
func checkMetadata(kind schema.GroupKind, obj runtime.Object) error {
	o, err := meta.Accessor(obj)
	if err != nil {
		return fmt.Errorf("reading the metadata of a %s: %w", kind.Kind, err)
	}
	path := field.NewPath("metadata")
	var errs field.ErrorList
	for _, part := range []struct {
		name string
		size int
	}{
		{"labels", len(o.GetLabels())},
		{"annotations", len(o.GetAnnotations())},
		{"finalizers", len(o.GetFinalizers())},
		{"ownerReferences", len(o.GetOwnerReferences())},
		{"managedFields", len(o.GetManagedFields())},
	} {
		if part.size > MaxMetadataEntries {
			errs = append(errs, field.TooMany(path.Child(part.name), part.size, MaxMetadataEntries))
		}
	}
	if len(errs) == 0 {
		return nil
	}
	return apierrors.NewInvalid(kind, shorten(o.GetName(), maxQuoted), errs)
}

// change is how an object is updated, with the metadata looked at before anybody
// validates it.
type change struct {
	rest.UpdatedObjectInfo
	kind schema.GroupKind
}

// UpdatedObject implements rest.UpdatedObjectInfo.
func (c change) UpdatedObject(ctx context.Context, old runtime.Object) (runtime.Object, error) {
	obj, err := c.UpdatedObjectInfo.UpdatedObject(ctx, old)
	if err != nil {
		return nil, unpatchable(err)
	}
	if err := checkMetadata(c.kind, obj); err != nil {
		return nil, err
	}
	return obj, nil
}

// unpatchable says what is wrong with a patch where the generic server does not:
// it takes some errors, such as an unknown $patch directive, for its own, and
// keeps those of JSON patches to itself.
func unpatchable(err error) error {
	var status apierrors.APIStatus
	switch {
	case errors.As(err, &status):
		if s := status.Status(); s.Code == http.StatusUnprocessableEntity && (s.Details == nil || s.Details.Kind == "" && len(s.Details.Causes) == 0) {
			s.Message = fmt.Sprintf("the JSON patch cannot be applied: an operation is unknown, its path or index is not there, or its copies exceed %d bytes", maxPatchCopyBytes)
			return &apierrors.StatusError{ErrStatus: s}
		}
		return err
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	default:
		return apierrors.NewBadRequest("the patch cannot be applied: " + shorten(err.Error(), maxQuoted))
	}
}
