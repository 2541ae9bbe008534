package apply

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"

	"github.com/leat-dev/leat/pkg/target"
)

// takeOver makes the fields ours that kubectl owns, so that the apply which
// follows removes those that the set does not hold. Without it they would stay
// for good: kubectl's client-side apply never releases a field to us.
func (r *run) takeOver(ctx context.Context, it *item) error {
	t, id := r.e.target, r.p.req.Identity
	live, err := t.Get(ctx, id, it.ref)
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("taking over the fields of kubectl: %w", err)
	}
	patch, err := takeoverPatch(live, t.FieldManager())
	if err != nil {
		return fmt.Errorf("taking over the fields of kubectl: %w", err)
	}
	if patch == nil {
		return nil
	}
	if _, err := t.Patch(ctx, id, it.ref, patch); err != nil {
		return fmt.Errorf("taking over the fields of kubectl: %w", err)
	}
	return nil
}

// operation is one step of a JSON patch.
type operation struct {
	Op    string `json:"op"`
	Path  string `json:"path"`
	Value any    `json:"value,omitempty"`
}

// takeoverPatch returns the patch that gives manager what target.TakenOver
// names, nil if there is nothing to give. It holds only for the object as it
// was read.
func takeoverPatch(u *unstructured.Unstructured, manager string) ([]byte, error) {
	ours := metav1.ManagedFieldsEntry{
		Manager: manager, Operation: metav1.ManagedFieldsOperationApply,
		APIVersion: u.GetAPIVersion(), FieldsType: "FieldsV1",
	}
	set := &fieldpath.Set{}
	var kept []metav1.ManagedFieldsEntry
	found := false
	for _, en := range u.GetManagedFields() {
		mine := en.Manager == manager && en.Subresource == ""
		apply := mine && en.Operation == metav1.ManagedFieldsOperationApply
		if !mine && !target.TakenOver(en.Manager, en.Subresource) {
			kept = append(kept, en)
			continue
		}
		if apply {
			ours.Time = en.Time
		} else {
			found = true
		}
		var fields fieldpath.Set
		if en.FieldsV1 != nil {
			if err := fields.FromJSON(bytes.NewReader(en.FieldsV1.GetRawBytes())); err != nil {
				return nil, fmt.Errorf("reading the fields of manager %q: %w", en.Manager, err)
			}
		}
		set = set.Union(&fields)
	}
	_, annotated := u.GetAnnotations()[target.LastApplied]
	if !found && !annotated {
		return nil, nil
	}
	ops := []operation{{Op: "replace", Path: "/metadata/resourceVersion", Value: u.GetResourceVersion()}}
	if annotated {
		ops = append(ops, operation{Op: "remove", Path: "/metadata/annotations/kubectl.kubernetes.io~1last-applied-configuration"})
		set = set.Difference(fieldpath.NewSet(fieldpath.MakePathOrDie("metadata", "annotations", target.LastApplied)))
	}
	if found {
		raw, err := set.ToJSON()
		if err != nil {
			return nil, fmt.Errorf("encoding the fields: %w", err)
		}
		ours.FieldsV1 = metav1.NewFieldsV1(string(raw))
		ops = append(ops, operation{Op: "replace", Path: "/metadata/managedFields", Value: append(kept, ours)})
	}
	return json.Marshal(ops)
}
