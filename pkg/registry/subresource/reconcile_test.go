package subresource

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizer"
	"k8s.io/apiserver/pkg/endpoints/request"
	clocktesting "k8s.io/utils/clock/testing"

	kustomizev1 "github.com/leat-dev/leat/pkg/apis/kustomize/v1"
	leatv1alpha1 "github.com/leat-dev/leat/pkg/apis/leat/v1alpha1"
	"github.com/leat-dev/leat/pkg/registry/generic"
)

// asked is when the tests ask.
var asked = time.Date(2026, 11, 20, 12, 0, 0, 5e8, time.UTC)

type setup struct {
	repositories, kustomizations *storage
	clock                        *clocktesting.FakeClock
	rest                         *ReconcileREST
	sourceREST                   *ReconcileREST
}

func newSetup(a authorizer.Authorizer) *setup {
	s := &setup{
		repositories:   newRepositories(repository("", "r1", isReady)),
		kustomizations: newKustomizations(kustomization("", "r1", "r1", isReady)),
		clock:          clocktesting.NewFakeClock(asked),
	}
	directory := NewDirectory()
	directory.Add(s.repositories)
	directory.Add(s.kustomizations)
	env := generic.Environment{Schema: waitLimit{}, Authorizer: a, Clock: s.clock}
	sourceOf := func(obj runtime.Object) Reference {
		ref := obj.(*kustomizev1.Kustomization).Spec.SourceRef
		return Reference{Kind: schema.GroupKind{Group: "source.toolkit.fluxcd.io", Kind: string(ref.Kind)}, Namespace: "team", Name: ref.Name}
	}
	s.rest = NewReconcile(s.kustomizations, sourceOf, directory, env)
	s.sourceREST = NewReconcile(s.repositories, nil, directory, env)
	return s
}

func (s *setup) annotation(t *testing.T, from *storage, name string) string {
	t.Helper()
	obj, err := from.Get(teamContext(t), name, nil)
	if err != nil {
		t.Fatal(err)
	}
	return obj.(metav1.Object).GetAnnotations()["reconcile.fluxcd.io/requestedAt"]
}

func teamContext(t *testing.T) context.Context {
	ctx := request.WithUser(t.Context(), &user.DefaultInfo{Name: "jo"})
	return request.WithNamespace(ctx, "team")
}

func ask(spec leatv1alpha1.ReconcileRequestSpec) *leatv1alpha1.ReconcileRequest {
	return &leatv1alpha1.ReconcileRequest{Spec: spec}
}

func TestReconcileRequests(t *testing.T) {
	sourceToo := leatv1alpha1.ReconcileRequestSpec{WithSource: true}
	renamed := ask(leatv1alpha1.ReconcileRequestSpec{})
	renamed.Name = "other"
	tests := map[string]struct {
		req            *leatv1alpha1.ReconcileRequest
		change         func(*setup)
		authorizer     authorizer.Authorizer
		validate       error
		options        metav1.CreateOptions
		refused        func(error) bool
		text           string
		object, source bool // is asked to run
	}{
		"plain":       {req: ask(leatv1alpha1.ReconcileRequestSpec{}), object: true},
		"dry-run":     {req: ask(leatv1alpha1.ReconcileRequestSpec{WaitSeconds: 30}), options: metav1.CreateOptions{DryRun: []string{"All"}}},
		"with source": {req: ask(sourceToo), object: true, source: true},
		"too long":    {req: ask(leatv1alpha1.ReconcileRequestSpec{WaitSeconds: 31}), refused: apierrors.IsInvalid, text: "spec.waitSeconds"},
		"other name":  {req: renamed, refused: apierrors.IsInvalid, text: "metadata.name"},
		"admission":   {req: ask(leatv1alpha1.ReconcileRequestSpec{}), validate: errors.New("not on a Friday"), refused: func(error) bool { return true }, text: "Friday"},
		"suspended": {req: ask(sourceToo), refused: apierrors.IsConflict, text: "Kustomization team/app is suspended", change: func(s *setup) {
			o := kustomization("", "", "")
			o.Spec.Suspend = new(true)
			s.kustomizations.put(o)
		}},
		"suspended source": {req: ask(sourceToo), refused: apierrors.IsConflict, text: "GitRepository team/source is suspended", change: func(s *setup) {
			o := repository("", "")
			o.Spec.Suspend = new(true)
			s.repositories.put(o)
		}},
		"no source": {req: ask(sourceToo), refused: apierrors.IsNotFound, text: "gitrepositories", change: func(s *setup) { clear(s.repositories.objects) }},
		"unknown source": {req: ask(sourceToo), refused: apierrors.IsInvalid, text: "Bucket team/source", change: func(s *setup) {
			o := kustomization("", "", "")
			o.Spec.SourceRef.Kind = "Bucket"
			s.kustomizations.put(o)
		}},
		"not allowed": {req: ask(sourceToo), authorizer: only("sam", "gitrepositories", "reconcile"), refused: apierrors.IsForbidden, text: `"jo" may not create gitrepositories`},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if test.authorizer == nil {
				test.authorizer = only("jo", "gitrepositories", "reconcile")
			}
			s := newSetup(test.authorizer)
			if test.change != nil {
				test.change(s)
			}
			validate := func(context.Context, runtime.Object) error { return test.validate }
			obj, err := s.rest.Create(teamContext(t), "app", test.req, validate, &test.options)
			switch {
			case test.refused == nil && err != nil:
				t.Fatal(err)
			case test.refused != nil && (err == nil || !test.refused(err) || !strings.Contains(err.Error(), test.text)):
				t.Fatalf("got %v, want a refusal with %q", err, test.text)
			}
			want := asked.Format(time.RFC3339Nano)
			if err == nil {
				got := obj.(*leatv1alpha1.ReconcileRequest)
				if got.Status.RequestID != want || got.Status.Phase != leatv1alpha1.RequestQueued || got.Name != "app" {
					t.Errorf("answer: %+v", got)
				}
			}
			if got := s.annotation(t, s.kustomizations, "app"); (got == want) != test.object {
				t.Errorf("annotation of the object is %q", got)
			}
			if len(s.repositories.objects) > 0 {
				if got := s.annotation(t, s.repositories, "source"); (got == want) != test.source {
					t.Errorf("annotation of the source is %q", got)
				}
			}
		})
	}
}

func TestSourceHasNoSource(t *testing.T) {
	s := newSetup(only("jo", "gitrepositories", "reconcile"))
	_, err := s.sourceREST.Create(teamContext(t), "source", ask(leatv1alpha1.ReconcileRequestSpec{WithSource: true}), nil, &metav1.CreateOptions{})
	if !apierrors.IsInvalid(err) || !strings.Contains(err.Error(), "spec.withSource") {
		t.Errorf("got %v, want Invalid", err)
	}
}

// wrapped is an object as the watch cache hands it out.
type wrapped struct {
	runtime.Object
}

func (w wrapped) GetObject() runtime.Object { return w.Object }

func (w wrapped) CacheEncode(runtime.Identifier, func(runtime.Object, io.Writer) error, io.Writer) error {
	return errors.New("nobody encodes it here")
}

func TestWaitingForTheRun(t *testing.T) {
	handledAt := asked.Format(time.RFC3339Nano)
	done := kustomization(handledAt, "r1", "r1", isReady)
	tests := map[string]struct {
		after func(*setup, *watch.FakeWatcher)
		want  leatv1alpha1.RequestPhase
		text  string
	}{
		"success":          {func(_ *setup, w *watch.FakeWatcher) { w.Modify(done) }, "Succeeded", "good"},
		"wrapped":          {func(_ *setup, w *watch.FakeWatcher) { w.Modify(wrapped{done}) }, "Succeeded", "good"},
		"failure":          {func(_ *setup, w *watch.FakeWatcher) { w.Modify(kustomization(handledAt, "r1", "r1", isFailed)) }, "Failed", "bad"},
		"deleted":          {func(_ *setup, w *watch.FakeWatcher) { w.Delete(done) }, "Failed", "Kustomization team/app was deleted"},
		"time is over":     {func(s *setup, _ *watch.FakeWatcher) { s.clock.Step(20 * time.Second) }, "Queued", "good"},
		"the watch breaks": {func(_ *setup, w *watch.FakeWatcher) { w.Error(&metav1.Status{Reason: "Expired"}) }, "Queued", "good"},
		"the watch ends":   {func(_ *setup, w *watch.FakeWatcher) { w.Stop() }, "Queued", "good"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			s := newSetup(nil)
			answer := make(chan *leatv1alpha1.ReconcileRequest, 1)
			go func() {
				obj, err := s.rest.Create(teamContext(t), "app", ask(leatv1alpha1.ReconcileRequestSpec{WaitSeconds: 20}), nil, &metav1.CreateOptions{})
				if err != nil {
					t.Error(err)
				}
				answer <- obj.(*leatv1alpha1.ReconcileRequest)
			}()
			err := wait.PollUntilContextTimeout(t.Context(), time.Millisecond, 10*time.Second, true, func(context.Context) (bool, error) {
				return s.kustomizations.watched(1) != nil, nil
			})
			if err != nil {
				t.Fatal(err)
			}
			test.after(s, s.kustomizations.watched(1)[0])
			got := <-answer
			if got.Status.Phase != test.want || got.Status.Message != test.text {
				t.Errorf("got %+v, want %s %q", got.Status, test.want, test.text)
			}
		})
	}
}

func TestReconcileKinds(t *testing.T) {
	s := newSetup(nil)
	own := leatv1alpha1.SchemeGroupVersion
	if got := s.rest.GroupVersionKind(kustomizev1.SchemeGroupVersion); got != own.WithKind("ReconcileRequest") {
		t.Errorf("kind: %s", got)
	}
	if !s.rest.AcceptsGroupVersion(own) || s.rest.AcceptsGroupVersion(kustomizev1.SchemeGroupVersion) {
		t.Error("takes bodies of other groups")
	}
}
