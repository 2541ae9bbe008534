package apply

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
	"sigs.k8s.io/structured-merge-diff/v6/value"

	"github.com/leat-dev/leat/pkg/target"
)

// takenOver shows what a run makes of an object of which kubectl owns fields: it
// makes them ours first, so that the apply removes those that the set does not
// hold. Two dry-runs do not build on each other, so the fields that would go are
// taken out here, and the server is asked what it would make of the rest.
func (v *preview) takenOver(ctx context.Context, s *sight, body []byte) ([]byte, error) {
	for try := 0; ; try++ {
		u, err := v.stripped(body)
		if err != nil {
			return nil, err
		}
		patch, err := json.Marshal([]operation{{Op: "replace", Path: "", Value: u.Object}})
		if err != nil {
			return nil, fmt.Errorf("encoding an object: %w", err)
		}
		w, err := v.e.target.TryPatch(ctx, v.p.req.Identity, s.ref, patch)
		if err == nil {
			return w.Body, nil
		}
		if apierrors.IsConflict(err) && try < conflicts {
			// Its controllers were at work on the object.
			if w, err = v.request(ctx, s.item, true); err == nil {
				body = w.Body
				continue
			}
		}
		if cause := context.Cause(ctx); cause != nil {
			return nil, cause
		}
		// What is missing is only what the server sets where a field went.
		return u.MarshalJSON()
	}
}

// stripped returns the answer to a dry-run without what a takeover costs.
func (v *preview) stripped(body []byte) (*unstructured.Unstructured, error) {
	u := &unstructured.Unstructured{}
	if err := u.UnmarshalJSON(body); err != nil {
		return nil, fmt.Errorf("reading an object: %w", err)
	}
	lost, err := lostFields(u, v.e.target.FieldManager())
	if err != nil {
		return nil, err
	}
	lost.Iterate(func(p fieldpath.Path) { without(u.Object, p) })
	annotations := u.GetAnnotations()
	delete(annotations, target.LastApplied)
	u.SetAnnotations(annotations)
	u.SetManagedFields(nil)
	return u, nil
}

// lostFields returns the fields of u, as an apply by manager has left it, that
// would not be there if kubectl's had been the manager's before.
func lostFields(u *unstructured.Unstructured, manager string) (*fieldpath.Set, error) {
	held, taken := &fieldpath.Set{}, &fieldpath.Set{}
	for _, en := range u.GetManagedFields() {
		var fields fieldpath.Set
		if en.FieldsV1 != nil {
			if err := fields.FromJSON(bytes.NewReader(en.FieldsV1.GetRawBytes())); err != nil {
				return nil, fmt.Errorf("reading the fields of manager %q: %w", en.Manager, err)
			}
		}
		updated := en.Manager == manager && en.Subresource == "" && en.Operation != metav1.ManagedFieldsOperationApply
		if updated || target.TakenOver(en.Manager, en.Subresource) {
			taken = taken.Union(&fields)
		} else {
			held = held.Union(&fields)
		}
	}
	lost := &fieldpath.Set{}
	taken.Iterate(func(p fieldpath.Path) {
		if !holds(held, p) {
			lost.Insert(slices.Clone(p))
		}
	})
	return lost, nil
}

// holds says that the field at p, or something below it, is in s.
func holds(s *fieldpath.Set, p fieldpath.Path) bool {
	if s.Has(p) {
		return true
	}
	for _, e := range p {
		s = s.WithPrefix(e)
	}
	return !s.Empty()
}

// without returns v without what is at p, if anything is.
func without(v any, p fieldpath.Path) any {
	switch v := v.(type) {
	case map[string]any:
		if p[0].FieldName == nil {
			return v
		}
		name := *p[0].FieldName
		if len(p) == 1 {
			delete(v, name)
		} else if below, ok := v[name]; ok {
			v[name] = without(below, p[1:])
		}
	case []any:
		i := slices.IndexFunc(v, func(e any) bool { return names(p[0], e) })
		switch {
		case i < 0:
		case len(p) == 1:
			return slices.Delete(v, i, i+1)
		default:
			v[i] = without(v[i], p[1:])
		}
	}
	return v
}

// names says that e names the list's element v.
func names(e fieldpath.PathElement, v any) bool {
	switch {
	case e.Value != nil:
		return value.Equals(*e.Value, value.NewValueInterface(v))
	case e.Key != nil:
		m, ok := v.(map[string]any)
		for _, f := range *e.Key {
			have, there := m[f.Name]
			ok = ok && there && value.Equals(f.Value, value.NewValueInterface(have))
		}
		return ok
	}
	return false
}
