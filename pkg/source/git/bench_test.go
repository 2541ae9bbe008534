package git

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// reportCPU adds the CPU time of an operation to the results, without that of
// the server's git processes.
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

// benchRepo has 4000 files of about 1.2 KiB, ten to a directory.
func benchRepo(b *testing.B) *repo {
	b.Helper()
	r := newGitServer(b, false).repo(b, "bench.git")
	content := map[string]string{}
	for i := range 4000 {
		var text strings.Builder
		for j := range 40 {
			fmt.Fprintf(&text, "field%d: value-%d-%x\n", j, i, i*j*7919)
		}
		content[fmt.Sprintf("apps/team-%d/app-%d/f%d.yaml", i/100, i/10, i)] = text.String()
	}
	r.commit("first", content)
	return r
}

// BenchmarkClone is the first fetch of a repository.
func BenchmarkClone(b *testing.B) {
	r := benchRepo(b)
	reportCPU(b)
	for b.Loop() {
		b.StopTimer()
		f, _ := newFetcher(b, Options{})
		b.StartTimer()
		fetch(b, f, Request{Key: "k", URL: r.url, Ref: Ref{Branch: "main"}})
	}
}

// BenchmarkOneChanged is a fetch after a commit that changes one file.
func BenchmarkOneChanged(b *testing.B) {
	r := benchRepo(b)
	f, _ := newFetcher(b, Options{RecloneAfter: 1 << 20})
	req := Request{Key: "k", URL: r.url, Ref: Ref{Branch: "main"}}
	res := fetch(b, f, req)
	reportCPU(b)
	for n := 0; b.Loop(); n++ {
		b.StopTimer()
		r.commit("change", map[string]string{"apps/team-7/app-77/f777.yaml": fmt.Sprint("changed ", n)})
		b.StartTimer()
		res = fetch(b, f, again(req, res))
	}
}

// BenchmarkOtherRules is a walk of a commit that is there, with other ignore
// rules, so that all directories but no files are read.
func BenchmarkOtherRules(b *testing.B) {
	r := benchRepo(b)
	f, _ := newFetcher(b, Options{})
	req := Request{Key: "k", URL: r.url, Ref: Ref{Branch: "main"}}
	res := fetch(b, f, req)
	reportCPU(b)
	for n := 0; b.Loop(); n++ {
		rules := fmt.Sprintf("/other-%d\n", n)
		next := again(req, res)
		next.Ignore = &rules
		fetch(b, f, next)
	}
}

// BenchmarkUnchanged is a fetch when there is nothing new.
func BenchmarkUnchanged(b *testing.B) {
	r := benchRepo(b)
	f, _ := newFetcher(b, Options{})
	req := Request{Key: "k", URL: r.url, Ref: Ref{Branch: "main"}}
	res := fetch(b, f, req)
	reportCPU(b)
	for b.Loop() {
		res = fetch(b, f, again(req, res))
	}
	if !res.Unchanged {
		b.Error("something changed")
	}
}
