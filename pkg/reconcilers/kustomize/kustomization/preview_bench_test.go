package kustomization

import (
	"fmt"
	"testing"

	"github.com/leat-dev/leat/pkg/preview"
)

// BenchmarkPreview makes previews of 200 objects, half of them with a secret
// value, for a caller who may not get it.
func BenchmarkPreview(b *testing.B) {
	s := newStage(b)
	s.secret("db", secretData())
	viewer := s.may("viewer", readable...)
	k := s.kustomization()
	manifests := func(value string) map[string]string {
		out := map[string]string{}
		for i := range 100 {
			out[fmt.Sprintf("plain%d", i)] = cm(fmt.Sprintf("plain%d", i), "k: "+value)
			out[fmt.Sprintf("secret%d", i)] = cm(fmt.Sprintf("secret%d", i), "k: "+value+", s: 'x${word}'")
		}
		return set(out)
	}
	first := s.push("1111", manifests("a"))
	s.run(k)
	s.push("2222", manifests("b"))
	live, same, upload := preview.Side{Live: true}, preview.Side{Retained: first}, preview.Side{Upload: s.tree(manifests("c"))}
	for _, bench := range []struct {
		name     string
		from, to preview.Side
	}{
		{"unchanged", live, same}, {"changed", live, preview.Side{}}, {"upload", live, upload}, {"rendered", same, preview.Side{}},
	} {
		b.Run(bench.name, func(b *testing.B) {
			for b.Loop() {
				if _, err := s.previewer.Diff(b.Context(), preview.Request{Object: k, Caller: viewer, From: bench.from, To: bench.to}); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(len(s.requests.take("")))/float64(b.N), "requests/op")
		})
	}
	b.Run("build", func(b *testing.B) {
		for b.Loop() {
			if _, err := s.previewer.Build(b.Context(), preview.Request{Object: k, Caller: viewer}); err != nil {
				b.Fatal(err)
			}
		}
	})
}
