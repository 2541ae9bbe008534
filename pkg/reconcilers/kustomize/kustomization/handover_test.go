package kustomization

import (
	"testing"
	"time"

	kustomizev1 "github.com/leat-dev/leat/pkg/apis/kustomize/v1"
	"github.com/leat-dev/leat/pkg/apis/meta"
	"github.com/leat-dev/leat/pkg/object"
)

// TestHandOver moves an object from one directory to another. There is one slot,
// and the one that loses the object comes first.
func TestHandOver(t *testing.T) {
	shared, other := configMap("shared", "1"), configMap("other", "1")
	key := object.Key{Kind: "ConfigMap", Namespace: "demo", Name: "shared"}
	for _, tc := range []struct {
		name string
		spec func(loser, winner *kustomizev1.KustomizationSpec)
		// steps are what the clock has to be moved by.
		steps time.Duration
		want  int
	}{
		{name: "independent", want: 0},
		{name: "the winner depends on somebody else", want: 0, spec: func(_, winner *kustomizev1.KustomizationSpec) {
			dependsOn("third")(winner)
		}},
		// This one cannot be had: the winner looks only after the loser is ready.
		{name: "the winner depends on the loser", want: 1, spec: func(_, winner *kustomizev1.KustomizationSpec) {
			dependsOn("loser")(winner)
		}},
		{name: "the loser depends on the winner", want: 0, spec: func(loser, _ *kustomizev1.KustomizationSpec) {
			dependsOn("winner")(loser)
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := newWorld(t)
			loser, winner := kustomization("loser"), kustomization("winner")
			if tc.spec != nil {
				tc.spec(&loser.Spec, &winner.Spec)
			}
			for _, k := range []*kustomizev1.Kustomization{loser, winner, kustomization("third")} {
				w.kustomizations.Create(k)
			}
			first := w.push("1", map[string]string{
				"loser/a.yaml": shared, "loser/b.yaml": configMap("stays", "1"), "winner/a.yaml": other, "third/a.yaml": configMap("third", "1"),
			})
			w.awaitReady("loser", first)
			w.awaitReady("winner", first)
			w.awaitIdle()
			second := w.push("2", map[string]string{
				"loser/b.yaml": configMap("stays", "1"), "winner/a.yaml": other, "winner/b.yaml": shared, "third/a.yaml": configMap("third", "2"),
			})
			w.awaitReady("loser", second)
			w.awaitReady("winner", second)
			w.awaitIdle()
			w.cluster.mu.Lock()
			defer w.cluster.mu.Unlock()
			if w.cluster.pruned != tc.want {
				t.Errorf("%d objects were deleted, want %d", w.cluster.pruned, tc.want)
			}
			if w.cluster.live[key] == "" {
				t.Error("the object is gone")
			}
		})
	}
}

// TestPruneDoesNotWaitForThoseWhoCannotAsk: time stands still, so a wait would
// never end.
func TestPruneDoesNotWaitForThoseWhoCannotAsk(t *testing.T) {
	w := newWorld(t)
	yes := true
	for name, change := range map[string]func(*kustomizev1.KustomizationSpec){
		"suspended": func(s *kustomizev1.KustomizationSpec) { s.Suspend = &yes },
		"stalled":   func(s *kustomizev1.KustomizationSpec) { s.Decryption = &kustomizev1.Decryption{Provider: "sops"} },
		"orphaned":  dependsOn("nobody"),
		"broken":    func(*kustomizev1.KustomizationSpec) {},
		"a":         func(*kustomizev1.KustomizationSpec) {},
	} {
		w.kustomizations.Create(kustomization(name, change))
	}
	w.awaitReady("a", w.push("1", map[string]string{"a/1.yaml": configMap("o1", "1"), "a/2.yaml": configMap("o2", "1"), "broken/a.yaml": "kind: ["}))
	w.awaitReason("broken", meta.BuildFailedReason)
	w.awaitIdle()
	w.awaitReady("a", w.push("2", map[string]string{"a/1.yaml": configMap("o1", "1"), "broken/a.yaml": "kind: ["}))
	w.awaitIdle()
	if w.cluster.pruned != 1 {
		t.Errorf("%d objects were deleted, want 1", w.cluster.pruned)
	}
}

// TestPruneEndsItsWait: a user that never looks costs time, and no more.
func TestPruneEndsItsWait(t *testing.T) {
	building := make(chan struct{})
	w := newWorldWith(t, 2, func(c *Config) { c.Builder = stuckBuilder{c.Builder, building} })
	w.kustomizations.Create(kustomization("a"))
	w.kustomizations.Create(kustomization("b"))
	files := map[string]string{"a/1.yaml": configMap("o1", "1"), "a/2.yaml": configMap("o2", "1"), "b/1.yaml": configMap("o3", "1")}
	first := w.push("1", files)
	w.awaitReady("a", first)
	w.awaitReady("b", first)
	w.awaitIdle()
	delete(files, "a/2.yaml")
	files["b/stuck.yaml"] = configMap("o4", "1")
	second := w.push("2", files)
	<-building
	w.awaitPlans(3)
	if k, _ := w.kustomizations.Get("demo", "a"); k.Status.LastAppliedRevision != first {
		t.Error("it did not wait at all")
	}
	for range 100 { // the wait begins some time after the plan
		w.clock.Step(handOverPatience)
		if k, _ := w.kustomizations.Get("demo", "a"); k.Status.LastAppliedRevision == second {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Error("it waits for good")
}
