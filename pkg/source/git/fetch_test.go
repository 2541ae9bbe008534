package git

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestRefs(t *testing.T) {
	s := newGitServer(t, false)
	r := s.repo(t, "app.git")
	first := r.commit("first\n\nbody", map[string]string{"a.yaml": "1"})
	r.git("tag", "v1.0.0")
	second := r.commit("second", map[string]string{"a.yaml": "2"})
	r.git("tag", "-a", "-m", "annotated", "v1.2.0")
	third := r.commit("third", map[string]string{"a.yaml": "3"})
	r.git("tag", "v2.0.0-rc.1")
	r.git("tag", "other")
	r.git("tag", "v1.2")
	r.git("push", "-q", "--tags", "origin")
	r.git("update-ref", "refs/pull/1/head", second)
	r.git("push", "-q", "origin", "refs/pull/1/head")
	r.git("checkout", "-q", "-b", "feature/x", first)
	feature := r.commit("feature", map[string]string{"b.yaml": "f"})
	r.git("checkout", "-q", "-b", "master", first)
	master := r.commit("master", map[string]string{"c.yaml": "m"})

	tests := []struct {
		name     string
		ref      Ref
		revision string
		files    map[string]string
	}{
		{"branch", Ref{Branch: "main"}, "main@sha1:" + third, map[string]string{"a.yaml": "3"}},
		{"branch with a slash", Ref{Branch: "feature/x"}, "feature/x@sha1:" + feature, map[string]string{"a.yaml": "1", "b.yaml": "f"}},
		{"nothing", Ref{}, "master@sha1:" + master, map[string]string{"a.yaml": "1", "c.yaml": "m"}},
		{"tag", Ref{Tag: "v1.0.0"}, "v1.0.0@sha1:" + first, map[string]string{"a.yaml": "1"}},
		{"annotated tag", Ref{Tag: "v1.2.0"}, "v1.2.0@sha1:" + second, map[string]string{"a.yaml": "2"}},
		{"semver", Ref{SemVer: ">=1.0.0 <2.0.0"}, "v1.2.0@sha1:" + second, map[string]string{"a.yaml": "2"}},
		{"semver with prereleases", Ref{SemVer: ">=1.0.0-0"}, "v2.0.0-rc.1@sha1:" + third, map[string]string{"a.yaml": "3"}},
		{"name of a branch", Ref{Name: "refs/heads/main"}, "refs/heads/main@sha1:" + third, map[string]string{"a.yaml": "3"}},
		{"name of a tag", Ref{Name: "refs/tags/v1.2.0"}, "refs/tags/v1.2.0@sha1:" + second, map[string]string{"a.yaml": "2"}},
		{"name of a pull request", Ref{Name: "refs/pull/1/head"}, "refs/pull/1/head@sha1:" + second, map[string]string{"a.yaml": "2"}},
		{"commit", Ref{Commit: first}, "sha1:" + first, map[string]string{"a.yaml": "1"}},
		{"commit that is a tip", Ref{Commit: feature}, "sha1:" + feature, map[string]string{"a.yaml": "1", "b.yaml": "f"}},
		{"commit on a branch", Ref{Branch: "main", Commit: first}, "main@sha1:" + first, map[string]string{"a.yaml": "1"}},
		{"commit that is a branch's tip", Ref{Branch: "main", Commit: third}, "main@sha1:" + third, map[string]string{"a.yaml": "3"}},
		{"precedence: commit", Ref{Commit: first, Name: "refs/heads/main", SemVer: "*", Tag: "v1.2.0"}, "sha1:" + first, map[string]string{"a.yaml": "1"}},
		{"precedence: name", Ref{Name: "refs/heads/main", SemVer: "*", Tag: "v1.0.0", Branch: "master"}, "refs/heads/main@sha1:" + third, map[string]string{"a.yaml": "3"}},
		{"precedence: semver", Ref{SemVer: "1.0.0", Tag: "v1.2.0", Branch: "master"}, "v1.0.0@sha1:" + first, map[string]string{"a.yaml": "1"}},
		{"precedence: tag", Ref{Tag: "v1.0.0", Branch: "master"}, "v1.0.0@sha1:" + first, map[string]string{"a.yaml": "1"}},
	}
	shared, sharedStore := newFetcher(t, Options{})
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f, store := newFetcher(t, Options{})
			for range 2 { // from nothing, and with the copy there
				res := fetch(t, f, Request{Key: "k", URL: r.url, Ref: tt.ref})
				if res.Revision != tt.revision || !strings.HasSuffix(tt.revision, ":"+res.Commit) || res.Unchanged {
					t.Errorf("Fetch() = %+v, want revision %s", res, tt.revision)
				}
				if diff := cmp.Diff(tt.files, files(t, store, res.Tree)); diff != "" {
					t.Errorf("files (-want +got):\n%s", diff)
				}
			}
			// One copy for all, in the order of the table.
			res := fetch(t, shared, Request{Key: "k", URL: r.url, Ref: tt.ref})
			if diff := cmp.Diff(tt.files, files(t, sharedStore, res.Tree)); res.Revision != tt.revision || diff != "" {
				t.Errorf("with a shared copy: revision %s, files (-want +got):\n%s", res.Revision, diff)
			}
		})
	}
	if got := fetch(t, shared, Request{Key: "k", URL: r.url, Ref: Ref{Tag: "v1.0.0"}}).Subject; got != "first" {
		t.Errorf("subject %q, want the first line only", got)
	}
}

func TestIncremental(t *testing.T) {
	s := newGitServer(t, false)
	r := s.repo(t, "app.git")
	content := map[string]string{}
	for i := range 200 {
		content[fmt.Sprintf("dir%d/file%d.yaml", i%20, i)] = strings.Repeat(fmt.Sprintf("%x", i*7919), 500)
	}
	r.commit("first", content)
	f, store := newFetcher(t, Options{})
	req := Request{Key: "k", URL: r.url, Ref: Ref{Branch: "main"}}
	res := fetch(t, f, req)
	_, clone := s.take()
	for i := range 5 {
		content["dir3/file3.yaml"] = fmt.Sprint("changed ", i)
		id := r.commit("change", content)
		s.take()
		res = fetch(t, f, again(req, res))
		requests, bytes := s.take()
		if res.Commit != id || res.Unchanged {
			t.Fatalf("Fetch() = %+v, want commit %s", res, id)
		}
		if diff := cmp.Diff(content, files(t, store, res.Tree)); diff != "" {
			t.Fatalf("files (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff([]string{"GET /app.git/info/refs", "POST /app.git/git-upload-pack"}, requests); diff != "" {
			t.Errorf("requests (-want +got):\n%s", diff)
		}
		if bytes > clone/4 || bytes > 8192 {
			t.Errorf("an update of one file takes %d bytes, the clone took %d", bytes, clone)
		}
	}
}

func TestUnchanged(t *testing.T) {
	s := newGitServer(t, false)
	r := s.repo(t, "app.git")
	id := r.commit("first", map[string]string{"a.yaml": "1", "a.jpg": "j"})
	f, store := newFetcher(t, Options{})
	req := Request{Key: "k", URL: r.url, Ref: Ref{Branch: "main"}}
	res := fetch(t, f, req)
	s.take()

	next := fetch(t, f, again(req, res))
	if requests, _ := s.take(); len(requests) != 1 || !next.Unchanged || next.Tree.Digest() != res.Tree.Digest() || next.Revision != res.Revision {
		t.Errorf("unchanged: %d requests, result %+v", len(requests), next)
	}

	// Other rules make another tree of the same commit, from the copy.
	rules := "*.yaml"
	changed := req
	changed.Ignore = &rules
	changed.LastRevision, changed.LastTree = res.Revision, res.Tree.Digest()
	next = fetch(t, f, changed)
	if requests, _ := s.take(); len(requests) != 1 || next.Unchanged {
		t.Errorf("other ignore rules: requests %v, result %+v", requests, next)
	}
	if diff := cmp.Diff(map[string]string{"a.jpg": "j"}, files(t, store, next.Tree)); diff != "" {
		t.Errorf("files with other rules (-want +got):\n%s", diff)
	}

	// A tree that the store does not have is made again.
	lost := again(req, res)
	lost.LastTree = "sha256:" + res.Tree.Digest()[8:16] + res.Tree.Digest()[7:63]
	if next = fetch(t, f, lost); next.Unchanged {
		t.Error("unchanged though the store does not have the tree")
	}
	s.take()

	// A pinned commit that is there needs no request at all.
	pinned := Request{Key: "k", URL: r.url, Ref: Ref{Commit: id}}
	res = fetch(t, f, pinned)
	next = fetch(t, f, again(pinned, res))
	if requests, _ := s.take(); len(requests) != 0 || !next.Unchanged {
		t.Errorf("pinned commit: requests %v, result %+v", requests, next)
	}
}
