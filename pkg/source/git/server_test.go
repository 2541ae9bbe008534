package git

import (
	"encoding/base64"
	"encoding/pem"
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/leat-dev/leat/pkg/artifact"
)

// gitServer serves the repositories below a directory by git http-backend.
type gitServer struct {
	*httptest.Server
	root string

	mu       sync.Mutex
	requests []string // method and path
	bytes    int64    // of the responses
	// authorize, if set, decides about requests by their Authorization header.
	authorize func(header string) int
	// intercept, if set, may answer a request itself.
	intercept func(w http.ResponseWriter, r *http.Request) bool
}

func newGitServer(t testing.TB, tls bool) *gitServer {
	t.Helper()
	s := &gitServer{root: t.TempDir()}
	if tls {
		s.Server = httptest.NewTLSServer(s)
	} else {
		s.Server = httptest.NewServer(s)
	}
	t.Cleanup(s.Close)
	return s
}

func (s *gitServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.requests = append(s.requests, r.Method+" "+r.URL.Path)
	authorize, intercept := s.authorize, s.intercept
	s.mu.Unlock()
	if intercept != nil && intercept(w, r) {
		return
	}
	if authorize != nil {
		if code := authorize(r.Header.Get("Authorization")); code != http.StatusOK {
			http.Error(w, "you sent "+r.Header.Get("Authorization"), code)
			return
		}
	}
	env := []string{"GIT_PROJECT_ROOT=" + s.root, "GIT_HTTP_EXPORT_ALL=1", "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null"}
	if p := r.Header.Get("Git-Protocol"); p != "" {
		env = append(env, "GIT_PROTOCOL="+p)
	}
	backend := &cgi.Handler{Path: "/usr/lib/git-core/git-http-backend", Env: env}
	backend.ServeHTTP(&countingWriter{w, s}, r)
}

type countingWriter struct {
	http.ResponseWriter
	s *gitServer
}

func (w *countingWriter) Write(p []byte) (int, error) {
	w.s.mu.Lock()
	w.s.bytes += int64(len(p))
	w.s.mu.Unlock()
	return w.ResponseWriter.Write(p)
}

// take returns the requests, and the bytes of the responses, since the last
// call.
func (s *gitServer) take() ([]string, int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	requests, bytes := s.requests, s.bytes
	s.requests, s.bytes = nil, 0
	return requests, bytes
}

func (s *gitServer) setAuthorize(f func(header string) int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.authorize = f
}

func (s *gitServer) setIntercept(f func(http.ResponseWriter, *http.Request) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.intercept = f
}

func basicAuth(user, password string) func(string) int {
	return func(header string) int {
		if header == "Basic "+base64.StdEncoding.EncodeToString([]byte(user+":"+password)) {
			return http.StatusOK
		}
		return http.StatusUnauthorized
	}
}

// ca returns the certificate of a TLS server.
func (s *gitServer) ca() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
}

// repo is a repository on a gitServer, and a work tree to commit to it.
type repo struct {
	t    testing.TB
	url  string
	bare string
	work string
}

func (s *gitServer) repo(t testing.TB, name string) *repo {
	t.Helper()
	r := &repo{t: t, url: s.URL + "/" + name, bare: filepath.Join(s.root, name), work: t.TempDir()}
	r.run(s.root, "init", "-q", "--bare", "-b", "main", r.bare)
	r.run(r.work, "init", "-q", "-b", "main", ".")
	r.git("remote", "add", "origin", r.bare)
	return r
}

func (r *repo) run(dir string, args ...string) string {
	r.t.Helper()
	cmd := exec.CommandContext(r.t.Context(), "git", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null",
		"GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@example.com", "GIT_COMMITTER_NAME=c", "GIT_COMMITTER_EMAIL=c@example.com",
		"GIT_AUTHOR_DATE=2026-11-20T12:00:00Z", "GIT_COMMITTER_DATE=2026-11-20T12:00:00Z")
	out, err := cmd.CombinedOutput()
	if err != nil {
		r.t.Fatalf("git %v: %v\n%s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

func (r *repo) git(args ...string) string {
	r.t.Helper()
	return r.run(r.work, args...)
}

// write writes a file of the work tree. A path that begins with "+" is of an
// executable file.
func (r *repo) write(path, content string) {
	r.t.Helper()
	mode := os.FileMode(0o644)
	if rest, ok := strings.CutPrefix(path, "+"); ok {
		path, mode = rest, 0o755
	}
	name := filepath.Join(r.work, path)
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		r.t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(content), mode); err != nil {
		r.t.Fatal(err)
	}
}

// commit commits files, pushes the current branch, and returns the commit's ID.
func (r *repo) commit(message string, files map[string]string) string {
	r.t.Helper()
	id := r.commitOnly(message, files)
	r.git("push", "-q", "-f", "origin", "HEAD")
	return id
}

func (r *repo) commitOnly(message string, files map[string]string) string {
	r.t.Helper()
	for path, content := range files {
		r.write(path, content)
	}
	r.git("add", "-A")
	r.git("commit", "-q", "--allow-empty", "-m", message)
	return r.git("rev-parse", "HEAD")
}

// files returns the content of all files of a tree by path; executable ones
// have a "+" before it.
func files(t testing.TB, s *artifact.Store, tree *artifact.Tree) map[string]string {
	t.Helper()
	found := map[string]string{}
	view := s.View(tree)
	for e := range tree.Files() {
		b, err := view.ReadFile(e.Path)
		if err != nil {
			t.Fatal(err)
		}
		path := e.Path
		if e.Executable {
			path = "+" + path
		}
		found[path] = string(b)
	}
	return found
}

func newFetcher(t testing.TB, o Options) (*Fetcher, *artifact.Store) {
	t.Helper()
	dir := t.TempDir()
	store, err := artifact.Open(filepath.Join(dir, "artifacts"), artifact.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	f, err := New(filepath.Join(dir, "git"), store, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.Close)
	return f, store
}

func fetch(t testing.TB, f *Fetcher, r Request) *Result {
	t.Helper()
	res, err := f.Fetch(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	return res
}

// again is the request after a success.
func again(r Request, res *Result) Request {
	r.LastRevision, r.LastIgnore, r.LastTree = res.Revision, r.Ignore, res.Tree.Digest()
	return r
}
