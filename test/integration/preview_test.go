package integration

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/rest"

	leatv1alpha1 "github.com/leat-dev/leat/pkg/apis/leat/v1alpha1"
	"github.com/leat-dev/leat/pkg/preview"
)

// send sends a body and returns the answer.
func send(ctx context.Context, t *testing.T, config *rest.Config, method, path string, header http.Header, body io.Reader) (*http.Response, string) {
	t.Helper()
	response, answer, err := trySend(ctx, config, method, path, header, body)
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	return response, answer
}

func trySend(ctx context.Context, config *rest.Config, method, path string, header http.Header, body io.Reader) (*http.Response, string, error) {
	client, err := rest.HTTPClientFor(config)
	if err != nil {
		return nil, "", err
	}
	req, err := http.NewRequestWithContext(ctx, method, strings.TrimSuffix(config.Host, "/")+path, body)
	if err != nil {
		return nil, "", err
	}
	for name, values := range header {
		req.Header[name] = values
	}
	response, err := client.Do(req)
	if err != nil {
		return nil, "", err
	}
	defer func() { _ = response.Body.Close() }()
	answer, err := io.ReadAll(response.Body)
	return response, string(answer), err
}

// tarGz packs files as somebody would who sends a tree.
func tarGz(t *testing.T, files map[string]string) []byte {
	t.Helper()
	var data bytes.Buffer
	compressed := gzip.NewWriter(&data)
	archive := tar.NewWriter(compressed)
	for name, content := range files {
		if err := archive.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(content)), Typeflag: tar.TypeReg}); err != nil {
			t.Fatal(err)
		}
		if _, err := archive.Write([]byte(content)); err != nil {
			t.Fatal(err)
		}
	}
	if err := archive.Close(); err != nil {
		t.Fatal(err)
	}
	if err := compressed.Close(); err != nil {
		t.Fatal(err)
	}
	return data.Bytes()
}

func rendered(name string) *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "ConfigMap", "metadata": map[string]any{"name": name, "namespace": "team"}, "data": map[string]any{"a": "b"},
	}}
}

// echo answers with what was asked: the name of the only object tells.
func echo(_ context.Context, r preview.Request) (*preview.Manifests, *preview.Diff, error) {
	name := "current"
	switch {
	case r.To.Upload != nil:
		name = "upload"
		for file := range r.To.Upload.Files() {
			name += "-" + strings.ReplaceAll(file.Path, "/", "-")
		}
	case r.To.Ref != "":
		name = "ref-" + r.To.Ref
	case r.To.Latest:
		name = "latest"
	case r.To.Retained != "":
		name = "retained-" + r.To.Retained
	}
	if r.Prune != nil && *r.Prune {
		name += "-pruned"
	}
	object := rendered(name)
	diff := preview.ObjectDiff{New: object, DiffObject: leatv1alpha1.DiffObject{
		APIVersion: "v1", Kind: "ConfigMap", Namespace: "team", Name: name, Action: leatv1alpha1.DiffCreate,
	}}
	return &preview.Manifests{Revision: "main@sha1:1", Objects: []preview.Manifest{{Object: object}}},
		&preview.Diff{From: "live", To: "main@sha1:1", Objects: []preview.ObjectDiff{diff}}, nil
}

func TestPreviews(t *testing.T) {
	t.Parallel()
	c, ctx, ns := newClients(t, cluster.Config), testContext(t), cluster.Namespace(t)
	c.create(ctx, t, kustomizations, ns, kustomizationYAML)
	makers.set(ns, echo)
	base := collection(kustomizations, ns) + "/demo/"
	tree := string(tarGz(t, map[string]string{"deploy/app.yaml": "a"}))
	yamlType := http.Header{"Content-Type": {"application/yaml"}}
	form := http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}
	tests := []struct {
		name, method, path, body string
		header                   http.Header
		code                     int
		contentType, want        string
	}{
		{"build", "GET", "build", "", nil, 200, "application/yaml", "name: current\n"},
		{"build of a retained revision", "GET", "build?revision=r2&output=json", "", nil, 200, "application/json", `"name":"retained-r2"`},
		{"build of a ref", "POST", "build", `{"spec":{"revision":"next"}}`, nil, 200, "application/yaml", "name: ref-next\n"},
		{"build of a tree", "POST", "build", tree, nil, 200, "application/yaml", "name: upload-deploy-app.yaml\n"},
		{"diff", "GET", "diff", "", nil, 200, "application/json", `"kind":"DiffResult","apiVersion":"leat.dev/v1alpha1"`},
		{"diff by type", "GET", "diff", "", http.Header{"Accept": {"text/markdown"}}, 200, "text/markdown; charset=utf-8", "<details>"},
		{"diff of a ref", "POST", "diff?output=text", `{"spec":{"revision":"refs/pull/1/head","prune":true}}`, form, 200, "text/plain; charset=utf-8", "b/ConfigMap/team/ref-refs%2Fpull%2F1%2Fhead-pruned"},
		{"diff of a ref in YAML", "POST", "diff?output=yaml", "spec: {revision: next}\n", yamlType, 200, "application/yaml", "name: ref-next\n"},
		{"diff of what is new", "POST", "diff?output=text", "{}", nil, 200, "text/plain; charset=utf-8", "b/ConfigMap/team/latest"},
		{"diff of a tree", "POST", "diff?output=text&prune=true", tree, form, 200, "text/plain; charset=utf-8", "b/ConfigMap/team/upload-deploy-app.yaml-pruned"},
		{"unknown output", "GET", "diff?output=html", "", nil, 400, "application/json", "json, yaml, text, markdown"},
		{"unknown field", "POST", "diff", `{"spec":{"revison":"x"}}`, nil, 400, "application/json", `unknown field \"spec.revison\"`},
		{"revision that is too long", "POST", "diff", `{"spec":{"revision":"` + strings.Repeat("x", 1025) + `"}}`, nil, 422, "application/json", "spec.revision"},
		{"request that is too large", "POST", "diff", `{"spec":{"revision":"` + strings.Repeat("x", 3<<20) + `"}}`, nil, 413, "application/json", "1048576 bytes"},
		{"tree with a link", "POST", "diff", string(linkTree(t)), nil, 400, "application/json", "archive"},
		{"unknown ID", "GET", "diff?id=x", "", nil, 404, "application/json", "10 minutes"},
		{"dry-run", "POST", "diff?dryRun=All", "{}", nil, 400, "application/json", "dryRun"},
		{"another method", "PUT", "diff", "{}", nil, 405, "application/json", ""},
	}
	for _, test := range tests {
		for name, config := range map[string]*rest.Config{"aggregated": cluster.Config, "direct": server.direct} {
			response, body := send(ctx, t, config, test.method, base+test.path, test.header, strings.NewReader(test.body))
			if response.StatusCode != test.code || response.Header.Get("Content-Type") != test.contentType || !strings.Contains(body, test.want) {
				t.Errorf("%s, %s: got %d %s, want %d %s with %q:\n%.500s", test.name, name, response.StatusCode, response.Header.Get("Content-Type"), test.code, test.contentType, test.want, body)
			}
		}
	}
}

func linkTree(t *testing.T) []byte {
	t.Helper()
	var data bytes.Buffer
	compressed := gzip.NewWriter(&data)
	archive := tar.NewWriter(compressed)
	if err := archive.WriteHeader(&tar.Header{Name: "a", Linkname: "/etc/passwd", Typeflag: tar.TypeSymlink}); err != nil {
		t.Fatal(err)
	}
	if err := archive.Close(); err != nil {
		t.Fatal(err)
	}
	if err := compressed.Close(); err != nil {
		t.Fatal(err)
	}
	return data.Bytes()
}

func TestPreviewsByKubectl(t *testing.T) {
	t.Parallel()
	c, ctx, ns := newClients(t, cluster.Config), testContext(t), cluster.Namespace(t)
	c.create(ctx, t, kustomizations, ns, kustomizationYAML)
	makers.set(ns, echo)
	dir := t.TempDir()
	request, tree := filepath.Join(dir, "request.json"), filepath.Join(dir, "tree.tar.gz")
	for path, content := range map[string][]byte{request: []byte(`{"spec":{"revision":"next"}}`), tree: tarGz(t, map[string]string{"a": "b"})} {
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	base := collection(kustomizations, ns) + "/demo/"
	for want, args := range map[string][]string{
		"name: current\n":              {"get", "--raw", base + "build"},
		"+++ b/ConfigMap/team/current": {"get", "--raw", base + "diff?output=text"},
		"b/ConfigMap/team/ref-next":    {"create", "--raw", base + "diff?output=text", "-f", request},
		"name: upload-a\n":             {"create", "--raw", base + "build", "-f", tree},
	} {
		if out, stderr, err := cluster.Kubectl(ctx, args...); err != nil || !strings.Contains(out, want) {
			t.Errorf("kubectl %s: %v %s, want %q in\n%s", strings.Join(args, " "), err, stderr, want, out)
		}
	}
}

func TestRightsToPreview(t *testing.T) {
	t.Parallel()
	c, ctx, ns := newClients(t, cluster.Config), testContext(t), cluster.Namespace(t)
	c.create(ctx, t, kustomizations, ns, kustomizationYAML)
	makers.set(ns, func(ctx context.Context, r preview.Request) (*preview.Manifests, *preview.Diff, error) {
		m, d, err := echo(ctx, r)
		d.To = r.Caller.Name
		return m, d, err
	})
	group := kustomizations.Group
	viewer := c.user(ctx, t, ns, "previewer", allow(group, "kustomizations/diff kustomizations/build", "get"))
	editor := c.user(ctx, t, ns, "differ", allow(group, "kustomizations/diff", "create"))
	for _, test := range []struct {
		user         string
		config       *rest.Config
		method, path string
		code         int
	}{
		{"viewer", viewer.Config, "GET", "diff", 200},
		{"viewer", viewer.Config, "GET", "build", 200},
		{"viewer", viewer.Config, "POST", "diff", 403},
		{"viewer", viewer.Config, "POST", "build", 403},
		{"editor", editor.Config, "POST", "diff", 200},
		{"editor", editor.Config, "POST", "build", 403},
		{"editor", editor.Config, "GET", "diff", 403},
	} {
		response, body := send(ctx, t, test.config, test.method, collection(kustomizations, ns)+"/demo/"+test.path, nil, strings.NewReader("{}"))
		if response.StatusCode != test.code {
			t.Errorf("%s: %s %s: got %d, want %d: %s", test.user, test.method, test.path, response.StatusCode, test.code, body)
		}
		if test.code == 200 && test.path == "diff" && !strings.Contains(body, `"to":"`) {
			t.Errorf("the maker does not know who asks: %s", body)
		}
	}
	for question, want := range map[string]string{
		"get kustomizations.kustomize.toolkit.fluxcd.io --subresource=diff":    "yes",
		"create kustomizations.kustomize.toolkit.fluxcd.io --subresource=diff": "no",
	} {
		out, stderr, _ := viewer.Kubectl(ctx, append([]string{"auth", "can-i", "-n", ns}, strings.Fields(question)...)...)
		if !strings.HasPrefix(out, want) || strings.Contains(stderr, "Warning") {
			t.Errorf("can-i %s: got %q %q, want %q", question, out, stderr, want)
		}
	}
}

// TestSlowPreview takes as long as a client really waits: kube-apiserver must not
// be faster to give up.
func TestSlowPreview(t *testing.T) {
	t.Parallel()
	c, ctx, ns := newClients(t, cluster.Config), testContext(t), cluster.Namespace(t)
	c.create(ctx, t, kustomizations, ns, kustomizationYAML)
	const quota = 4
	started, release := make(chan struct{}, quota), make(chan struct{})
	makers.set(ns, func(ctx context.Context, r preview.Request) (*preview.Manifests, *preview.Diff, error) {
		started <- struct{}{}
		select {
		case <-release:
			return echo(ctx, r)
		case <-ctx.Done():
			return nil, nil, ctx.Err()
		}
	})
	base := collection(kustomizations, ns) + "/demo/diff"
	slow, locations := make(chan metav1.Status, quota), make(chan string, quota)
	for range quota {
		go func() {
			response, body, err := trySend(ctx, cluster.Config, http.MethodPost, base+"?output=text", nil, strings.NewReader("{}"))
			var status metav1.Status
			if err != nil {
				t.Error(err)
			} else if err := json.Unmarshal([]byte(body), &status); err != nil || response.StatusCode != http.StatusAccepted {
				t.Errorf("got %d %v\n%s", response.StatusCode, response.Header, body)
			} else {
				locations <- response.Header.Get("Location")
			}
			slow <- status
		}()
	}
	for range quota {
		<-started
	}
	response, body := send(ctx, t, cluster.Config, http.MethodGet, base, nil, nil)
	if response.StatusCode != http.StatusTooManyRequests || response.Header.Get("Retry-After") == "" || !strings.Contains(body, "quota") || !strings.Contains(body, ns) {
		t.Errorf("one more: got %d %v, want 429 that names the quota: %s", response.StatusCode, response.Header, body)
	}
	status := <-slow
	if status.Status != metav1.StatusSuccess || status.Code != http.StatusAccepted || status.Details == nil || status.Details.Name != "demo" || status.Details.UID == "" {
		t.Fatalf("got %+v", status)
	}
	for range quota - 1 {
		<-slow
	}
	close(release)
	path := base + "?output=text&id=" + string(status.Details.UID)
	if response, body := send(ctx, t, cluster.Config, http.MethodGet, path, nil, nil); response.StatusCode != http.StatusOK || !strings.Contains(body, "b/ConfigMap/team/latest") {
		t.Errorf("the result: got %d\n%s", response.StatusCode, body)
	}
	if response, body := send(ctx, t, cluster.Config, http.MethodGet, strings.TrimSuffix(base, "diff")+<-locations, nil, nil); response.StatusCode != http.StatusOK || !strings.Contains(body, "b/ConfigMap/team/latest") {
		t.Errorf("at its location: got %d\n%s", response.StatusCode, body)
	}
	other := c.user(ctx, t, ns, "other", allow(kustomizations.Group, "kustomizations/diff", "get create"))
	if response, body := send(ctx, t, other.Config, http.MethodGet, path, nil, nil); response.StatusCode != http.StatusNotFound {
		t.Errorf("the result of somebody else: got %d %s", response.StatusCode, body)
	}
}

func TestOpenAPIOfSubresources(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	const prefix = "/apis/kustomize.toolkit.fluxcd.io/v1/namespaces/{namespace}/kustomizations/{name}/"
	var v3 struct {
		Paths map[string]map[string]json.RawMessage
	}
	body, _, err := get(ctx, t, cluster.Config, "/openapi/v3/apis/kustomize.toolkit.fluxcd.io/v1", "application/json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(body, &v3); err != nil {
		t.Fatal(err)
	}
	var v2 struct {
		Paths       map[string]map[string]json.RawMessage
		Definitions map[string]json.RawMessage
	}
	// kube-apiserver merges the second version some time after the first requests.
	eventually(ctx, t, "kube-apiserver publishes the second version", func(ctx context.Context) (bool, error) {
		body, _, err := get(ctx, t, cluster.Config, "/openapi/v2", "application/json")
		if err != nil {
			return false, err
		}
		err = json.Unmarshal(body, &v2)
		return v2.Paths[prefix+"diff"] != nil, err
	})
	for path, want := range map[string][]string{
		"build post":   {"BuildRequest", `"output"`, `"revision"`, `"id"`},
		"diff post":    {"DiffRequest", "DiffResult", `"output"`, `"from"`, `"to"`, `"id"`, `"prune"`},
		"diff get":     {"DiffResult"},
		"suspend post": {"SuspendRequest"},
		"resume post":  {"ResumeRequest"},
	} {
		subresource, method, _ := strings.Cut(path, " ")
		for version, paths := range map[string]map[string]map[string]json.RawMessage{"v3": v3.Paths, "v2": v2.Paths} {
			// The parameters are those of the path, the body that of the method.
			text := string(paths[prefix+subresource][method]) + string(paths[prefix+subresource]["parameters"])
			for _, word := range want {
				// The second version names what many paths share.
				if shared := "parameters/" + strings.Trim(word, `"`) + "-"; !strings.Contains(text, word) && !strings.Contains(text, shared) {
					t.Errorf("%s of %s does not tell of %s: %s", version, path, word, text)
				}
			}
		}
	}
	if v2.Definitions["dev.leat.v1alpha1.DiffRequest"] == nil {
		t.Error("v2 does not define DiffRequest")
	}
	if strings.Contains(string(v3.Paths[prefix+"diff"]["get"]), "DiffRequest") {
		t.Error("a GET is said to have a body")
	}
}
