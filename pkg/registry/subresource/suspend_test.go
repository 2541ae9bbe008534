package subresource

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clocktesting "k8s.io/utils/clock/testing"

	kustomizev1 "github.com/leat-dev/leat/pkg/apis/kustomize/v1"
	leatv1alpha1 "github.com/leat-dev/leat/pkg/apis/leat/v1alpha1"
	"github.com/leat-dev/leat/pkg/registry/generic"
)

type suspendSetup struct {
	kustomizations *storage
	suspend        *SuspendREST
	resume         *ResumeREST
}

func newSuspendSetup() *suspendSetup {
	s := &suspendSetup{kustomizations: newKustomizations(kustomization("", "r1", "r1", isReady))}
	env := generic.Environment{Schema: waitLimit{}, Clock: clocktesting.NewFakeClock(asked)}
	s.suspend, s.resume = NewSuspend(s.kustomizations, env), NewResume(s.kustomizations, env)
	return s
}

func (s *suspendSetup) stored(t *testing.T) *kustomizev1.Kustomization {
	t.Helper()
	obj, err := s.kustomizations.Get(teamContext(t), "app", nil)
	if err != nil {
		t.Fatal(err)
	}
	return obj.(*kustomizev1.Kustomization)
}

func TestSuspendAndResume(t *testing.T) {
	s := newSuspendSetup()
	req := &leatv1alpha1.SuspendRequest{Spec: leatv1alpha1.SuspendRequestSpec{Reason: "freeze", Until: "90m"}}
	dry, err := s.suspend.Create(teamContext(t), "app", req, nil, &metav1.CreateOptions{DryRun: []string{"All"}})
	if err != nil {
		t.Fatal(err)
	}
	if s.stored(t).IsSuspended() || !dry.(*leatv1alpha1.SuspendRequest).Status.Suspended {
		t.Error("a dry-run has suspended the object, or does not say that it would")
	}
	got, err := s.suspend.Create(teamContext(t), "app", req, nil, &metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	until := metav1.NewTime(time.Date(2026, 11, 20, 13, 30, 1, 0, time.UTC))
	want := leatv1alpha1.SuspensionStatus{Suspended: true, By: "jo", Reason: "freeze", Until: &until}
	if diff := cmp.Diff(want, got.(*leatv1alpha1.SuspendRequest).Status); diff != "" {
		t.Errorf("status (-want +got):\n%s", diff)
	}
	annotations := map[string]string{
		"leat.dev/suspended-by": "jo", "leat.dev/suspend-reason": "freeze", "leat.dev/suspend-until": "2026-11-20T13:30:01Z",
	}
	if o := s.stored(t); !o.IsSuspended() || !cmp.Equal(annotations, o.Annotations) {
		t.Errorf("suspended: %t, annotations (-want +got):\n%s", o.IsSuspended(), cmp.Diff(annotations, o.Annotations))
	}
	if text := notSuspended(s.kustomizations, s.stored(t)).Error(); !strings.Contains(text, `by jo until 2026-11-20T13:30:01Z ("freeze")`) {
		t.Errorf("the refusal of a run does not say who, until when and why: %s", text)
	}

	// Anew, without an end and a reason.
	if _, err := s.suspend.Create(teamContext(t), "app", &leatv1alpha1.SuspendRequest{}, nil, &metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]string{"leat.dev/suspended-by": "jo"}, s.stored(t).Annotations); diff != "" {
		t.Errorf("annotations (-want +got):\n%s", diff)
	}

	for range 2 {
		resumed, err := s.resume.Create(teamContext(t), "app", &leatv1alpha1.ResumeRequest{}, nil, &metav1.CreateOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(leatv1alpha1.SuspensionStatus{By: "jo"}, resumed.(*leatv1alpha1.ResumeRequest).Status); diff != "" {
			t.Errorf("status (-want +got):\n%s", diff)
		}
		if o := s.stored(t); o.IsSuspended() || len(o.Annotations) != 0 {
			t.Errorf("after resuming: suspended: %t, annotations %v", o.IsSuspended(), o.Annotations)
		}
	}
	if s.stored(t).ResourceVersion != "3" {
		t.Errorf("version is %s: resuming what is not suspended wrote it", s.stored(t).ResourceVersion)
	}
}

func TestSuspendRefusals(t *testing.T) {
	s := newSuspendSetup()
	for until, want := range map[string]string{
		"soon":                      "spec.until: Invalid value: \"soon\": must be a time such as 2026-11-20T13:00:00Z, or a duration such as 2h30m",
		"0s":                        "spec.until: Invalid value: \"0s\": is not in the future",
		"-1h":                       "not in the future: it is 2026-11-20T12:00:00Z now",
		"2026-11-20T11:59:59Z":      "not in the future",
		"2026-11-20T13:00:00+02:00": "not in the future",
		"8785h":                     "more than a year away",
		"2028-01-01T00:00:00Z":      "more than a year away",
		"2026-11-21":                "must be a time",
	} {
		_, err := s.suspend.Create(teamContext(t), "app", &leatv1alpha1.SuspendRequest{Spec: leatv1alpha1.SuspendRequestSpec{Until: until}}, nil, &metav1.CreateOptions{})
		if !apierrors.IsInvalid(err) || !strings.Contains(err.Error(), want) {
			t.Errorf("until %q: got %v, want Invalid with %q", until, err, want)
		}
	}
	other := &leatv1alpha1.SuspendRequest{ObjectMeta: metav1.ObjectMeta{Name: "other"}}
	if _, err := s.suspend.Create(teamContext(t), "app", other, nil, &metav1.CreateOptions{}); !apierrors.IsInvalid(err) || !strings.Contains(err.Error(), "metadata.name") {
		t.Errorf("a request for another object: got %v", err)
	}
	if _, err := s.suspend.Create(teamContext(t), "absent", &leatv1alpha1.SuspendRequest{}, nil, &metav1.CreateOptions{}); !apierrors.IsNotFound(err) {
		t.Errorf("of nothing: got %v, want NotFound", err)
	}
	denied := apierrors.NewForbidden(kustomizev1.Resource("kustomizations"), "app", nil)
	deny := func(context.Context, runtime.Object) error { return denied }
	if _, err := s.suspend.Create(teamContext(t), "app", &leatv1alpha1.SuspendRequest{}, deny, &metav1.CreateOptions{}); !apierrors.IsForbidden(err) {
		t.Errorf("denied by admission: got %v", err)
	}
	if _, err := s.resume.Create(teamContext(t), "app", &leatv1alpha1.ResumeRequest{}, deny, &metav1.CreateOptions{}); !apierrors.IsForbidden(err) {
		t.Errorf("denied by admission: got %v", err)
	}
	if s.stored(t).IsSuspended() {
		t.Error("a refused request has suspended the object")
	}
}

func TestParseUntil(t *testing.T) {
	for text, want := range map[string]string{
		"":                          "",
		"1s":                        "2026-11-20T12:00:02Z", // asked half a second past the full one
		"500ms":                     "2026-11-20T12:00:01Z",
		"8783h":                     "2027-11-21T11:00:01Z",
		"2026-11-20T14:00:00+01:00": "2026-11-20T13:00:00Z",
		"2026-11-20T13:00:00.1Z":    "2026-11-20T13:00:01Z",
	} {
		until, err := parseUntil(text, asked)
		if err != nil || untilText(until) != want {
			t.Errorf("%q: got %q, %v, want %q", text, untilText(until), err, want)
		}
	}
}
