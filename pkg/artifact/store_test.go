package artifact

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	clocktesting "k8s.io/utils/clock/testing"
)

// file is a file of a test's tree.
type file struct {
	path       string
	content    string
	executable bool
}

func openStore(t testing.TB, dir string, o Options) *Store {
	t.Helper()
	s, err := Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func ingest(t testing.TB, s *Store, files ...file) *Tree {
	t.Helper()
	w, err := s.NewWriter(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer w.Abort()
	for _, f := range files {
		if _, err := w.File(f.path, f.executable, strings.NewReader(f.content)); err != nil {
			t.Fatal(err)
		}
	}
	tree, err := w.Commit()
	if err != nil {
		t.Fatal(err)
	}
	return tree
}

// contents reads all files of a tree.
func contents(t testing.TB, s *Store, tree *Tree) []file {
	t.Helper()
	var files []file
	view := s.View(tree)
	for e := range tree.Files() {
		b, err := view.ReadFile(e.Path)
		if err != nil {
			t.Fatal(err)
		}
		if int64(len(b)) != e.Size || DigestOf(b) != e.Digest {
			t.Errorf("%s: %d bytes with digest %s, entry says %+v", e.Path, len(b), DigestOf(b), e)
		}
		files = append(files, file{e.Path, string(b), e.Executable})
	}
	return files
}

var sample = []file{
	{"README.md", "read me\n", false},
	{"bin/run", "#!/bin/sh\n", true},
	{"deploy/a.yaml", "a: 1\n", false},
	{"deploy/base/empty", "", false},
	{"deploy/base/same.yaml", "a: 1\n", false},
	{"deploy.yaml", "b: 1\n", false},
}

func TestRoundTrip(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir, Options{})
	tree := ingest(t, s, sample...)
	want := slices.Clone(sample)
	slices.SortFunc(want, func(a, b file) int {
		return slices.Compare(strings.Split(a.path, "/"), strings.Split(b.path, "/"))
	})
	if diff := cmp.Diff(want, contents(t, s, tree), cmp.AllowUnexported(file{})); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
	if tree.Len() != len(sample) || tree.Size() != 8+10+5+5+5 {
		t.Errorf("Len() = %d, Size() = %d", tree.Len(), tree.Size())
	}
	digest := tree.Digest()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}

	s = openStore(t, dir, Options{})
	again, err := s.Tree(digest)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, contents(t, s, again), cmp.AllowUnexported(file{})); diff != "" {
		t.Errorf("files after reopening (-want +got):\n%s", diff)
	}
}

func TestLookupAndReadDir(t *testing.T) {
	s := openStore(t, t.TempDir(), Options{})
	tree := ingest(t, s, sample...)
	for _, path := range []string{"", "/", "deploy/", "./deploy", "deploy/../deploy", "README.md/x", "nothing", "deploy/nothing", "/README.md"} {
		if e, ok := tree.Lookup(path); ok {
			t.Errorf("Lookup(%q) = %+v", path, e)
		}
		if _, ok := tree.ReadDir(path); ok {
			t.Errorf("ReadDir(%q) succeeds", path)
		}
	}
	if e, ok := tree.Lookup("bin/run"); !ok || !e.Executable || e.Dir || e.Size != 10 || e.Path != "bin/run" {
		t.Errorf("Lookup(bin/run) = %+v, %v", e, ok)
	}
	if e, ok := tree.Lookup("."); !ok || !e.Dir || e.Digest != tree.Digest() {
		t.Errorf("Lookup(.) = %+v, %v", e, ok)
	}
	var names []string
	entries, _ := tree.ReadDir("deploy")
	for _, e := range entries {
		names = append(names, e.Path)
	}
	if diff := cmp.Diff([]string{"deploy/a.yaml", "deploy/base"}, names); diff != "" {
		t.Errorf("ReadDir(deploy) (-want +got):\n%s", diff)
	}
	if _, err := s.View(tree).ReadFile("deploy"); err == nil {
		t.Error("a directory can be read as a file")
	}
}

// Whatever differs below a directory makes its digest differ, and nothing else
// does.
func TestDirectoryDigests(t *testing.T) {
	s := openStore(t, t.TempDir(), Options{})
	base := ingest(t, s, sample...)
	dir, _ := base.Lookup("deploy")
	tests := []struct {
		name   string
		change func(files []file)
		same   bool
	}{
		{"nothing", func([]file) {}, true},
		{"order", func(f []file) { slices.Reverse(f) }, true},
		{"outside", func(f []file) { f[0].content = "other" }, true},
		{"content", func(f []file) { f[4].content = "other" }, false},
		{"mode", func(f []file) { f[4].executable = true }, false},
		{"name", func(f []file) { f[4].path = "deploy/base/other.yaml" }, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			files := slices.Clone(sample)
			tt.change(files)
			got, _ := ingest(t, s, files...).Lookup("deploy")
			if (got.Digest == dir.Digest) != tt.same {
				t.Errorf("digest %s, was %s, want same: %v", got.Digest, dir.Digest, tt.same)
			}
		})
	}
}

func TestKnown(t *testing.T) {
	s := openStore(t, t.TempDir(), Options{})
	base := ingest(t, s, sample...)
	w, err := s.NewWriter(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer w.Abort()
	for _, e := range []Entry{
		{Path: "a", Digest: DigestOf([]byte("never stored")), Size: 12},
		{Path: "a", Digest: DigestOf([]byte("a: 1\n")), Size: 6},
	} {
		if err := w.Known(e.Path, false, e.Digest, e.Size); !errors.Is(err, ErrNotFound) {
			t.Errorf("Known(%+v) = %v, want ErrNotFound", e, err)
		}
	}
	for e := range base.Files() {
		if strings.HasPrefix(e.Path, "deploy/") {
			continue
		}
		if err := w.Known(e.Path, e.Executable, e.Digest, e.Size); err != nil {
			t.Fatal(err)
		}
	}
	dir, _ := base.Lookup("deploy")
	if err := w.KnownDir("deploy", dir.Digest); err != nil {
		t.Fatal(err)
	}
	if _, err := w.File("deploy/more", false, strings.NewReader("")); err == nil {
		t.Error("a file can be added below a known directory")
	}
	if w.segment != nil {
		t.Error("known content was written")
	}
	tree, err := w.Commit()
	if err != nil {
		t.Fatal(err)
	}
	if tree.Digest() != base.Digest() {
		t.Errorf("tree of known content is %s, want %s", tree.Digest(), base.Digest())
	}
}

func TestLargeFiles(t *testing.T) {
	s := openStore(t, t.TempDir(), Options{})
	large := strings.Repeat("0123456789abcdef", 1<<17) // 2 MiB
	first := ingest(t, s, file{"large", large, false}, file{"small", "s", false})
	again := ingest(t, s, file{"x/large", large, false}, file{"x/again", large, true}, file{"other", "o", false})
	for _, tree := range []*Tree{first, again} {
		contents(t, s, tree)
	}
	var total int64
	for _, seg := range s.segments {
		total += seg.size
	}
	if total > int64(len(large))+4096 {
		t.Errorf("segments hold %d bytes: a blob of %d bytes is there more than once", total, len(large))
	}
}

// failingReader fails after some bytes.
type failingReader struct {
	n   int
	err error
}

func (r *failingReader) Read(p []byte) (int, error) {
	if r.n <= 0 {
		return 0, r.err
	}
	n := min(len(p), r.n)
	r.n -= n
	return n, nil
}

// A file that cannot be read leaves no trace in what is committed after it.
func TestFailingReader(t *testing.T) {
	s := openStore(t, t.TempDir(), Options{})
	broken := errors.New("broken")
	for _, n := range []int{0, 100, smallFile + 100} {
		w, err := s.NewWriter(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer w.Abort()
		if _, err := w.File("f", false, &failingReader{n, broken}); !errors.Is(err, broken) {
			t.Fatalf("File() = %v, want the reader's error", err)
		}
		if _, err := w.File("f", false, strings.NewReader("whole")); err != nil {
			t.Fatal(err)
		}
		tree, err := w.Commit()
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]file{{"f", "whole", false}}, contents(t, s, tree), cmp.AllowUnexported(file{})); diff != "" {
			t.Errorf("after a failure at %d bytes (-want +got):\n%s", n, diff)
		}
	}
}

func TestAbortAndClose(t *testing.T) {
	s := openStore(t, t.TempDir(), Options{})
	w, err := s.NewWriter(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	d, err := w.File("f", false, strings.NewReader("content"))
	if err != nil {
		t.Fatal(err)
	}
	w.Abort()
	if s.Has(d) {
		t.Error("the store has what was aborted")
	}
	if _, err := w.File("g", false, strings.NewReader("")); !errors.Is(err, ErrClosed) {
		t.Errorf("File() after Abort = %v", err)
	}
	if _, err := w.Commit(); !errors.Is(err, ErrClosed) {
		t.Errorf("Commit() after Abort = %v", err)
	}
	tree := ingest(t, s, sample...)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.View(tree).ReadFile("README.md"); !errors.Is(err, ErrClosed) {
		t.Errorf("ReadFile() after Close = %v", err)
	}
	if _, err := s.NewWriter(t.Context()); !errors.Is(err, ErrClosed) {
		t.Errorf("NewWriter() after Close = %v", err)
	}
}

func TestLock(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir, Options{})
	if _, err := Open(dir, Options{}); !errors.Is(err, ErrLocked) {
		t.Errorf("a second Open() = %v, want ErrLocked", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	openStore(t, dir, Options{})
}

func fakeClock() *clocktesting.FakePassiveClock {
	return clocktesting.NewFakePassiveClock(time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC))
}

func readArchive(t testing.TB, s *Store, d Digest) []byte {
	t.Helper()
	f, err := s.OpenArchive(d)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b, err := io.ReadAll(f)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestPublish(t *testing.T) {
	dir := t.TempDir()
	clock := fakeClock()
	s := openStore(t, dir, Options{Clock: clock})
	owner := Owner{"GitRepository", "demo", "app", "1"}
	tree := ingest(t, s, sample...)
	got, err := s.Publish(t.Context(), owner, "main@sha1:1", tree, map[string]string{"k": "v"})
	if err != nil {
		t.Fatal(err)
	}
	archive := readArchive(t, s, got.Archive)
	want := Record{
		Owner: owner, Revision: "main@sha1:1", Tree: tree.Digest(), Archive: DigestOf(archive),
		Size: int64(len(archive)), UpdatedAt: clock.Now(), Metadata: map[string]string{"k": "v"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("record (-want +got):\n%s", diff)
	}
	clock.SetTime(clock.Now().Add(time.Minute))
	if again, err := s.Publish(t.Context(), owner, "main@sha1:1", tree, map[string]string{"k": "v"}); err != nil || !cmp.Equal(want, again) {
		t.Errorf("publishing again gives %+v, %v", again, err)
	}
	other := Owner{"GitRepository", "other", "app", "2"}
	if rec, err := s.Publish(t.Context(), other, "v1@sha1:1", tree, nil); err != nil || rec.Archive != got.Archive {
		t.Errorf("another owner of the same tree gets %+v, %v", rec, err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = openStore(t, dir, Options{Clock: clock})
	if diff := cmp.Diff([]Record{want}, s.Records(owner)); diff != "" {
		t.Errorf("records after reopening (-want +got):\n%s", diff)
	}
	if got := readArchive(t, s, want.Archive); !bytes.Equal(got, archive) {
		t.Error("archive differs after reopening")
	}
	if len(s.Owners()) != 2 {
		t.Errorf("Owners() = %v", s.Owners())
	}
}

func TestOwnerRecreated(t *testing.T) {
	s := openStore(t, t.TempDir(), Options{})
	first, second := Owner{"GitRepository", "demo", "app", "1"}, Owner{"GitRepository", "demo", "app", "2"}
	tree := ingest(t, s, sample...)
	if _, err := s.Publish(t.Context(), first, "r1", tree, nil); err != nil {
		t.Fatal(err)
	}
	if got := s.Records(second); got != nil {
		t.Errorf("a namesake has records: %+v", got)
	}
	if err := s.Forget(second); err != nil || len(s.Records(first)) != 1 {
		t.Errorf("Forget() of a namesake: %v, %d records are left", err, len(s.Records(first)))
	}
	if _, err := s.Publish(t.Context(), second, "r2", tree, nil); err != nil {
		t.Fatal(err)
	}
	if got := s.Records(first); got != nil {
		t.Errorf("the earlier owner still has records: %+v", got)
	}
	if got := s.Records(second); len(got) != 1 || got[0].Revision != "r2" {
		t.Errorf("Records() = %+v", got)
	}
	if err := s.Forget(second); err != nil || s.Records(second) != nil {
		t.Errorf("Forget(): %v, records %v", err, s.Records(second))
	}
}
