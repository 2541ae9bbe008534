package subresource

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/endpoints/request"
	"k8s.io/apiserver/pkg/registry/rest"
	clocktesting "k8s.io/utils/clock/testing"

	kustomizev1 "github.com/leat-dev/leat/pkg/apis/kustomize/v1"
	leatv1alpha1 "github.com/leat-dev/leat/pkg/apis/leat/v1alpha1"
	"github.com/leat-dev/leat/pkg/artifact"
	"github.com/leat-dev/leat/pkg/preview"
	"github.com/leat-dev/leat/pkg/registry/generic"
)

// fakeMaker tells what it was asked, and answers when it may.
type fakeMaker struct {
	requests  chan preview.Request
	manifests preview.Manifests
	diff      preview.Diff
	err       error
	// slow previews wait for it, or for the end of their context.
	slow chan struct{}
}

func (m *fakeMaker) wait(ctx context.Context, r preview.Request) error {
	m.requests <- r
	if m.slow != nil {
		select {
		case <-m.slow:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return m.err
}

func (m *fakeMaker) Build(ctx context.Context, r preview.Request) (*preview.Manifests, error) {
	return &m.manifests, m.wait(ctx, r)
}

func (m *fakeMaker) Diff(ctx context.Context, r preview.Request) (*preview.Diff, error) {
	return &m.diff, m.wait(ctx, r)
}

type previewSetup struct {
	maker    *fakeMaker
	clock    *clocktesting.FakeClock
	previews *Previews
	build    *BuildREST
	diff     *DiffREST
}

func newPreviewSetup(t *testing.T, limits PreviewLimits) *previewSetup {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := errors.Join(leatv1alpha1.AddToScheme(scheme), leatv1alpha1.AddInternalToScheme(scheme), AddToScheme(scheme)); err != nil {
		t.Fatal(err)
	}
	app, other := kustomization("", "r1", "r1", isReady), kustomization("", "r1", "r1", isReady)
	app.UID, other.UID, other.Name = "u1", "u2", "other"
	elsewhere := other.DeepCopy()
	elsewhere.Namespace = "else"
	parent := newKustomizations(app, other, elsewhere)
	s := &previewSetup{
		maker: &fakeMaker{
			requests:  make(chan preview.Request, 100),
			manifests: preview.Manifests{Revision: "main@sha1:1", Objects: []preview.Manifest{{Object: body(t, configMap("one", "b: two")), File: "deploy/one.yaml"}}},
			diff:      preview.Diff{From: "live", To: "main@sha1:1", Objects: []preview.ObjectDiff{objectDiff(t, leatv1alpha1.DiffCreate, "", configMap("one", "b: two"))}},
		},
		clock: clocktesting.NewFakeClock(asked),
	}
	s.previews = NewPreviews(t.Context(), limits, newStore(t), s.clock)
	t.Cleanup(func() { _ = s.previews.Close() })
	s.previews.Add(kustomizev1.Kind("Kustomization"), s.maker)
	env := generic.Environment{Scheme: scheme, Schema: waitLimit{}, Clock: s.clock}
	timeout := func(runtime.Object) time.Duration { return time.Hour }
	s.build, s.diff = NewBuild(parent, env, s.previews, timeout), NewDiff(parent, env, s.previews, timeout)
	return s
}

// previewHTTP is a request as it comes.
type previewHTTP struct {
	method, query string
	body          string
	header        http.Header
	user          string          // jo by default
	groups        []string        // devs by default
	namespace     string          // team by default
	name          string          // app by default
	ctx           context.Context // of the request
}

// do sends a request, and returns the answer; errors become what the generic
// server makes of them.
func (s *previewSetup) do(t *testing.T, r rest.Connecter, in previewHTTP) *httptest.ResponseRecorder {
	t.Helper()
	for value, standard := range map[*string]string{&in.method: http.MethodGet, &in.user: "jo", &in.namespace: "team", &in.name: "app"} {
		if *value == "" {
			*value = standard
		}
	}
	if in.groups == nil {
		in.groups = []string{"devs"}
	}
	if in.ctx == nil {
		in.ctx = t.Context()
	}
	w := httptest.NewRecorder()
	fail := func(err error) *httptest.ResponseRecorder {
		var known apierrors.APIStatus
		if !errors.As(err, &known) {
			known = apierrors.NewInternalError(err)
		}
		status := known.Status()
		if err := writeJSON(w, int(status.Code), status); err != nil {
			t.Error(err)
		}
		return w
	}
	query, err := url.ParseQuery(in.query)
	if err != nil {
		t.Fatal(err)
	}
	options, _, _ := r.NewConnectOptions()
	if err := runtime.NewParameterCodec(s.build.scheme).DecodeParameters(query, leatv1alpha1.SchemeGroupVersion, options); err != nil {
		return fail(apierrors.NewBadRequest(err.Error()))
	}
	ctx := request.WithNamespace(request.WithUser(in.ctx, &user.DefaultInfo{Name: in.user, UID: "id-" + in.user, Groups: in.groups}), in.namespace)
	res := &responder{}
	handler, err := r.Connect(ctx, in.name, options, res)
	if err != nil {
		return fail(err)
	}
	req := httptest.NewRequestWithContext(ctx, in.method, "/apis/x/"+in.name+"/diff?"+in.query, strings.NewReader(in.body))
	if in.header != nil {
		req.Header = in.header
	}
	handler.ServeHTTP(w, req)
	if res.err != nil {
		return fail(res.err)
	}
	return w
}

func status(t *testing.T, w *httptest.ResponseRecorder) metav1.Status {
	t.Helper()
	var s metav1.Status
	if err := json.Unmarshal(w.Body.Bytes(), &s); err != nil {
		t.Fatalf("%v:\n%s", err, w.Body)
	}
	return s
}

// treeOf makes a tar.gz by way of a store.
func treeOf(t *testing.T, files map[string]string) string {
	t.Helper()
	store := newStore(t)
	record := publish(t, store, artifact.Owner{Kind: "GitRepository", Namespace: "team", Name: "source", UID: "u"}, files)
	file, err := store.OpenArchive(record.Archive)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	var data bytes.Buffer
	if _, err := data.ReadFrom(file); err != nil {
		t.Fatal(err)
	}
	return data.String()
}

func TestWhatIsAsked(t *testing.T) {
	s := newPreviewSetup(t, PreviewLimits{})
	yes, no := true, false
	live, current := preview.Side{Live: true}, preview.Side{}
	show := []leatv1alpha1.ObjectFilter{{Kind: "Secret", Name: "x"}}
	tests := map[string]struct {
		rest   rest.Connecter
		in     previewHTTP
		from   preview.Side
		to     preview.Side
		prune  *bool
		show   []leatv1alpha1.ObjectFilter
		upload bool
	}{
		"build":                         {rest: s.build, in: previewHTTP{}, to: current},
		"build of the current one":      {rest: s.build, in: previewHTTP{query: "revision=current"}, to: current},
		"build of a retained one":       {rest: s.build, in: previewHTTP{query: "revision=main@sha1:2"}, to: preview.Side{Retained: "main@sha1:2"}},
		"build of a branch":             {rest: s.build, in: previewHTTP{method: "POST", body: `{"spec":{"revision":"next","show":[{"kind":"Secret","name":"x"}]}}`}, to: preview.Side{Ref: "next"}, show: show},
		"build of what the source says": {rest: s.build, in: previewHTTP{method: "POST", body: `{}`}, to: preview.Side{Latest: true}},
		"build of a tree":               {rest: s.build, in: previewHTTP{method: "POST", body: treeOf(t, map[string]string{"a": "b"})}, upload: true},
		"diff":                          {rest: s.diff, in: previewHTTP{}, from: live, to: current},
		"diff of two":                   {rest: s.diff, in: previewHTTP{query: "from=current&to=main@sha1:2"}, from: current, to: preview.Side{Retained: "main@sha1:2"}},
		"diff back to live":             {rest: s.diff, in: previewHTTP{query: "from=main@sha1:2&to=live&prune=false"}, from: preview.Side{Retained: "main@sha1:2"}, to: live, prune: &no},
		"diff of a branch":              {rest: s.diff, in: previewHTTP{method: "POST", body: `{"apiVersion":"leat.dev/v1alpha1","kind":"DiffRequest","metadata":{"name":"app","namespace":"team"},"spec":{"revision":"refs/pull/1/head","prune":true}}`}, from: live, to: preview.Side{Ref: "refs/pull/1/head"}, prune: &yes},
		"diff as YAML":                  {rest: s.diff, in: previewHTTP{method: "POST", body: "spec:\n  revision: next\n", header: http.Header{"Content-Type": {"application/yaml"}}}, from: live, to: preview.Side{Ref: "next"}},
		"diff as curl sends it":         {rest: s.diff, in: previewHTTP{method: "POST", body: `{"spec":{"revision":"next"}}`, header: http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}}, from: live, to: preview.Side{Ref: "next"}},
		"diff of a tree":                {rest: s.diff, in: previewHTTP{method: "POST", query: "prune", body: treeOf(t, map[string]string{"a": "b"})}, from: live, prune: &yes, upload: true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if w := s.do(t, test.rest, test.in); w.Code != http.StatusOK {
				t.Fatalf("got %d %s", w.Code, w.Body)
			}
			got := <-s.maker.requests
			if test.upload {
				if _, ok := got.To.Upload.Lookup("a"); !ok {
					t.Error("the tree that was sent is not the one to preview")
				}
				got.To.Upload = nil
			}
			if got.Object.(*kustomizev1.Kustomization).Name != "app" {
				t.Error("not of the object that was asked for")
			}
			got.Object = nil
			want := preview.Request{
				Caller: preview.Caller{Name: "jo", UID: "id-jo", Groups: []string{"devs"}},
				From:   test.from, To: test.to, Prune: test.prune, Show: test.show,
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("request (-want +got):\n%s", diff)
			}
		})
	}
}

func TestPreviewRefusals(t *testing.T) {
	s := newPreviewSetup(t, PreviewLimits{})
	post := func(body string, header ...string) previewHTTP {
		in := previewHTTP{method: "POST", body: body, header: http.Header{}}
		if len(header) > 0 {
			in.header.Set("Content-Type", header[0])
		}
		return in
	}
	withQuery := func(query string, in previewHTTP) previewHTTP {
		in.query = query
		return in
	}
	tests := map[string]struct {
		rest rest.Connecter
		in   previewHTTP
		code int
		want string
	}{
		"unknown output":              {s.diff, previewHTTP{query: "output=html"}, 400, `output "html" is unknown: use one of json, yaml, text, markdown (the default is json)`},
		"unknown output of a build":   {s.build, previewHTTP{query: "output=text"}, 400, "use one of yaml, json"},
		"unknown type":                {s.diff, previewHTTP{header: http.Header{"Accept": {"text/html"}}}, 406, "text/markdown"},
		"no such object":              {s.diff, previewHTTP{name: "absent"}, 404, "absent"},
		"live with itself":            {s.diff, previewHTTP{query: "to=live"}, 400, "both live"},
		"build of the cluster":        {s.build, previewHTTP{query: "revision=live"}, 400, "cannot be built"},
		"prune that is not a boolean": {s.diff, previewHTTP{query: "prune=maybe"}, 400, "prune"},
		"revision of a POST":          {s.build, withQuery("revision=x", post("{}")), 400, "spec.revision"},
		"from of a POST":              {s.diff, withQuery("from=x", post("{}")), 400, "from"},
		"to with a tree":              {s.diff, withQuery("to=x", post(treeOf(t, map[string]string{"a": "b"}))), 400, "query parameter to"},
		"prune twice":                 {s.diff, withQuery("prune=true", post("{}")), 400, "spec.prune"},
		"id of a POST":                {s.diff, withQuery("id=x", post("{}")), 400, "GET"},
		"unknown id":                  {s.diff, previewHTTP{query: "id=x"}, 404, "10 minutes"},
		"empty body":                  {s.diff, post(""), 400, "the body is empty"},
		"unknown field":               {s.diff, post(`{"spec":{"revison":"x"}}`), 400, `unknown field "spec.revison"`},
		"duplicate field":             {s.diff, post(`{"spec":{"revision":"x","revision":"y"}}`), 400, `duplicate field "spec.revision"`},
		"unknown field in YAML":       {s.diff, post("spec:\n  revison: x\n", "application/yaml"), 400, `unknown field "spec.revison"`},
		"duplicate field in YAML":     {s.diff, post("spec:\n  revision: x\n  revision: z\n", "text/yaml"), 400, `"revision" already set`},
		"wrong type":                  {s.diff, post(`{"spec":{"revision":1}}`), 400, "revision"},
		"other kind":                  {s.diff, post(`{"apiVersion":"leat.dev/v1alpha1","kind":"BuildRequest"}`), 400, "the body is a BuildRequest of leat.dev/v1alpha1; this takes a DiffRequest"},
		"kind that nobody knows":      {s.diff, post(`{"apiVersion":"v1","kind":"Nonsense"}`), 400, "the body is a Nonsense of v1"},
		"other object":                {s.diff, post(`{"metadata":{"name":"b"}}`), 422, "metadata.name"},
		"other namespace":             {s.diff, post(`{"metadata":{"namespace":"b"}}`), 422, "metadata.namespace"},
		"no JSON":                     {s.diff, post(`spec: {}`), 400, "YAML with Content-Type: application/yaml"},
		"torn":                        {s.diff, post(`{"spec":`), 400, "not a valid DiffRequest"},
		"more after it":               {s.diff, post(`{}{}`), 400, "not a valid DiffRequest"},
		"too large":                   {s.diff, post(`{"spec":{"revision":"` + strings.Repeat("x", 1<<20) + `"}}`), 413, "1048576 bytes"},
		"zip":                         {s.diff, post("PK\x03\x04abcd"), 415, "looks like zip"},
		"zstd":                        {s.diff, post("\x28\xb5\x2f\xfdabcd"), 415, "looks like zstd"},
		"torn tree":                   {s.diff, post(treeOf(t, map[string]string{"a": "b"})[:40]), 400, "archive"},
		"no tar in it":                {s.build, post("\x1f\x8babcdefghijkl"), 400, "archive"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			w := s.do(t, test.rest, test.in)
			if w.Code != test.code || !strings.Contains(w.Body.String(), strings.Trim(toJSON(t, test.want), `"`)) {
				t.Errorf("got %d %s, want %d with %q", w.Code, w.Body, test.code, test.want)
			}
			if got := status(t, w); got.Status != metav1.StatusFailure || got.Reason == "" {
				t.Errorf("not a Status that says why: %+v", got)
			}
		})
	}
	if len(s.maker.requests) != 0 {
		t.Error("what was refused has been previewed")
	}
	if len(s.previews.running) != 0 || s.previews.total != 0 {
		t.Errorf("refused requests still count: %v, %d", s.previews.running, s.previews.total)
	}
}

func toJSON(t *testing.T, value any) string {
	t.Helper()
	data, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestPreviewRepresentations(t *testing.T) {
	s := newPreviewSetup(t, PreviewLimits{})
	for name, test := range map[string]struct {
		rest              rest.Connecter
		query, accept     string
		contentType, want string
	}{
		"build":                  {s.build, "", "", "application/yaml", "# revision: main@sha1:1\n---\n# file: deploy/one.yaml\napiVersion: v1\n"},
		"build as kubectl asks":  {s.build, "", "application/json, */*", "application/yaml", "kind: ConfigMap"},
		"build by type":          {s.build, "", "application/json", "application/json", `"kind":"List"`},
		"build by output":        {s.build, "output=json", "application/yaml", "application/json", `"items":[{"apiVersion":"v1"`},
		"diff":                   {s.diff, "", "", "application/json", `"kind":"DiffResult"`},
		"diff as kubectl asks":   {s.diff, "", "application/json, */*", "application/json", `"summary":{"create":1,"update":0`},
		"diff as YAML":           {s.diff, "output=yaml", "", "application/yaml", "kind: DiffResult"},
		"diff as text by type":   {s.diff, "", "text/plain", "text/plain; charset=utf-8", "+++ b/ConfigMap/team/one"},
		"diff as a comment":      {s.diff, "output=markdown", "", "text/markdown; charset=utf-8", "<details>"},
		"diff as text by output": {s.diff, "output=text", "text/markdown", "text/plain; charset=utf-8", "--- /dev/null"},
	} {
		t.Run(name, func(t *testing.T) {
			in := previewHTTP{query: test.query, header: http.Header{}}
			if test.accept != "" {
				in.header.Set("Accept", test.accept)
			}
			w := s.do(t, test.rest, in)
			if w.Code != http.StatusOK || w.Header().Get("Content-Type") != test.contentType || !strings.Contains(w.Body.String(), test.want) {
				t.Errorf("got %d %s, want %s with %q:\n%s", w.Code, w.Header().Get("Content-Type"), test.contentType, test.want, w.Body)
			}
			if w.Header().Get("X-Content-Type-Options") != "nosniff" || w.Header().Get("Cache-Control") != "private, no-store" {
				t.Errorf("headers: %v", w.Header())
			}
		})
	}
}
