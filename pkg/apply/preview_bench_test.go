package apply_test

import (
	"testing"

	"github.com/leat-dev/leat/pkg/apply"
)

// BenchmarkPreview previews a set of 400 objects that an owner has applied:
// "unchanged" as it is, "changed" with a change in each, "one" with a change in
// four of them.
//
//	go test ./pkg/apply -run '^$' -bench Preview -benchtime 3x
func BenchmarkPreview(b *testing.B) {
	const apps = 100
	manifests := func(colour string, n int) []string {
		out := make([]string, apps)
		for i := range out {
			out[i] = sample(i, "blue")
			if i < n {
				out[i] = sample(i, colour)
			}
		}
		return out
	}
	var f *fixture
	for _, bb := range []struct {
		name    string
		changed int
	}{{"unchanged", 0}, {"one", 1}, {"changed", apps}} {
		b.Run(bb.name, func(sub *testing.B) {
			if f == nil {
				f = prepare(b, 1)[0]
				f.mustApply(f.request("app", manifests("blue", 0)...))
			}
			f.t = sub
			r := apply.PreviewRequest{Request: f.request("app", manifests("red", bb.changed)...)}
			fs := make([]*fixture, sub.N)
			for i := range fs {
				fs[i] = f
			}
			measure(sub, fs, func(f *fixture) {
				if _, err := f.engine.Preview(f.ctx, r); err != nil {
					f.t.Error(err)
				}
			})
		})
	}
}
