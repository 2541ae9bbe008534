package git

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/google/go-cmp/cmp"
)

// What a person calls a commit is found in one order, and looking at it leaves
// the next regular fetch as it was.
func TestAny(t *testing.T) {
	s := newGitServer(t, false)
	r := s.repo(t, "app.git")
	r.run(r.bare, "config", "uploadpack.allowReachableSHA1InWant", "true")
	old := r.commit("old", map[string]string{"a.yaml": "0"})
	first := r.commit("first", map[string]string{"a.yaml": "1"})
	r.git("tag", "v1")
	r.git("tag", "-a", "-m", "annotated", "v2")
	r.git("push", "-q", "--tags", "origin")
	annotated := r.git("rev-parse", "v2")

	f, store := newFetcher(t, Options{})
	regular := Request{Key: "k", URL: r.url, Ref: Ref{Branch: "main"}}
	regular = again(regular, fetch(t, f, regular))

	// All of this comes after the fetch.
	r.git("checkout", "-q", "-b", "feature/x")
	feature := r.commit("feature", map[string]string{"b.yaml": "f"})
	pull := r.commitOnly("pull", map[string]string{"p.yaml": "p"})
	r.git("push", "-q", "origin", "HEAD:refs/pull/1/head")
	hidden := r.commitOnly("hidden", map[string]string{"h.yaml": "h"})
	last := r.commitOnly("last", map[string]string{"l.yaml": "l"})
	r.git("push", "-q", "origin", "HEAD:refs/heads/v1") // also the name of a tag
	r.git("push", "-q", "origin", first+":refs/heads/"+strings.Repeat("a", 40))
	a1 := map[string]string{"a.yaml": "1"}
	withFeature := map[string]string{"a.yaml": "1", "b.yaml": "f"}
	withPull := map[string]string{"a.yaml": "1", "b.yaml": "f", "p.yaml": "p"}
	withHidden := map[string]string{"a.yaml": "1", "b.yaml": "f", "p.yaml": "p", "h.yaml": "h"}

	for _, tt := range []struct {
		name, any, revision string
		files               map[string]string
	}{
		{"branch", "feature/x", "feature/x@sha1:" + feature, withFeature},
		{"the branch of the spec", "main", "main@sha1:" + first, a1},
		{"annotated tag", "v2", "v2@sha1:" + first, a1},
		{"branch before tag", "v1", "v1@sha1:" + last, nil},
		{"full name of the tag", "refs/tags/v1", "refs/tags/v1@sha1:" + first, a1},
		{"full name of a pull request", "refs/pull/1/head", "refs/pull/1/head@sha1:" + pull, withPull},
		{"HEAD", "HEAD", "HEAD@sha1:" + first, a1},
		{"commit that is a tip", feature, "sha1:" + feature, withFeature},
		{"commit that is no tip", hidden, "sha1:" + hidden, withHidden},
		{"commit in capitals", strings.ToUpper(hidden), "sha1:" + hidden, withHidden},
		{"abbreviated tip", pull[:7], "sha1:" + pull, withPull},
		{"abbreviated, in the copy only", hidden[:10], "sha1:" + hidden, withHidden},
		{"an annotated tag's own id", annotated, "sha1:" + first, a1},
		{"a branch that looks like a commit", strings.Repeat("a", 40), strings.Repeat("a", 40) + "@sha1:" + first, a1},
		{"commit of before", old, "sha1:" + old, map[string]string{"a.yaml": "0"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			res := fetch(t, f, Request{Key: "k", URL: r.url, Ref: Ref{Any: tt.any, Commit: "ignored", Tag: "ignored"}})
			if res.Revision != tt.revision {
				t.Errorf("revision %s, want %s", res.Revision, tt.revision)
			}
			if tt.files != nil {
				if diff := cmp.Diff(tt.files, files(t, store, res.Tree)); diff != "" {
					t.Errorf("files (-want +got):\n%s", diff)
				}
			}
			s.take()
			if res := fetch(t, f, regular); !res.Unchanged || res.Revision != "main@sha1:"+first {
				t.Errorf("the next regular fetch: %+v", res)
			}
			if requests, _ := s.take(); len(requests) != 1 {
				t.Errorf("the next regular fetch sent %v, want a listing", requests)
			}
		})
	}
	// A push after all that is still fetched as a difference.
	r.git("checkout", "-q", "main")
	next := r.commit("next", map[string]string{"a.yaml": "2"})
	if res := fetch(t, f, regular); res.Unchanged || res.Commit != next {
		t.Errorf("after a push: %+v", res)
	}
}

// A spec's rules about what is left out hold for what is looked at too.
func TestAnyIsIgnoredAlike(t *testing.T) {
	s := newGitServer(t, false)
	r := s.repo(t, "app.git")
	r.commit("first", map[string]string{"a.yaml": "1", "b.txt": "b", ".sourceignore": "*.txt\n"})
	f, store := newFetcher(t, Options{})
	rules := "!b.txt\n.sourceignore\na.yaml\n"
	res := fetch(t, f, Request{Key: "k", URL: r.url, Ref: Ref{Any: "main"}, Ignore: &rules})
	if diff := cmp.Diff(map[string]string{"b.txt": "b"}, files(t, store, res.Tree)); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
}

func TestAnyNotFound(t *testing.T) {
	s := newGitServer(t, false)
	s.setAuthorize(basicAuth("git", "hunter22"))
	r := s.repo(t, "app.git")
	r.commitOnly("first", map[string]string{"a.yaml": "1"})
	second := r.commitOnly("second", map[string]string{"a.yaml": "2"})
	r.commit("third", map[string]string{"a.yaml": "3"})
	f, _ := newFetcher(t, Options{})
	request := func(name string) Request {
		return Request{Key: "k", URL: r.url, Auth: &Auth{Username: "git", Password: "hunter22"}, Ref: Ref{Any: name}}
	}
	fetch(t, f, request("main"))
	for _, name := range []string{
		"missing", "refs/heads/missing", "refs/tags/main", "heads/main", "--upload-pack=touch /tmp/x", "-q", "main --all",
		"../../../etc/passwd", "refs/../main", "main\nother", "\x00", "main^{tree}", "main~1", "@", "*", "main:main",
		strings.Repeat("x", 5000), "refs/" + strings.Repeat("x", 5000), "abcdef", strings.Repeat("b", 40), strings.Repeat("b", 64),
		strings.Repeat("b", 12), second, // the server hands out tips only
		r.git("rev-parse", "HEAD^{tree}")[:12],
	} {
		err := failure(t, f, request(name))
		var missing *NotFoundError
		if !errors.As(err, &missing) {
			t.Errorf("%.50q: %v, want a NotFoundError", name, err)
			continue
		}
		if err.Reason != ReasonGitOperationFailed || len(err.Error()) > 1000 || strings.ContainsAny(missing.Error(), "\n\x00") {
			t.Errorf("%.50q: %s: %q", name, err.Reason, err)
		}
		for _, told := range []string{s.URL, "hunter22", "third"} {
			if strings.Contains(missing.Error(), told) {
				t.Errorf("%.50q: the error tells %q: %v", name, told, missing)
			}
		}
	}
	if requests, _ := s.take(); len(requests) > 60 {
		t.Errorf("%d requests: what is not there was looked for", len(requests))
	}
	// Of a tree's ID the server may know more than a commit's.
	r.run(r.bare, "config", "uploadpack.allowAnySHA1InWant", "true")
	if err := failure(t, f, request(r.git("rev-parse", "HEAD^{tree}"))); !strings.Contains(err.Error(), "not a commit") {
		t.Errorf("a tree's id: %v", err)
	}
}

func TestAnyAmbiguous(t *testing.T) {
	s := newGitServer(t, false)
	r := s.repo(t, "app.git")
	r.commit("first", map[string]string{"a.yaml": "1"})
	f, _ := newFetcher(t, Options{})
	fetch(t, f, Request{Key: "k", URL: r.url, Ref: Ref{Any: "main"}})
	// No two commits of a test begin with the same seven digits; the search is
	// asked for fewer.
	m, err := openMirror(f.mirrorDir("k"), r.url)
	if err != nil {
		t.Fatal(err)
	}
	defer m.close()
	id := r.git("rev-parse", "HEAD")
	found, err := m.beginning(id[:7])
	if err != nil || len(found) != 1 || found[0].String() != id {
		t.Errorf("beginning(%s) = %v, %v", id[:7], found, err)
	}
	all := 0
	for _, c := range "0123456789abcdef" {
		for _, d := range "0123456789abcdef" {
			list, err := m.beginning(string(c) + string(d))
			if err != nil {
				t.Fatal(err)
			}
			all += len(list)
		}
	}
	if all != 3 {
		t.Errorf("%d objects found by two digits, want commit, tree and blob", all)
	}
	a := &attempt{mirror: m, refs: &refs{}}
	if _, err := a.only(id[:2], []*target{{commit: [20]byte{1}}}); !errors.As(err, new(*AmbiguousError)) {
		t.Errorf("two commits: %v", err)
	}
}

// However much is looked at, a source goes on from where it was: its next push
// is still fetched as a difference.
func TestManyLooksCostTheSourceNothing(t *testing.T) {
	s := newGitServer(t, false)
	r := s.repo(t, "app.git")
	r.run(r.bare, "config", "uploadpack.allowReachableSHA1InWant", "true")
	large := map[string]string{}
	for i := range 50 {
		large[fmt.Sprintf("f%d.yaml", i)] = randomText(4 << 10)
	}
	first := r.commit("first", large)
	f, _ := newFetcher(t, Options{})
	regular := Request{Key: "k", URL: r.url, Ref: Ref{Branch: "main"}}
	regular = again(regular, fetch(t, f, regular))

	// Branches of other histories, which share nothing.
	for i := range maxTips + 8 {
		branch := fmt.Sprint("other-", i)
		r.git("checkout", "-q", "--orphan", branch)
		r.git("rm", "-q", "-rf", ".")
		r.commit("other", map[string]string{"x.yaml": fmt.Sprint(i)})
		fetch(t, f, Request{Key: "k", URL: r.url, Ref: Ref{Any: branch}})
	}
	m, err := openMirror(f.mirrorDir("k"), r.url)
	if err != nil {
		t.Fatal(err)
	}
	m.close()
	if tips := m.state.Tips; len(tips) > maxTips || !slices.Contains(hashes(tips), plumbing.NewHash(first)) {
		t.Errorf("of %d tips none is the source's own", len(tips))
	}
	r.git("checkout", "-q", "-f", "main")
	next := r.commit("next", map[string]string{"f0.yaml": "changed"})
	s.take()
	if res := fetch(t, f, regular); res.Commit != next {
		t.Errorf("fetched %s, want %s", res.Commit, next)
	}
	if _, n := s.take(); n > 20<<10 {
		t.Errorf("a push of one file took %d bytes: all of it was downloaded again", n)
	}
}
