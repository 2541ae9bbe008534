package build

import "testing"

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

func TestBuildSmall(t *testing.T) {
	p := newPool(t, PoolOptions{})
	r, err := p.Build(t.Context(), Request{Tree: small(), Options: Options{Path: "./app"}})
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range r.Objects {
		t.Log(o.Key(), o.File, o.Tainted)
	}
	for i := range r.Inputs.inputs {
		t.Logf("%+v", r.Inputs.inputs[i])
	}
	t.Log(r.Digest, r.InputDigest)
}

func BenchmarkBuildSmall(b *testing.B) {
	p := newPool(b, PoolOptions{})
	b.ReportAllocs()
	for b.Loop() {
		if _, err := p.Build(b.Context(), Request{Tree: small(), Options: Options{Path: "./app"}}); err != nil {
			b.Fatal(err)
		}
	}
}
