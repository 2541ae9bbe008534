package hostile

import (
	"context"
	"strings"

	"github.com/leat-dev/leat/test/gitserver"
)

// patience is how long is waited for what normally takes a second.
const patience = "90s"

// makeFixtures makes what is attacked: a source with an artifact, and an
// application that is applied from it.
func makeFixtures(ctx context.Context, git *gitserver.Server) error {
	repository, err := git.CreateRepository(ctx, "app.git")
	if err != nil {
		return err
	}
	_, err = repository.Push(ctx, map[string]string{
		"deploy/one.yaml":                "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: one}\ndata: {value: \"1\"}\n",
		"docs/..%2f..%2fetc/passwd.html": "<script>alert(1)</script>",
		"big.txt":                        strings.Repeat("a line of a file that is served in parts\n", 1<<12),
	})
	if err != nil {
		return err
	}
	manifests := `
apiVersion: v1
kind: Namespace
metadata: {name: ` + namespace + `}
---
apiVersion: source.toolkit.fluxcd.io/v1
kind: GitRepository
metadata: {name: repo, namespace: ` + namespace + `}
spec: {url: "` + repository.URL + `", interval: 1h, ref: {branch: main}}
---
apiVersion: source.toolkit.fluxcd.io/v1
kind: GitRepository
metadata: {name: empty, namespace: ` + namespace + `}
spec: {url: "` + repository.URL + `", interval: 1h, suspend: true}
---
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {name: app, namespace: ` + namespace + `}
spec:
  sourceRef: {kind: GitRepository, name: repo}
  path: ./deploy
  interval: 1h
  prune: true
  targetNamespace: ` + namespace + `
`
	if _, _, err := cluster.KubectlInput(ctx, manifests, "apply", "-f", "-"); err != nil {
		return err
	}
	_, _, err = cluster.Kubectl(ctx, "wait", "--namespace", namespace, "--for=condition=Ready", "--timeout="+patience, "gitrepository/repo", "kustomization/app")
	return err
}
