package kustomization

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	kustomizev1 "github.com/leat-dev/leat/pkg/apis/kustomize/v1"
	"github.com/leat-dev/leat/pkg/apis/meta"
	"github.com/leat-dev/leat/pkg/reconcilers/runtime"
)

func TestDependencyChain(t *testing.T) {
	w := newWorld(t)
	const n = 5
	files := map[string]string{}
	for i := n; i >= 1; i-- {
		name := fmt.Sprint("k", i)
		files[name+"/cm.yaml"] = configMap(name, "1")
		k := kustomization(name)
		if i > 1 {
			dependsOn(fmt.Sprint("k", i-1))(&k.Spec)
		}
		w.kustomizations.Create(k)
	}
	// Time stands still: nothing of this waits for a timer.
	revision := w.push("1", files)
	w.awaitReady("k5", revision)
	if got := w.kustomizations.StatusWrites.Load(); got != n {
		t.Errorf("%d status writes for %d objects", got, n)
	}
	// A push that touches none of them goes along the chain as well.
	w.cluster.take()
	files["x"] = "y"
	w.awaitReady("k5", w.push("2", files))
	if got := w.kustomizations.StatusWrites.Load(); got != 2*n {
		t.Errorf("%d status writes after the second push, want %d", got, 2*n)
	}
	if got := w.cluster.take(); got != (counts{}) {
		t.Errorf("the second push cost %+v", got)
	}
}

func TestDependencyThatIsNotReady(t *testing.T) {
	w := newWorld(t)
	w.cluster.fail(errors.New("no"))
	revision := w.push("1", map[string]string{"a/cm.yaml": configMap("a", "1"), "b/cm.yaml": configMap("b", "1")})
	w.kustomizations.Create(kustomization("a"))
	w.kustomizations.Create(kustomization("b", dependsOn("a", "missing")))
	w.awaitReason("a", meta.ReconciliationFailedReason)
	w.awaitIdle()
	w.clock.Step(2 * time.Second) // only now b says that it waits
	got := w.awaitReason("b", meta.DependencyNotReadyReason)
	if m := ready(got).Message; m != "dependency 'demo/a' is not ready: its latest spec has not been applied yet" {
		t.Errorf("message %q", m)
	}
	w.cluster.fail(nil)
	w.awaitIdle()
	w.clock.Step(time.Minute)
	w.awaitReady("a", revision)
	got = w.await("b", "waiting for the missing one", func(k *kustomizev1.Kustomization) bool { return strings.Contains(ready(k).Message, "missing") })
	if m := ready(got).Message; m != "dependency 'demo/missing' not found" {
		t.Errorf("message %q", m)
	}
	w.push("2", map[string]string{"a/cm.yaml": configMap("a", "1"), "b/cm.yaml": configMap("b", "1"), "missing/cm.yaml": configMap("m", "1")})
	w.kustomizations.Create(kustomization("missing"))
	w.awaitReady("b", "main@sha1:2")
}

func TestDependencyCycle(t *testing.T) {
	w := newWorld(t)
	files := map[string]string{}
	for _, k := range []struct{ name, on string }{{"a", "b"}, {"b", "c"}, {"c", "a"}} {
		files[k.name+"/cm.yaml"] = configMap(k.name, "1")
		w.kustomizations.Create(kustomization(k.name, dependsOn(k.on)))
	}
	revision := w.push("1", files)
	for name, way := range map[string]string{"a": "demo/a → demo/b → demo/c → demo/a", "b": "demo/b → demo/c → demo/a → demo/b"} {
		got := w.await(name, "stalled", func(k *kustomizev1.Kustomization) bool { return runtime.IsTrue(k.Status.Conditions, "Stalled") })
		if m := ready(got).Message; !strings.HasSuffix(m, way) {
			t.Errorf("%s: message %q, want the way %s", name, m, way)
		}
	}
	if err := w.kustomizations.Update("demo", "c", func(k *kustomizev1.Kustomization) { k.Spec.DependsOn = nil }); err != nil {
		t.Fatal(err)
	}
	w.awaitReady("a", revision)
}
