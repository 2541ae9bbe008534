package git

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// failure fetches what must not work.
func failure(t *testing.T, f *Fetcher, r Request) *Error {
	t.Helper()
	res, err := f.Fetch(t.Context(), r)
	if err == nil {
		t.Fatalf("Fetch() = %+v, want an error", res)
	}
	var typed *Error
	if !errors.As(err, &typed) {
		t.Fatalf("Fetch() = %v of type %T, want *Error", err, err)
	}
	return typed
}

func TestErrors(t *testing.T) {
	s := newGitServer(t, false)
	r := s.repo(t, "app.git")
	r.commit("first", map[string]string{"a.yaml": "1"})
	r.git("tag", "v1.0.0")
	r.git("push", "-q", "--tags", "origin")
	blob := r.git("rev-parse", "HEAD:a.yaml")
	r.run(r.bare, "update-ref", "refs/tags/blob", blob)
	empty := s.repo(t, "empty.git")
	missing := strings.Repeat("12", 20)
	tests := []struct {
		name     string
		url      string
		ref      Ref
		reason   string
		terminal bool
		want     string
	}{
		{"branch", r.url, Ref{Branch: "gone"}, ReasonGitOperationFailed, false, `branch "gone" not found`},
		{"default branch", r.url, Ref{}, ReasonGitOperationFailed, false, `branch "master" not found`},
		{"tag", r.url, Ref{Tag: "v9"}, ReasonGitOperationFailed, false, `tag "v9" not found`},
		{"name", r.url, Ref{Name: "refs/x"}, ReasonGitOperationFailed, false, `reference "refs/x" not found`},
		{"semver", r.url, Ref{SemVer: ">2"}, ReasonGitOperationFailed, false, `range ">2" not found`},
		{"semver that is none", r.url, Ref{SemVer: "what"}, ReasonGitOperationFailed, true, `semver range "what"`},
		{"commit", r.url, Ref{Commit: missing}, ReasonGitOperationFailed, false, "commit " + missing + " not found"},
		{"commit on branch", r.url, Ref{Commit: missing, Branch: "main"}, ReasonGitOperationFailed, false, `on branch "main" not found`},
		{"commit on missing branch", r.url, Ref{Commit: missing, Branch: "gone"}, ReasonGitOperationFailed, false, `branch "gone" not found`},
		{"commit that is none", r.url, Ref{Commit: "abc"}, ReasonGitOperationFailed, true, "want 40 hex digits"},
		{"tag on a blob", r.url, Ref{Tag: "blob"}, ReasonGitOperationFailed, false, "is a blob, not a commit"},
		{"empty", empty.url, Ref{Branch: "main"}, ReasonEmptyGitRepository, false, "empty"},
		{"empty, commit", empty.url, Ref{Commit: missing}, ReasonEmptyGitRepository, false, "empty"},
		{"no repository", s.URL + "/nothing.git", Ref{Branch: "main"}, ReasonGitOperationFailed, false, "repository not found"},
		{"ssh", "ssh://git@example.com/app.git", Ref{Branch: "main"}, ReasonUnsupported, true, "ssh:// is not supported yet"},
		{"scheme", "git://example.com/app.git", Ref{Branch: "main"}, ReasonURLInvalid, true, `scheme "git"`},
		{"file", "file:///etc/app.git", Ref{Branch: "main"}, ReasonURLInvalid, true, `scheme "file"`},
		{"scp form", "git@example.com:app.git", Ref{Branch: "main"}, ReasonURLInvalid, true, "url"},
		{"no host", "http:///app.git", Ref{Branch: "main"}, ReasonURLInvalid, true, "no host"},
		{"port", "http://example.com:70000/app.git", Ref{Branch: "main"}, ReasonURLInvalid, true, "port"},
		{"query", r.url + "?x=y", Ref{Branch: "main"}, ReasonURLInvalid, true, "query"},
	}
	f, _ := newFetcher(t, Options{})
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := failure(t, f, Request{Key: tt.name, URL: tt.url, Ref: tt.ref})
			if err.Reason != tt.reason || err.Terminal != tt.terminal || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Fetch() = %s, terminal %v, %v; want %s, %v, %q", err.Reason, err.Terminal, err, tt.reason, tt.terminal, tt.want)
			}
		})
	}
	var unsupported *UnsupportedError
	if err := failure(t, f, Request{URL: "ssh://x/y"}); !errors.As(err, &unsupported) || unsupported.Scheme != "ssh" {
		t.Errorf("ssh gives %v, want an UnsupportedError", err)
	}
}

// A commit is found also where the server hands out only what references name.
func TestCommitServers(t *testing.T) {
	for _, allow := range []bool{false, true} {
		t.Run(fmt.Sprintf("any commit %v", allow), func(t *testing.T) {
			s := newGitServer(t, false)
			r := s.repo(t, "app.git")
			r.run(r.bare, "config", "uploadpack.allowAnySHA1InWant", fmt.Sprint(allow))
			var ids []string
			for i := range 40 {
				ids = append(ids, r.commitOnly(fmt.Sprint("commit ", i), map[string]string{"a.yaml": fmt.Sprint(i)}))
			}
			r.git("push", "-q", "origin", "main")
			for _, branch := range []string{"", "main"} {
				f, store := newFetcher(t, Options{})
				for _, i := range []int{38, 2, 39, 20} {
					res := fetch(t, f, Request{Key: "k", URL: r.url, Ref: Ref{Branch: branch, Commit: ids[i]}})
					if diff := cmp.Diff(map[string]string{"a.yaml": fmt.Sprint(i)}, files(t, store, res.Tree)); diff != "" || res.Commit != ids[i] {
						t.Errorf("branch %q, commit %d: %s, files (-want +got):\n%s", branch, i, res.Commit, diff)
					}
				}
			}
		})
	}
}

// A server that refuses without a word leaves no message that ends with a colon.
func TestRefusalsWithoutAWord(t *testing.T) {
	s := newGitServer(t, false)
	f, _ := newFetcher(t, Options{})
	for code, want := range map[int]string{
		http.StatusNotFound:     "repository not found: the url is wrong, or the credentials do not allow to read it",
		http.StatusUnauthorized: "authentication required",
		http.StatusForbidden:    "authorization failed",
	} {
		s.setIntercept(func(w http.ResponseWriter, _ *http.Request) bool {
			w.WriteHeader(code)
			return true
		})
		if err := failure(t, f, Request{Key: "k", URL: s.URL + "/app.git", Ref: Ref{Branch: "main"}}); !strings.HasSuffix(err.Error(), want) {
			t.Errorf("%d: Fetch() = %q, want %q at its end", code, err, want)
		}
	}
	s.setIntercept(func(w http.ResponseWriter, _ *http.Request) bool {
		http.Error(w, "no project of that name", http.StatusNotFound)
		return true
	})
	if err := failure(t, f, Request{Key: "k", URL: s.URL + "/app.git", Ref: Ref{Branch: "main"}}); !strings.HasSuffix(err.Error(), "repository not found: no project of that name") {
		t.Errorf("Fetch() = %q", err)
	}
}

// A redirect is followed, but credentials stay with the host that they are for.
func TestRedirect(t *testing.T) {
	target := newGitServer(t, false)
	r := target.repo(t, "app.git")
	r.commit("first", map[string]string{"a.yaml": "1"})
	seen := make(chan string, 16)
	target.setIntercept(func(_ http.ResponseWriter, req *http.Request) bool {
		seen <- fmt.Sprint(req.Header)
		return false
	})
	redirect := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		http.Redirect(w, req, target.URL+req.URL.String(), http.StatusMovedPermanently)
	}))
	defer redirect.Close()
	for name, auth := range map[string]*Auth{"basic": {Username: "u", Password: "canary"}, "bearer": {BearerToken: "canary"}} {
		f, _ := newFetcher(t, Options{})
		fetch(t, f, Request{Key: "k", URL: redirect.URL + "/app.git", Ref: Ref{Branch: "main"}, Auth: auth})
		for range 2 {
			if header := <-seen; strings.Contains(header, "Authorization") {
				t.Errorf("%s: the other host got %s", name, header)
			}
		}
	}
}

func TestDialControl(t *testing.T) {
	s := newGitServer(t, false)
	r := s.repo(t, "app.git")
	r.commit("first", map[string]string{"a.yaml": "1"})
	denied := errors.New("loopback is denied")
	f, _ := newFetcher(t, Options{DialControl: func(_, address string) error {
		host, _, err := net.SplitHostPort(address)
		if err == nil && net.ParseIP(host).IsLoopback() {
			return denied
		}
		return err
	}})
	if err := failure(t, f, Request{Key: "k", URL: r.url, Ref: Ref{Branch: "main"}}); !errors.Is(err, denied) {
		t.Errorf("Fetch() = %v", err)
	}
}

func TestContext(t *testing.T) {
	s := newGitServer(t, false)
	r := s.repo(t, "app.git")
	r.commit("first", map[string]string{"a.yaml": "1"})
	f, _ := newFetcher(t, Options{})
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		entered := make(chan struct{})
		s.setIntercept(func(_ http.ResponseWriter, req *http.Request) bool {
			if req.Method != method {
				return false
			}
			// Only with the body read does the server see that the client went.
			if _, err := io.Copy(io.Discard, req.Body); err != nil {
				t.Error(err)
			}
			close(entered)
			<-req.Context().Done()
			return true
		})
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			<-entered
			cancel()
		}()
		if _, err := f.Fetch(ctx, Request{Key: method, URL: r.url, Ref: Ref{Branch: "main"}}); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: Fetch() = %v, want context.Canceled", method, err)
		}
	}
	s.setIntercept(func(_ http.ResponseWriter, req *http.Request) bool {
		<-req.Context().Done()
		return true
	})
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := f.Fetch(ctx, Request{Key: "k", URL: r.url, Ref: Ref{Branch: "main"}})
	if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "timed out") {
		t.Errorf("Fetch() = %v, want a timeout", err)
	}
}

func TestResponseLimits(t *testing.T) {
	s := newGitServer(t, false)
	r := s.repo(t, "app.git")
	large := make([]byte, 0, 1<<16)
	for i := range 1 << 13 {
		large = append(large, fmt.Sprintf("%08x", i*2654435761)...)
	}
	r.commit("first", map[string]string{"a.yaml": "1", "b.yaml": "2", "large.yaml": string(large), "zero": string(bytes.Repeat([]byte{0}, 1<<20))})
	tests := []struct {
		name   string
		limits Limits
		want   string
	}{
		{"references", Limits{RefsSize: 64}, "list of references is larger than the limit of 64 bytes"},
		{"pack", Limits{PackSize: 4096}, "pack is larger than the limit of 4096 bytes"},
		{"objects", Limits{Objects: 3}, "limit is 3"},
		{"object that compresses well", Limits{ObjectSize: 1 << 19}, "object of 1048576 bytes: limit is 524288"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f, _ := newFetcher(t, Options{Limits: tt.limits})
			if err := failure(t, f, Request{Key: "k", URL: r.url, Ref: Ref{Branch: "main"}}); !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Fetch() = %v, want %q", err, tt.want)
			}
			left, err := filepath.Glob(filepath.Join(f.dir, "*", "objects", "pack", "*"))
			if err != nil || len(left) > 0 {
				t.Errorf("left behind: %v, %v", left, err)
			}
		})
	}
}

// A response that ends early, or is none of Git, is an error and nothing more.
func TestBrokenResponses(t *testing.T) {
	s := newGitServer(t, false)
	r := s.repo(t, "app.git")
	id := r.commit("first", map[string]string{"a.yaml": strings.Repeat("1", 1000)})
	f, _ := newFetcher(t, Options{})
	req := Request{Key: "k", URL: r.url, Ref: Ref{Branch: "main"}}
	bodies := map[string]string{
		"nothing": "", "page": "<html>hello</html>", "short": "0008NAK", "no pack": "0008NAK\n0000",
		"error":     "0008NAK\n" + "0012\x03server says",
		"bad pack":  "0008NAK\n" + "0011\x01PACK12345678",
		"refs only": fmt.Sprintf("003f%s refs/heads/main\x00\n0000", id),
	}
	for name, body := range bodies {
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			s.setIntercept(func(w http.ResponseWriter, req *http.Request) bool {
				if req.Method == method {
					_, _ = w.Write([]byte(body)) // the client may have gone
				}
				return req.Method == method
			})
			err := failure(t, f, req)
			if err.Reason != ReasonGitOperationFailed && err.Reason != ReasonEmptyGitRepository {
				t.Errorf("%s, %s: %s, %v", name, method, err.Reason, err)
			}
		}
	}
	s.setIntercept(nil)
	fetch(t, f, req)
	if err := os.RemoveAll(f.dir); err != nil {
		t.Fatal(err)
	}
}
