package kustomization

import (
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/leat-dev/leat/pkg/apply"
	"github.com/leat-dev/leat/pkg/object"
	"github.com/leat-dev/leat/pkg/reconcilers/runtime"
)

// fetches stands for the reconciler of sources: it knows which artifact is the
// latest, once it has asked.
type fetches struct {
	mu     sync.Mutex
	latest string
	asked  []runtime.Key
}

func (f *fetches) fetched(source, _ runtime.Key, digest string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked = append(f.asked, source)
	return digest == f.latest
}

func (f *fetches) found(digest string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.latest = digest
}

// TestRestoredStoreWaitsForTheSource proves that nothing is applied of what the
// backup says is the latest revision, before the source was asked for it.
func TestRestoredStoreWaitsForTheSource(t *testing.T) {
	sources := &fetches{}
	w := newWorld(t, func(c *Config) { c.Fetched = sources.fetched })
	w.cluster.restored = true
	w.cluster.spared = []apply.Change{{Key: object.Key{Kind: "ConfigMap", Namespace: "demo", Name: "old"}, Action: apply.ActionSkipped}}
	w.push("1", map[string]string{"a/cm.yaml": configMap("one", "yesterday")})
	w.kustomizations.Create(kustomization("a"))
	w.awaitIdle()
	w.step(time.Minute) // past the patience with waits that are over in a moment
	got := w.awaitReason("a", "ArtifactFailed")
	if message := ready(got).Message; !strings.Contains(message, "restored from a backup") || !strings.Contains(message, "demo/app") {
		t.Errorf("message: %s", message)
	}
	if n := w.cluster.counts(); n != (counts{}) {
		t.Errorf("the cluster was asked for %+v while the source was not fetched", n)
	}

	revision := w.push("2", map[string]string{"a/cm.yaml": configMap("one", "today")})
	source, _ := w.sources.Get("demo", "app")
	sources.found(source.Status.Artifact.Digest)
	w.controller.Add(runtime.Key{Namespace: "demo", Name: "a"}, runtime.Source)
	w.awaitReady("a", revision)
	w.awaitIdle()
	var told []string
	for _, e := range w.events.Take() {
		if e.Reason == restoredReason {
			told = append(told, e.Message)
		}
	}
	if len(told) != 1 || !strings.Contains(told[0], "ConfigMap/demo/old") {
		t.Errorf("events about what is left: %q, want one that names it", told)
	}

	// Confirmed: from here on the status of the source is believed again.
	asked := len(sources.asked)
	w.awaitReady("a", w.push("3", map[string]string{"a/cm.yaml": configMap("one", "tomorrow")}))
	if n := len(sources.asked); n != asked {
		t.Errorf("the source was waited for %d more times", n-asked)
	}
}
