package git

import (
	"strings"
	"testing"

	"github.com/leat-dev/leat/pkg/artifact"
)

// What breaks a limit is downloaded once, however often it is asked for, until
// it may be different.
func TestLimitsAreRemembered(t *testing.T) {
	const posts = "POST /app.git/git-upload-pack"
	downloads := func(s *gitServer) (n int) {
		requests, _ := s.take()
		for _, r := range requests {
			if r == posts {
				n++
			}
		}
		return n
	}
	tests := []struct {
		name   string
		limits Limits
		store  artifact.Limits
		ref    func(commit string) Ref
		want   string
	}{
		{name: "pack", limits: Limits{PackSize: 4096}, want: "pack is larger"},
		{name: "objects", limits: Limits{Objects: 3}, want: "limit is 3"},
		{name: "object", limits: Limits{ObjectSize: 1 << 15}, want: "limit is 32768"},
		{name: "object of a commit", limits: Limits{ObjectSize: 1 << 15}, ref: func(c string) Ref { return Ref{Commit: c} }, want: "limit is 32768"},
		{name: "object of a commit on a branch", limits: Limits{ObjectSize: 1 << 15}, ref: func(c string) Ref { return Ref{Commit: c, Branch: "main"} }, want: "limit is 32768"},
		{name: "file", store: artifact.Limits{FileSize: 1 << 15}, want: "limit on file size"},
		{name: "depth", store: artifact.Limits{Depth: 3}, want: "limit on path depth"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newGitServer(t, false)
			r := s.repo(t, "app.git")
			r.run(r.bare, "config", "uploadpack.allowAnySHA1InWant", "true")
			commit := r.commit("large", map[string]string{"a": randomText(1 << 16), "b/c/d/e/f": "deep", "g": "1", "h": "2"})
			ref := Ref{Branch: "main"}
			if tt.ref != nil {
				r.commit("after it", map[string]string{"z": "1"})
				ref = tt.ref(commit)
			}
			f, _ := newFetcher(t, Options{Limits: tt.limits})
			store, err := artifact.Open(t.TempDir(), artifact.Options{Limits: tt.store})
			if err != nil {
				t.Fatal(err)
			}
			defer store.Close()
			f.store = store
			req := Request{Key: "k", URL: r.url, Ref: ref}
			first := failure(t, f, req)
			if !strings.Contains(first.Error(), tt.want) || downloads(s) != 1 {
				t.Fatalf("Fetch() = %v, want %q after one download", first, tt.want)
			}
			for range 3 {
				if err := failure(t, f, req); err.Error() != first.Error() || err.Terminal {
					t.Errorf("asked for again: %v, terminal %v", err, err.Terminal)
				}
			}
			if n := downloads(s); n != 0 {
				t.Errorf("downloaded %d times more", n)
			}
			if tt.ref != nil {
				return
			}
			// Another commit is another matter.
			r.git("checkout", "-q", "--orphan", "fresh")
			r.git("rm", "-q", "-r", "-f", ".")
			r.commitOnly("small", map[string]string{"s": "1"})
			r.git("push", "-q", "-f", "origin", "HEAD:main")
			fetch(t, f, req)
		})
	}
}

// Rules that leave out what is too large are tried.
func TestLimitIsForgottenWithOtherRules(t *testing.T) {
	s := newGitServer(t, false)
	r := s.repo(t, "app.git")
	r.commit("large", map[string]string{"a": randomText(1 << 16), "b": "1"})
	f, _ := newFetcher(t, Options{})
	store, err := artifact.Open(t.TempDir(), artifact.Options{Limits: artifact.Limits{FileSize: 1 << 15}})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	f.store = store
	req := Request{Key: "k", URL: r.url, Ref: Ref{Branch: "main"}}
	failure(t, f, req)
	ignored := "/a\n"
	req.Ignore = &ignored
	if got := files(t, store, fetch(t, f, req).Tree); len(got) != 1 || got["b"] != "1" {
		t.Errorf("files %v", got)
	}
}

// What may pass is tried again.
func TestOtherFailuresAreNotRemembered(t *testing.T) {
	s := newGitServer(t, false)
	r := s.repo(t, "app.git")
	r.commit("first", map[string]string{"a": "1"})
	s.setAuthorize(basicAuth("u", "p"))
	f, _ := newFetcher(t, Options{})
	req := Request{Key: "k", URL: r.url, Ref: Ref{Branch: "main"}}
	failure(t, f, req)
	s.setAuthorize(nil)
	fetch(t, f, req)
}

// randomText does not compress well, and is the same each time.
func randomText(n int) string {
	var b strings.Builder
	for x := uint32(1); b.Len() < n; {
		x ^= x << 13
		x ^= x >> 17
		x ^= x << 5
		b.WriteByte(byte(x%94) + 33)
	}
	return b.String()
}
