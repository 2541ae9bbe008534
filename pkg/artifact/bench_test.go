package artifact

import (
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// reportCPU adds the CPU time of an operation to the results: with fsyncs, and
// on a busy machine, it says more than the time that passed.
func reportCPU(b *testing.B) {
	b.Helper()
	used := func() time.Duration {
		var u unix.Rusage
		if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
			b.Fatal(err)
		}
		return time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	start := used()
	b.Cleanup(func() { b.ReportMetric(float64(used()-start)/float64(time.Millisecond)/float64(b.N), "cpu-ms/op") })
}

// benchFiles are as many manifests, of about 1.2 KiB, ten to a directory.
func benchFiles(n int) []file {
	files := make([]file, n)
	for i := range files {
		var b strings.Builder
		for j := range 40 {
			fmt.Fprintf(&b, "field%d: value-%d-%x\n", j, i, i*j*7919)
		}
		files[i] = file{fmt.Sprintf("apps/team-%d/app-%d/f%d.yaml", i/100, i/10, i), b.String(), false}
	}
	return files
}

// BenchmarkIngest is a tree of 4000 files that are all new.
func BenchmarkIngest(b *testing.B) {
	files := benchFiles(4000)
	reportCPU(b)
	for b.Loop() {
		b.StopTimer()
		s := openStore(b, b.TempDir(), Options{})
		b.StartTimer()
		ingest(b, s, files...)
	}
}

// changed returns a function that makes the n-th change of one file.
func changed(b *testing.B, s *Store, tree *Tree, w *Writer, n int) {
	b.Helper()
	first := true
	for e := range tree.Files() {
		if first {
			first = false
			if _, err := w.File(e.Path, false, strings.NewReader(fmt.Sprint("changed ", n))); err != nil {
				b.Fatal(err)
			}
			continue
		}
		if err := w.Known(e.Path, e.Executable, e.Digest, e.Size); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkOneChanged is a tree of 4000 files, each told one by one, of which
// one is new.
func BenchmarkOneChanged(b *testing.B) {
	s := openStore(b, b.TempDir(), Options{})
	tree := ingest(b, s, benchFiles(4000)...)
	reportCPU(b)
	for n := 0; b.Loop(); n++ {
		w, err := s.NewWriter(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		changed(b, s, tree, w, n)
		if _, err := w.Commit(); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkOneChangedDirs is the same, with whole directories where nothing
// changed.
func BenchmarkOneChangedDirs(b *testing.B) {
	s := openStore(b, b.TempDir(), Options{})
	tree := ingest(b, s, benchFiles(4000)...)
	teams, _ := tree.ReadDir("apps")
	reportCPU(b)
	for n := 0; b.Loop(); n++ {
		w, err := s.NewWriter(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		for _, team := range teams[1:] {
			if err := w.KnownDir(team.Path, team.Digest); err != nil {
				b.Fatal(err)
			}
		}
		if _, err := w.File(teams[0].Path+"/app-0/f0.yaml", false, strings.NewReader(fmt.Sprint("changed ", n))); err != nil {
			b.Fatal(err)
		}
		if _, err := w.Commit(); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkLoad reads a tree of 4000 files that is not in memory.
func BenchmarkLoad(b *testing.B) {
	s := openStore(b, b.TempDir(), Options{})
	digest := ingest(b, s, benchFiles(4000)...).Digest()
	reportCPU(b)
	for b.Loop() {
		b.StopTimer()
		s.recent = recentTrees{most: 1}
		clear(s.trees)
		clear(s.nodes)
		b.StartTimer()
		if _, err := s.Tree(digest); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkReadFile(b *testing.B) {
	s := openStore(b, b.TempDir(), Options{})
	view := s.View(ingest(b, s, benchFiles(4000)...))
	reportCPU(b)
	for b.Loop() {
		if _, err := view.ReadFile("apps/team-20/app-205/f2050.yaml"); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkLookup(b *testing.B) {
	s := openStore(b, b.TempDir(), Options{})
	tree := ingest(b, s, benchFiles(4000)...)
	reportCPU(b)
	for b.Loop() {
		if _, ok := tree.Lookup("apps/team-20/app-205/f2050.yaml"); !ok {
			b.Fatal("not there")
		}
	}
}

// BenchmarkArchive is the tar.gz of 40 MiB in 4000 files.
func BenchmarkArchive(b *testing.B) {
	s := openStore(b, b.TempDir(), Options{})
	files := benchFiles(4000)
	for i := range files {
		files[i].content = strings.Repeat(files[i].content, 10)
	}
	tree := ingest(b, s, files...)
	b.SetBytes(tree.Size())
	reportCPU(b)
	for b.Loop() {
		if err := s.compress(b.Context(), io.Discard, tree); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkPublish is what a new revision of a small source costs: an ingest,
// the archive and the record.
func BenchmarkPublish(b *testing.B) {
	s := openStore(b, b.TempDir(), Options{})
	reportCPU(b)
	for n := 0; b.Loop(); n++ {
		publish(b, s, Owner{Name: "o"}, fmt.Sprint("r", n), file{"f", fmt.Sprint("content ", n), false})
	}
}
