package kustomization

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr/funcr"
	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/klog/v2"

	kustomizev1 "github.com/leat-dev/leat/pkg/apis/kustomize/v1"
	"github.com/leat-dev/leat/pkg/apis/meta"
	"github.com/leat-dev/leat/pkg/apply"
	"github.com/leat-dev/leat/pkg/reconcilers/runtime"
	"github.com/leat-dev/leat/pkg/reconcilers/runtime/runtimetest"
)

func TestDeletion(t *testing.T) {
	yes, no := true, false
	account := "deployer"
	policy := func(p kustomizev1.DeletionPolicy) func(*kustomizev1.KustomizationSpec) {
		return func(s *kustomizev1.KustomizationSpec) { s.DeletionPolicy = &p }
	}
	for _, tc := range []struct {
		name   string
		spec   func(*kustomizev1.KustomizationSpec)
		before func(t *testing.T, w *world)
		want   apply.DeletionPolicy
		prune  bool
		event  string
	}{
		{name: "default", want: apply.DeletionMirrorPrune, prune: true, event: "ConfigMap/demo/one deleted"},
		{
			name: "without prune", spec: func(s *kustomizev1.KustomizationSpec) { s.Prune = &no },
			want: apply.DeletionMirrorPrune, prune: false, event: "ConfigMap/demo/one deleted",
		},
		{name: "Delete", spec: policy("Delete"), want: apply.DeletionDelete, prune: true, event: "ConfigMap/demo/one deleted"},
		{name: "WaitForTermination", spec: policy("WaitForTermination"), want: apply.DeletionWaitForTermination, prune: true, event: "ConfigMap/demo/one deleted"},
		{name: "Orphan", spec: policy("Orphan"), want: apply.DeletionOrphan, prune: true},
		{
			name: "suspended", want: apply.DeletionOrphan, prune: true,
			before: func(t *testing.T, w *world) {
				if err := w.kustomizations.Update("demo", "a", func(k *kustomizev1.Kustomization) { k.Spec.Suspend = &yes }); err != nil {
					t.Fatal(err)
				}
			},
		},
		{
			name: "namespace is terminating", spec: policy("Delete"), want: apply.DeletionOrphan, prune: true,
			before: func(t *testing.T, w *world) {
				now := metav1.Now()
				ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "demo", DeletionTimestamp: &now, Finalizers: []string{"x"}}}
				if err := w.host.Tracker().Update(corev1.SchemeGroupVersion.WithResource("namespaces"), ns, ""); err != nil {
					t.Fatal(err)
				}
			},
			event: "Namespace demo is being deleted: the applied objects outside of it are left as they are",
		},
		{
			name: "namespace is gone", want: apply.DeletionOrphan, prune: true,
			before: func(t *testing.T, w *world) {
				if err := w.host.CoreV1().Namespaces().Delete(context.Background(), "demo", metav1.DeleteOptions{}); err != nil {
					t.Fatal(err)
				}
			},
			event: "Namespace demo is gone: the applied objects outside of it are left as they are",
		},
		{
			name: "service account is gone", spec: func(s *kustomizev1.KustomizationSpec) { s.ServiceAccountName = &account },
			want: apply.DeletionOrphan, prune: true,
			event: "ServiceAccount demo/deployer is gone: the applied objects are left as they are",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := newWorld(t)
			k := kustomization("a")
			if tc.spec != nil {
				tc.spec(&k.Spec)
			}
			w.kustomizations.Create(k)
			w.awaitReady("a", w.push("1", map[string]string{"a/cm.yaml": configMap("one", "1")}))
			w.awaitIdle()
			w.events.Take()
			if tc.before != nil {
				tc.before(t, w)
			}
			if err := w.kustomizations.Delete("demo", "a"); err != nil {
				t.Fatal(err)
			}
			w.awaitGone("a")
			w.awaitIdle()
			if n := len(w.cluster.deletions); n != 1 {
				t.Fatalf("%d deletions, want 1", n)
			}
			d := w.cluster.deletions[0]
			if d.Policy != tc.want || d.Prune != tc.prune || d.Owner.Group != "kustomize.toolkit.fluxcd.io" || d.Owner.UID == "" {
				t.Errorf("deletion %+v, want policy %s, prune %v", d, tc.want, tc.prune)
			}
			var messages []string
			for _, e := range w.events.Take() {
				messages = append(messages, e.Message)
			}
			if got := strings.Join(messages, "|"); got != tc.event {
				t.Errorf("events %q, want %q", got, tc.event)
			}
		})
	}
}

func TestOrphansAreTold(t *testing.T) {
	w := newWorld(t)
	obj := kustomization("a")
	obj.Status.Inventory = &kustomizev1.ResourceInventory{Entries: []kustomizev1.ResourceRef{
		{ID: "demo_one__ConfigMap", Version: "v1"}, {ID: "other_two__ConfigMap", Version: "v1"}, {ID: "_three__Namespace", Version: "v1"},
	}}
	var lines []string
	ctx := klog.NewContext(t.Context(), funcr.New(func(_, args string) { lines = append(lines, args) }, funcr.Options{}))
	r := New(Config{Events: w.events})
	run := &runtime.Run{Claim: &runtime.Claim{}}

	r.tellOrphans(ctx, run, obj, orphaning{})
	if told := w.events.Take(); len(told) != 0 || len(lines) != 0 {
		t.Errorf("without orphans: %v, %v", told, lines)
	}
	r.tellOrphans(ctx, run, obj, orphaning{why: "the namespace goes", namespaceGoes: true})
	want := []runtimetest.Event{
		{Type: "Warning", Object: "demo/a", Reason: meta.ReconciliationFailedReason, Message: "the namespace goes"},
		{Type: "Warning", Object: "/demo", Reason: orphanedReason, Message: "Kustomization demo/a is gone with its namespace. 2 object(s) that it applied elsewhere are left, and nobody follows them any more:\nConfigMap/other/two\nNamespace/three"},
	}
	if diff := cmp.Diff(want, w.events.Take()); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	if len(lines) != 1 || !strings.Contains(lines[0], `"count"=3 "countElsewhere"=2`) || !strings.Contains(lines[0], "ConfigMap/other/two") || strings.Contains(lines[0], "demo_one") {
		t.Errorf("logged %q", lines)
	}

	r.tellOrphans(ctx, run, obj, orphaning{why: "the account is gone"})
	if told := w.events.Take(); len(told) != 1 || told[0].Object != "demo/a" {
		t.Errorf("of an object whose namespace stays: %v", told)
	}
}

func TestDeletionThatFails(t *testing.T) {
	w := newWorld(t)
	w.kustomizations.Create(kustomization("a"))
	w.awaitReady("a", w.push("1", map[string]string{"a/cm.yaml": configMap("one", "1")}))
	w.cluster.fail(errors.New("the cluster refuses"))
	if err := w.kustomizations.Delete("demo", "a"); err != nil {
		t.Fatal(err)
	}
	got := w.awaitReason("a", meta.PruneFailedReason)
	if ready(got).Message != "the cluster refuses" || len(got.Finalizers) != 1 {
		t.Errorf("%s, finalizers %v", summary(got), got.Finalizers)
	}
	w.cluster.fail(nil)
	w.awaitIdle()
	// Longer than the back-off after however many runs have failed by now.
	w.step(time.Minute)
	w.awaitGone("a")
}

// TestDeletionEndsAHealthCheck: nobody waits for what is going to be deleted.
func TestDeletionEndsAHealthCheck(t *testing.T) {
	w := newWorld(t)
	w.cluster.health("one", false)
	w.push("1", map[string]string{"a/cm.yaml": configMap("one", "1")})
	w.kustomizations.Create(kustomization("a", waiting))
	w.awaitWaits(1)
	if err := w.kustomizations.Delete("demo", "a"); err != nil {
		t.Fatal(err)
	}
	w.awaitGone("a")
}

func (w *world) awaitGone(name string) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if k, err := w.kustomizations.Await(ctx, "demo", name, func(_ *kustomizev1.Kustomization, exists bool) bool { return !exists }); err != nil {
		w.t.Fatalf("%s is still there: %s, finalizers %v", name, summary(k), k.Finalizers)
	}
}
