package kustomization

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	kustomizev1 "github.com/leat-dev/leat/pkg/apis/kustomize/v1"
	"github.com/leat-dev/leat/pkg/apis/meta"
	sourcev1 "github.com/leat-dev/leat/pkg/apis/source/v1"
	"github.com/leat-dev/leat/pkg/reconcilers/runtime"
	"github.com/leat-dev/leat/pkg/reconcilers/runtime/runtimetest"
)

func TestInstall(t *testing.T) {
	w := newWorld(t)
	revision := w.push("1", map[string]string{"a/cm.yaml": configMap("one", "1"), "a/other.yaml": configMap("two", "2")})
	w.kustomizations.Create(kustomization("a", waiting))
	got := w.awaitReady("a", revision)

	now := metav1.NewTime(w.clock.Now())
	at := func(c metav1.Condition) metav1.Condition {
		c.ObservedGeneration, c.LastTransitionTime = 1, now
		return c
	}
	digest := got.Status.History[0].Digest
	want := kustomizev1.KustomizationStatus{
		ObservedGeneration: 1,
		Conditions: []metav1.Condition{
			at(metav1.Condition{Type: "Ready", Status: "True", Reason: "ReconciliationSucceeded", Message: "Applied revision: main@sha1:1"}),
			at(metav1.Condition{Type: "Healthy", Status: "True", Reason: "Succeeded", Message: "Health check passed in 0s"}),
		},
		LastAppliedRevision: revision, LastAttemptedRevision: revision,
		Inventory: &kustomizev1.ResourceInventory{Entries: []kustomizev1.ResourceRef{
			{ID: "demo_one__ConfigMap", Version: "v1"}, {ID: "demo_two__ConfigMap", Version: "v1"},
		}},
		History: []kustomizev1.Snapshot{{
			Digest: digest, FirstReconciled: now, LastReconciled: now, LastReconciledDuration: "0s",
			LastReconciledStatus: "ReconciliationSucceeded", TotalReconciliations: 1, Metadata: map[string]string{"revision": revision},
		}},
	}
	if diff := cmp.Diff(want, got.Status); diff != "" {
		t.Errorf("status (-want +got):\n%s", diff)
	}
	if !strings.HasPrefix(digest, "sha256:") {
		t.Errorf("digest %q", digest)
	}
	if n := w.kustomizations.StatusWrites.Load(); n != 1 {
		t.Errorf("%d status writes, want 1", n)
	}
	if n := w.kustomizations.Writes.Load(); n != 1 || len(got.Finalizers) != 1 || got.Finalizers[0] != meta.Finalizer {
		t.Errorf("%d other writes, finalizers %v; want the finalizer written once", n, got.Finalizers)
	}
	w.settleEvents(t, []runtimetest.Event{{
		Type: "Normal", Object: "demo/a", Reason: "ReconciliationSucceeded",
		Message:  "ConfigMap/demo/one created\nConfigMap/demo/two created",
		Metadata: map[string]string{"revision": revision, "originRevision": ""},
	}})
}

// settleEvents compares the events since the last call; a run writes them after
// its status.
func (w *world) settleEvents(t *testing.T, want []runtimetest.Event) {
	t.Helper()
	w.awaitIdle()
	got := w.events.Take()
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
}

// TestPushes says what a push costs an object, by what it changes.
func TestPushes(t *testing.T) {
	base := map[string]string{"a/cm.yaml": configMap("one", "1"), "b/cm.yaml": configMap("b", "1")}
	for _, tc := range []struct {
		name   string
		file   string
		to     string
		builds int
		want   counts
		events int
	}{
		{"another directory", "b/cm.yaml", configMap("b", "2"), 0, counts{}, 0},
		{"a file that is no manifest", "a/README.md", "hello", 0, counts{}, 0},
		{"a comment", "a/cm.yaml", "# hello\n" + configMap("one", "1"), 1, counts{}, 0},
		{"an object", "a/cm.yaml", configMap("one", "2"), 1, counts{1, 1, 1}, 1},
		{"a new file", "a/new.yaml", configMap("new", "2"), 1, counts{1, 1, 1}, 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := newWorld(t)
			first := w.push("1", base)
			w.kustomizations.Create(kustomization("a", waiting))
			before := w.awaitReady("a", first)
			w.awaitIdle()
			w.events.Take()
			w.builds.take()
			w.cluster.take()
			writes := w.kustomizations.StatusWrites.Load()

			files := map[string]string{tc.file: tc.to}
			for k, v := range base {
				if k != tc.file {
					files[k] = v
				}
			}
			second := w.push("2", files)
			got := w.awaitReady("a", second)
			w.awaitIdle()
			if n := w.builds.take(); n != tc.builds {
				t.Errorf("%d builds, want %d", n, tc.builds)
			}
			if diff := cmp.Diff(tc.want, w.cluster.take()); diff != "" {
				t.Errorf("requests to the cluster (-want +got):\n%s", diff)
			}
			if n := w.kustomizations.StatusWrites.Load() - writes; n != 1 {
				t.Errorf("%d status writes, want 1", n)
			}
			if got.Status.LastAttemptedRevision != second {
				t.Errorf("lastAttemptedRevision %q", got.Status.LastAttemptedRevision)
			}
			if same := tc.want == (counts{}); same != (got.Status.History[0].TotalReconciliations == 2) {
				t.Errorf("history %+v", got.Status.History)
			}
			if diff := cmp.Diff(ready(before).LastTransitionTime, ready(got).LastTransitionTime); diff != "" {
				t.Errorf("Ready seems to have changed: %s", diff)
			}
		})
	}
}

func TestIntervalComparesWithTheCluster(t *testing.T) {
	w := newWorld(t)
	revision := w.push("1", map[string]string{"a/cm.yaml": configMap("one", "1")})
	w.kustomizations.Create(kustomization("a"))
	w.awaitReady("a", revision)
	w.awaitIdle()
	w.events.Take()
	w.cluster.take()
	writes := w.kustomizations.StatusWrites.Load()

	w.step(10 * time.Minute)
	if diff := cmp.Diff(counts{Plans: 1, Applies: 1}, w.cluster.take()); diff != "" {
		t.Errorf("requests to the cluster (-want +got):\n%s", diff)
	}
	if n := w.kustomizations.StatusWrites.Load() - writes; n != 0 {
		t.Errorf("an interval without news cost %d status writes", n)
	}

	// What drifted is put right, and told.
	w.cluster.mu.Lock()
	for k := range w.cluster.live {
		w.cluster.live[k] = "drifted"
	}
	w.cluster.mu.Unlock()
	w.clock.Step(10 * time.Minute)
	w.await("a", "put right", func(k *kustomizev1.Kustomization) bool { return k.Status.History[0].TotalReconciliations == 2 })
	w.settleEvents(t, []runtimetest.Event{{
		Type: "Normal", Object: "demo/a", Reason: "ReconciliationSucceeded", Message: "ConfigMap/demo/one configured",
		Metadata: map[string]string{"revision": revision, "originRevision": ""},
	}})
}

// TestPushesDoNotPostponeTheInterval: a busy repository must not keep its
// untouched users from being compared with the cluster.
func TestPushesDoNotPostponeTheInterval(t *testing.T) {
	w := newWorld(t)
	files := map[string]string{"a/cm.yaml": configMap("one", "1")}
	w.kustomizations.Create(kustomization("a"))
	w.awaitReady("a", w.push("0", files))
	w.awaitIdle()
	w.cluster.take()
	for i := range 4 {
		w.clock.Step(2 * time.Minute)
		files["b"] = fmt.Sprint(i)
		w.awaitReady("a", w.push(fmt.Sprint(i+1), files))
		w.awaitIdle()
	}
	if got := w.cluster.take(); got != (counts{}) {
		t.Errorf("before the interval was over: %+v", got)
	}
	w.step(2 * time.Minute)
	if got := w.cluster.take(); got.Plans != 1 {
		t.Errorf("after the interval: %+v, want one plan", got)
	}
}

func TestRequest(t *testing.T) {
	w := newWorld(t)
	revision := w.push("1", map[string]string{"a/cm.yaml": configMap("one", "1")})
	w.kustomizations.Create(kustomization("a"))
	w.awaitReady("a", revision)
	w.awaitIdle()
	w.cluster.take()
	for _, tc := range []struct{ token, force string }{{"t1", ""}, {"t2", "t2"}, {"t3", "t2"}} {
		if err := w.kustomizations.Update("demo", "a", func(k *kustomizev1.Kustomization) {
			k.Annotations = map[string]string{meta.ReconcileRequestAnnotation: tc.token, meta.ForceRequestAnnotation: tc.force}
		}); err != nil {
			t.Fatal(err)
		}
		w.await("a", "asked", func(k *kustomizev1.Kustomization) bool { return k.Status.LastHandledReconcileAt == tc.token })
		if got := w.cluster.take(); got.Plans != 1 || got.Applies != 1 {
			t.Errorf("%s: %+v, want everything compared", tc.token, got)
		}
		if got, want := w.cluster.requests[len(w.cluster.requests)-1].Force, tc.token == tc.force; got != want {
			t.Errorf("%s: force %v, want %v", tc.token, got, want)
		}
	}
}

// TestRequestWithSource: object and source are asked at once, and the object
// does not run with the old artifact while the new one is on its way.
func TestRequestWithSource(t *testing.T) {
	w := newWorld(t)
	w.kustomizations.Create(kustomization("a"))
	w.kustomizations.Create(kustomization("other", func(s *kustomizev1.KustomizationSpec) { path := "a"; s.Path = &path }))
	first := w.push("1", map[string]string{"a/cm.yaml": configMap("one", "1")})
	w.awaitReady("a", first)
	w.awaitReady("other", first)
	w.awaitIdle()
	w.cluster.take()
	ask := func(o metav1.Object, token string) {
		o.SetAnnotations(map[string]string{meta.ReconcileRequestAnnotation: token})
	}
	if err := w.sources.Update("demo", "app", func(r *sourcev1.GitRepository) { ask(r, "t1") }); err != nil {
		t.Fatal(err)
	}
	if err := w.kustomizations.Update("demo", "a", func(k *kustomizev1.Kustomization) { ask(k, "t1") }); err != nil {
		t.Fatal(err)
	}
	w.awaitIdle()
	if got := w.cluster.take(); got != (counts{}) {
		t.Errorf("before the source has answered: %+v", got)
	}
	w.step(2 * time.Second)
	if got := w.awaitReason("a", "Progressing"); got.Status.LastHandledReconcileAt != "" || !runtime.IsTrue(got.Status.Conditions, "Reconciling") {
		t.Errorf("while the source is slow: %s, handled %q", summary(got), got.Status.LastHandledReconcileAt)
	}
	// A source that does not answer at all is not waited for forever.
	w.step(time.Minute)
	w.await("a", "answered anyway", func(k *kustomizev1.Kustomization) bool { return k.Status.LastHandledReconcileAt == "t1" })
	w.awaitIdle()
	w.cluster.take()

	if err := w.sources.Update("demo", "app", func(r *sourcev1.GitRepository) { ask(r, "t2") }); err != nil {
		t.Fatal(err)
	}
	if err := w.kustomizations.Update("demo", "a", func(k *kustomizev1.Kustomization) { ask(k, "t2") }); err != nil {
		t.Fatal(err)
	}
	w.awaitIdle()
	// The source has found nothing new; only who was asked runs.
	if err := w.sources.UpdateStatus("demo", "app", func(r *sourcev1.GitRepository) { r.Status.LastHandledReconcileAt = "t2" }); err != nil {
		t.Fatal(err)
	}
	w.await("a", "answered", func(k *kustomizev1.Kustomization) bool { return k.Status.LastHandledReconcileAt == "t2" })
	w.awaitIdle()
	if got := w.cluster.take(); got.Plans != 1 {
		t.Errorf("after the source has answered: %+v, want one plan", got)
	}
}
