package e2e

import (
	"bytes"
	"context"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/leat-dev/leat/test/quickstart"
)

// volatile are the parts of the outputs in docs/subresources.md that change, besides
// those that every document has.
var volatile = []struct {
	pattern *regexp.Regexp
	name    string
}{
	{regexp.MustCompile(`\b[0-9a-f]{64}\b`), "DIGEST"},
	{regexp.MustCompile(`\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f-]{22}\b`), "UID"},
	{regexp.MustCompile(`web-[0-9a-z]{5,10}(-[0-9a-z]{5})?\b`), "web-POD"},
	{regexp.MustCompile(`\b\d+(\.\d+)?(ms|µs|s)\b`), "TIME"},
}

func normalise(output string) string {
	for _, v := range volatile {
		output = v.pattern.ReplaceAllString(output, v.name)
	}
	return quickstart.Normalise(output)
}

// shell runs a script in dir as somebody would who reads the documents.
func shell(t *testing.T, dir, script string, env ...string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, "bash", "-s")
	cmd.Dir, cmd.Stdin = dir, strings.NewReader(script)
	cmd.Env = append(os.Environ(), "PATH="+filepath.Join(root, "bin")+":"+os.Getenv("PATH"), "KUBECONFIG="+cluster.Kubeconfig)
	cmd.Env = append(cmd.Env, env...)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// TestDocumentedSubresources runs the commands of docs/subresources.md and compares
// what they print with what the page says.
func TestDocumentedSubresources(t *testing.T) {
	repo := newRepository(t)
	kubectl(t, "create", "namespace", "team")
	deployment := func(replicas string) string {
		return strings.Replace(workload("web", ""), "spec:\n", "spec:\n  replicas: "+replicas+"\n", 1)
	}
	first := repo.push(map[string]string{"deploy/settings.yaml": configMap("settings", "one"), "deploy/web.yaml": deployment("1")})
	repo.source("team", "repo")
	kustomization(t, "team", "app", "./deploy", "wait: true")
	waitApplied(t, "team", "app", first)
	second := repo.push(map[string]string{"deploy/settings.yaml": configMap("settings", "two")})
	fetch(t, "team", "repo")
	waitApplied(t, "team", "app", second)
	repo.git("checkout", "--quiet", "-b", "three")
	if err := os.WriteFile(filepath.Join(repo.work, "deploy", "web.yaml"), []byte(deployment("3")), 0o600); err != nil {
		t.Fatal(err)
	}
	repo.git("commit", "--quiet", "--all", "--message", "three of them")
	repo.git("push", "--quiet", repo.url, "three")

	page, err := os.ReadFile(filepath.Join(root, "docs", "subresources.md"))
	if err != nil {
		t.Fatal(err)
	}
	steps := quickstart.Steps(string(page))
	if len(steps) < 15 {
		t.Fatalf("the page has %d commands, want 15 or more: is it still read right?", len(steps))
	}
	const mark = "----- end of step -----"
	var script bytes.Buffer
	script.WriteString("set -e\n")
	for _, s := range steps {
		fmt.Fprintf(&script, "%s\necho; echo '%s'\n", strings.TrimRight(s.Command, "\n"), mark)
	}
	out, err := shell(t, repo.work, script.String(), "OLD=main@sha1:"+first)
	outputs := strings.Split(out, mark)
	if err != nil {
		t.Fatalf("step %d of %d failed: %v\n%s", len(outputs), len(steps), err, outputs[len(outputs)-1])
	}
	for i, s := range steps {
		if diff := cmp.Diff(normalise(s.Output), normalise(outputs[i])); diff != "" {
			t.Errorf("%s\nprints something else than the page says (-page +printed):\n%s\n%s", s.Command, diff, outputs[i])
		}
	}
	commentInCI(t, repo, scriptForCI(t))
}

// scriptForCI is the one in docs/subresources.md.
func scriptForCI(t *testing.T) string {
	t.Helper()
	page, err := os.ReadFile(filepath.Join(root, "docs", "subresources.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, script, ok := strings.Cut(string(page), "```sh\n")
	if !ok {
		t.Fatal("the page has no script for CI")
	}
	script, _, _ = strings.Cut(script, "\n```")
	return strings.ReplaceAll(script, "/tmp/", t.TempDir()+"/")
}

// TestScriptForCIWaits has the script meet a preview that takes long, twice.
func TestScriptForCIWaits(t *testing.T) {
	var asked []string
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			t.Error(err)
		}
		asked = append(asked, r.Method+" "+strings.TrimPrefix(r.URL.RequestURI(), "/apis/kustomize.toolkit.fluxcd.io/v1/namespaces/team/kustomizations/app/"))
		if len(asked) < 3 {
			w.Header().Set("Location", "diff?id=7&output=markdown")
			w.WriteHeader(http.StatusAccepted)
		}
		fmt.Fprintf(w, "answer %d\n", len(asked))
	}))
	defer server.Close()
	dir := t.TempDir()
	ca := filepath.Join(dir, "ca.crt")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := shell(t, dir, scriptForCI(t), "API="+server.URL, "CA="+ca, "TOKEN=x")
	if err != nil || out != "answer 3\n" {
		t.Errorf("%v\n%s", err, out)
	}
	want := []string{"POST diff?output=markdown", "GET diff?id=7&output=markdown", "GET diff?id=7&output=markdown"}
	if diff := cmp.Diff(want, asked); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}
}

// commentInCI runs the script for CI as a service account that may preview and
// nothing else.
func commentInCI(t *testing.T, repo *repository, script string) {
	t.Helper()
	apply(t, `
apiVersion: v1
kind: ServiceAccount
metadata: {name: ci, namespace: team}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: ci, namespace: team}
rules:
- {apiGroups: [kustomize.toolkit.fluxcd.io], resources: [kustomizations/diff], verbs: [create, get]}
- {apiGroups: ["", apps], resources: [configmaps, deployments], verbs: [get, patch]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: ci, namespace: team}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: ci}
subjects: [{kind: ServiceAccount, name: ci, namespace: team}]
`)
	ca := filepath.Join(t.TempDir(), "ca.crt")
	if err := os.WriteFile(ca, authority(t), 0o600); err != nil {
		t.Fatal(err)
	}
	token := strings.TrimSpace(kubectl(t, "create", "token", "--namespace", "team", "ci"))
	out, err := shell(t, repo.work, script, "API="+cluster.Config.Host, "CA="+ca, "TOKEN="+token)
	if err != nil {
		t.Fatalf("the script for CI: %v\n%s", err, out)
	}
	for _, want := range []string{"### <code>Kustomization</code> <code>team&#47;app</code>", "| 0 | 1 | 0 | 0 | 1 | 0 |", "```diff\n", "-  replicas: 1\n+  replicas: 3\n"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is missing in the comment:\n%s", want, out)
		}
	}
}

// authority is the certificate of the authority of kube-apiserver.
func authority(t *testing.T) []byte {
	t.Helper()
	if len(cluster.Config.CAData) > 0 {
		return cluster.Config.CAData
	}
	data, err := os.ReadFile(cluster.Config.CAFile)
	if err != nil {
		t.Fatal(err)
	}
	return data
}
