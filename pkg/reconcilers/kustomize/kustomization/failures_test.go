package kustomization

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	kustomizev1 "github.com/leat-dev/leat/pkg/apis/kustomize/v1"
	"github.com/leat-dev/leat/pkg/apis/meta"
	sourcev1 "github.com/leat-dev/leat/pkg/apis/source/v1"
	"github.com/leat-dev/leat/pkg/apply"
	"github.com/leat-dev/leat/pkg/artifact"
	"github.com/leat-dev/leat/pkg/object"
	"github.com/leat-dev/leat/pkg/reconcilers/runtime"
)

func TestFailures(t *testing.T) {
	good := map[string]string{"a/cm.yaml": configMap("one", "1")}
	for _, tc := range []struct {
		name    string
		files   map[string]string
		spec    func(*kustomizev1.KustomizationSpec)
		err     error
		reason  string
		message string
		// after is when it is tried again.
		after time.Duration
	}{
		{
			name: "broken manifest", files: map[string]string{"a/cm.yaml": "kind: ["},
			reason: meta.BuildFailedReason, message: "a/cm.yaml", after: time.Minute,
		},
		{
			name: "no such path", files: map[string]string{"b/cm.yaml": configMap("one", "1")},
			reason: meta.ArtifactFailedReason, message: "a", after: time.Minute,
		},
		{
			name: "undefined variable", files: map[string]string{"a/cm.yaml": configMap("one", "${nobody}")},
			spec: func(s *kustomizev1.KustomizationSpec) {
				s.PostBuild = &kustomizev1.PostBuild{Substitute: map[string]string{"x": "y"}}
			},
			reason: meta.BuildFailedReason, message: "nobody", after: time.Minute,
		},
		{
			name: "refused objects", files: good,
			err: &apply.Error{Op: "validating", Objects: []apply.ObjectError{{
				Key: object.Key{Kind: "ConfigMap", Namespace: "demo", Name: "one"}, File: "a/cm.yaml", Err: errors.New("nope"),
			}}},
			reason: meta.ReconciliationFailedReason, message: "validating failed for 1 object(s), nothing was written: ConfigMap/demo/one (a/cm.yaml): nope", after: time.Minute,
		},
		{
			name: "prune", files: good, err: &apply.Error{Op: "pruning", Written: true},
			reason: meta.PruneFailedReason, message: "pruning failed", after: time.Minute,
		},
		{
			name: "a cluster that is busy", files: good, err: apierrors.NewTooManyRequests("slow down", 1),
			reason: meta.ReconciliationFailedReason, message: "slow down", after: 750 * time.Millisecond,
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := newWorld(t)
			w.cluster.fail(tc.err)
			w.push("1", tc.files)
			k := kustomization("a")
			if tc.spec != nil {
				tc.spec(&k.Spec)
			}
			w.kustomizations.Create(k)
			got := w.awaitReason("a", tc.reason)
			if m := ready(got).Message; !strings.Contains(m, tc.message) {
				t.Errorf("message %q, want %q in it", m, tc.message)
			}
			if got.Status.ObservedGeneration != -1 || got.Status.LastAppliedRevision != "" || got.Status.LastAttemptedRevision != "main@sha1:1" {
				t.Errorf("status %+v", got.Status)
			}
			if r := condition(got, "Reconciling"); r.Status != "True" || r.Reason != "ProgressingWithRetry" || condition(got, "Stalled").Type != "" {
				t.Errorf("conditions: %s", summary(got))
			}
			w.awaitIdle()
			if e := w.events.Take(); len(e) != 1 || e[0].Type != "Warning" || e[0].Reason != tc.reason {
				t.Errorf("events %+v, want one warning", e)
			}
			w.step(tc.after - 1)
			if e := w.events.Take(); len(e) != 0 {
				t.Errorf("tried again before %s: %+v", tc.after, e)
			}
			w.step(1)
			if e := w.events.Take(); len(e) != 1 {
				t.Errorf("not tried again after %s", tc.after)
			}
			// A commit that repairs it does not wait for the retry.
			w.cluster.fail(nil)
			if tc.spec == nil {
				w.awaitReady("a", w.push("2", good))
			}
		})
	}
}

func TestEmptyBuildIsRefused(t *testing.T) {
	w := newWorld(t)
	w.kustomizations.Create(kustomization("a"))
	w.awaitReady("a", w.push("1", map[string]string{"a/cm.yaml": configMap("one", "1")}))
	w.push("2", map[string]string{"a/kustomization.yaml": "resources: []\n"})
	got := w.awaitReason("a", meta.BuildFailedReason)
	if got.Status.LastAppliedRevision != "main@sha1:1" || got.Status.Inventory == nil || len(w.cluster.live) != 1 {
		t.Errorf("%s, inventory %v, %d objects live", summary(got), got.Status.Inventory, len(w.cluster.live))
	}
}

func TestSourceThatIsNotThere(t *testing.T) {
	w := newWorld(t)
	w.kustomizations.Create(kustomization("a"))
	w.awaitIdle()
	if n := w.kustomizations.StatusWrites.Load(); n != 0 {
		t.Errorf("%d status writes while the objects are being created, want none yet", n)
	}
	w.step(2 * time.Second)
	got := w.awaitReason("a", meta.ArtifactFailedReason)
	if m := ready(got).Message; m != "source 'GitRepository/demo/app': not found" {
		t.Errorf("message %q", m)
	}
	w.sources.Create(&sourcev1.GitRepository{ObjectMeta: metav1.ObjectMeta{Namespace: "demo", Name: "app"}})
	w.await("a", "told of the source", func(k *kustomizev1.Kustomization) bool {
		return strings.Contains(ready(k).Message, "it has no artifact yet")
	})
	w.awaitReady("a", w.push("1", map[string]string{"a/cm.yaml": configMap("one", "1")}))
}

func TestLostArtifact(t *testing.T) {
	w := newWorld(t)
	files := map[string]string{"a/cm.yaml": configMap("one", "1")}
	w.push("1", files)
	source, _ := w.sources.Get("demo", "app")
	if err := w.artifacts.Forget(artifact.Owner{Kind: "GitRepository", Namespace: "demo", Name: "app", UID: string(source.UID)}); err != nil {
		t.Fatal(err)
	}
	w.kustomizations.Create(kustomization("a"))
	w.awaitIdle()
	w.mu.Lock()
	if want := []runtime.Key{{Namespace: "demo", Name: "app"}}; !cmp.Equal(want, w.refetched) {
		t.Errorf("refetched %v, want %v", w.refetched, want)
	}
	w.mu.Unlock()
	w.clock.Step(time.Second) // restored: the same revision at another time
	w.awaitReady("a", w.push("1", files))
}

func TestVariables(t *testing.T) {
	ctx := context.Background()
	w := newWorld(t)
	yes := true
	k := kustomization("a", func(s *kustomizev1.KustomizationSpec) {
		s.PostBuild = &kustomizev1.PostBuild{
			Substitute: map[string]string{"inline": "i", "twice": "inline wins"},
			SubstituteFrom: []kustomizev1.SubstituteReference{
				{Kind: "ConfigMap", Name: "vars"}, {Kind: "Secret", Name: "secrets"}, {Kind: "Secret", Name: "maybe", Optional: &yes},
			},
		}
	})
	w.push("1", map[string]string{"a/cm.yaml": configMap("one", "${inline} ${twice} ${plain} ${hidden}")})
	w.kustomizations.Create(k)
	got := w.awaitReason("a", meta.BuildFailedReason)
	if m := ready(got).Message; !strings.Contains(m, "reading variables from ConfigMap/vars") {
		t.Errorf("message %q", m)
	}
	configMaps, secrets := w.host.CoreV1().ConfigMaps("demo"), w.host.CoreV1().Secrets("demo")
	vars := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "vars"}, Data: map[string]string{"plain": "p1", "twice": "x"}}
	if _, err := configMaps.Create(ctx, vars, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	hidden := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "secrets"}, Data: map[string][]byte{"hidden": []byte("h1")}}
	if _, err := secrets.Create(ctx, hidden, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	// Both carry the watch label, so the informer sees them appear.
	w.configMaps.Create(&metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{Namespace: "demo", Name: "vars"}})
	w.secrets.Create(&metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{Namespace: "demo", Name: "secrets"}})
	w.awaitReady("a", "main@sha1:1")
	w.wantValue("i inline wins p1 h1")
	for _, v := range w.builds.last.Variables {
		if want := v.Name == "hidden"; v.Tainted != want {
			t.Errorf("variable %s: tainted %v", v.Name, v.Tainted)
		}
	}

	// Another value is another build; the same values again are not.
	w.awaitIdle()
	w.builds.take()
	vars.Data["plain"] = "p2"
	if _, err := configMaps.Update(ctx, vars, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := w.configMaps.Update("demo", "vars", func(*metav1.PartialObjectMetadata) {}); err != nil {
			t.Fatal(err)
		}
		w.awaitIdle()
	}
	w.wantValue("i inline wins p2 h1")
	if n := w.builds.take(); n != 1 {
		t.Errorf("%d builds, want 1", n)
	}
}

// wantValue checks what the only object in the cluster holds.
func (w *world) wantValue(want string) {
	w.t.Helper()
	w.cluster.mu.Lock()
	defer w.cluster.mu.Unlock()
	for _, data := range w.cluster.live {
		if !strings.Contains(data, fmt.Sprintf(`"key":%q`, want)) {
			w.t.Errorf("live: %s, want %q", data, want)
		}
	}
}

func TestSuspend(t *testing.T) {
	w := newWorld(t)
	files := map[string]string{"a/cm.yaml": configMap("one", "1")}
	yes := true
	w.kustomizations.Create(kustomization("a"))
	w.awaitReady("a", w.push("1", files))
	set := func(v *bool) {
		if err := w.kustomizations.Update("demo", "a", func(k *kustomizev1.Kustomization) { k.Spec.Suspend = v }); err != nil {
			t.Fatal(err)
		}
		w.awaitIdle()
	}
	set(&yes)
	writes := w.kustomizations.StatusWrites.Load()
	w.cluster.take()
	second := w.push("2", files)
	w.step(time.Hour)
	if got := w.cluster.take(); got != (counts{}) || w.kustomizations.StatusWrites.Load() != writes {
		t.Errorf("a suspended object cost %+v", got)
	}
	set(nil)
	w.awaitReady("a", second)
}

func TestQuarantine(t *testing.T) {
	w := newWorld(t, func(c *Config) { c.Builder = panickingBuilder{c.Builder} })
	files := map[string]string{"a/cm.yaml": configMap("one", "1")}
	w.push("1", files)
	w.kustomizations.Create(kustomization("a"))
	got := w.await("a", "quarantined", func(k *kustomizev1.Kustomization) bool { return runtime.IsTrue(k.Status.Conditions, "Stalled") })
	if c := ready(got); c.Reason != runtime.QuarantinedReason || !strings.Contains(c.Message, "boom") {
		t.Errorf("%s", summary(got))
	}
	if err := w.kustomizations.Update("demo", "a", func(k *kustomizev1.Kustomization) { prefix := "ok-"; k.Spec.NamePrefix = &prefix }); err != nil {
		t.Fatal(err)
	}
	w.awaitReady("a", "main@sha1:1")
}

func TestNoCrossNamespaceRefs(t *testing.T) {
	other := "other"
	for name, change := range map[string]func(*kustomizev1.KustomizationSpec){
		"spec.sourceRef.namespace": func(s *kustomizev1.KustomizationSpec) { s.SourceRef.Namespace = &other },
		"spec.dependsOn[0].namespace": func(s *kustomizev1.KustomizationSpec) {
			s.DependsOn = []kustomizev1.DependencyReference{{Name: "x", Namespace: &other}}
		},
	} {
		w := newWorld(t, func(c *Config) { c.NoCrossNamespaceRefs = true })
		w.kustomizations.Create(kustomization("a", change))
		got := w.awaitReason("a", meta.AccessDeniedReason)
		if !runtime.IsTrue(got.Status.Conditions, "Stalled") || !strings.HasPrefix(ready(got).Message, name) {
			t.Errorf("%s: %s", name, summary(got))
		}
	}
}
