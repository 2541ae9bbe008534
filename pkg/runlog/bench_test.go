package runlog

import (
	"context"
	"fmt"
	"runtime"
	"testing"
)

// recordRun records a run as a Kustomization with four objects does.
func recordRun(l *Log, uid, id string, changed bool) {
	run := l.Begin(RunOptions{UID: uid, ID: id, Triggers: []string{"Source"}, Generation: 1})
	run.On("main@sha1:0123456789abcdef0123456789abcdef01234567")
	run.Stage(Build, "").End(nil, "rendered 4 object(s) from ./apps/one")
	run.Stage(Plan, "").End(nil, "4 to create")
	if changed {
		stage := run.Stage(Apply, "")
		for range 4 {
			run.Object(Info, text("ConfigMap/some-namespace/some-name-of-an-object"), "created")
		}
		stage.End(nil, "applied 4 object(s)")
		run.Did(Work{Digest: "hmac:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", Created: 4})
	}
	run.End(Outcome{Phase: Succeeded, Message: "Applied revision: main@sha1:0123456789abcdef0123456789abcdef01234567"})
}

// BenchmarkRun is what a run pays for being recorded.
func BenchmarkRun(b *testing.B) {
	for name, changed := range map[string]bool{"idle": false, "changing": true} {
		b.Run(name, func(b *testing.B) {
			l := New(newMemory(), Options{})
			b.ReportAllocs()
			for i := range b.N {
				recordRun(l, fmt.Sprint(i%1000), fmt.Sprint(i), changed)
			}
		})
	}
}

// BenchmarkMemory is what 1000 objects cost that have run once, and 20 times.
func BenchmarkMemory(b *testing.B) {
	for _, runs := range []int{1, 20} {
		b.Run(fmt.Sprint(runs), func(b *testing.B) {
			var logs []*Log
			before := heap()
			for range b.N {
				l := New(newMemory(), Options{})
				for o := range 1000 {
					for r := range runs {
						recordRun(l, fmt.Sprint("00000000-0000-0000-0000-", o), fmt.Sprint(r), true)
					}
				}
				if err := l.Close(context.Background()); err != nil {
					b.Fatal(err)
				}
				l.writer.store = nil // what is on a disk is no memory
				logs = append(logs, l)
			}
			b.ReportMetric(float64(heap()-before)/float64(b.N)/(1<<20), "MiB/log")
			runtime.KeepAlive(logs)
		})
	}
}

func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
