package intake

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apiserver/pkg/endpoints/request"

	"github.com/leat-dev/leat/pkg/apiserver/intake/nesting"
)

const bodyTimeout = time.Minute

func statusOf(t *testing.T, w *httptest.ResponseRecorder) metav1.Status {
	t.Helper()
	var status metav1.Status
	if err := json.Unmarshal(w.Body.Bytes(), &status); err != nil {
		t.Fatalf("%v: %s", err, w.Body)
	}
	if status.Kind != "Status" || status.APIVersion != "v1" || int(status.Code) != w.Code || status.Reason == "" || status.Message == "" {
		t.Errorf("not a Status that says why: %s", w.Body)
	}
	return status
}

func TestURLs(t *testing.T) {
	for name, test := range map[string]struct {
		url  string
		code int
		want string
	}{
		"honest":              {"/apis/g/v1/things?limit=500&resourceVersion=0&labelSelector=a+in+(b,c),!d&fieldSelector=a=b", 200, ""},
		"elsewhere":           {"/openapi/v3?hash=;&limit=all", 200, ""},
		"long":                {"/apis/g/v1/things?x=" + strings.Repeat("x", MaxURLBytes), 414, "65536"},
		"long, elsewhere":     {"/" + strings.Repeat("x", MaxURLBytes), 414, "65536"},
		"broken escape":       {"/apis/g/v1/things?a=%zz", 400, "%zz"},
		"lost parameter":      {"/apis/g/v1/things?dryRun=All;x", 400, "semicolon"},
		"limit":               {"/apis/g/v1/things?limit=all", 400, "query parameter limit"},
		"version":             {"/apis/g/v1/things?resourceVersion=-1", 400, "query parameter resourceVersion"},
		"seconds":             {"/apis/g/v1/things?timeoutSeconds=1e3", 400, "query parameter timeoutSeconds"},
		"selector":            {"/apis/g/v1/things?labelSelector=((", 400, "query parameter labelSelector"},
		"selector at limit":   {"/apis/g/v1/things?labelSelector=a" + strings.Repeat(",a", MaxSelectorParts-1), 200, ""},
		"selector over limit": {"/apis/g/v1/things?labelSelector=a" + strings.Repeat(",a", MaxSelectorParts), 400, "1000"},
		"fields over limit":   {"/apis/g/v1/things?fieldSelector=a=a" + strings.Repeat(",a=a", MaxSelectorParts), 400, "1000"},
	} {
		t.Run(name, func(t *testing.T) {
			reached := false
			handler := Outer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached = true }), bodyTimeout)
			w := httptest.NewRecorder()
			handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, test.url, nil))
			if w.Code != test.code || reached != (test.code == http.StatusOK) {
				t.Fatalf("got %d, passed on: %t, want %d", w.Code, reached, test.code)
			}
			if test.want != "" && !strings.Contains(statusOf(t, w).Message, test.want) {
				t.Errorf("got %s, want it to say %q", w.Body, test.want)
			}
			if w.Body.Len() > 2048 {
				t.Errorf("the refusal has %d bytes", w.Body.Len())
			}
		})
	}
}

// A refusal that is no Status becomes one; what is none is left alone.
func TestAnswers(t *testing.T) {
	for name, test := range map[string]struct {
		answer      func(http.ResponseWriter)
		code        int
		want        string
		passedOn    bool
		contentType string
	}{
		"nothing":       {func(http.ResponseWriter) {}, 200, "", true, ""},
		"text":          {func(w http.ResponseWriter) { _, _ = io.WriteString(w, "hello") }, 200, "hello", true, ""},
		"not modified":  {func(w http.ResponseWriter) { w.WriteHeader(304) }, 304, "", true, ""},
		"error in text": {func(w http.ResponseWriter) { http.Error(w, "go away", http.StatusTooManyRequests) }, http.StatusTooManyRequests, "go away", false, ""},
		"without text":  {func(w http.ResponseWriter) { w.WriteHeader(412) }, 412, "precondition failed", false, ""},
		"of a file":     {func(w http.ResponseWriter) { w.Header().Set("ETag", `"x"`); w.WriteHeader(416) }, 416, "requested range", false, "application/gzip"},
		"without a type": {func(w http.ResponseWriter) {
			w.WriteHeader(504)
			_, _ = io.WriteString(w, `{"status":"Failure","message":"late","reason":"Timeout","code":504}`)
		}, 504, "late", false, ""},
		"a Status": {func(w http.ResponseWriter) {
			w.WriteHeader(404)
			_, _ = io.WriteString(w, `{"kind":"Status","apiVersion":"v1","code":404,"reason":"NotFound","message":"gone","status":"Failure"}`)
		}, 404, "gone", true, "application/json"},
		"long text":  {func(w http.ResponseWriter) { http.Error(w, strings.Repeat("x", 1<<20), 500) }, 500, "xxx", false, ""},
		"first code": {func(w http.ResponseWriter) { w.WriteHeader(201); w.WriteHeader(500) }, 201, "", true, ""},
	} {
		t.Run(name, func(t *testing.T) {
			handler := Outer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				if test.contentType != "" {
					w.Header().Set("Content-Type", test.contentType)
				}
				test.answer(w)
			}), bodyTimeout)
			w := httptest.NewRecorder()
			handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/apis/g/v1/things", nil))
			if w.Code != test.code || !strings.Contains(w.Body.String(), test.want) {
				t.Fatalf("got %d %.200s, want %d %q", w.Code, w.Body, test.code, test.want)
			}
			if test.passedOn {
				return
			}
			if status := statusOf(t, w); len(status.Message) > maxHeld {
				t.Errorf("a message of %d bytes", len(status.Message))
			}
			if w.Header().Get("Content-Type") != "application/json" || w.Header().Get("ETag") != "" {
				t.Errorf("headers of the refusal: %v", w.Header())
			}
		})
	}
}

func TestFlushedAnswersGoOut(t *testing.T) {
	handler := Outer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "first")
		w.(http.Flusher).Flush()
		w.WriteHeader(http.StatusInternalServerError) // too late
	}), bodyTimeout)
	server := httptest.NewServer(handler)
	defer server.Close()
	resp, err := http.Get(server.URL + "/apis/g")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if body, err := io.ReadAll(resp.Body); err != nil || string(body) != "first" || resp.StatusCode != http.StatusOK {
		t.Errorf("got %d %q, %v", resp.StatusCode, body, err)
	}
}

// resource makes a request one for an object, as the generic server does.
func resource(req *http.Request) *http.Request {
	return req.WithContext(request.WithRequestInfo(req.Context(), &request.RequestInfo{IsResourceRequest: true}))
}

func TestBodies(t *testing.T) {
	deep := strings.Repeat("[", nesting.MaxDepth+1)
	for name, test := range map[string]struct {
		method, contentType, encoding, body string
		code                                int
		want                                string
	}{
		"honest":                  {"POST", "application/json; charset=utf-8", "", `{"a":[{}]}`, 200, ""},
		"at the limit":            {"POST", "application/json", "", deep[1:], 200, ""},
		"too deep":                {"POST", "application/json", "", deep, 400, "deeper than 512 at byte 512"},
		"too deep, without type":  {"POST", "", "", deep, 400, "deeper than 512"},
		"too deep a patch":        {"PATCH", "application/merge-patch+json", "", deep, 400, "deeper than 512"},
		"deep YAML":               {"POST", "application/yaml", "", deep, 200, ""},
		"brackets of a tar.gz":    {"POST", "", "", "\x1f\x8b" + deep, 200, ""},
		"brackets in a text":      {"POST", "", "", `{"a":"\"` + deep + `"}`, 200, ""},
		"packed":                  {"POST", "", "gzip", "x", 415, "Content-Encoding"},
		"packed twice":            {"POST", "", "identity, br", "x", 415, `"br"`},
		"not packed":              {"POST", "", "Identity", "x", 200, ""},
		"patch without a type":    {"PATCH", "", "", "{}", 415, "merge-patch"},
		"patch of another type":   {"PATCH", "application/json", "", "{}", 415, "merge-patch"},
		"type of nonsense":        {"POST", "a/b/c; ;", "", "{}", 415, "Content-Type"},
		"server-side apply":       {"PATCH", "application/apply-patch+yaml", "", "{}", 200, ""},
		"patch without any bytes": {"PATCH", "", "", "", 200, ""},
	} {
		t.Run(name, func(t *testing.T) {
			handler := Inner(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
				if _, err := io.ReadAll(req.Body); err != nil {
					var status interface{ Status() metav1.Status }
					if !errors.As(err, &status) {
						t.Errorf("%v is no Status", err)
						return
					}
					http.Error(w, status.Status().Message, int(status.Status().Code))
				}
			}))
			req := httptest.NewRequest(test.method, "/apis/g/v1/things", strings.NewReader(test.body))
			if test.body == "" {
				req.Body = http.NoBody
			}
			if test.contentType != "" {
				req.Header.Set("Content-Type", test.contentType)
			}
			if test.encoding != "" {
				req.Header.Set("Content-Encoding", test.encoding)
			}
			w := httptest.NewRecorder()
			handler.ServeHTTP(w, resource(req))
			if w.Code != test.code || !strings.Contains(w.Body.String(), strings.ReplaceAll(test.want, `"`, `\"`)) {
				t.Errorf("got %d %s, want %d with %q", w.Code, w.Body, test.code, test.want)
			}
		})
	}
}

type brokenBody struct{ err error }

func (b brokenBody) Read([]byte) (int, error) { return 0, b.err }

// Errors of a body are the client's, except that the client has gone.
func TestBrokenBodies(t *testing.T) {
	for err, want := range map[error]int{io.ErrUnexpectedEOF: 400, context.Canceled: 0, errors.New("bad chunk"): 400} {
		req := resource(httptest.NewRequest(http.MethodPost, "/apis/g/v1/things", brokenBody{err}))
		checked, refusal := checkBody(req)
		if refusal != nil {
			t.Fatal(refusal)
		}
		_, got := io.ReadAll(checked.Body)
		var status interface{ Status() metav1.Status }
		switch {
		case errors.As(got, &status) && int(status.Status().Code) == want:
		case want == 0 && errors.Is(got, err):
		default:
			t.Errorf("%v becomes %v, want %d", err, got, want)
		}
	}
}

// A connection carries a second request if and only if the body of the first one
// has been read: else its rest would be taken for the second.
func TestRestOfARefusedBodyIsNoRequest(t *testing.T) {
	refused := http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		_, _ = req.Body.Read(make([]byte, 10))
		_ = req.Body.Close()
		http.Error(w, "no", http.StatusForbidden)
	})
	server := httptest.NewServer(Outer(refused, bodyTimeout))
	defer server.Close()
	for range 20 {
		body := io.LimitReader(strings.NewReader(strings.Repeat("GET /smuggled HTTP/1.1\r\n\r\n", 20_000)), 500<<10)
		resp, err := http.Post(server.URL+"/apis/g", "application/json", body)
		if err != nil {
			continue // the connection was closed while the body was sent
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		if resp.StatusCode != http.StatusForbidden {
			t.Fatalf("got %d: the rest of a body was taken for a request", resp.StatusCode)
		}
	}
}

// Who is late is told so; the request is not canceled, as if he were gone.
func TestLateBody(t *testing.T) {
	handler := Outer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		checked, _ := checkBody(resource(req))
		_, err := io.ReadAll(checked.Body)
		var status interface{ Status() metav1.Status }
		if !errors.As(err, &status) || req.Context().Err() != nil {
			t.Errorf("got %v in a request with %v", err, req.Context().Err())
			return
		}
		http.Error(w, status.Status().Message, int(status.Status().Code))
	}), 50*time.Millisecond)
	server := httptest.NewServer(handler)
	defer server.Close()
	reader, writer := io.Pipe()
	defer writer.Close()
	go func() { _, _ = writer.Write([]byte(`{"a"`)) }()
	resp, err := http.Post(server.URL+"/apis/g", "application/json", reader)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if body, _ := io.ReadAll(resp.Body); resp.StatusCode != http.StatusRequestTimeout || !strings.Contains(string(body), "4 bytes") {
		t.Errorf("got %d %s, want 408 and how much has come", resp.StatusCode, body)
	}
}

func TestNotFound(t *testing.T) {
	w := httptest.NewRecorder()
	NotFound().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/apis/none", nil))
	if status := statusOf(t, w); w.Code != http.StatusNotFound || !strings.Contains(status.Message, `"/apis/none"`) {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
}
