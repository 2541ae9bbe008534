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
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// untar returns the files of a tar.gz.
func untar(t testing.TB, data []byte) []file {
	t.Helper()
	var files []file
	for _, e := range tarEntries(t, data) {
		if e.header.Typeflag == tar.TypeReg {
			files = append(files, file{e.header.Name, e.content, e.header.Mode == modeExecutable})
		}
	}
	return files
}

type tarEntry struct {
	header  *tar.Header
	content string
}

func tarEntries(t testing.TB, data []byte) []tarEntry {
	t.Helper()
	// The standard library reads it, not the library that wrote it.
	zip, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	var entries []tarEntry
	for in := tar.NewReader(zip); ; {
		header, err := in.Next()
		if errors.Is(err, io.EOF) {
			return entries
		}
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(in)
		if err != nil {
			t.Fatal(err)
		}
		entries = append(entries, tarEntry{header, string(content)})
	}
}

// goldenArchive is the digest of the sample's tar.gz. It must not change: it is
// in the status of objects, and archives of one tree are taken for equal. If a
// new version of the compressor changes it, stay with the old version or say in
// the release notes that every artifact gets a new digest.
const goldenArchive = "sha256:cd757375ab262b2c8eb0ac54c7eb6510bde3778141bfe34d90b639c51cb1357c"

func TestGoldenArchive(t *testing.T) {
	for range 2 {
		s := openStore(t, t.TempDir(), Options{})
		record := publish(t, s, Owner{Name: "o"}, "r", append(sample[:len(sample):len(sample)],
			file{"long", strings.Repeat("apiVersion: v1\nkind: ConfigMap\n", 5000), false},
			file{strings.Repeat("d", 200) + "/" + strings.Repeat("f", 200), "a path that needs an extended header", false},
		)...)
		if record.Archive != goldenArchive {
			t.Errorf("archive is %s, want %s", record.Archive, goldenArchive)
		}
	}
}

func TestArchiveFormat(t *testing.T) {
	s := openStore(t, t.TempDir(), Options{})
	record := publish(t, s, Owner{Name: "o"}, "r", file{"b/run", "#!", true}, file{"b/a", "a", false}, file{"a", "", false}, file{"not\xffutf8-ü", "x", false})
	type entry struct {
		Name    string
		Type    byte
		Mode    int64
		Content string
	}
	var got []entry
	for _, e := range tarEntries(t, readArchive(t, s, record.Archive)) {
		h := e.header
		got = append(got, entry{h.Name, h.Typeflag, h.Mode, e.content})
		if h.Uid != 0 || h.Gid != 0 || h.Uname != "" || h.Gname != "" || h.ModTime.Unix() != 0 {
			t.Errorf("%s: owner %d:%d %q:%q, time %v", h.Name, h.Uid, h.Gid, h.Uname, h.Gname, h.ModTime)
		}
	}
	want := []entry{
		{"a", tar.TypeReg, 0o600, ""},
		{"b/", tar.TypeDir, 0o750, ""},
		{"b/a", tar.TypeReg, 0o600, "a"},
		{"b/run", tar.TypeReg, 0o700, "#!"},
		{"not\xffutf8-ü", tar.TypeReg, 0o600, "x"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("entries (-want +got):\n%s", diff)
	}
}

// Of many who publish one tree, one writes.
func TestArchiveIsWrittenOnce(t *testing.T) {
	s := openStore(t, t.TempDir(), Options{})
	tree := ingest(t, s, file{"f", strings.Repeat("0123456789", 500_000), false})
	var wait sync.WaitGroup
	times := make([]time.Time, 8)
	for i := range times {
		wait.Go(func() {
			record, err := s.Publish(t.Context(), Owner{Name: fmt.Sprint(i)}, "r", tree, nil)
			if err != nil {
				t.Error(err)
				return
			}
			f, err := s.OpenArchive(record.Archive)
			if err != nil {
				t.Error(err)
				return
			}
			defer f.Close()
			info, err := f.Stat()
			if err != nil {
				t.Error(err)
				return
			}
			times[i] = info.ModTime()
		})
	}
	wait.Wait()
	for _, modified := range times {
		if !modified.Equal(times[0]) {
			t.Error("the archive was written more than once")
		}
	}
}

// Who gives up does not take those along who wait for the same archive.
func TestArchiveIsCanceled(t *testing.T) {
	s := openStore(t, t.TempDir(), Options{})
	tree := ingest(t, s, sample...)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var wait sync.WaitGroup
	for range 4 {
		wait.Go(func() {
			if _, err := s.Publish(ctx, Owner{Name: "canceled"}, "r", tree, nil); !errors.Is(err, context.Canceled) {
				t.Errorf("Publish() = %v", err)
			}
		})
		wait.Go(func() {
			if _, err := s.Publish(t.Context(), Owner{Name: "patient"}, "r", tree, nil); err != nil {
				t.Error(err)
			}
		})
	}
	wait.Wait()
	if s.Records(Owner{Name: "canceled"}) != nil || s.Records(Owner{Name: "patient"}) == nil {
		t.Errorf("owners %v", s.Owners())
	}
}

// Memory does not grow with the size of what is archived.
func TestArchiveMemory(t *testing.T) {
	s := openStore(t, t.TempDir(), Options{})
	block := strings.Repeat("0123456789abcdef", 1<<16) // 1 MiB
	tree := ingest(t, s, file{"large", strings.Repeat(block, 64), false})
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	if _, err := s.Publish(t.Context(), Owner{Name: "o"}, "r", tree, nil); err != nil {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&after)
	if allocated := after.TotalAlloc - before.TotalAlloc; allocated > 16<<20 {
		t.Errorf("archiving 64 MiB allocates %d bytes", allocated)
	}
}
