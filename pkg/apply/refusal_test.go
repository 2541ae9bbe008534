package apply

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/leat-dev/leat/pkg/object"
)

func invalid(causes ...string) error {
	st := metav1.Status{Status: metav1.StatusFailure, Code: http.StatusUnprocessableEntity, Reason: metav1.StatusReasonInvalid, Details: &metav1.StatusDetails{}}
	for _, c := range causes {
		field, msg, _ := strings.Cut(c, ": ")
		st.Details.Causes = append(st.Details.Causes, metav1.StatusCause{Field: field, Message: msg})
	}
	st.Message = strings.Join(causes, "; ")
	return &apierrors.StatusError{ErrStatus: st}
}

func TestIsImmutable(t *testing.T) {
	tests := []struct {
		err  error
		want bool
	}{
		{invalid(`spec.template: Invalid value: {}: field is immutable`), true},
		{invalid(`spec: Forbidden: updates to statefulset spec for fields other than 'replicas' are forbidden`), true},
		{invalid(`roleRef: Invalid value: {}: cannot change roleRef`), true},
		{invalid(`spec.clusterIPs[0]: Invalid value: []: may not change once set`), true},
		{invalid(`spec.template: field is immutable`, `spec.replicas: must be greater than or equal to 0`), false},
		{invalid(`spec.replicas: must be greater than or equal to 0`), false},
		{errors.New("field is immutable"), false},
		{apierrors.NewConflict(metav1.Unversioned.WithResource("x").GroupResource(), "x", errors.New("immutable")), false},
	}
	for _, tt := range tests {
		if got := isImmutable(tt.err); got != tt.want {
			t.Errorf("isImmutable(%v) = %t", tt.err, got)
		}
	}
}

func TestPublic(t *testing.T) {
	secret := &item{key: object.Key{Kind: "Secret", Name: "x"}}
	tainted := &item{key: object.Key{Kind: "ConfigMap", Name: "x"}, obj: object.Object{Tainted: true}}
	plain := &item{key: object.Key{Kind: "ConfigMap", Name: "x"}}
	err := invalid(`data.a: Invalid value: "hunter2": bad`)
	for _, it := range []*item{secret, tainted} {
		got := it.public(err)
		if strings.Contains(got.Error(), "hunter2") || !strings.Contains(got.Error(), "data.a") || !apierrors.IsInvalid(got) {
			t.Errorf("%s: %v", it.key, got)
		}
		var st *apierrors.StatusError
		if errors.As(got, &st) && st.ErrStatus.Details != nil && len(st.ErrStatus.Details.Causes) > 0 {
			t.Errorf("%s: the causes, which quote values, are kept", it.key)
		}
	}
	if got := plain.public(err); got.Error() != err.Error() {
		t.Errorf("the error of a plain object was changed: %v", got)
	}
}

// A key of a map may come from a secret as its value may.
func TestPublicNamesNoKeys(t *testing.T) {
	tainted := &item{key: object.Key{Kind: "ConfigMap", Name: "x"}, obj: object.Object{Tainted: true}}
	for field, want := range map[string]string{
		"data[hunter2]":                      "because of data (",
		"spec.containers[0].env[12].name":    "because of spec.containers[0].env[12].name (",
		"spec.containers[0].limits[hunter2]": "because of spec.containers[0].limits (",
		"data[hunter2":                       "because of data (",
		"[hunter2]":                          "refused as Invalid (",
	} {
		got := tainted.public(invalid(field + ": bad")).Error()
		if strings.Contains(got, "hunter2") || !strings.Contains(got, want) {
			t.Errorf("%s: %s", field, got)
		}
	}
	if err := encodeStringData(map[string]any{"stringData": map[string]any{"hunter2": int64(1)}}); err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("stringData: %v", err)
	}
}
