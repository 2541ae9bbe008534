package subresource

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	leatv1alpha1 "github.com/leat-dev/leat/pkg/apis/leat/v1alpha1"
	"github.com/leat-dev/leat/pkg/apis/meta"
	"github.com/leat-dev/leat/pkg/artifact"
)

func TestRepresentation(t *testing.T) {
	tests := []struct {
		output string
		accept []string
		want   string // empty: refused
	}{
		{"", nil, "tar"},
		{"", []string{"*/*"}, "tar"},
		{"", []string{"application/json, */*"}, "tar"},
		{"", []string{"application/json", "text/html"}, "tar"},
		{"", []string{"application/*"}, "tar"},
		{"", []string{"application/gzip"}, "tar"},
		{"", []string{"application/octet-stream;q=0.5"}, "tar"},
		{"", []string{"application/json"}, "list"},
		{"", []string{"application/json; charset=utf-8"}, "list"},
		{"", []string{"text/html"}, ""},
		{"", []string{"nonsense"}, ""},
		{"list", nil, "list"},
		{"list", []string{"application/gzip"}, "list"},
		{"tar", []string{"application/json"}, "tar"},
		{"zip", nil, ""},
	}
	for _, test := range tests {
		got, err := representation(&leatv1alpha1.ArtifactOptions{Output: test.output}, test.accept)
		if got != test.want || (err == nil) != (test.want != "") {
			t.Errorf("output %q, Accept %q: got %q, %v, want %q", test.output, test.accept, got, err, test.want)
		}
	}
}

func TestOptionsFromTheQuery(t *testing.T) {
	scheme := runtime.NewScheme()
	if err := leatv1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	if err := AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	query := url.Values{"output": {"list"}, "revision": {"main@sha1:1"}, "digest": {"sha256:0"}, "path": {"a/b"}, "other": {"x"}}
	var got leatv1alpha1.ArtifactOptions
	if err := runtime.NewParameterCodec(scheme).DecodeParameters(query, leatv1alpha1.SchemeGroupVersion, &got); err != nil {
		t.Fatal(err)
	}
	want := leatv1alpha1.ArtifactOptions{Output: "list", Revision: "main@sha1:1", Digest: "sha256:0", Path: "a/b"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("options (-want +got):\n%s", diff)
	}
	if _, err := scheme.New(schema.GroupVersionKind{Version: "v1", Kind: "ArtifactOptions"}); err != nil {
		t.Errorf("the version that OpenAPI is made from: %v", err)
	}
}

// responder takes what is not bytes.
type responder struct {
	object runtime.Object
	err    error
}

func (r *responder) Object(_ int, obj runtime.Object) { r.object = obj }
func (r *responder) Error(err error)                  { r.err = err }

func newStore(t *testing.T) *artifact.Store {
	t.Helper()
	store, err := artifact.Open(t.TempDir(), artifact.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	return store
}

func publish(t *testing.T, store *artifact.Store, owner artifact.Owner, files map[string]string) artifact.Record {
	t.Helper()
	writer, err := store.NewWriter(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer writer.Abort()
	for path, content := range files {
		if _, err := writer.File(path, path == "run", strings.NewReader(content)); err != nil {
			t.Fatal(err)
		}
	}
	tree, err := writer.Commit()
	if err != nil {
		t.Fatal(err)
	}
	record, err := store.Publish(t.Context(), owner, "main@sha1:1", tree, nil)
	if err != nil {
		t.Fatal(err)
	}
	return record
}

func TestServingAnArtifact(t *testing.T) {
	store := newStore(t)
	source := repository("", "main@sha1:1")
	source.UID = "u"
	record := publish(t, store, artifact.Owner{Kind: "GitRepository", Namespace: "team", Name: "source", UID: "u"}, map[string]string{"run": "#!", "deploy/a.yaml": "a", "deployed": "d"})
	source.Status.Artifact = &meta.Artifact{Revision: record.Revision, Digest: string(record.Archive)}
	parent := newRepositories(source)
	connect := func(req *http.Request, options *leatv1alpha1.ArtifactOptions) (*httptest.ResponseRecorder, *responder, error) {
		to := &responder{}
		handler, err := NewArtifact(parent, store).Connect(teamContext(t), "source", options, to)
		if err != nil {
			return nil, nil, err
		}
		recorder := httptest.NewRecorder()
		handler.ServeHTTP(recorder, req)
		return recorder, to, nil
	}
	request := func(method string) *http.Request { return httptest.NewRequest(method, "/artifact", nil) }

	t.Run("whole", func(t *testing.T) {
		recorder, _, err := connect(request(http.MethodGet), &leatv1alpha1.ArtifactOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if got := artifact.DigestOf(recorder.Body.Bytes()); got != record.Archive {
			t.Errorf("digest of the bytes is %s, want %s", got, record.Archive)
		}
		h := recorder.Header()
		for name, want := range map[string]string{
			"Content-Type": "application/gzip", "Etag": `"` + string(record.Archive) + `"`, "Cache-Control": "private, no-cache",
			"X-Content-Type-Options": "nosniff", "Content-Disposition": `attachment; filename="source.tar.gz"`, "Accept-Ranges": "bytes",
		} {
			if got := h.Get(name); got != want {
				t.Errorf("%s is %q, want %q", name, got, want)
			}
		}
	})
	t.Run("list of a directory", func(t *testing.T) {
		_, to, err := connect(request(http.MethodGet), &leatv1alpha1.ArtifactOptions{Output: "list", Path: "deploy"})
		if err != nil {
			t.Fatal(err)
		}
		list, ok := to.object.(*leatv1alpha1.ArtifactList)
		if !ok {
			t.Fatalf("got %T, %v", to.object, to.err)
		}
		paths := slices.Collect(func(yield func(string) bool) {
			for _, file := range list.Files {
				yield(file.Path + " " + file.Mode)
			}
		})
		if diff := cmp.Diff([]string{"deploy/a.yaml 0600"}, paths); diff != "" {
			t.Errorf("files (-want +got):\n%s", diff)
		}
		if list.Digest != string(record.Archive) || list.Size != record.Size || list.Namespace != "team" || list.Name != "source" {
			t.Errorf("got %+v", list)
		}
	})
	t.Run("list that is known", func(t *testing.T) {
		req := request(http.MethodGet)
		req.Header.Set("If-None-Match", `"`+string(record.Archive)+`/list"`)
		recorder, to, err := connect(req, &leatv1alpha1.ArtifactOptions{Output: "list"})
		if err != nil || recorder.Code != http.StatusNotModified || to.object != nil {
			t.Errorf("got %d, %v, %v", recorder.Code, to.object, err)
		}
	})
	t.Run("of the namesake that was deleted", func(t *testing.T) {
		reborn := source.DeepCopy()
		reborn.UID = "v"
		parent.put(reborn)
		defer parent.put(source)
		if _, _, err := connect(request(http.MethodGet), &leatv1alpha1.ArtifactOptions{}); !apierrors.IsNotFound(err) {
			t.Errorf("got %v, want NotFound", err)
		}
	})
	t.Run("of an object that does not exist", func(t *testing.T) {
		_, err := NewArtifact(parent, store).Connect(teamContext(t), "absent", &leatv1alpha1.ArtifactOptions{}, &responder{})
		if !apierrors.IsNotFound(err) {
			t.Errorf("got %v, want NotFound", err)
		}
	})
}

func TestRangesAreLimited(t *testing.T) {
	for header, refused := range map[string]bool{
		"": false, "bytes=0-": false, "bytes=0-" + strings.Repeat(",1-2", maxRanges-1): false, "bytes=0-" + strings.Repeat(",1-2", maxRanges): true,
	} {
		err := checkRange(header)
		if (err != nil) != refused || refused && !strings.Contains(err.Error(), "16") {
			t.Errorf("%.40q: %v", header, err)
		}
	}
}
