package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/leat-dev/leat/test/gitserver"
)

// repository is the mono-repo of the bench: one directory an app, each with a
// kustomization.yaml and one file of four objects (ServiceAccount, Service,
// Deployment scaled to zero, Ingress).
type repository struct {
	work string // a clone with a work tree
	url  string
}

// newRepository makes an empty repository on the server and a clone of it.
func newRepository(ctx context.Context, server *gitserver.Server, work string) (*repository, error) {
	const name = "mono.git"
	if _, err := server.CreateRepository(ctx, name); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(work, 0o755); err != nil {
		return nil, err
	}
	r := &repository{work: work, url: server.URL(name)}
	_, err := r.git("init", "--quiet", "--initial-branch=main")
	return r, err
}

const kustomizationFile = `apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
resources:
  - app.yaml
`

// appFile renders the four objects of app. The label carries the version, so
// that a new version changes every object.
func appFile(namespace, app, version string) string {
	return strings.NewReplacer("NAMESPACE", namespace, "APP", app, "VERSION", version).Replace(`apiVersion: v1
kind: ServiceAccount
metadata:
  name: APP
  namespace: NAMESPACE
  labels:
    app.kubernetes.io/version: VERSION
---
apiVersion: v1
kind: Service
metadata:
  name: APP
  namespace: NAMESPACE
  labels:
    app.kubernetes.io/version: VERSION
spec:
  selector:
    app.kubernetes.io/name: APP
  ports:
    - name: http
      port: 80
      targetPort: http
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: APP
  namespace: NAMESPACE
  labels:
    app.kubernetes.io/version: VERSION
spec:
  replicas: 0
  selector:
    matchLabels:
      app.kubernetes.io/name: APP
  template:
    metadata:
      labels:
        app.kubernetes.io/name: APP
    spec:
      serviceAccountName: APP
      containers:
        - name: app
          image: registry.example.com/app:1.0.0
          ports:
            - name: http
              containerPort: 8080
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: APP
  namespace: NAMESPACE
  labels:
    app.kubernetes.io/version: VERSION
spec:
  rules:
    - host: APP.example.com
      http:
        paths:
          - path: /
            pathType: Prefix
            backend:
              service:
                name: APP
                port:
                  name: http
`)
}

func appName(i int) string { return fmt.Sprintf("app-%04d", i) }

// write writes the given version of the apps first…last-1 into the work tree.
func (r *repository) write(namespace, version string, first, last int) error {
	for i := first; i < last; i++ {
		dir := filepath.Join(r.work, "apps", appName(i))
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
		files := map[string]string{
			"kustomization.yaml": kustomizationFile,
			"app.yaml":           appFile(namespace, appName(i), version),
		}
		for name, text := range files {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
				return err
			}
		}
	}
	return nil
}

// commit commits the work tree and returns the commit's hash. It does not push,
// so that a case can start its clock when the push returns.
func (r *repository) commit(message string) (string, error) {
	for _, args := range [][]string{
		{"add", "--all"},
		{"-c", "user.name=bench", "-c", "user.email=bench@example.com", "commit", "--quiet", "--message", message},
	} {
		if _, err := r.git(args...); err != nil {
			return "", err
		}
	}
	return r.git("rev-parse", "HEAD")
}

func (r *repository) push() error {
	_, err := r.git("push", "--quiet", r.url, "HEAD:refs/heads/main")
	return err
}

func (r *repository) git(args ...string) (string, error) {
	cmd := exec.Command("git", args...)
	cmd.Dir = r.work
	out, err := cmd.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("git %s: %w: %s", args[0], err, out)
	}
	return strings.TrimSpace(string(out)), nil
}
