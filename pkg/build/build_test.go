package build

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// small is what one application of a mono-repo is.
func small() mapTree {
	return mapTree{
		"app/kustomization.yaml": "resources: [sa.yaml, svc.yaml, deploy.yaml, ing.yaml]\n",
		"app/sa.yaml":            "apiVersion: v1\nkind: ServiceAccount\nmetadata:\n  name: web\n  namespace: x\n",
		"app/svc.yaml":           "apiVersion: v1\nkind: Service\nmetadata:\n  name: web\n  namespace: x\nspec:\n  selector: {app: web}\n  ports:\n  - port: 80\n    name: http\n",
		"app/deploy.yaml": `apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
  namespace: x
spec:
  replicas: 0
  selector:
    matchLabels: {app: web}
  template:
    metadata:
      labels: {app: web}
    spec:
      serviceAccountName: web
      containers:
      - name: web
        image: nginx:1.27
        ports:
        - containerPort: 80
        resources:
          requests: {cpu: 10m, memory: 16Mi}
`,
		"app/ing.yaml": `apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: web
  namespace: x
spec:
  rules:
  - host: a.example
    http:
      paths:
      - path: /
        pathType: Prefix
        backend:
          service:
            name: web
            port: {name: http}
`,
	}
}

func TestResult(t *testing.T) {
	p := newPool(t, PoolOptions{Workers: 1})
	r := mustBuildSmall(t, p)
	want := []string{
		"ServiceAccount/x/web < app/sa.yaml", "Service/x/web < app/svc.yaml",
		"Deployment/x/web < app/deploy.yaml", "Ingress/x/web < app/ing.yaml",
	}
	if diff := cmp.Diff(want, summary(r.Objects)); diff != "" {
		t.Errorf("objects (-want +got):\n%s", diff)
	}
	files := []string{"app/deploy.yaml", "app/ing.yaml", "app/kustomization.yaml", "app/sa.yaml", "app/svc.yaml"}
	if diff := cmp.Diff(files, slices.Collect(r.Inputs.Files())); diff != "" {
		t.Errorf("files read (-want +got):\n%s", diff)
	}
	// Three more facts: there is a directory, and neither of the other names that
	// a kustomization may have.
	if got := r.Inputs.Len(); got != len(files)+3 {
		t.Errorf("the build depends on %d facts, want %d", got, len(files)+3)
	}
	if !strings.HasPrefix(r.Digest, "sha256:") || !strings.HasPrefix(r.InputDigest, "hmac-sha256:") {
		t.Errorf("digests are %q and %q", r.Digest, r.InputDigest)
	}
}
