package integration

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/leat-dev/leat/pkg/generated/clientset/versioned"
	"sigs.k8s.io/yaml"
)

var (
	gitRepositories = schema.GroupVersionResource{Group: "source.toolkit.fluxcd.io", Version: "v1", Resource: "gitrepositories"}
	kustomizations  = schema.GroupVersionResource{Group: "kustomize.toolkit.fluxcd.io", Version: "v1", Resource: "kustomizations"}
)

const (
	repositoryYAML = `
apiVersion: source.toolkit.fluxcd.io/v1
kind: GitRepository
metadata:
  name: demo
spec:
  url: https://git.example.com/team/app.git
  interval: 60m
  ref:
    branch: main
`
	kustomizationYAML = `
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata:
  name: demo
spec:
  interval: 60m
  path: ./deploy
  prune: false
  wait: false
  dependsOn: []
  sourceRef:
    kind: GitRepository
    name: demo
`
)

// testContext ends before the test binary's own limit does, so that a test that
// waits for nothing fails by itself.
func testContext(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), testTimeout)
	t.Cleanup(cancel)
	return ctx
}

// clients are what tests talk to the aggregated API with.
type clients struct {
	core    kubernetes.Interface
	dynamic dynamic.Interface
	leat    versioned.Interface
	rest    rest.Interface
}

func newClients(t *testing.T, config *rest.Config) *clients {
	t.Helper()
	core, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	dyn, err := dynamic.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	leat, err := versioned.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	return &clients{core: core, dynamic: dyn, leat: leat, rest: core.Discovery().RESTClient()}
}

func object(t *testing.T, manifest string) *unstructured.Unstructured {
	t.Helper()
	u := &unstructured.Unstructured{}
	if err := yaml.Unmarshal([]byte(manifest), &u.Object); err != nil {
		t.Fatal(err)
	}
	return u
}

// create creates an object of a manifest.
func (c *clients) create(ctx context.Context, t *testing.T, resource schema.GroupVersionResource, namespace, manifest string) *unstructured.Unstructured {
	t.Helper()
	created, err := c.dynamic.Resource(resource).Namespace(namespace).Create(ctx, object(t, manifest), metav1.CreateOptions{})
	if err != nil {
		t.Fatalf("creating %s: %v", resource.Resource, err)
	}
	return created
}

// setStatus writes a status as a reconciler would.
func (c *clients) setStatus(ctx context.Context, t *testing.T, resource schema.GroupVersionResource, namespace, name string, status map[string]any) *unstructured.Unstructured {
	t.Helper()
	patch, err := json.Marshal(map[string]any{"status": status})
	if err != nil {
		t.Fatal(err)
	}
	updated, err := c.dynamic.Resource(resource).Namespace(namespace).Patch(ctx, name, "application/merge-patch+json", patch, metav1.PatchOptions{}, "status")
	if err != nil {
		t.Fatalf("writing the status of %s %s: %v", resource.Resource, name, err)
	}
	return updated
}

func ready(status, reason, message string) map[string]any {
	return map[string]any{"type": "Ready", "status": status, "reason": reason, "message": message, "lastTransitionTime": "2026-01-02T03:04:05Z"}
}

func gitRepositoryNamed(name string) string {
	return strings.Replace(repositoryYAML, "name: demo", "name: "+name, 1)
}
