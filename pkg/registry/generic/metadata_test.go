package generic

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/apiserver/pkg/registry/rest"
)

func entries(n int) map[string]string {
	all := make(map[string]string, n)
	for i := range n {
		all[fmt.Sprint("k", i)] = "v"
	}
	return all
}

func TestMetadataEntries(t *testing.T) {
	kind := schema.GroupKind{Group: "g", Kind: "Thing"}
	for n, refused := range map[int]bool{0: false, MaxMetadataEntries: false, MaxMetadataEntries + 1: true} {
		for name, meta := range map[string]metav1.ObjectMeta{
			"labels":          {Labels: entries(n)},
			"annotations":     {Annotations: entries(n)},
			"finalizers":      {Finalizers: make([]string, n)},
			"ownerReferences": {OwnerReferences: make([]metav1.OwnerReference, n)},
			"managedFields":   {ManagedFields: make([]metav1.ManagedFieldsEntry, n)},
		} {
			err := checkMetadata(kind, &metav1.PartialObjectMetadata{ObjectMeta: meta})
			if (err != nil) != refused || refused && (!apierrors.IsInvalid(err) || !strings.Contains(err.Error(), "metadata."+name) || !strings.Contains(err.Error(), "256")) {
				t.Errorf("%d %s: %v", n, name, err)
			}
		}
	}
}

// What goes wrong in a patch is told as the client's fault, except what is not.
func TestUnpatchable(t *testing.T) {
	hidden := apierrors.NewGenericServerResponse(http.StatusUnprocessableEntity, "", schema.GroupResource{}, "", "add operation does not apply", 0, false)
	conflict := apierrors.NewConflict(schema.GroupResource{Resource: "things"}, "a", errors.New("changed"))
	invalid := apierrors.NewInvalid(schema.GroupKind{Kind: "Thing"}, "a", field.ErrorList{field.Required(field.NewPath("spec"), "")})
	for _, test := range []struct {
		err  error
		code int32
		says string
	}{
		{errors.New("unknown patch type: x"), 400, "unknown patch type: x"},
		{hidden, 422, "3145728"},
		{conflict, 409, "changed"},
		{invalid, 422, "spec"},
	} {
		info := rest.DefaultUpdatedObjectInfo(nil, func(context.Context, runtime.Object, runtime.Object) (runtime.Object, error) { return nil, test.err })
		_, err := change{info, schema.GroupKind{Kind: "Thing"}}.UpdatedObject(t.Context(), &metav1.PartialObjectMetadata{})
		var status apierrors.APIStatus
		if !errors.As(err, &status) || status.Status().Code != test.code || !strings.Contains(err.Error(), test.says) {
			t.Errorf("%v becomes %v, want %d with %q", test.err, err, test.code, test.says)
		}
	}
	if err := unpatchable(context.Canceled); !errors.Is(err, context.Canceled) {
		t.Errorf("a request that was canceled: %v", err)
	}
}

func TestErrorsAreLimited(t *testing.T) {
	path := field.NewPath("spec")
	var errs field.ErrorList
	for i := range 10 * maxErrors {
		errs = append(errs, field.Required(path.Index(i), ""))
	}
	got := limited(errs)
	if len(got) != maxErrors+1 || !strings.Contains(got[maxErrors].Detail, fmt.Sprint(9*maxErrors)) {
		t.Errorf("%d errors, the last %v", len(got), got[len(got)-1])
	}
	if got := limited(errs[:maxErrors]); len(got) != maxErrors {
		t.Errorf("%d errors of %d", len(got), maxErrors)
	}
}

func TestRefusalsAreShort(t *testing.T) {
	long := strings.Repeat("x", 1<<20)
	err := shortened(apierrors.NewInvalid(schema.GroupKind{Kind: "Thing"}, long, field.ErrorList{field.Invalid(field.NewPath("metadata", "labels"), long, "must be no more than 63 bytes")}))
	var status *apierrors.StatusError
	if !errors.As(err, &status) {
		t.Fatal(err)
	}
	if n := len(status.Error()); n > 2*maxMessage || !strings.HasSuffix(status.Error(), "63 bytes") {
		t.Errorf("a message of %d bytes that ends with %.50q", n, status.Error()[n-50:])
	}
	if n := len(status.ErrStatus.Details.Causes[0].Message) + len(status.ErrStatus.Details.Name); n > 4*maxQuoted {
		t.Errorf("details of %d bytes", n)
	}
	small := apierrors.NewBadRequest("no")
	if !errors.Is(shortened(small), small) || shortened(nil) != nil {
		t.Error("a short refusal is not what it was")
	}
}
