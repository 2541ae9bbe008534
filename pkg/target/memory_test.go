package target

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/types"
)

// BenchmarkMemory reports what the cache keeps of an object.
func BenchmarkMemory(b *testing.B) {
	tgt := testTarget(b, nil)
	const n = 20000
	var before, after runtime.MemStats
	for b.Loop() {
		k := &kind{cache: tgt.cache, res: configMaps, objects: map[types.NamespacedName]*Live{}, synced: true}
		runtime.GC()
		runtime.ReadMemStats(&before)
		for i := range n {
			data := strings.NewReplacer(`"name":"web","namespace"`, fmt.Sprintf(`"name":"web-%d","namespace"`, i),
				`"u-1"`, fmt.Sprintf(`"5f0c6a52-7a4e-4b0a-9d5e-%012d"`, i), `"resourceVersion":"10"`, fmt.Sprintf(`"resourceVersion":"%d"`, 1000000+i)).Replace(deployment)
			var tp tape
			if err := tp.reset([]byte(data)); err != nil {
				b.Fatal(err)
			}
			o, err := tgt.reduce(schemaKind("apps", "v1", "Deployment"), &tp, 0)
			if err != nil {
				b.Fatal(err)
			}
			k.seen(o)
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/n, "B/object")
		runtime.KeepAlive(k)
	}
}
