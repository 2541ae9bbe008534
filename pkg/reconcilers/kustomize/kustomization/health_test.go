package kustomization

import (
	"strings"
	"testing"
	"time"

	kustomizev1 "github.com/leat-dev/leat/pkg/apis/kustomize/v1"
	"github.com/leat-dev/leat/pkg/apis/meta"
)

func TestHealth(t *testing.T) {
	t.Run("slow", func(t *testing.T) {
		w := newWorld(t)
		w.cluster.health("one", false)
		revision := w.push("1", map[string]string{"a/cm.yaml": configMap("one", "1"), "b/cm.yaml": configMap("b", "1")})
		w.kustomizations.Create(kustomization("a", waiting))
		// The only slot is free for another object meanwhile.
		w.kustomizations.Create(kustomization("b", waiting))
		w.awaitReady("b", revision)
		w.awaitWaits(2)
		w.clock.Step(2 * time.Second)
		got := w.await("a", "in progress", func(k *kustomizev1.Kustomization) bool { return len(k.Status.Conditions) > 0 })
		if r := condition(got, "Reconciling"); r.Status != "True" || ready(got).Status != "Unknown" || condition(got, "Healthy").Status != "Unknown" ||
			r.Message != "Running health checks for revision main@sha1:1 with a timeout of 9m30s" || got.Status.Inventory == nil || got.Status.LastAppliedRevision != "" {
			t.Errorf("in progress: %s", summary(got))
		}
		w.cluster.health("one", true)
		got = w.awaitReady("a", revision)
		if m := condition(got, "Healthy").Message; m != "Health check passed in 2s" {
			t.Errorf("message %q", m)
		}
		if n := w.kustomizations.StatusWrites.Load(); n != 1+2 {
			t.Errorf("%d status writes, want 1 and 2", n)
		}
	})
	t.Run("timeout", func(t *testing.T) {
		w := newWorld(t)
		w.cluster.health("one", false)
		w.push("1", map[string]string{"a/cm.yaml": configMap("one", "1")})
		w.kustomizations.Create(kustomization("a", waiting, func(s *kustomizev1.KustomizationSpec) {
			d := meta.Duration("40s")
			s.Timeout = &d
		}))
		w.awaitWaits(1)
		w.clock.Step(2 * time.Second)
		w.awaitReason("a", "Progressing")
		w.clock.Step(38 * time.Second)
		got := w.awaitReason("a", meta.HealthCheckFailedReason)
		if m := ready(got).Message; !strings.Contains(m, "ConfigMap/demo/one is InProgress") {
			t.Errorf("message %q", m)
		}
		if got.Status.LastAppliedRevision != "" || got.Status.Inventory == nil || condition(got, "Reconciling").Reason != "ProgressingWithRetry" || condition(got, "Healthy").Status != "False" {
			t.Errorf("%s", summary(got))
		}
		// It is tried again after the retry interval, with all that a run does.
		w.cluster.health("one", true)
		w.awaitIdle()
		w.clock.Step(time.Minute)
		w.awaitReady("a", "main@sha1:1")
		if c := w.cluster.counts(); c.Plans != 2 {
			t.Errorf("%d plans, want 2", c.Plans)
		}
	})
	t.Run("a new revision does not wait for the old one", func(t *testing.T) {
		w := newWorld(t)
		w.cluster.health("bad", false)
		w.push("1", map[string]string{"a/cm.yaml": configMap("bad", "1")})
		w.kustomizations.Create(kustomization("a", waiting))
		w.awaitWaits(1)
		w.awaitReady("a", w.push("2", map[string]string{"a/cm.yaml": configMap("good", "1")}))
	})
	t.Run("an untouched revision waits on with the old deadline", func(t *testing.T) {
		w := newWorld(t)
		w.cluster.health("one", false)
		files := map[string]string{"a/cm.yaml": configMap("one", "1")}
		w.push("1", files)
		w.kustomizations.Create(kustomization("a", waiting, func(s *kustomizev1.KustomizationSpec) {
			d := meta.Duration("60s")
			s.Timeout = &d
		}))
		w.awaitWaits(1)
		w.clock.Step(30 * time.Second)
		w.awaitReason("a", "Progressing")
		files["b"] = "x"
		second := w.push("2", files)
		w.await("a", "attempted again", func(k *kustomizev1.Kustomization) bool {
			return k.Status.LastAttemptedRevision != second && ready(k).Reason == meta.HealthCheckCanceledReason
		})
		w.awaitWaits(2)
		w.clock.Step(30 * time.Second)
		w.awaitReason("a", meta.HealthCheckFailedReason)
		if c := w.cluster.counts(); c.Plans != 1 || w.builds.take() != 1 {
			t.Errorf("%+v, want one plan and one build", c)
		}
	})
	t.Run("listed objects", func(t *testing.T) {
		w := newWorld(t)
		w.cluster.health("one", false)
		version, ns := "apps/v1", "other"
		revision := w.push("1", map[string]string{"a/cm.yaml": configMap("one", "1")})
		w.kustomizations.Create(kustomization("a", func(s *kustomizev1.KustomizationSpec) {
			s.HealthChecks = []meta.NamespacedObjectKindReference{{APIVersion: &version, Kind: "Deployment", Name: "web", Namespace: &ns}, {Kind: "Service", Name: "web"}}
		}))
		w.awaitReady("a", revision)
	})
}
