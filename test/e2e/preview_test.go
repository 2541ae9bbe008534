package e2e

import (
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	leatv1alpha1 "github.com/leat-dev/leat/pkg/apis/leat/v1alpha1"
	"github.com/leat-dev/leat/test/framework"
)

// actions are what a GET of the diff of "app" says, by the names of the objects.
func actions(t *testing.T, namespace, query string) map[string]leatv1alpha1.DiffAction {
	t.Helper()
	var result leatv1alpha1.DiffResult
	if err := json.Unmarshal([]byte(kubectl(t, "get", "--raw", kustomizationsPath+namespace+"/kustomizations/app/diff?"+query)), &result); err != nil {
		t.Fatal(err)
	}
	got := map[string]leatv1alpha1.DiffAction{}
	for _, o := range result.Objects {
		got[o.Name] = o.Action
	}
	return got
}

// TestDiffOfWhatIsConfigured compares the cluster, the current revision and the one
// before it with each other, in both directions.
func TestDiffOfWhatIsConfigured(t *testing.T) {
	namespace, repo := cluster.Namespace(t), newRepository(t)
	first := repo.push(map[string]string{"deploy/one.yaml": configMap("one", "1"), "deploy/two.yaml": configMap("two", "1")})
	repo.source(namespace, "repo")
	kustomization(t, namespace, "app", "./deploy", "wait: true")
	waitApplied(t, namespace, "app", first)
	second := repo.push(map[string]string{"deploy/one.yaml": configMap("one", "2"), "deploy/two.yaml": "", "deploy/three.yaml": configMap("three", "1")})
	fetch(t, namespace, "repo")
	waitApplied(t, namespace, "app", second)
	// Suspended, or what is changed by hand below would be put right at once.
	kubectl(t, "create", "--raw", kustomizationsPath+namespace+"/kustomizations/app/suspend", "-f", requestFile(t, "SuspendRequest", "{}"))
	kubectl(t, "patch", "--namespace", namespace, "configmap", "three", "--type=merge", "-p", `{"data":{"value":"by hand"}}`)

	old := url.QueryEscape("main@sha1:" + first)
	const (
		create, update, remove, same = leatv1alpha1.DiffCreate, leatv1alpha1.DiffUpdate, leatv1alpha1.DiffDelete, leatv1alpha1.DiffUnchanged
	)
	type want = map[string]leatv1alpha1.DiffAction
	for query, want := range map[string]want{
		"":                        {"one": same, "three": update},
		"to=current&from=live":    {"one": same, "three": update},
		"from=" + old:             {"one": update, "two": remove, "three": create},
		"from=current&to=" + old:  {"one": update, "two": create, "three": remove},
		"to=" + old:               {"one": update, "two": create, "three": remove},
		"prune=false&to=" + old:   {"one": update, "two": create},
		"from=current&to=current": {"one": same, "three": same},
	} {
		if diff := cmp.Diff(want, actions(t, namespace, query)); diff != "" {
			t.Errorf("?%s (-want +got):\n%s", query, diff)
		}
	}
	if out, err := tryKubectl(t, "", "get", "--raw", kustomizationsPath+namespace+"/kustomizations/app/diff?to=main@sha1:0"); err == nil {
		t.Errorf("a revision that nobody has kept: %s", out)
	}
	build := kubectl(t, "get", "--raw", kustomizationsPath+namespace+"/kustomizations/app/build?revision="+old)
	if !strings.Contains(build, "# revision: main@sha1:"+first) || !strings.Contains(build, "name: two\n") || strings.Contains(build, "name: three\n") {
		t.Errorf("the build of the revision before:\n%s", build)
	}
	if got := get(t, "{.data.value}", "--namespace", namespace, "configmap/three"); got != "by hand" {
		t.Errorf("a diff has changed the cluster: the value is %q", got)
	}
}

// requestFile writes a request to a file and returns its name.
func requestFile(t *testing.T, kind, spec string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "request.json")
	body := `{"apiVersion":"leat.dev/v1alpha1","kind":"` + kind + `","spec":` + spec + `}`
	if err := os.WriteFile(file, []byte(body), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// TestDiffShowsRecreation has a field change that is immutable: where the object
// says force the diff says so, and where it does not the refusal is the answer.
func TestDiffShowsRecreation(t *testing.T) {
	namespace, repo := cluster.Namespace(t), newRepository(t)
	fixed := func(value string) string { return configMap("fixed", value) + "immutable: true\n" }
	first := repo.push(map[string]string{"deploy/fixed.yaml": fixed("1")})
	repo.source(namespace, "repo")
	kustomization(t, namespace, "app", "./deploy", "force: true")
	waitApplied(t, namespace, "app", first)
	repo.git("checkout", "--quiet", "-b", "next")
	for name, content := range map[string]string{"fixed.yaml": fixed("2"), "new.yaml": configMap("new", "1")} {
		if err := os.WriteFile(filepath.Join(repo.work, "deploy", name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	repo.git("add", "--all")
	repo.git("commit", "--quiet", "--message", "next")
	repo.git("push", "--quiet", repo.url, "next")
	diff := kustomizationsPath + namespace + "/kustomizations/app/diff"

	text := kubectl(t, "create", "--raw", diff+"?output=text", "-f", requestFile(t, "DiffRequest", `{"revision":"next"}`))
	for _, want := range []string{
		"# 1 to create, 0 to update, 1 to recreate, 0 to delete, 0 unchanged\n",
		"# Recreate ConfigMap " + namespace + "/fixed (deploy/fixed.yaml)\n",
		"# the object would be deleted and created anew\n",
		"--- a/ConfigMap/" + namespace + "/fixed\n+++ b/ConfigMap/" + namespace + "/fixed\n",
		"-  value: \"1\"\n+  value: \"2\"\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing in\n%s", want, text)
		}
	}
	comment := kubectl(t, "create", "--raw", diff+"?output=markdown", "-f", requestFile(t, "DiffRequest", `{"revision":"next"}`))
	if !strings.Contains(comment, "| 1 | 0 | 1 | 0 | 0 | 0 |\n") || !strings.Contains(comment, "<b>Recreate</b>") {
		t.Errorf("comment:\n%s", comment)
	}

	asked, err := cluster.AuditRequests(func(r framework.Request) bool {
		return r.Namespace == namespace && r.Subresource == "diff" && r.Code == http.StatusOK
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(asked) != 2 || asked[0].Verb != "create" || asked[0].Resource != "kustomizations" || asked[0].Name != "app" || asked[0].User == "" {
		t.Errorf("the audit log does not name verb, subresource, object and user: %+v", asked)
	}

	// What is new needs no old file to be applied to.
	dir := t.TempDir()
	patch := kubectl(t, "create", "--raw", diff+"?output=text", "-f", requestFile(t, "DiffRequest", `{"revision":"next","show":[{"name":"new"}]}`))
	cmd := exec.CommandContext(t.Context(), "git", "apply")
	cmd.Dir, cmd.Stdin = dir, strings.NewReader(patch)
	cmd.Env = append(os.Environ(), "GIT_CEILING_DIRECTORIES="+filepath.Dir(dir))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("git apply: %v: %s\n%s", err, out, patch)
	}
	content, err := os.ReadFile(filepath.Join(dir, "ConfigMap", namespace, "new"))
	if err != nil || !strings.Contains(string(content), "value: \"1\"\n") {
		t.Errorf("the file that the patch made: %v\n%s", err, content)
	}

	kubectl(t, "patch", "--namespace", namespace, "kustomization", "app", "--type=merge", "-p", `{"spec":{"force":false}}`)
	out, err := tryKubectl(t, "", "create", "--raw", diff, "-f", requestFile(t, "DiffRequest", `{"revision":"next"}`))
	if err == nil && !strings.Contains(out, "immutable") || err != nil && !strings.Contains(err.Error(), "immutable") {
		t.Errorf("without force nobody is told of the immutable field: %v\n%s", err, out)
	}
	if got := get(t, "{.data.value}", "--namespace", namespace, "configmap/fixed"); got != "1" {
		t.Errorf("a diff has changed the cluster: the value is %q", got)
	}
}
