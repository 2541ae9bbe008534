package integration

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"

	leatv1alpha1 "github.com/leat-dev/leat/pkg/apis/leat/v1alpha1"
)

// reconcile posts a request and returns the answer.
func reconcile(ctx context.Context, t *testing.T, config *rest.Config, resource schema.GroupVersionResource, namespace, name, query string, spec leatv1alpha1.ReconcileRequestSpec) (*leatv1alpha1.ReconcileRequest, error) {
	t.Helper()
	body, err := json.Marshal(map[string]any{"apiVersion": "leat.dev/v1alpha1", "kind": "ReconcileRequest", "spec": spec})
	if err != nil {
		t.Fatal(err)
	}
	request := newClients(t, config).rest.Post().AbsPath(collection(resource, namespace)+"/"+name+"/reconcile").Body(body).SetHeader("Content-Type", "application/json")
	if query != "" {
		key, value, _ := strings.Cut(query, "=")
		request.Param(key, value)
	}
	raw, err := raw(request.Do(ctx))
	if err != nil {
		return nil, err
	}
	answer := &leatv1alpha1.ReconcileRequest{}
	if err := json.Unmarshal(raw, answer); err != nil {
		t.Fatalf("%v:\n%s", err, raw)
	}
	return answer, nil
}

// raw is the body of an answer, or the error that the server tells of.
func raw(result rest.Result) ([]byte, error) {
	if err := result.Error(); err != nil {
		return nil, err
	}
	return result.Raw()
}

const requestedAt = "reconcile.fluxcd.io/requestedAt"

func (c *clients) annotation(ctx context.Context, t *testing.T, resource schema.GroupVersionResource, namespace, name, key string) string {
	t.Helper()
	u, err := c.dynamic.Resource(resource).Namespace(namespace).Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return u.GetAnnotations()[key]
}

func TestReconcileSetsTheAnnotation(t *testing.T) {
	c := newClients(t, cluster.Config)
	bothKinds(t, func(t *testing.T, resource schema.GroupVersionResource, manifest string) {
		ctx, ns := testContext(t), cluster.Namespace(t)
		c.create(ctx, t, resource, ns, manifest)
		dry, err := reconcile(ctx, t, cluster.Config, resource, ns, "demo", "dryRun=All", leatv1alpha1.ReconcileRequestSpec{WaitSeconds: 30})
		if err != nil {
			t.Fatal(err)
		}
		if got := c.annotation(ctx, t, resource, ns, "demo", requestedAt); got != "" || dry.Status.RequestID == "" {
			t.Errorf("dry-run: request %q, annotation %q", dry.Status.RequestID, got)
		}
		answer, err := reconcile(ctx, t, cluster.Config, resource, ns, "demo", "", leatv1alpha1.ReconcileRequestSpec{Force: true, Reset: true})
		if err != nil {
			t.Fatal(err)
		}
		if answer.Status.Phase != leatv1alpha1.RequestQueued || answer.Name != "demo" || answer.Namespace != ns {
			t.Errorf("got %+v", answer)
		}
		if _, err := time.Parse(time.RFC3339Nano, answer.Status.RequestID); err != nil {
			t.Errorf("request ID: %v", err)
		}
		for _, key := range []string{requestedAt, "reconcile.fluxcd.io/forceAt", "reconcile.fluxcd.io/resetAt"} {
			if got := c.annotation(ctx, t, resource, ns, "demo", key); got != answer.Status.RequestID {
				t.Errorf("annotation %s is %q, want %q", key, got, answer.Status.RequestID)
			}
		}
	})
}

func TestReconcileRefusals(t *testing.T) {
	c := newClients(t, cluster.Config)
	bothKinds(t, func(t *testing.T, resource schema.GroupVersionResource, manifest string) {
		ctx, ns := testContext(t), cluster.Namespace(t)
		c.create(ctx, t, resource, ns, manifest)
		if _, err := reconcile(ctx, t, cluster.Config, resource, ns, "absent", "", leatv1alpha1.ReconcileRequestSpec{}); !apierrors.IsNotFound(err) {
			t.Errorf("of nothing: got %v, want NotFound", err)
		}
		for _, seconds := range []int32{-1, 31} {
			_, err := reconcile(ctx, t, cluster.Config, resource, ns, "demo", "", leatv1alpha1.ReconcileRequestSpec{WaitSeconds: seconds})
			if !apierrors.IsInvalid(err) || !strings.Contains(err.Error(), "spec.waitSeconds") {
				t.Errorf("waiting %d seconds: got %v, want Invalid that names spec.waitSeconds", seconds, err)
			}
		}
		c.setSpec(ctx, t, resource, ns, "demo", map[string]any{"suspend": true})
		if _, err := reconcile(ctx, t, cluster.Config, resource, ns, "demo", "", leatv1alpha1.ReconcileRequestSpec{}); !apierrors.IsConflict(err) || !strings.Contains(err.Error(), "suspend") {
			t.Errorf("of a suspended object: got %v, want Conflict", err)
		}
		if got := c.annotation(ctx, t, resource, ns, "demo", requestedAt); got != "" {
			t.Errorf("a refused request set the annotation to %q", got)
		}
	})
}

// setSpec changes fields of a spec.
func (c *clients) setSpec(ctx context.Context, t *testing.T, resource schema.GroupVersionResource, namespace, name string, fields map[string]any) {
	t.Helper()
	patch, err := json.Marshal(map[string]any{"spec": fields})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.dynamic.Resource(resource).Namespace(namespace).Patch(ctx, name, "application/merge-patch+json", patch, metav1.PatchOptions{}); err != nil {
		t.Fatal(err)
	}
}

// playReconciler waits for a request on an object and writes the statuses of a run.
func (c *clients) playReconciler(ctx context.Context, t *testing.T, resource schema.GroupVersionResource, namespace string, statuses ...map[string]any) {
	t.Helper()
	var id string
	eventually(ctx, t, "the annotation is set", func(ctx context.Context) (bool, error) {
		u, err := c.dynamic.Resource(resource).Namespace(namespace).Get(ctx, "demo", metav1.GetOptions{})
		if err != nil {
			return false, err
		}
		id = u.GetAnnotations()[requestedAt]
		return id != "", nil
	})
	for i, status := range statuses {
		if i == len(statuses)-1 {
			status["lastHandledReconcileAt"] = id
		}
		c.setStatus(ctx, t, resource, namespace, "demo", status)
	}
}

func reconciling() map[string]any {
	return map[string]any{"type": "Reconciling", "status": "True", "reason": "Progressing", "message": "working", "lastTransitionTime": "2026-01-02T03:04:05Z"}
}

func TestReconcileWaitsForTheRun(t *testing.T) {
	c := newClients(t, cluster.Config)
	bothKinds(t, func(t *testing.T, resource schema.GroupVersionResource, manifest string) {
		tests := []struct {
			name   string
			last   map[string]any
			phase  leatv1alpha1.RequestPhase
			reason string
		}{
			{"success", map[string]any{"observedGeneration": 1, "conditions": []any{ready("True", "Succeeded", "all is well")}}, leatv1alpha1.RequestSucceeded, "all is well"},
			{"failure", map[string]any{"observedGeneration": 1, "conditions": []any{ready("False", "Failed", "all is lost")}}, leatv1alpha1.RequestFailed, "all is lost"},
		}
		for _, test := range tests {
			t.Run(test.name, func(t *testing.T) {
				ctx, ns := testContext(t), cluster.Namespace(t)
				c.create(ctx, t, resource, ns, manifest)
				done := make(chan error, 1)
				var answer *leatv1alpha1.ReconcileRequest
				go func() {
					var err error
					answer, err = reconcile(ctx, t, cluster.Config, resource, ns, "demo", "", leatv1alpha1.ReconcileRequestSpec{WaitSeconds: 30})
					done <- err
				}()
				c.playReconciler(ctx, t, resource, ns,
					map[string]any{"conditions": []any{reconciling(), ready("Unknown", "Progressing", "working")}},
					test.last)
				if err := <-done; err != nil {
					t.Fatal(err)
				}
				got := answer.Status
				if got.Phase != test.phase || got.Message != test.reason || got.StartedAt == nil || got.FinishedAt == nil {
					t.Errorf("got %+v", got)
				}
			})
		}
	})
}

func TestReconcileWaitThatIsTooShort(t *testing.T) {
	t.Parallel()
	c, ctx, ns := newClients(t, cluster.Config), testContext(t), cluster.Namespace(t)
	c.create(ctx, t, gitRepositories, ns, repositoryYAML)
	answer, err := reconcile(ctx, t, cluster.Config, gitRepositories, ns, "demo", "", leatv1alpha1.ReconcileRequestSpec{WaitSeconds: 1})
	if err != nil {
		t.Fatal(err)
	}
	if answer.Status.Phase != leatv1alpha1.RequestQueued || answer.Status.FinishedAt != nil {
		t.Errorf("got %+v", answer.Status)
	}
}

func TestReconcileWithSource(t *testing.T) {
	t.Parallel()
	c, ctx, ns := newClients(t, cluster.Config), testContext(t), cluster.Namespace(t)
	c.create(ctx, t, kustomizations, ns, kustomizationYAML)
	withSource := leatv1alpha1.ReconcileRequestSpec{WithSource: true}
	if _, err := reconcile(ctx, t, cluster.Config, kustomizations, ns, "demo", "", withSource); !apierrors.IsNotFound(err) || !strings.Contains(err.Error(), "gitrepositories") {
		t.Errorf("without the source: got %v, want NotFound of the source", err)
	}
	if got := c.annotation(ctx, t, kustomizations, ns, "demo", requestedAt); got != "" {
		t.Errorf("a refused request set the annotation to %q", got)
	}
	c.create(ctx, t, gitRepositories, ns, repositoryYAML)
	if _, err := reconcile(ctx, t, cluster.Config, gitRepositories, ns, "demo", "", withSource); !apierrors.IsInvalid(err) {
		t.Errorf("a source with its source: got %v, want Invalid", err)
	}
	developer := c.user(ctx, t, ns, "developer", allow("kustomize.toolkit.fluxcd.io", "kustomizations/reconcile", "create"))
	if _, err := reconcile(ctx, t, developer.Config, kustomizations, ns, "demo", "", withSource); !apierrors.IsForbidden(err) || !strings.Contains(err.Error(), "gitrepositories") {
		t.Errorf("who may not reconcile the source: got %v, want Forbidden", err)
	}
	if _, err := reconcile(ctx, t, developer.Config, kustomizations, ns, "demo", "", leatv1alpha1.ReconcileRequestSpec{}); err != nil {
		t.Errorf("without it: %v", err)
	}
	answer, err := reconcile(ctx, t, cluster.Config, kustomizations, ns, "demo", "", withSource)
	if err != nil {
		t.Fatal(err)
	}
	for _, resource := range []schema.GroupVersionResource{kustomizations, gitRepositories} {
		if got := c.annotation(ctx, t, resource, ns, "demo", requestedAt); got != answer.Status.RequestID {
			t.Errorf("annotation of %s is %q, want %q", resource.Resource, got, answer.Status.RequestID)
		}
	}
}

func TestReconcileFieldValidation(t *testing.T) {
	t.Parallel()
	c, ctx, ns := newClients(t, cluster.Config), testContext(t), cluster.Namespace(t)
	c.create(ctx, t, gitRepositories, ns, repositoryYAML)
	path := collection(gitRepositories, ns) + "/demo/reconcile"
	for body, want := range map[string]string{
		`{"apiVersion":"leat.dev/v1alpha1","kind":"ReconcileRequest","spec":{"waitSecond":1}}`:                                           `unknown field "spec.waitSecond"`,
		`{"apiVersion":"leat.dev/v1alpha1","kind":"ReconcileRequest","metadata":{"name":"other"}}`:                                       "metadata.name",
		`{"apiVersion":"leat.dev/v1alpha1","kind":"ReconcileRequest","metadata":{"namespace":"other"}}`:                                  "namespace",
		fmt.Sprintf(`{"apiVersion":"source.toolkit.fluxcd.io/v1","kind":"GitRepository","metadata":{"name":"demo","namespace":%q}}`, ns): "",
	} {
		_, err := raw(c.rest.Post().AbsPath(path).Param("fieldValidation", "Strict").SetHeader("Content-Type", "application/json").Body([]byte(body)).Do(ctx))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want an error with %q", body, err, want)
		}
	}
	// An empty body is a request without wishes.
	answer, err := raw(c.rest.Post().AbsPath(path).SetHeader("Content-Type", "application/json").Body([]byte(`{}`)).Do(ctx))
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := json.Unmarshal(answer, &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]any{"leat.dev/v1alpha1", "ReconcileRequest"}, []any{got["apiVersion"], got["kind"]}); diff != "" {
		t.Errorf("answer (-want +got):\n%s", diff)
	}
}
