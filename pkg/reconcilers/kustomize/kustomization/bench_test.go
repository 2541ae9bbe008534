package kustomization

import (
	"fmt"
	"testing"
)

// BenchmarkPush is a push to a repository with many users, of which it touches
// none or one: what an object costs, the API server's part excluded.
func BenchmarkPush(b *testing.B) {
	const n = 500
	for _, touched := range []int{0, 1} {
		b.Run(fmt.Sprintf("users=%d/touched=%d", n, touched), func(b *testing.B) {
			w := newWorld(b)
			files := map[string]string{}
			for i := range n {
				name := fmt.Sprint("k", i)
				files[name+"/cm.yaml"] = configMap(name, "1")
				w.kustomizations.Create(kustomization(name))
			}
			w.awaitReady("k0", w.push("first", files))
			w.awaitIdle()
			w.builds.take()
			revision := 0
			for b.Loop() {
				revision++
				files["README.md"] = fmt.Sprint(revision)
				for i := range touched {
					files[fmt.Sprintf("k%d/cm.yaml", i)] = configMap("touched", fmt.Sprint(revision))
				}
				w.push(fmt.Sprint(revision), files)
				w.awaitIdle()
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/n, "µs/object")
			if got := w.builds.take(); got != revision*touched {
				b.Errorf("%d builds for %d pushes", got, revision)
			}
		})
	}
}
