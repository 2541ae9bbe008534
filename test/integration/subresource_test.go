package integration

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"

	leatv1alpha1 "github.com/leat-dev/leat/pkg/apis/leat/v1alpha1"
	"github.com/leat-dev/leat/pkg/artifact"
)

// publish stores an artifact for a GitRepository and names it in its status, as
// its reconciler would.
func (c *clients) publish(ctx context.Context, t *testing.T, repository *unstructured.Unstructured, revision string, files map[string]string) artifact.Record {
	t.Helper()
	store := server.artifacts
	writer, err := store.NewWriter(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer writer.Abort()
	for path, content := range files {
		if _, err := writer.File(path, strings.HasSuffix(path, ".sh"), strings.NewReader(content)); err != nil {
			t.Fatal(err)
		}
	}
	tree, err := writer.Commit()
	if err != nil {
		t.Fatal(err)
	}
	owner := artifact.Owner{Kind: repository.GetKind(), Namespace: repository.GetNamespace(), Name: repository.GetName(), UID: string(repository.GetUID())}
	record, err := store.Publish(ctx, owner, revision, tree, nil)
	if err != nil {
		t.Fatal(err)
	}
	c.setStatus(ctx, t, gitRepositories, owner.Namespace, owner.Name, map[string]any{"artifact": map[string]any{
		"path": "p", "url": "u", "revision": revision, "digest": string(record.Archive), "size": record.Size, "lastUpdateTime": record.UpdatedAt.Format(time.RFC3339),
	}})
	return record
}

// httpDo sends a request as the administrator, with what rest.Request hides.
func httpDo(ctx context.Context, t *testing.T, config *rest.Config, method, path string, header http.Header) (*http.Response, []byte) {
	t.Helper()
	client, err := rest.HTTPClientFor(config)
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(ctx, method, strings.TrimSuffix(config.Host, "/")+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, values := range header {
		req.Header[name] = values
	}
	response, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response, body
}

func TestArtifact(t *testing.T) {
	t.Parallel()
	c, ctx, ns := newClients(t, cluster.Config), testContext(t), cluster.Namespace(t)
	repository := c.create(ctx, t, gitRepositories, ns, repositoryYAML)
	path := collection(gitRepositories, ns) + "/demo/artifact"
	if response, body := httpDo(ctx, t, cluster.Config, http.MethodGet, path, nil); response.StatusCode != http.StatusNotFound || !strings.Contains(string(body), "no artifact yet") {
		t.Errorf("before the first artifact: %s\n%s", response.Status, body)
	}
	old := c.publish(ctx, t, repository, "main@sha1:1", map[string]string{"deploy/app.yaml": "one"})
	current := c.publish(ctx, t, repository, "main@sha1:2", map[string]string{"deploy/app.yaml": "two", "deploy/sub/b.yaml": "b", "run.sh": "#!"})
	wantFile := sha256.Sum256([]byte("two"))
	fileDigest := "sha256:" + hex.EncodeToString(wantFile[:])

	type answer struct {
		status            int
		contentType, etag string
		body              string // exact, or contained where the type is JSON
	}
	gzipType, fileType, jsonType := "application/gzip", "application/octet-stream", "application/json"
	archive := string(archiveOf(t, current))
	tests := []struct {
		name, method, query string
		header              http.Header
		want                answer
	}{
		{"whole", "GET", "", nil, answer{200, gzipType, quoted(current.Archive), archive}},
		{"whole, as kubectl asks", "GET", "", http.Header{"Accept": {"application/json, */*"}}, answer{200, gzipType, quoted(current.Archive), archive}},
		{"whole, by type", "GET", "", http.Header{"Accept": {gzipType}}, answer{200, gzipType, quoted(current.Archive), archive}},
		{"whole, by output", "GET", "?output=tar", http.Header{"Accept": {jsonType}}, answer{200, gzipType, quoted(current.Archive), archive}},
		{"head", "HEAD", "", nil, answer{200, gzipType, quoted(current.Archive), ""}},
		{"known already", "GET", "", http.Header{"If-None-Match": {quoted(current.Archive)}}, answer{304, "", quoted(current.Archive), ""}},
		{"another is known", "GET", "", http.Header{"If-None-Match": {quoted(old.Archive)}}, answer{200, gzipType, quoted(current.Archive), archive}},
		{"range", "GET", "", http.Header{"Range": {"bytes=2-9"}}, answer{206, gzipType, quoted(current.Archive), archive[2:10]}},
		{"range of another", "GET", "", http.Header{"Range": {"bytes=2-9"}, "If-Range": {quoted(old.Archive)}}, answer{200, gzipType, quoted(current.Archive), archive}},
		{"range beyond the end", "GET", "", http.Header{"Range": {"bytes=100000-"}}, answer{416, "text/plain; charset=utf-8", "", "invalid range: failed to overlap\n"}},
		{"retained revision", "GET", "?revision=main@sha1:1", nil, answer{200, gzipType, quoted(old.Archive), string(archiveOf(t, old))}},
		{"retained digest", "GET", "?digest=" + string(old.Archive), nil, answer{200, gzipType, quoted(old.Archive), string(archiveOf(t, old))}},
		{"contradiction", "GET", "?revision=main@sha1:2&digest=" + string(old.Archive), nil, answer{404, jsonType, "", `no artifact with revision`}},
		{"unknown revision", "GET", "?revision=main@sha1:3", nil, answer{404, jsonType, "", `no artifact with revision`}},
		{"file", "GET", "/deploy/app.yaml", nil, answer{200, fileType, `"` + fileDigest + `"`, "two"}},
		{"file of a retained revision", "GET", "/deploy/app.yaml?revision=main@sha1:1", nil, answer{200, fileType, "", "one"}},
		{"range of a file", "GET", "/deploy/app.yaml", http.Header{"Range": {"bytes=1-"}}, answer{206, fileType, `"` + fileDigest + `"`, "wo"}},
		{"directory", "GET", "/deploy", nil, answer{404, jsonType, "", "is a directory"}},
		{"no such file", "GET", "/deploy/c.yaml", nil, answer{404, jsonType, "", "is not a file"}},
		{"outside", "GET", "/deploy/%2e%2e/%2e%2e/etc/passwd", nil, answer{404, jsonType, "", ""}},
		{"list", "GET", "?output=list", nil, answer{200, jsonType, "", `"path":"run.sh","size":2,"mode":"0700"`}},
		{"list, by type", "GET", "", http.Header{"Accept": {jsonType}}, answer{200, jsonType, "", `"kind":"ArtifactList","apiVersion":"leat.dev/v1alpha1"`}},
		{"list of a directory", "GET", "/deploy?output=list", nil, answer{200, jsonType, "", fileDigest}},
		{"unknown output", "GET", "?output=zip", nil, answer{400, jsonType, "", "use tar"}},
		{"unknown type", "GET", "", http.Header{"Accept": {"text/html"}}, answer{406, jsonType, "", "application/gzip"}},
		{"write", "POST", "", nil, answer{405, jsonType, "", ""}},
	}
	for _, test := range tests {
		for name, config := range map[string]*rest.Config{"aggregated": cluster.Config, "direct": server.direct} {
			response, body := httpDo(ctx, t, config, test.method, path+test.query, test.header)
			got := answer{response.StatusCode, response.Header.Get("Content-Type"), response.Header.Get("ETag"), string(body)}
			if test.want.contentType == jsonType && strings.Contains(got.body, test.want.body) {
				got.body = test.want.body
			}
			if test.want.etag == "" {
				got.etag = ""
			}
			if got != test.want {
				t.Errorf("%s, %s: got %d %s %s %.300q, want %d %s %s %.300q", test.name, name, got.status, got.contentType, got.etag, got.body, test.want.status, test.want.contentType, test.want.etag, test.want.body)
			}
		}
	}
	if out, _, err := cluster.Kubectl(ctx, "get", "--raw", path); err != nil || out != archive {
		t.Errorf("kubectl get --raw: %d bytes, %v", len(out), err)
	}
	if files := untar(t, []byte(archive)); !slices.Contains(files, "deploy/app.yaml") {
		t.Errorf("the archive holds %v", files)
	}
}

func TestArtifactOfAnotherObjectIsNotFound(t *testing.T) {
	t.Parallel()
	c, ctx, ns := newClients(t, cluster.Config), testContext(t), cluster.Namespace(t)
	secret := c.create(ctx, t, gitRepositories, ns, gitRepositoryNamed("secret"))
	record := c.publish(ctx, t, secret, "main@sha1:1", map[string]string{"a": "secret"})
	own := c.create(ctx, t, gitRepositories, ns, gitRepositoryNamed("own"))
	c.publish(ctx, t, own, "main@sha1:1", map[string]string{"a": "own"})
	response, _ := httpDo(ctx, t, cluster.Config, http.MethodGet, collection(gitRepositories, ns)+"/own/artifact?digest="+string(record.Archive), nil)
	if response.StatusCode != http.StatusNotFound {
		t.Errorf("the artifact of another object by its digest: got %s, want 404", response.Status)
	}
}

func quoted(d artifact.Digest) string { return `"` + string(d) + `"` }

func archiveOf(t *testing.T, record artifact.Record) []byte {
	t.Helper()
	file, err := server.artifacts.OpenArchive(record.Archive)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	data, err := io.ReadAll(file)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func untar(t *testing.T, data []byte) []string {
	t.Helper()
	unzipped, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for archive := tar.NewReader(unzipped); ; {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return names
		}
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, header.Name)
	}
}

// reconcile posts a request and returns the answer.
func reconcile(ctx context.Context, t *testing.T, config *rest.Config, resource schema.GroupVersionResource, namespace, name, query string, spec leatv1alpha1.ReconcileRequestSpec) (*leatv1alpha1.ReconcileRequest, error) {
	t.Helper()
	body, err := json.Marshal(map[string]any{"apiVersion": "leat.dev/v1alpha1", "kind": "ReconcileRequest", "spec": spec})
	if err != nil {
		t.Fatal(err)
	}
	request := newClients(t, config).rest.Post().AbsPath(collection(resource, namespace)+"/"+name+"/reconcile").Body(body).SetHeader("Content-Type", "application/json")
	if query != "" {
		key, value, _ := strings.Cut(query, "=")
		request.Param(key, value)
	}
	raw, err := raw(request.Do(ctx))
	if err != nil {
		return nil, err
	}
	answer := &leatv1alpha1.ReconcileRequest{}
	if err := json.Unmarshal(raw, answer); err != nil {
		t.Fatalf("%v:\n%s", err, raw)
	}
	return answer, nil
}

// raw is the body of an answer, or the error that the server tells of.
func raw(result rest.Result) ([]byte, error) {
	if err := result.Error(); err != nil {
		return nil, err
	}
	return result.Raw()
}

const requestedAt = "reconcile.fluxcd.io/requestedAt"

func (c *clients) annotation(ctx context.Context, t *testing.T, resource schema.GroupVersionResource, namespace, name, key string) string {
	t.Helper()
	u, err := c.dynamic.Resource(resource).Namespace(namespace).Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return u.GetAnnotations()[key]
}

func TestReconcileSetsTheAnnotation(t *testing.T) {
	c := newClients(t, cluster.Config)
	bothKinds(t, func(t *testing.T, resource schema.GroupVersionResource, manifest string) {
		ctx, ns := testContext(t), cluster.Namespace(t)
		c.create(ctx, t, resource, ns, manifest)
		dry, err := reconcile(ctx, t, cluster.Config, resource, ns, "demo", "dryRun=All", leatv1alpha1.ReconcileRequestSpec{WaitSeconds: 30})
		if err != nil {
			t.Fatal(err)
		}
		if got := c.annotation(ctx, t, resource, ns, "demo", requestedAt); got != "" || dry.Status.RequestID == "" {
			t.Errorf("dry-run: request %q, annotation %q", dry.Status.RequestID, got)
		}
		answer, err := reconcile(ctx, t, cluster.Config, resource, ns, "demo", "", leatv1alpha1.ReconcileRequestSpec{Force: true, Reset: true})
		if err != nil {
			t.Fatal(err)
		}
		if answer.Status.Phase != leatv1alpha1.RequestQueued || answer.Name != "demo" || answer.Namespace != ns {
			t.Errorf("got %+v", answer)
		}
		if _, err := time.Parse(time.RFC3339Nano, answer.Status.RequestID); err != nil {
			t.Errorf("request ID: %v", err)
		}
		for _, key := range []string{requestedAt, "reconcile.fluxcd.io/forceAt", "reconcile.fluxcd.io/resetAt"} {
			if got := c.annotation(ctx, t, resource, ns, "demo", key); got != answer.Status.RequestID {
				t.Errorf("annotation %s is %q, want %q", key, got, answer.Status.RequestID)
			}
		}
	})
}

func TestReconcileRefusals(t *testing.T) {
	c := newClients(t, cluster.Config)
	bothKinds(t, func(t *testing.T, resource schema.GroupVersionResource, manifest string) {
		ctx, ns := testContext(t), cluster.Namespace(t)
		c.create(ctx, t, resource, ns, manifest)
		if _, err := reconcile(ctx, t, cluster.Config, resource, ns, "absent", "", leatv1alpha1.ReconcileRequestSpec{}); !apierrors.IsNotFound(err) {
			t.Errorf("of nothing: got %v, want NotFound", err)
		}
		for _, seconds := range []int32{-1, 31} {
			_, err := reconcile(ctx, t, cluster.Config, resource, ns, "demo", "", leatv1alpha1.ReconcileRequestSpec{WaitSeconds: seconds})
			if !apierrors.IsInvalid(err) || !strings.Contains(err.Error(), "spec.waitSeconds") {
				t.Errorf("waiting %d seconds: got %v, want Invalid that names spec.waitSeconds", seconds, err)
			}
		}
		c.setSpec(ctx, t, resource, ns, "demo", map[string]any{"suspend": true})
		if _, err := reconcile(ctx, t, cluster.Config, resource, ns, "demo", "", leatv1alpha1.ReconcileRequestSpec{}); !apierrors.IsConflict(err) || !strings.Contains(err.Error(), "suspend") {
			t.Errorf("of a suspended object: got %v, want Conflict", err)
		}
		if got := c.annotation(ctx, t, resource, ns, "demo", requestedAt); got != "" {
			t.Errorf("a refused request set the annotation to %q", got)
		}
	})
}

// setSpec changes fields of a spec.
func (c *clients) setSpec(ctx context.Context, t *testing.T, resource schema.GroupVersionResource, namespace, name string, fields map[string]any) {
	t.Helper()
	patch, err := json.Marshal(map[string]any{"spec": fields})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.dynamic.Resource(resource).Namespace(namespace).Patch(ctx, name, "application/merge-patch+json", patch, metav1.PatchOptions{}); err != nil {
		t.Fatal(err)
	}
}

// playReconciler waits for a request on an object and writes the statuses of a run.
func (c *clients) playReconciler(ctx context.Context, t *testing.T, resource schema.GroupVersionResource, namespace string, statuses ...map[string]any) {
	t.Helper()
	var id string
	eventually(ctx, t, "the annotation is set", func(ctx context.Context) (bool, error) {
		u, err := c.dynamic.Resource(resource).Namespace(namespace).Get(ctx, "demo", metav1.GetOptions{})
		if err != nil {
			return false, err
		}
		id = u.GetAnnotations()[requestedAt]
		return id != "", nil
	})
	for i, status := range statuses {
		if i == len(statuses)-1 {
			status["lastHandledReconcileAt"] = id
		}
		c.setStatus(ctx, t, resource, namespace, "demo", status)
	}
}

func reconciling() map[string]any {
	return map[string]any{"type": "Reconciling", "status": "True", "reason": "Progressing", "message": "working", "lastTransitionTime": "2026-01-02T03:04:05Z"}
}

func TestReconcileWaitsForTheRun(t *testing.T) {
	c := newClients(t, cluster.Config)
	bothKinds(t, func(t *testing.T, resource schema.GroupVersionResource, manifest string) {
		tests := []struct {
			name   string
			last   map[string]any
			phase  leatv1alpha1.RequestPhase
			reason string
		}{
			{"success", map[string]any{"observedGeneration": 1, "conditions": []any{ready("True", "Succeeded", "all is well")}}, leatv1alpha1.RequestSucceeded, "all is well"},
			{"failure", map[string]any{"observedGeneration": 1, "conditions": []any{ready("False", "Failed", "all is lost")}}, leatv1alpha1.RequestFailed, "all is lost"},
		}
		for _, test := range tests {
			t.Run(test.name, func(t *testing.T) {
				ctx, ns := testContext(t), cluster.Namespace(t)
				c.create(ctx, t, resource, ns, manifest)
				done := make(chan error, 1)
				var answer *leatv1alpha1.ReconcileRequest
				go func() {
					var err error
					answer, err = reconcile(ctx, t, cluster.Config, resource, ns, "demo", "", leatv1alpha1.ReconcileRequestSpec{WaitSeconds: 30})
					done <- err
				}()
				c.playReconciler(ctx, t, resource, ns,
					map[string]any{"conditions": []any{reconciling(), ready("Unknown", "Progressing", "working")}},
					test.last)
				if err := <-done; err != nil {
					t.Fatal(err)
				}
				got := answer.Status
				if got.Phase != test.phase || got.Message != test.reason || got.StartedAt == nil || got.FinishedAt == nil {
					t.Errorf("got %+v", got)
				}
			})
		}
	})
}

func TestReconcileWaitThatIsTooShort(t *testing.T) {
	t.Parallel()
	c, ctx, ns := newClients(t, cluster.Config), testContext(t), cluster.Namespace(t)
	c.create(ctx, t, gitRepositories, ns, repositoryYAML)
	answer, err := reconcile(ctx, t, cluster.Config, gitRepositories, ns, "demo", "", leatv1alpha1.ReconcileRequestSpec{WaitSeconds: 1})
	if err != nil {
		t.Fatal(err)
	}
	if answer.Status.Phase != leatv1alpha1.RequestQueued || answer.Status.FinishedAt != nil {
		t.Errorf("got %+v", answer.Status)
	}
}

func TestReconcileWithSource(t *testing.T) {
	t.Parallel()
	c, ctx, ns := newClients(t, cluster.Config), testContext(t), cluster.Namespace(t)
	c.create(ctx, t, kustomizations, ns, kustomizationYAML)
	withSource := leatv1alpha1.ReconcileRequestSpec{WithSource: true}
	if _, err := reconcile(ctx, t, cluster.Config, kustomizations, ns, "demo", "", withSource); !apierrors.IsNotFound(err) || !strings.Contains(err.Error(), "gitrepositories") {
		t.Errorf("without the source: got %v, want NotFound of the source", err)
	}
	if got := c.annotation(ctx, t, kustomizations, ns, "demo", requestedAt); got != "" {
		t.Errorf("a refused request set the annotation to %q", got)
	}
	c.create(ctx, t, gitRepositories, ns, repositoryYAML)
	if _, err := reconcile(ctx, t, cluster.Config, gitRepositories, ns, "demo", "", withSource); !apierrors.IsInvalid(err) {
		t.Errorf("a source with its source: got %v, want Invalid", err)
	}
	developer := c.user(ctx, t, ns, "developer", allow("kustomize.toolkit.fluxcd.io", "kustomizations/reconcile", "create"))
	if _, err := reconcile(ctx, t, developer.Config, kustomizations, ns, "demo", "", withSource); !apierrors.IsForbidden(err) || !strings.Contains(err.Error(), "gitrepositories") {
		t.Errorf("who may not reconcile the source: got %v, want Forbidden", err)
	}
	if _, err := reconcile(ctx, t, developer.Config, kustomizations, ns, "demo", "", leatv1alpha1.ReconcileRequestSpec{}); err != nil {
		t.Errorf("without it: %v", err)
	}
	answer, err := reconcile(ctx, t, cluster.Config, kustomizations, ns, "demo", "", withSource)
	if err != nil {
		t.Fatal(err)
	}
	for _, resource := range []schema.GroupVersionResource{kustomizations, gitRepositories} {
		if got := c.annotation(ctx, t, resource, ns, "demo", requestedAt); got != answer.Status.RequestID {
			t.Errorf("annotation of %s is %q, want %q", resource.Resource, got, answer.Status.RequestID)
		}
	}
}

func TestReconcileFieldValidation(t *testing.T) {
	t.Parallel()
	c, ctx, ns := newClients(t, cluster.Config), testContext(t), cluster.Namespace(t)
	c.create(ctx, t, gitRepositories, ns, repositoryYAML)
	path := collection(gitRepositories, ns) + "/demo/reconcile"
	for body, want := range map[string]string{
		`{"apiVersion":"leat.dev/v1alpha1","kind":"ReconcileRequest","spec":{"waitSecond":1}}`:                                           `unknown field "spec.waitSecond"`,
		`{"apiVersion":"leat.dev/v1alpha1","kind":"ReconcileRequest","metadata":{"name":"other"}}`:                                       "metadata.name",
		`{"apiVersion":"leat.dev/v1alpha1","kind":"ReconcileRequest","metadata":{"namespace":"other"}}`:                                  "namespace",
		fmt.Sprintf(`{"apiVersion":"source.toolkit.fluxcd.io/v1","kind":"GitRepository","metadata":{"name":"demo","namespace":%q}}`, ns): "",
	} {
		_, err := raw(c.rest.Post().AbsPath(path).Param("fieldValidation", "Strict").SetHeader("Content-Type", "application/json").Body([]byte(body)).Do(ctx))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want an error with %q", body, err, want)
		}
	}
	// An empty body is a request without wishes.
	answer, err := raw(c.rest.Post().AbsPath(path).SetHeader("Content-Type", "application/json").Body([]byte(`{}`)).Do(ctx))
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := json.Unmarshal(answer, &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]any{"leat.dev/v1alpha1", "ReconcileRequest"}, []any{got["apiVersion"], got["kind"]}); diff != "" {
		t.Errorf("answer (-want +got):\n%s", diff)
	}
}
