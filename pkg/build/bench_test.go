package build

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"

	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/kustomize/kyaml/openapi"
)

// cpuSeconds returns the processor time of this process and of the processes
// of the pool.
func cpuSeconds(tb testing.TB, pids ...int) float64 {
	tb.Helper()
	var own syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &own); err != nil {
		tb.Fatal(err)
	}
	total := float64(own.Utime.Nano()+own.Stime.Nano()) / 1e9
	for _, pid := range pids {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil {
			tb.Fatal(err)
		}
		// Fields 14 and 15 are times in ticks of 10 ms; the name, field 2, ends
		// with the last parenthesis.
		fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+2:]))
		var user, system float64
		if _, err := fmt.Sscan(fields[11]+" "+fields[12], &user, &system); err != nil {
			tb.Fatal(err)
		}
		total += (user + system) / 100
	}
	return total
}

func (p *Pool) pids() []int {
	p.mu.Lock()
	defer p.mu.Unlock()
	var pids []int
	for _, w := range p.idle {
		pids = append(pids, w.pid())
	}
	return pids
}

func benchmarkPool(b *testing.B, parallel int, tree mapTree, objects int) {
	p := newPool(b, PoolOptions{Workers: parallel})
	entries := indexed(tree)
	build := func() {
		r, err := p.Build(b.Context(), Request{Tree: entries, Options: Options{Path: "app"}})
		if err != nil || len(r.Objects) != objects {
			b.Errorf("%v", err)
		}
	}
	var warm sync.WaitGroup
	for range parallel {
		warm.Go(build)
	}
	warm.Wait()
	before := cpuSeconds(b, p.pids()...)
	b.ReportAllocs()
	b.ResetTimer()
	var group sync.WaitGroup
	for i := range parallel {
		group.Go(func() {
			for n := i; n < b.N; n += parallel {
				build()
			}
		})
	}
	group.Wait()
	b.StopTimer()
	b.ReportMetric((cpuSeconds(b, p.pids()...)-before)*1e3/float64(b.N), "cpu-ms/build")
}

// deployments is a tree with n Deployments in one file each.
func deployments(n int) mapTree {
	tree := mapTree{}
	var names []string
	for i := range n {
		name := fmt.Sprintf("d%03d.yaml", i)
		names = append(names, name)
		tree["app/"+name] = strings.Replace(small()["app/deploy.yaml"], "name: web", fmt.Sprintf("name: web-%d", i), 1)
	}
	tree["app/kustomization.yaml"] = "namespace: prod\nresources: [" + strings.Join(names, ", ") + "]\n"
	return tree
}

func BenchmarkSmall(b *testing.B)           { benchmarkPool(b, 1, small(), 4) }
func BenchmarkSmallParallel(b *testing.B)   { benchmarkPool(b, 2, small(), 4) }
func BenchmarkDeployments(b *testing.B)     { benchmarkPool(b, 1, deployments(100), 100) }
func BenchmarkPlainSmall(b *testing.B)      { benchmarkPlain(b, small(), false) }
func BenchmarkPlainDeploy(b *testing.B)     { benchmarkPlain(b, deployments(100), false) }
func BenchmarkPlainSmallReset(b *testing.B) { benchmarkPlain(b, small(), true) }

// benchmarkPlain is the limit: kustomize in this process, without isolation.
// With reset it parses the built-in schema for each build, which is the way to
// isolate builds without processes.
func benchmarkPlain(b *testing.B, tree mapTree, reset bool) {
	fs := filesys.MakeFsInMemory()
	for file, content := range tree {
		if err := fs.WriteFile("/"+file, []byte(content)); err != nil {
			b.Fatal(err)
		}
	}
	openapi.Schema()
	before := cpuSeconds(b)
	b.ReportAllocs()
	b.ResetTimer()
	for range b.N {
		if reset {
			openapi.ResetOpenAPI()
			openapi.Schema()
		}
		m, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(fs, "/app")
		if err != nil {
			b.Fatal(err)
		}
		if _, err := m.AsYaml(); err != nil {
			b.Fatal(err)
		}
	}
	b.StopTimer()
	b.ReportMetric((cpuSeconds(b)-before)*1e3/float64(b.N), "cpu-ms/build")
}

func BenchmarkUnchangedIn(b *testing.B) {
	p := newPool(b, PoolOptions{Workers: 1})
	tree := indexed(small())
	r, err := p.Build(b.Context(), Request{Tree: tree, Options: Options{Path: "app"}})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if !r.Inputs.UnchangedIn(tree) {
			b.Fatal("changed")
		}
	}
}

// BenchmarkStart measures how long the replacement of a worker takes.
func BenchmarkStart(b *testing.B) {
	p := newPool(b, PoolOptions{Workers: 1})
	for b.Loop() {
		w, err := startProcess(p.spawner, &p.options)
		if err != nil {
			b.Fatal(err)
		}
		w.stop()
	}
}
