package git

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/leat-dev/leat/pkg/artifact"
	"github.com/leat-dev/leat/pkg/source/ignore"
)

func TestWalk(t *testing.T) {
	spec := func(s string) *string { return &s }
	content := map[string]string{
		"a.yaml": "1", "+run.sh": "#!/bin/sh", "empty": "", "picture.jpg": "j", "deploy/app/b.yaml": "2", "deploy/app/read.md": "r",
		".github/workflows/ci.yaml": "c", ".gitignore": "x", "über/straße.yaml": "u", "with space/a b.yaml": "s", `dev-disk\x2d.mount`: "m",
	}
	without := func(paths ...string) map[string]string {
		left := map[string]string{}
		for p, c := range content {
			left[p] = c
		}
		for _, p := range paths {
			delete(left, p)
		}
		return left
	}
	tests := []struct {
		name   string
		more   map[string]string
		ignore *string
		want   map[string]string
	}{
		{"defaults", nil, nil, without("picture.jpg", ".github/workflows/ci.yaml", ".gitignore")},
		{"spec.ignore", nil, spec("/*\n!/deploy\n*.md"), map[string]string{"deploy/app/b.yaml": "2"}},
		{"everything", nil, spec("*"), map[string]string{}},
		{
			"nested file", map[string]string{"deploy/.sourceignore": "*.md\n"}, nil,
			map[string]string{"deploy/.sourceignore": "*.md\n"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newGitServer(t, false)
			r := s.repo(t, "app.git")
			for p, c := range content {
				r.write(p, c)
			}
			r.commit("first", tt.more)
			if tt.name == "nested file" {
				for p, c := range without(".gitignore", "deploy/app/read.md") {
					tt.want[p] = c
				}
			}
			f, store := newFetcher(t, Options{})
			for range 2 {
				res := fetch(t, f, Request{Key: "k", URL: r.url, Ref: Ref{Branch: "main"}, Ignore: tt.ignore})
				if diff := cmp.Diff(tt.want, files(t, store, res.Tree)); diff != "" {
					t.Errorf("files (-want +got):\n%s", diff)
				}
			}
		})
	}
}

// With and without what is remembered, a sequence of commits gives the same.
func TestMemo(t *testing.T) {
	s := newGitServer(t, false)
	r := s.repo(t, "app.git")
	steps := []map[string]string{
		{"a/x.yaml": "1", "b/x.yaml": "1", "c/d/e.yaml": "1", "z.jpg": "j"},
		{"c/d/e.yaml": "2"},
		{"a/.sourceignore": "x.yaml\n"}, // ends the defaults: z.jpg appears
		{"a/.sourceignore": "# none\n"}, // and disappears
		{"b/x.yaml": "3", "c/.sourceignore": "/d\n"},
		{"d/x.yaml": "1"},
	}
	f, store := newFetcher(t, Options{})
	fresh, _ := newFetcher(t, Options{})
	small, smallStore := newFetcher(t, Options{MemoEntries: 3})
	for i, change := range steps {
		r.commit("step", change)
		req := Request{Key: "k", URL: r.url, Ref: Ref{Branch: "main"}}
		fresh.memo.Clear()
		want := fetch(t, fresh, req)
		if got := fetch(t, f, req); got.Tree.Digest() != want.Tree.Digest() {
			t.Errorf("step %d: files with memo %v", i, files(t, store, got.Tree))
		}
		if got := fetch(t, small, req); got.Tree.Digest() != want.Tree.Digest() {
			t.Errorf("step %d: files with a small memo %v", i, files(t, smallStore, got.Tree))
		}
	}
	// What was collected from the store is read again.
	want := fetch(t, f, Request{Key: "k", URL: r.url, Ref: Ref{Branch: "main"}}).Tree.Digest()
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	empty, err := artifact.Open(filepath.Join(dir, "artifacts"), artifact.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer empty.Close()
	f.store = empty
	if got := fetch(t, f, Request{Key: "k", URL: r.url, Ref: Ref{Branch: "main"}}); got.Tree.Digest() != want {
		t.Errorf("from an empty store: %v", files(t, empty, got.Tree))
	}
}

// treeEntry is an entry of a tree that git would not make.
type treeEntry struct{ mode, name, id string }

// object writes an object as it is.
func (r *repo) object(kind string, content []byte) string {
	r.t.Helper()
	cmd := exec.CommandContext(r.t.Context(), "git", "hash-object", "-t", kind, "-w", "--stdin", "--literally")
	cmd.Dir = r.bare
	cmd.Stdin = bytes.NewReader(content)
	out, err := cmd.Output()
	if err != nil {
		r.t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

func (r *repo) tree(entries ...treeEntry) string {
	r.t.Helper()
	var b bytes.Buffer
	for _, e := range entries {
		id, err := hex.DecodeString(e.id)
		if err != nil {
			r.t.Fatal(err)
		}
		fmt.Fprintf(&b, "%s %s\x00%s", e.mode, e.name, id)
	}
	return r.object("tree", b.Bytes())
}

// commitTree makes a tree the content of the branch main.
func (r *repo) commitTree(tree string) {
	r.t.Helper()
	who := "a <a@example.com> 1 +0000"
	id := r.object("commit", fmt.Appendf(nil, "tree %s\nauthor %s\ncommitter %s\n\nhostile\n", tree, who, who))
	r.run(r.bare, "update-ref", "refs/heads/main", id)
}

func TestHostileTrees(t *testing.T) {
	const missing = "1212121212121212121212121212121212121212"
	file := func(r *repo) string { return r.object("blob", []byte("content")) }
	inDir := func(name string) func(*repo) string {
		return func(r *repo) string {
			return r.tree(treeEntry{"40000", name, r.tree(treeEntry{"100644", "f", file(r)})})
		}
	}
	named := func(name string) func(*repo) string {
		return func(r *repo) string { return r.tree(treeEntry{"100644", name, file(r)}) }
	}
	tests := []struct {
		name string
		tree func(*repo) string
		want string // of the error
	}{
		{"file ..", named(".."), "Git allows"},
		{"file .", named("."), "Git allows"},
		{"file with a slash", named("../../etc/passwd"), "Git allows"},
		{"file .git", named(".git"), "Git's own"},
		{"directory .GIT", inDir(".GIT"), "Git's own"},
		{"directory ..", inDir(".."), "Git allows"},
		{"directory . of nothing", func(r *repo) string { return r.tree(treeEntry{"40000", ".", r.tree()}) }, "Git allows"},
		{"backslashes", named(`..\..\x`), "backslashes"},
		{"long name", named(strings.Repeat("n", 300)), "255"},
		{"twice", func(r *repo) string {
			return r.tree(treeEntry{"100644", "a", file(r)}, treeEntry{"100644", "a", file(r)})
		}, "twice"},
		{"file and directory", func(r *repo) string {
			return r.tree(treeEntry{"100644", "a", file(r)}, treeEntry{"40000", "a", r.tree(treeEntry{"100644", "f", file(r)})})
		}, "twice"},
		{"deep", func(r *repo) string {
			tree := r.tree(treeEntry{"100644", "f", file(r)})
			for range 100 {
				tree = r.tree(treeEntry{"40000", "d", tree})
			}
			return tree
		}, "limit on path depth"},
		{"bomb of files", func(r *repo) string {
			tree := r.tree(treeEntry{"100644", "f", file(r)})
			for range 12 {
				var entries []treeEntry
				for i := range 10 {
					entries = append(entries, treeEntry{"40000", fmt.Sprint("d", i), tree})
				}
				tree = r.tree(entries...)
			}
			return tree
		}, "limit on files in a tree"},
		{"bomb of directories", func(r *repo) string {
			tree := r.tree()
			for range 12 {
				var entries []treeEntry
				for i := range 10 {
					entries = append(entries, treeEntry{"40000", fmt.Sprint("d", i), tree})
				}
				tree = r.tree(entries...)
			}
			return tree
		}, "limit on entries in a Git tree"},
		{"bomb of rules", func(r *repo) string {
			tree := r.tree(treeEntry{"100644", ignore.FileName, file(r)})
			for range 12 {
				var entries []treeEntry
				for i := range 10 {
					entries = append(entries, treeEntry{"40000", fmt.Sprint("d", i), tree})
				}
				tree = r.tree(entries...)
			}
			return tree
		}, "files called .sourceignore"},
		{"missing file", func(r *repo) string {
			r.run(r.bare, "config", "uploadpack.allowFilter", "true")
			return r.tree(treeEntry{"100644", "a", missing})
		}, ""},
		{"tree that is none", func(r *repo) string { return r.object("tree", []byte("what")) }, ""},
		{"tree that is a blob", func(r *repo) string { return r.tree(treeEntry{"40000", "d", file(r)}) }, ""},
		{"file that is a tree", func(r *repo) string { return r.tree(treeEntry{"100644", "d", r.tree()}) }, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newGitServer(t, false)
			r := s.repo(t, "app.git")
			r.commitTree(tt.tree(r))
			f, _ := newFetcher(t, Options{})
			f.store = smallStore(t)
			err := failure(t, f, Request{Key: "k", URL: r.url, Ref: Ref{Branch: "main"}})
			if !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Fetch() = %v, want %q", err, tt.want)
			}
		})
	}
}

// smallStore is a store with limits that a test can exceed in little time.
func smallStore(t *testing.T) *artifact.Store {
	t.Helper()
	store, err := artifact.Open(t.TempDir(), artifact.Options{Limits: artifact.Limits{Files: 1000}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	return store
}

// Links and submodules are left out; odd modes and names that are only odd are
// not in the way.
func TestLeftOut(t *testing.T) {
	s := newGitServer(t, false)
	r := s.repo(t, "app.git")
	content := r.object("blob", []byte("content"))
	link := r.object("blob", []byte("/etc/passwd"))
	r.commitTree(r.tree(
		treeEntry{"100664", "a", content},
		treeEntry{"100755", "b", content},
		treeEntry{"120000", "link", link},
		treeEntry{"120000", ignore.FileName, link},
		treeEntry{"160000", "module", "1212121212121212121212121212121212121212"},
		treeEntry{"100644", "not\xffutf8", content},
		treeEntry{"40000", "of-nothing", r.tree()},
	))
	f, store := newFetcher(t, Options{})
	res := fetch(t, f, Request{Key: "k", URL: r.url, Ref: Ref{Branch: "main"}})
	if diff := cmp.Diff(map[string]string{"a": "content", "+b": "content", "not\xffutf8": "content"}, files(t, store, res.Tree)); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
}

func TestStoreLimits(t *testing.T) {
	s := newGitServer(t, false)
	r := s.repo(t, "app.git")
	r.commit("first", map[string]string{"a.yaml": strings.Repeat("a", 5000), "b.yaml": strings.Repeat("b", 5000)})
	for _, tt := range []struct {
		limits artifact.Limits
		want   string
	}{
		{artifact.Limits{FileSize: 4000}, `"a.yaml" exceeds the limit on file size, which is 4000`},
		{artifact.Limits{TotalSize: 6000}, "limit on bytes in a tree, which is 6000"},
		{artifact.Limits{Files: 1}, "limit on files in a tree, which is 1"},
	} {
		store, err := artifact.Open(t.TempDir(), artifact.Options{Limits: tt.limits})
		if err != nil {
			t.Fatal(err)
		}
		f, _ := newFetcher(t, Options{})
		f.store = store
		got := failure(t, f, Request{Key: "k", URL: r.url, Ref: Ref{Branch: "main"}})
		if !strings.Contains(got.Error(), tt.want) || got.Terminal {
			t.Errorf("Fetch() = %v, want %q", got, tt.want)
		}
		if err := store.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestCanceledWalk(t *testing.T) {
	s := newGitServer(t, false)
	r := s.repo(t, "app.git")
	r.commit("first", map[string]string{"a.yaml": "1"})
	f, _ := newFetcher(t, Options{})
	fetch(t, f, Request{Key: "k", URL: r.url, Ref: Ref{Branch: "main"}})
	f.memo.Clear()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := f.Fetch(ctx, Request{Key: "k", URL: r.url, Ref: Ref{Commit: r.git("rev-parse", "HEAD")}}); !errors.Is(err, context.Canceled) {
		t.Errorf("Fetch() = %v", err)
	}
}
