package reconcilers

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/leat-dev/leat/pkg/reconcilers/runtime"
)

func TestFreshness(t *testing.T) {
	f := newFreshness()
	var triggered []string
	f.triggers(func(user runtime.Key) { triggered = append(triggered, user.Name) })
	source, a, b := runtime.Key{Namespace: "ns", Name: "source"}, runtime.Key{Namespace: "ns", Name: "a"}, runtime.Key{Namespace: "ns", Name: "b"}

	if f.latest(source, a, "old") {
		t.Error("an artifact counts as the latest before the source was fetched")
	}
	f.fetched(runtime.Key{Namespace: "ns", Name: "another"}, "old")
	f.fetched(source, "new")
	if diff := cmp.Diff([]string{"a"}, triggered); diff != "" {
		t.Errorf("triggered by the fetch (-want +have):\n%s", diff)
	}
	if f.latest(source, b, "old") || !f.latest(source, a, "new") {
		t.Error("the latest artifact is not the one that was fetched")
	}
	// The cache that b reads may be ahead: the next fetch tells.
	f.fetched(source, "new")
	f.fetched(source, "new")
	if diff := cmp.Diff([]string{"a", "b"}, triggered); diff != "" {
		t.Errorf("triggered by both (-want +have):\n%s", diff)
	}
}
