package kustomization

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	kustomizev1 "github.com/leat-dev/leat/pkg/apis/kustomize/v1"
	"github.com/leat-dev/leat/pkg/apis/meta"
	"github.com/leat-dev/leat/pkg/reconcilers/runtime"
	"github.com/leat-dev/leat/pkg/reconcilers/runtime/runtimetest"
)

// TestEveryFieldIsAccountedFor: what the API serves is either acted on or
// refused. A field that is added to neither list fails here.
func TestEveryFieldIsAccountedFor(t *testing.T) {
	refused := []string{
		"spec.decryption.provider", "spec.decryption.secretRef.name", "spec.decryption.serviceAccountName",
		"spec.dependsOn[].readyExpr",
		"spec.healthCheckExprs[].apiVersion", "spec.healthCheckExprs[].current", "spec.healthCheckExprs[].failed",
		"spec.healthCheckExprs[].inProgress", "spec.healthCheckExprs[].kind",
		"spec.ignore[].paths[]",
		"spec.ignore[].target.annotationSelector", "spec.ignore[].target.group", "spec.ignore[].target.kind",
		"spec.ignore[].target.labelSelector", "spec.ignore[].target.name", "spec.ignore[].target.namespace", "spec.ignore[].target.version",
		"spec.kubeConfig.configMapRef.name", "spec.kubeConfig.secretRef.key", "spec.kubeConfig.secretRef.name",
	}
	runtimetest.CheckFields(t, fields(), "kustomize.toolkit.fluxcd.io_v1_Kustomization.tsv", refused)
}

func TestUnsupportedFieldsStall(t *testing.T) {
	text, secret := "x", &meta.LocalObjectReference{Name: "x"}
	for _, tc := range []struct {
		name string
		spec func(*kustomizev1.KustomizationSpec)
		want []string
	}{
		{"decryption", func(s *kustomizev1.KustomizationSpec) {
			s.Decryption = &kustomizev1.Decryption{Provider: "sops", SecretRef: secret}
		}, []string{"spec.decryption"}},
		{"kubeConfig", func(s *kustomizev1.KustomizationSpec) {
			s.KubeConfig = &meta.KubeConfigReference{SecretRef: &meta.SecretKeyReference{Name: "x"}}
		}, []string{"spec.kubeConfig"}},
		{"CEL", func(s *kustomizev1.KustomizationSpec) {
			s.HealthCheckExprs = []kustomizev1.CustomHealthCheck{{APIVersion: "v1", Current: "true"}}
			s.DependsOn = []kustomizev1.DependencyReference{{Name: "a", ReadyExpr: &text}}
		}, []string{"spec.dependsOn[].readyExpr", "spec.healthCheckExprs"}},
		{"ignore", func(s *kustomizev1.KustomizationSpec) { s.Ignore = []kustomizev1.IgnoreRule{{Paths: []string{"/x"}}} }, []string{"spec.ignore"}},
		{"source", func(s *kustomizev1.KustomizationSpec) { s.SourceRef.Kind = "Bucket" }, []string{"spec.sourceRef.kind"}},
		{"nothing", func(*kustomizev1.KustomizationSpec) {}, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := fields().Unsupported(&kustomization("a", tc.spec).Spec)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}

	// Stalled means that nothing is done: neither applied nor pruned.
	w := newWorld(t)
	w.kustomizations.Create(kustomization("a"))
	w.awaitReady("a", w.push("1", map[string]string{"a/cm.yaml": configMap("one", "1")}))
	w.cluster.take()
	if err := w.kustomizations.Update("demo", "a", func(k *kustomizev1.Kustomization) {
		k.Spec.KubeConfig = &meta.KubeConfigReference{SecretRef: &meta.SecretKeyReference{Name: "x"}}
	}); err != nil {
		t.Fatal(err)
	}
	got := w.awaitReason("a", meta.UnsupportedFieldReason)
	w.push("2", map[string]string{"a/other.yaml": configMap("two", "1")})
	w.awaitIdle()
	if c := condition(got, "Stalled"); c.Status != "True" || !strings.Contains(c.Message, "spec.kubeConfig") || ready(got).Status != "False" || condition(got, "Reconciling").Type != "" {
		t.Errorf("%s", summary(got))
	}
	if seen := w.cluster.take(); seen != (counts{}) || len(w.cluster.live) != 1 {
		t.Errorf("the cluster saw %+v, %d objects are live", seen, len(w.cluster.live))
	}
	if got.Status.ObservedGeneration != 2 || got.Status.LastAppliedRevision != "main@sha1:1" || got.Status.Inventory == nil {
		t.Errorf("status %+v", got.Status)
	}
	if err := w.kustomizations.Update("demo", "a", func(k *kustomizev1.Kustomization) { k.Spec.KubeConfig = nil }); err != nil {
		t.Fatal(err)
	}
	if got := w.awaitReady("a", "main@sha1:2"); runtime.IsTrue(got.Status.Conditions, "Stalled") {
		t.Errorf("%s", summary(got))
	}
}
