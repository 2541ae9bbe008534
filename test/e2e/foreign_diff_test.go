package e2e

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	leatv1alpha1 "github.com/leat-dev/leat/pkg/apis/leat/v1alpha1"
	"github.com/leat-dev/leat/test/framework"
)

// A diff is made of what was pushed after the last fetch, by whatever name, and
// of a tree that is sent, and changes nothing: not the cluster, and not what the
// source has fetched.
func TestDiffOfForeignContent(t *testing.T) {
	namespace, repo := cluster.Namespace(t), newRepository(t)
	first := repo.push(map[string]string{
		"deploy/one.yaml": configMap("one", "1"),
		"deploy/two.yaml": configMap("two", "1"),
	})
	repo.source(namespace, "repo")
	kustomization(t, namespace, "app", "./deploy", "wait: true")
	waitApplied(t, namespace, "app", first)

	// None of this is fetched.
	repo.git("checkout", "--quiet", "-b", "next")
	files := map[string]string{"one.yaml": configMap("one", "2"), "three.yaml": configMap("three", "1")}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(repo.work, "deploy", name), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	repo.git("rm", "--quiet", "deploy/two.yaml")
	repo.git("add", "--all")
	repo.git("commit", "--quiet", "--message", "next")
	next := repo.git("rev-parse", "HEAD")
	repo.git("tag", "--annotate", "--message", "a tag", "v1")
	repo.git("push", "--quiet", repo.url, "HEAD:refs/heads/feature/next", "v1", "HEAD:refs/pull/1/head")

	want := map[string]leatv1alpha1.DiffAction{
		"one": leatv1alpha1.DiffUpdate, "two": leatv1alpha1.DiffDelete, "three": leatv1alpha1.DiffCreate,
	}
	path := "/apis/kustomize.toolkit.fluxcd.io/v1/namespaces/" + namespace + "/kustomizations/app/"
	diff := func(t *testing.T, file string) leatv1alpha1.DiffResult {
		t.Helper()
		var result leatv1alpha1.DiffResult
		if err := json.Unmarshal([]byte(kubectl(t, "create", "--raw", path+"diff", "-f", file)), &result); err != nil {
			t.Fatal(err)
		}
		return result
	}
	request := func(t *testing.T, kind, revision string) string {
		t.Helper()
		file := filepath.Join(t.TempDir(), "request.json")
		body := `{"apiVersion":"leat.dev/v1alpha1","kind":"` + kind + `","spec":{"revision":"` + revision + `"}}`
		if err := os.WriteFile(file, []byte(body), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	archive := filepath.Join(t.TempDir(), "upload.tar.gz")
	tar := exec.CommandContext(t.Context(), "tar", "--create", "--gzip", "--file", archive, ".")
	tar.Dir = repo.work // with the directory .git in it
	if out, err := tar.CombinedOutput(); err != nil {
		t.Fatalf("tar: %v\n%s", err, out)
	}
	before, err := cluster.AuditRequests(writesIn(namespace))
	if err != nil {
		t.Fatal(err)
	}
	for name, to := range map[string]string{
		"feature/next": "feature/next@sha1:" + next, "v1": "v1@sha1:" + next,
		"refs/pull/1/head": "refs/pull/1/head@sha1:" + next, next: "sha1:" + next, next[:12]: "sha1:" + next, "upload": "upload",
	} {
		t.Run(strings.ReplaceAll(name, "/", "-"), func(t *testing.T) {
			file := archive
			if name != "upload" {
				file = request(t, "DiffRequest", name)
			}
			result := diff(t, file)
			got := map[string]leatv1alpha1.DiffAction{}
			for _, o := range result.Objects {
				got[o.Name] = o.Action
			}
			if d := cmp.Diff(want, got); d != "" || result.From != "live" || result.To != to {
				t.Errorf("from %s to %s (-want +got):\n%s", result.From, result.To, d)
			}
			if name == "upload" {
				return
			}
			build := kubectl(t, "create", "--raw", path+"build?output=yaml", "-f", request(t, "BuildRequest", name))
			if !strings.Contains(build, "name: three") || strings.Contains(build, "name: two") {
				t.Errorf("build:\n%s", build)
			}
		})
	}
	after, err := cluster.AuditRequests(writesIn(namespace))
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range after[len(before):] {
		if !strings.Contains(r.URI, "dryRun=All") && !strings.Contains(r.URI, "/kustomizations/app/") {
			t.Errorf("%s %s by %s as %s", r.Verb, r.URI, r.User, r.Impersonated)
		}
	}
	if got := get(t, "{.status.artifact.revision}", "--namespace", namespace, "gitrepository/repo"); got != "main@sha1:"+first {
		t.Errorf("the source is now at %s", got)
	}
	if _, err := tryKubectl(t, "", "create", "--raw", path+"diff", "-f", request(t, "DiffRequest", "--upload-pack=true")); err == nil || !strings.Contains(err.Error(), "--upload-pack=true") {
		t.Errorf("a revision that is not there: %v", err)
	}
}

// writesIn selects what may change something in a namespace.
func writesIn(namespace string) func(framework.Request) bool {
	return func(r framework.Request) bool {
		switch r.Verb {
		case "create", "update", "patch", "delete", "deletecollection":
			return r.Namespace == namespace && r.Resource != "events"
		}
		return false
	}
}
