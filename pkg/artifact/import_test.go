package artifact

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"
)

// entry is one of a tar. Its content is as long as its header says unless size
// is set.
type entry struct {
	tar.Header
	content string
}

func regular(name, content string) entry {
	return entry{tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o644}, content}
}

func typed(flag byte, name string) entry {
	return entry{Header: tar.Header{Typeflag: flag, Name: name, Linkname: "/etc/passwd"}}
}

func tarOf(t testing.TB, entries ...entry) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, e := range entries {
		e.Size = int64(len(e.content))
		if err := w.WriteHeader(&e.Header); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, e.content); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func gzipped(t testing.TB, content []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write(content); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func upload(t testing.TB, entries ...entry) []byte {
	t.Helper()
	return gzipped(t, tarOf(t, entries...))
}

func TestImport(t *testing.T) {
	s := openStore(t, t.TempDir(), Options{})
	global := entry{Header: tar.Header{Typeflag: tar.TypeXGlobalHeader, PAXRecords: map[string]string{"comment": "a commit"}}}
	tool := regular("./bin/tool", "#!/bin/sh")
	tool.Mode = 0o4755
	long := strings.Repeat("d/", 60) + strings.Repeat("n", 200)
	archive := upload(t, global, typed(tar.TypeDir, "./"), typed(tar.TypeDir, "./empty/"), typed(tar.TypeDir, "./bin/"), tool,
		regular("./a.yaml", "a: 1"), regular("sub/b.yaml", "b: 2"), typed(tar.TypeDir, "sub/"), regular(long, "long"), regular("big", strings.Repeat("x", 3<<20)))
	got, err := s.Import(t.Context(), bytes.NewReader(archive), ImportLimits{})
	if err != nil {
		t.Fatal(err)
	}
	// The same files from elsewhere are the same tree.
	w, err := s.NewWriter(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer w.Abort()
	for name, content := range map[string]string{"a.yaml": "a: 1", "sub/b.yaml": "b: 2", "bin/tool": "#!/bin/sh", long: "long", "big": strings.Repeat("x", 3<<20)} {
		if _, err := w.File(name, name == "bin/tool", strings.NewReader(content)); err != nil {
			t.Fatal(err)
		}
	}
	want, err := w.Commit()
	if err != nil {
		t.Fatal(err)
	}
	if got.Digest() != want.Digest() {
		var names []string
		for e := range got.Files() {
			names = append(names, fmt.Sprint(e))
		}
		t.Errorf("the tree is another one: %v", names)
	}
	if len(s.Owners()) != 0 {
		t.Error("an import was published")
	}
}

// A refused import leaves nothing behind, and a kept one goes with its Tree.
func TestImportedIsCollected(t *testing.T) {
	s := openStore(t, t.TempDir(), Options{})
	ctx := t.Context()
	bad := upload(t, regular("a", "refused content"), typed(tar.TypeSymlink, "link"))
	if _, err := s.Import(ctx, bytes.NewReader(bad), ImportLimits{}); err == nil {
		t.Fatal("no error")
	}
	if c, err := s.Collect(ctx); err != nil || c != (Collected{}) {
		t.Errorf("a refused import has left %+v, %v", c, err)
	}
	digest := func() Digest {
		tree, err := s.Import(ctx, bytes.NewReader(upload(t, regular("a", "wanted content"))), ImportLimits{})
		if err != nil {
			t.Fatal(err)
		}
		for range 5 {
			runtime.GC()
			if _, err := s.Collect(ctx); err != nil {
				t.Fatal(err)
			}
		}
		if b, err := s.View(tree).ReadFile("a"); err != nil || string(b) != "wanted content" {
			t.Errorf("while it is held: %q, %v", b, err)
		}
		return tree.Digest()
	}()
	for range 20 { // unreachable is not yet collected
		runtime.GC()
		if _, err := s.Collect(ctx); err != nil {
			t.Fatal(err)
		}
		if !s.Has(digest) {
			return
		}
	}
	t.Error("what nobody holds any more is not collected")
}

// failing breaks off with an error of its own.
type failing struct {
	io.Reader
	err error
}

func (f *failing) Read(p []byte) (int, error) {
	n, err := f.Reader.Read(p)
	if err == io.EOF {
		err = f.err
	}
	return n, err
}

func TestImportTellsWhoseFaultItIs(t *testing.T) {
	s := openStore(t, t.TempDir(), Options{})
	good := upload(t, regular("a", strings.Repeat("abc", 1000)))
	gone := errors.New("connection reset")
	for _, n := range []int{0, 5, 30, len(good) - 1, len(good)} {
		_, err := s.Import(t.Context(), &failing{bytes.NewReader(good[:n]), gone}, ImportLimits{})
		if !errors.Is(err, gone) || errors.As(err, new(*ArchiveError)) {
			t.Errorf("after %d bytes: %v, want the reader's error", n, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Import(ctx, bytes.NewReader(good), ImportLimits{}); !errors.Is(err, context.Canceled) {
		t.Errorf("canceled: %v", err)
	}
}

// A few entries can name many directories, each of which costs.
func TestDirectoriesAreLimited(t *testing.T) {
	s := openStore(t, t.TempDir(), Options{Limits: Limits{Directories: 100}})
	var entries []entry
	for i := range 5 {
		entries = append(entries, regular(strings.Repeat(string(rune('a'+i))+"/", 30)+"f", "x"))
	}
	if _, err := s.Import(t.Context(), bytes.NewReader(upload(t, entries[:3]...)), ImportLimits{}); err != nil {
		t.Errorf("90 directories: %v", err)
	}
	var limit *LimitError
	_, err := s.Import(t.Context(), bytes.NewReader(upload(t, entries...)), ImportLimits{})
	if !errors.As(err, &limit) || limit.Limit != "directories in a tree" || limit.Max != 100 || !strings.HasPrefix(limit.Path, "d/") {
		t.Errorf("150 directories: %v", err)
	}
	_, err = s.Import(t.Context(), bytes.NewReader(upload(t, entries[:2]...)), ImportLimits{Entries: 40})
	if !errors.As(err, &limit) || limit.Max != 40 {
		t.Errorf("60 directories, with a limit of its own: %v", err)
	}
}

// BenchmarkImport is BenchmarkIngest by a tar.gz.
func BenchmarkImport(b *testing.B) {
	var entries []entry
	for _, f := range benchFiles(4000) {
		entries = append(entries, regular(f.path, f.content))
	}
	archive := upload(b, entries...)
	reportCPU(b)
	for b.Loop() {
		b.StopTimer()
		s := openStore(b, b.TempDir(), Options{})
		b.StartTimer()
		if _, err := s.Import(b.Context(), bytes.NewReader(archive), ImportLimits{}); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(len(archive)), "archive-bytes")
}
