package e2e

import (
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// repository is a repository on the Git server, with a clone to push from.
type repository struct {
	t    *testing.T
	url  string
	work string
}

// newRepository makes an empty repository on the server.
func newRepository(t *testing.T) *repository {
	t.Helper()
	url, err := gitServer.create(t.Context(), uniqueName(t)+".git")
	if err != nil {
		t.Fatal(err)
	}
	r := &repository{t: t, url: url, work: t.TempDir()}
	r.git("init", "--quiet", "--initial-branch=main")
	return r
}

// push writes the given files (an empty text removes the file), commits, pushes
// to main and returns the commit's hash.
func (r *repository) push(files map[string]string) string {
	r.t.Helper()
	for name, text := range files {
		file := filepath.Join(r.work, filepath.FromSlash(name))
		if text == "" {
			if err := os.Remove(file); err != nil {
				r.t.Fatal(err)
			}
			continue
		}
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			r.t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			r.t.Fatal(err)
		}
	}
	r.git("add", "--all")
	r.git("commit", "--quiet", "--allow-empty", "--message", "change of "+r.t.Name())
	r.git("push", "--quiet", r.url, "HEAD:refs/heads/main")
	return r.git("rev-parse", "HEAD")
}

// path is the path of the repository on the server.
func (r *repository) path() string {
	r.t.Helper()
	u, err := url.Parse(r.url)
	if err != nil {
		r.t.Fatal(err)
	}
	return u.Path
}

func (r *repository) git(args ...string) string {
	r.t.Helper()
	cmd := exec.Command("git", append([]string{"-c", "user.name=e2e", "-c", "user.email=e2e@example.com"}, args...)...)
	cmd.Dir = r.work
	out, err := cmd.CombinedOutput()
	if err != nil {
		r.t.Fatalf("git %s: %v: %s", args[0], err, out)
	}
	return strings.TrimSpace(string(out))
}

// source applies a GitRepository of the repository. Its interval is an hour:
// what happens sooner was an event, not a poll.
func (r *repository) source(namespace, name string) {
	r.t.Helper()
	apply(r.t, `
apiVersion: source.toolkit.fluxcd.io/v1
kind: GitRepository
metadata: {name: `+name+`, namespace: `+namespace+`}
spec: {url: "`+r.url+`", interval: 1h, ref: {branch: main}}
`)
}

// fetch asks for the source to be looked at now.
func fetch(t *testing.T, namespace, source string) {
	t.Helper()
	reconcile(t, namespace, "source.toolkit.fluxcd.io", "gitrepositories", source, "{}")
}

// reconcile posts a ReconcileRequest and returns the answer.
func reconcile(t *testing.T, namespace, group, resource, name, spec string) string {
	t.Helper()
	body := `{"apiVersion":"leat.dev/v1alpha1","kind":"ReconcileRequest","spec":` + spec + `}`
	out, err := tryKubectl(t, body, "create", "--raw",
		"/apis/"+group+"/v1/namespaces/"+namespace+"/"+resource+"/"+name+"/reconcile", "-f", "-")
	if err != nil {
		t.Fatalf("reconcile of %s/%s: %v", resource, name, err)
	}
	return out
}

// kustomization applies a Kustomization of the source "repo" with an interval of
// an hour. extra is put into its spec.
func kustomization(t *testing.T, namespace, name, path, extra string) {
	t.Helper()
	apply(t, `
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {name: `+name+`, namespace: `+namespace+`}
spec:
  sourceRef: {kind: GitRepository, name: repo}
  path: `+path+`
  interval: 1h
  retryInterval: 1h
  prune: true
  targetNamespace: `+namespace+`
`+indent(extra))
}

func indent(text string) string {
	var b strings.Builder
	for line := range strings.Lines(strings.Trim(text, "\n")) {
		b.WriteString("  " + line)
	}
	return b.String() + "\n"
}

// configMap is the manifest of a ConfigMap with one value.
func configMap(name, value string) string {
	return "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: " + name + "\ndata:\n  value: \"" + value + "\"\n"
}
