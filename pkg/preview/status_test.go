package preview

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/leat-dev/leat/pkg/build"
)

func TestBuildStatus(t *testing.T) {
	kind := schema.GroupKind{Group: "g", Kind: "Kustomization"}
	tests := []struct {
		reason build.Reason
		upload bool
		code   int32
		field  string
		retry  bool
	}{
		{build.ReasonInvalid, false, http.StatusUnprocessableEntity, "a/b.yaml", false},
		{build.ReasonRemote, true, http.StatusUnprocessableEntity, "a/b.yaml", false},
		{build.ReasonSubstitution, false, http.StatusUnprocessableEntity, "a/b.yaml", false},
		{build.ReasonPathNotFound, false, http.StatusUnprocessableEntity, "spec.path", false},
		{build.ReasonLimit, false, http.StatusUnprocessableEntity, "a/b.yaml", false},
		{build.ReasonLimit, true, http.StatusRequestEntityTooLarge, "", false},
		{build.ReasonDeadline, true, http.StatusUnprocessableEntity, "spec.path", false},
		{build.ReasonMemory, false, http.StatusUnprocessableEntity, "spec.path", false},
		{build.ReasonBusy, false, http.StatusTooManyRequests, "", true},
		{build.ReasonUnavailable, false, http.StatusServiceUnavailable, "", true},
		{build.ReasonStore, false, http.StatusServiceUnavailable, "", false},
		{build.ReasonCrashed, false, http.StatusInternalServerError, "", false},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprintf("%s upload=%t", tt.reason, tt.upload), func(t *testing.T) {
			cause := fmt.Errorf("waiting: %w", &build.Error{Reason: tt.reason, File: "a/b.yaml", Err: errors.New("no good")})
			err := BuildStatus(cause, kind, "app", tt.upload)
			var st apierrors.APIStatus
			if !errors.As(err, &st) {
				t.Fatalf("no status: %v", err)
			}
			status := st.Status()
			if status.Code != tt.code || status.Details == nil || status.Details.Name != "app" || status.Details.Kind != "Kustomization" {
				t.Errorf("%+v", status)
			}
			if retry := status.Details.RetryAfterSeconds > 0; retry != tt.retry {
				t.Errorf("told to try again: %t, want %t", retry, tt.retry)
			}
			field := ""
			if len(status.Details.Causes) > 0 {
				field = status.Details.Causes[0].Field
			}
			if field != tt.field {
				t.Errorf("field %q, want %q", field, tt.field)
			}
		})
	}
	other := errors.New("other")
	if err := BuildStatus(other, kind, "app", false); !errors.Is(err, other) {
		t.Errorf("another error became %v", err)
	}
}

func TestStatus(t *testing.T) {
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	denied := apierrors.NewBadRequest("no")
	if err := Status(t.Context(), denied); !apierrors.IsBadRequest(err) {
		t.Errorf("a status became %v", err)
	}
	// One of the cluster's is not the caller's.
	if err := Status(t.Context(), fmt.Errorf("x: %w", denied)); !apierrors.IsInternalError(err) {
		t.Errorf("a status that was met became %v", err)
	}
	busy := fmt.Errorf("x: %w", apierrors.NewTooManyRequests("no", 1))
	if err := Status(t.Context(), busy); !apierrors.IsServiceUnavailable(err) {
		t.Errorf("a cluster that is busy became %v", err)
	}
	if err := Status(t.Context(), errors.New("x")); !apierrors.IsInternalError(err) {
		t.Errorf("an error became %v", err)
	}
	if err := Status(gone, context.Canceled); !errors.Is(err, context.Canceled) {
		t.Errorf("the end of a request became %v", err)
	}
	if err := Status(t.Context(), nil); err != nil {
		t.Errorf("nothing became %v", err)
	}
}

// ready is a previewer that gives what it is.
type ready struct{}

func (ready) Build(context.Context, Request) (*Manifests, error) {
	return &Manifests{Revision: "r"}, nil
}
func (ready) Diff(context.Context, Request) (*Diff, error) { return &Diff{From: "f"}, nil }

func TestDeferred(t *testing.T) {
	d := &Deferred{}
	_, err := d.Build(t.Context(), Request{})
	if seconds, retry := apierrors.SuggestsClientDelay(err); !apierrors.IsServiceUnavailable(err) || !retry || seconds == 0 {
		t.Errorf("before there is one: %v", err)
	}
	if _, err := d.Diff(t.Context(), Request{}); !apierrors.IsServiceUnavailable(err) {
		t.Errorf("before there is one: %v", err)
	}
	d.Set(ready{})
	if m, err := d.Build(t.Context(), Request{}); err != nil || m.Revision != "r" {
		t.Errorf("%v, %v", m, err)
	}
	if m, err := d.Diff(t.Context(), Request{}); err != nil || m.From != "f" {
		t.Errorf("%v, %v", m, err)
	}
}
