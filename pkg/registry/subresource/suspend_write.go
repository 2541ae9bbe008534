package subresource

import (
	"context"
	"errors"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/apiserver/pkg/endpoints/request"
	"k8s.io/apiserver/pkg/registry/rest"

	leatv1alpha1 "github.com/leat-dev/leat/pkg/apis/leat/v1alpha1"
	leatmeta "github.com/leat-dev/leat/pkg/apis/meta"
	"github.com/leat-dev/leat/pkg/registry/generic"
)

// checkAction refuses requests that are not of their schema, or not for the
// object in the URL.
func checkAction(schema generic.Schema, name string, req modelled) field.ErrorList {
	errs := schema.Validate(req.OpenAPIModelName(), req)
	if req.GetName() != "" && req.GetName() != name {
		errs = append(errs, field.Invalid(field.NewPath("metadata", "name"), req.GetName(), fmt.Sprintf("must be empty or the name in the URL, %q", name)))
	}
	return errs
}

// requester is the name of who sent the request.
func requester(ctx context.Context) (string, error) {
	user, ok := request.UserFrom(ctx)
	if !ok {
		return "", apierrors.NewInternalError(errors.New("the request has no user"))
	}
	return user.GetName(), nil
}

// setSuspension writes spec.suspend and what is to be told of it through the
// object's storage, so that it meets all that any other change meets. The store
// repeats the change where somebody else was faster.
func setSuspension(ctx context.Context, parent Parent, name string, want leatv1alpha1.SuspensionStatus, options *metav1.CreateOptions) error {
	object := stamped{ref: Reference{Kind: parent.Served().GroupKind(), Namespace: request.NamespaceValue(ctx), Name: name}, parent: parent}
	change := rest.DefaultUpdatedObjectInfo(nil, func(_ context.Context, _, stored runtime.Object) (runtime.Object, error) {
		if want.Suspended == parent.Summarize(stored).Suspended && !want.Suspended {
			return stored, nil
		}
		obj := stored.DeepCopyObject()
		parent.SetSuspended(obj, want.Suspended)
		m, err := meta.Accessor(obj)
		if err != nil {
			return nil, fmt.Errorf("reading the metadata of %s: %w", object.ref, err)
		}
		annotations := m.GetAnnotations()
		if annotations == nil {
			annotations = map[string]string{}
		}
		for key, value := range map[string]string{
			leatmeta.SuspendedByAnnotation:   want.By,
			leatmeta.SuspendReasonAnnotation: want.Reason,
			leatmeta.SuspendUntilAnnotation:  untilText(want.Until),
		} {
			if annotations[key] = value; value == "" {
				delete(annotations, key)
			}
		}
		m.SetAnnotations(annotations)
		return obj, nil
	})
	update := &metav1.UpdateOptions{DryRun: options.DryRun, FieldManager: options.FieldManager}
	ctx = generic.WithSuspension(object.context(ctx))
	_, _, err := parent.Update(ctx, name, change, rest.ValidateAllObjectFunc, rest.ValidateAllObjectUpdateFunc, false, update)
	return err
}

func untilText(until *metav1.Time) string {
	if until == nil {
		return ""
	}
	return until.UTC().Format(time.RFC3339)
}

// suspension tells people who suspended an object, why, and until when. It is
// empty where that is not known.
func suspension(obj runtime.Object) string {
	m, err := meta.Accessor(obj)
	if err != nil {
		return ""
	}
	annotations := m.GetAnnotations()
	text := ""
	if by := annotations[leatmeta.SuspendedByAnnotation]; by != "" {
		text += " by " + by
	}
	if until := annotations[leatmeta.SuspendUntilAnnotation]; until != "" {
		text += " until " + until
	}
	if reason := annotations[leatmeta.SuspendReasonAnnotation]; reason != "" {
		text += fmt.Sprintf(" (%q)", reason)
	}
	return text
}
