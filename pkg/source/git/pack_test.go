package git

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-git/go-git/v5/plumbing"
)

// packOf returns the pack that git makes of objects, named one a line.
func (r *repo) packOf(objects string, flags ...string) []byte {
	r.t.Helper()
	cmd := exec.CommandContext(r.t.Context(), "git", append([]string{"pack-objects", "--stdout", "-q"}, flags...)...)
	cmd.Dir = r.work
	cmd.Stdin = strings.NewReader(objects)
	out, err := cmd.Output()
	if err != nil {
		r.t.Fatal(err)
	}
	return out
}

// A thin pack is completed so that git finds nothing wrong with it.
func TestThinPack(t *testing.T) {
	s := newGitServer(t, false)
	r := s.repo(t, "app.git")
	content := func(n int) map[string]string {
		files := map[string]string{}
		for i := range 20 {
			files[fmt.Sprintf("f%d", i)] = strings.Repeat(fmt.Sprintln("a line of file", i), 200) + fmt.Sprint(n)
		}
		return files
	}
	first := r.commit("first", content(1))
	second := r.commit("second", content(2))
	base := r.packOf(first+"\n", "--revs")
	thin := r.packOf(second+"\n^"+first+"\n", "--revs", "--thin")

	p, err := openPacks(filepath.Join(t.TempDir(), "objects", "pack"), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer p.close()
	limits := Options{}.complete().Limits
	baseID, err := p.receive(t.Context(), bytes.NewReader(base), limits)
	if err != nil {
		t.Fatal(err)
	}
	thinID, err := p.receive(t.Context(), bytes.NewReader(thin), limits)
	if err != nil {
		t.Fatal(err)
	}
	if _, bases, err := savePack(tempFile(t), bytes.NewReader(thin), limits); err != nil || len(bases) == 0 {
		t.Fatalf("the pack has no bases outside of it: %v", err)
	}
	for _, id := range []string{baseID, thinID} {
		r.run(p.dir, "verify-pack", indexName(p.dir, id))
	}
	// A process that comes later reads the same.
	again, err := openPacks(p.dir, []string{baseID, thinID})
	if err != nil {
		t.Fatal(err)
	}
	defer again.close()
	for n, commit := range []string{first, second} {
		for path, want := range content(n + 1) {
			id := plumbing.NewHash(r.git("rev-parse", commit+":"+path))
			o, err := again.get(plumbing.BlobObject, id)
			if err != nil {
				t.Fatal(err)
			}
			in, err := o.Reader()
			if err != nil {
				t.Fatal(err)
			}
			var got bytes.Buffer
			if _, err := got.ReadFrom(in); err != nil || got.String() != want {
				t.Errorf("%s of commit %d is %.20q..., %v", path, n+1, got.String(), err)
			}
			if size, err := again.size(id); err != nil || size != int64(len(want)) {
				t.Errorf("size of %s: %d, %v", path, size, err)
			}
		}
	}

	// Without its bases it is refused.
	alone, err := openPacks(t.TempDir(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := alone.receive(t.Context(), bytes.NewReader(thin), limits); err == nil {
		t.Error("a thin pack is taken without its bases")
	}
	if left, err := os.ReadDir(alone.dir); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func tempFile(t testing.TB) *os.File {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "pack"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	})
	return f
}

// Of what a process was receiving when it ended nothing is left.
func TestLeftovers(t *testing.T) {
	f, store := newFetcher(t, Options{})
	dir := filepath.Join(f.mirrorDir("k"), packsBelow)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "tmp_pack_123"), []byte("PACK"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := New(f.dir, store, Options{}); err != nil {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}

// Whatever a server sends as a pack is taken as a whole or refused.
func FuzzReceive(f *testing.F) {
	r := newGitServer(f, false).repo(f, "app.git")
	first := r.commit("first", map[string]string{"a": strings.Repeat("line\n", 100), "b": "1"})
	second := r.commit("second", map[string]string{"a": strings.Repeat("line\n", 100) + "more", "b": "2"})
	f.Add(r.packOf(second+"\n", "--revs"))
	f.Add(r.packOf(second+"\n^"+first+"\n", "--revs", "--thin"))
	f.Add([]byte("PACK\x00\x00\x00\x02\x00\x00\x00\x00"))
	limits := Limits{Objects: 100, ObjectSize: 1 << 16}
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := openPacks(t.TempDir(), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer p.close()
		id, err := p.receive(context.Background(), bytes.NewReader(b), limits)
		if err != nil {
			if left, err := os.ReadDir(p.dir); err != nil || len(left) > 0 {
				t.Errorf("left behind: %v, %v", left, err)
			}
			return
		}
		if _, err := openPacks(p.dir, []string{id}); err != nil {
			t.Errorf("what was received cannot be opened: %v", err)
		}
	})
}

// A Ref never makes resolving fail in an odd way, whatever is advertised.
func FuzzResolve(f *testing.F) {
	f.Add("main", "v1.0.0", ">=1.0.0", "refs/heads/main", "")
	f.Add("", "", "", "", "1212121212121212121212121212121212121212")
	f.Fuzz(func(t *testing.T, branch, tag, semver, name, commit string) {
		ref := Ref{Branch: branch, Tag: tag, SemVer: semver, Name: name, Commit: commit}
		all := &refs{hashes: map[string]plumbing.Hash{
			"refs/heads/" + branch: plumbing.NewHash("01"), "refs/tags/" + tag: plumbing.NewHash("02"), "refs/tags/v1.0.0": plumbing.NewHash("03"),
		}}
		got, err := ref.resolve(all)
		if err == nil && !strings.HasSuffix(got.revision(), "sha1:"+got.commit.String()) {
			t.Errorf("%+v resolves to revision %q", ref, got.revision())
		}
	})
}
