package kustomization

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	kustomizev1 "github.com/leat-dev/leat/pkg/apis/kustomize/v1"
	"github.com/leat-dev/leat/pkg/apis/meta"
	"github.com/leat-dev/leat/pkg/apply"
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
