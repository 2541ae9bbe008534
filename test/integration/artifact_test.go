package integration

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/rest"

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
		{"range beyond the end", "GET", "", http.Header{"Range": {"bytes=100000-"}}, answer{416, jsonType, "", "invalid range"}},
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
