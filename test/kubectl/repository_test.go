package kubectl

import (
	"fmt"
	"testing"
)

// newApp makes a repository with one commit of the files, a GitRepository "app" of
// it and a Kustomization "app" of its directory deploy. It returns the commit.
func newApp(t *testing.T, u user, files map[string]string) (commit string) {
	t.Helper()
	repository, err := gitServer.CreateRepository(t.Context(), u.namespace+".git")
	if err != nil {
		t.Fatal(err)
	}
	if commit, err = repository.Push(t.Context(), files); err != nil {
		t.Fatal(err)
	}
	u.apply(fmt.Sprintf(`
apiVersion: source.toolkit.fluxcd.io/v1
kind: GitRepository
metadata: {name: app}
spec: {url: %q, interval: 1h, ref: {branch: main}}
---
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {name: app}
spec:
  sourceRef: {kind: GitRepository, name: app}
  path: ./deploy
  interval: 1h
  prune: true
  targetNamespace: %s
`, repository.URL, u.namespace))
	return commit
}

// configMap is a manifest of a ConfigMap with one value.
func configMap(name, value string) string {
	return "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: " + name + "}\ndata: {value: \"" + value + "\"}\n"
}
