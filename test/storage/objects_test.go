package storage

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/leat-dev/leat/test/framework"
	"github.com/leat-dev/leat/test/gitserver"
)

func kubectl(t *testing.T, args ...string) string {
	t.Helper()
	out, err := tryKubectl(t, "", args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func tryKubectl(t *testing.T, stdin string, args ...string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	out, _, err := cluster.KubectlInput(ctx, stdin, args...)
	return out, err
}

func apply(t *testing.T, manifests string) {
	t.Helper()
	if _, err := tryKubectl(t, manifests, "apply", "-f", "-"); err != nil {
		t.Fatal(err)
	}
}

func newRepository(t *testing.T, name string) *gitserver.Repository {
	t.Helper()
	r, err := git.CreateRepository(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// push replaces all that is in a repository by ConfigMaps, named by their paths
// without the suffix, and returns the revision.
func push(t *testing.T, r *gitserver.Repository, values map[string]string) string {
	t.Helper()
	c := gitserver.Commit{Replace: true, Files: map[string]gitserver.File{}}
	for path, value := range values {
		name := path[strings.LastIndex(path, "/")+1:]
		c.Files[path+".yaml"] = gitserver.File{Content: fmt.Sprintf("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: %s}\ndata: {value: %q}\n", name, value)}
	}
	commit, err := r.Commit(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	return "main@sha1:" + commit
}

// source is the manifest of a GitRepository that is fetched at a start, and on
// request.
func source(namespace, repository string) string {
	return `
apiVersion: source.toolkit.fluxcd.io/v1
kind: GitRepository
metadata: {name: repo, namespace: ` + namespace + `}
spec: {url: "` + git.URL(repository) + `", interval: 1h, ref: {branch: main}}
---
`
}

// kustomization is the manifest of a Kustomization that runs when something changes.
func kustomization(namespace, name, path, extra string) string {
	return `
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {name: ` + name + `, namespace: ` + namespace + `}
spec: {sourceRef: {kind: GitRepository, name: repo}, path: ` + path + `, interval: 1h, retryInterval: 1h, prune: true, targetNamespace: ` + namespace + extra + `}
---
`
}

// waitApplied waits until a Kustomization has applied a revision and is ready.
func waitApplied(t *testing.T, namespace, revision string, names ...string) {
	t.Helper()
	for _, name := range names {
		for _, want := range []string{"{.status.lastAppliedRevision}=" + revision, `{.status.conditions[?(@.type=="Ready")].status}=True`} {
			if _, err := tryKubectl(t, "", "wait", "--namespace", namespace, "--timeout", patience.String(), "--for", "jsonpath="+want, "kustomization/"+name); err != nil {
				state, _ := tryKubectl(t, "", "get", "--namespace", namespace, "-o", "yaml", "kustomization,gitrepository")
				t.Fatalf("%v\n%s", err, state)
			}
		}
	}
}

// fetch asks for the source to be looked at now.
func fetch(t *testing.T, namespace string) {
	t.Helper()
	_, err := tryKubectl(t, `{"apiVersion":"leat.dev/v1alpha1","kind":"ReconcileRequest","spec":{}}`, "create", "--raw",
		"/apis/source.toolkit.fluxcd.io/v1/namespaces/"+namespace+"/gitrepositories/repo/reconcile", "-f", "-")
	if err != nil {
		t.Fatal(err)
	}
}

// configMap is what matters of one in the cluster.
type configMap struct{ UID, Value string }

// configMaps returns those of a namespace, but for the one that each has.
func configMaps(t *testing.T, namespace string) map[string]configMap {
	t.Helper()
	out := kubectl(t, "get", "configmaps", "--namespace", namespace, "-o", `jsonpath={range .items[*]}{.metadata.name}={.metadata.uid}={.data.value}{"\n"}{end}`)
	all := map[string]configMap{}
	for line := range strings.Lines(out) {
		part := strings.SplitN(strings.TrimSpace(line), "=", 3)
		if part[0] != "kube-root-ca.crt" {
			all[part[0]] = configMap{UID: part[1], Value: part[2]}
		}
	}
	return all
}

// deletions returns the names of the ConfigMaps of a namespace that somebody has
// asked kube-apiserver to delete, and got an answer.
func deletions(t *testing.T, namespace string) []string {
	t.Helper()
	requests, err := cluster.AuditRequests(func(r framework.Request) bool {
		return r.Namespace == namespace && r.Resource == "configmaps" && strings.HasPrefix(r.Verb, "delete") && r.Code < 400
	})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, r := range requests {
		names = append(names, r.Name)
	}
	return names
}
