package git

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A merge of a branch that began before the copy did is as small an update as
// any: the history that it brings in is not fetched.
func TestMergeOfOldBranch(t *testing.T) {
	s := newGitServer(t, false)
	r := s.repo(t, "app.git")
	base := r.commit("base", map[string]string{"a.yaml": "1"})
	for i := range 30 {
		r.commitOnly("more", map[string]string{"big.yaml": strings.Repeat(fmt.Sprint("line ", i*i, " of text\n"), 400), "a.yaml": fmt.Sprint(i)})
	}
	r.git("push", "-q", "origin", "main")
	f, store := newFetcher(t, Options{})
	req := Request{Key: "k", URL: r.url, Ref: Ref{Branch: "main"}}
	res := fetch(t, f, req)
	r.git("checkout", "-q", "-b", "old", base)
	r.commit("old", map[string]string{"old.yaml": "o"})
	r.git("checkout", "-q", "main")
	r.git("merge", "-q", "-m", "merge", "old")
	r.commit("after", nil)
	s.take()
	res = fetch(t, f, again(req, res))
	if _, bytes := s.take(); bytes > 4096 {
		t.Errorf("fetching a merge takes %d bytes", bytes)
	}
	if got := files(t, store, res.Tree); got["old.yaml"] != "o" || got["a.yaml"] != "29" {
		t.Errorf("files %v", got)
	}
}

func TestForcePushAndDeletedBranch(t *testing.T) {
	s := newGitServer(t, false)
	r := s.repo(t, "app.git")
	first := r.commit("first", map[string]string{"a.yaml": "1"})
	r.commit("second", map[string]string{"a.yaml": "2", "b.yaml": "2"})
	f, store := newFetcher(t, Options{})
	req := Request{Key: "k", URL: r.url, Ref: Ref{Branch: "main"}}
	res := fetch(t, f, req)

	r.git("reset", "-q", "--hard", first)
	rewritten := r.commit("rewritten", map[string]string{"c.yaml": "3"})
	res = fetch(t, f, again(req, res))
	want := map[string]string{"a.yaml": "1", "c.yaml": "3"}
	if diff := cmp.Diff(want, files(t, store, res.Tree)); diff != "" || res.Commit != rewritten {
		t.Errorf("after a force-push: %+v, files (-want +got):\n%s", res, diff)
	}

	// Also when the server does not know any more what was there.
	r.git("checkout", "-q", "--orphan", "fresh")
	r.git("rm", "-q", "-rf", ".")
	r.write("d.yaml", "4")
	r.git("add", "-A")
	r.git("commit", "-q", "-m", "orphan")
	r.git("push", "-q", "-f", "origin", "HEAD:main")
	r.run(r.bare, "reflog", "expire", "--expire=now", "--all")
	r.run(r.bare, "gc", "-q", "--prune=now")
	res = fetch(t, f, again(req, res))
	if diff := cmp.Diff(map[string]string{"d.yaml": "4"}, files(t, store, res.Tree)); diff != "" {
		t.Errorf("after history was thrown away, files (-want +got):\n%s", diff)
	}

	r.run(r.bare, "update-ref", "-d", "refs/heads/main")
	r.run(r.bare, "update-ref", "refs/heads/other", r.git("rev-parse", "HEAD"))
	if err := failure(t, f, again(req, res)); err.Reason != ReasonGitOperationFailed || !strings.Contains(err.Error(), `branch "main" not found`) {
		t.Errorf("deleted branch: %s, %v", err.Reason, err)
	}
}

// A damaged copy is thrown away and made again.
func TestDamagedCopy(t *testing.T) {
	glob := func(pattern string, f func(name string) error) func(dir string) error {
		return func(dir string) error {
			names, err := filepath.Glob(filepath.Join(dir, pattern))
			if err == nil && len(names) == 0 {
				err = fmt.Errorf("nothing matches %s", pattern)
			}
			for _, name := range names {
				if err == nil {
					err = f(name)
				}
			}
			return err
		}
	}
	truncate := func(name string) error { return os.Truncate(name, 40) }
	garble := func(name string) error {
		b, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		for i := 12; i < len(b)-20; i++ {
			b[i] ^= 0x5a
		}
		return os.WriteFile(name, b, 0o600)
	}
	tests := map[string]func(dir string) error{
		"pack truncated":  glob("objects/pack/*.pack", truncate),
		"pack garbled":    glob("objects/pack/*.pack", garble),
		"pack gone":       glob("objects/pack/*.pack", os.Remove),
		"index truncated": glob("objects/pack/*.idx", truncate),
		"index garbled":   glob("objects/pack/*.idx", garble),
		"index gone":      glob("objects/pack/*.idx", os.Remove),
		"all packs gone":  glob("objects", os.RemoveAll),
		"state garbled":   glob("state.json", garble),
		"state gone":      glob("state.json", os.Remove),
		"all gone":        os.RemoveAll,
	}
	for name, damage := range tests {
		t.Run(name, func(t *testing.T) {
			s := newGitServer(t, false)
			r := s.repo(t, "app.git")
			r.commit("first", map[string]string{"a.yaml": "1", "dir/b.yaml": "2"})
			f, store := newFetcher(t, Options{})
			req := Request{Key: "k", URL: r.url, Ref: Ref{Branch: "main"}}
			fetch(t, f, req)
			for _, change := range []bool{false, true} {
				want := map[string]string{"a.yaml": "1", "dir/b.yaml": "2"}
				if change {
					want["a.yaml"] = "3"
					r.commit("second", want)
				}
				if err := damage(f.mirrorDir("k")); err != nil {
					t.Fatal(err)
				}
				f.memo.Clear() // it would spare reading the copy
				res := fetch(t, f, req)
				if diff := cmp.Diff(want, files(t, store, res.Tree)); diff != "" {
					t.Errorf("files (-want +got):\n%s", diff)
				}
			}
		})
	}
}

func TestReclone(t *testing.T) {
	s := newGitServer(t, false)
	r := s.repo(t, "app.git")
	f, store := newFetcher(t, Options{RecloneAfter: 3})
	req := Request{Key: "k", URL: r.url, Ref: Ref{Branch: "main"}}
	for i := range 8 {
		want := map[string]string{"a.yaml": fmt.Sprint(i), "b.yaml": "same"}
		r.commit("next", want)
		res := fetch(t, f, req)
		if diff := cmp.Diff(want, files(t, store, res.Tree)); diff != "" {
			t.Errorf("files (-want +got):\n%s", diff)
		}
		packs, err := filepath.Glob(filepath.Join(f.mirrorDir("k"), "objects", "pack", "*.pack"))
		if err != nil || len(packs) != i%3+1 {
			t.Errorf("after %d fetches there are %d packs, %v", i+1, len(packs), err)
		}
	}
}

func TestForgetAndMove(t *testing.T) {
	s := newGitServer(t, false)
	a, b := s.repo(t, "a.git"), s.repo(t, "b.git")
	a.commit("a", map[string]string{"a.yaml": "1"})
	b.commit("b", map[string]string{"b.yaml": "1"})
	f, store := newFetcher(t, Options{})
	res := fetch(t, f, Request{Key: "k", URL: a.url, Ref: Ref{Branch: "main"}})
	res = fetch(t, f, again(Request{Key: "k", URL: b.url, Ref: Ref{Branch: "main"}}, res))
	if diff := cmp.Diff(map[string]string{"b.yaml": "1"}, files(t, store, res.Tree)); diff != "" {
		t.Errorf("after the URL changed, files (-want +got):\n%s", diff)
	}
	for range 2 {
		if err := f.Forget("k"); err != nil {
			t.Fatal(err)
		}
	}
	if left, err := os.ReadDir(f.dir); err != nil || len(left) != 0 {
		t.Errorf("after Forget: %v, %v", left, err)
	}
}

// Requests for one repository take turns, for others they do not wait, and no
// more clones run at once than allowed.
func TestConcurrency(t *testing.T) {
	s := newGitServer(t, false)
	var running, most atomic.Int32
	s.setIntercept(func(_ http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodPost {
			n := running.Add(1)
			for old := most.Load(); n > old && !most.CompareAndSwap(old, n); old = most.Load() {
			}
			context.AfterFunc(r.Context(), func() { running.Add(-1) }) // when it is answered
		}
		return false
	})
	f, store := newFetcher(t, Options{ConcurrentClones: 2})
	const repos = 5
	var urls, ids []string
	for i := range repos {
		r := s.repo(t, fmt.Sprintf("app%d.git", i))
		ids = append(ids, r.commit("first", map[string]string{"a.yaml": fmt.Sprint(i), "same.yaml": "same"}))
		urls = append(urls, r.url)
	}
	var wait sync.WaitGroup
	for i := range 4 * repos {
		wait.Go(func() {
			res, err := f.Fetch(t.Context(), Request{Key: fmt.Sprint(i % repos), URL: urls[i%repos], Ref: Ref{Branch: "main"}})
			if err != nil {
				t.Error(err)
				return
			}
			got, err := store.View(res.Tree).ReadFile("a.yaml")
			if err != nil || string(got) != fmt.Sprint(i%repos) || res.Commit != ids[i%repos] {
				t.Errorf("repository %d: %+v, %q, %v", i%repos, res, got, err)
			}
		})
	}
	wait.Wait()
	if n := most.Load(); n > 2 {
		t.Errorf("%d clones ran at once, limit is 2", n)
	}
}
