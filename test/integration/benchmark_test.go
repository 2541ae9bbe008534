package integration

import (
	"context"
	"fmt"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"

	kustomizev1 "github.com/leat-dev/leat/pkg/apis/kustomize/v1"
	"github.com/leat-dev/leat/pkg/generated/clientset/versioned"
	typed "github.com/leat-dev/leat/pkg/generated/clientset/versioned/typed/kustomize/v1"
)

// bothWays runs a benchmark through kube-apiserver and without it.
func bothWays(b *testing.B, benchmark func(b *testing.B, client typed.KustomizationInterface)) {
	b.Helper()
	for _, way := range []struct {
		name   string
		config *rest.Config
	}{{"aggregated", cluster.Config}, {"direct", server.direct}} {
		b.Run(way.name, func(b *testing.B) {
			config := rest.CopyConfig(way.config)
			config.QPS = -1
			client, err := versioned.NewForConfig(config)
			if err != nil {
				b.Fatal(err)
			}
			benchmark(b, client.KustomizeV1().Kustomizations(cluster.Namespace(b)))
		})
	}
}

func newKustomization(name string) *kustomizev1.Kustomization {
	return &kustomizev1.Kustomization{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: kustomizev1.KustomizationSpec{
			Interval:  "10m",
			Path:      new("./deploy"),
			Prune:     new(true),
			SourceRef: kustomizev1.CrossNamespaceSourceReference{Kind: kustomizev1.SourceKindGitRepository, Name: "demo"},
		},
	}
}

func create(ctx context.Context, b *testing.B, client typed.KustomizationInterface, name string) *kustomizev1.Kustomization {
	b.Helper()
	created, err := client.Create(ctx, newKustomization(name), metav1.CreateOptions{})
	if err != nil {
		b.Fatal(err)
	}
	return created
}

func BenchmarkCreate(b *testing.B) {
	bothWays(b, func(b *testing.B, client typed.KustomizationInterface) {
		for i := 0; b.Loop(); i++ {
			create(b.Context(), b, client, fmt.Sprint("k", i))
		}
	})
}

func BenchmarkGet(b *testing.B) {
	bothWays(b, func(b *testing.B, client typed.KustomizationInterface) {
		create(b.Context(), b, client, "demo")
		for b.Loop() {
			if _, err := client.Get(b.Context(), "demo", metav1.GetOptions{}); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkListOf500(b *testing.B) {
	bothWays(b, func(b *testing.B, client typed.KustomizationInterface) {
		for i := range 500 {
			create(b.Context(), b, client, fmt.Sprint("k", i))
		}
		for b.Loop() {
			if _, err := client.List(b.Context(), metav1.ListOptions{}); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkStatusUpdate(b *testing.B) {
	bothWays(b, func(b *testing.B, client typed.KustomizationInterface) {
		o := create(b.Context(), b, client, "demo")
		for i := 0; b.Loop(); i++ {
			o.Status.LastHandledReconcileAt = fmt.Sprint(i)
			var err error
			if o, err = client.UpdateStatus(b.Context(), o, metav1.UpdateOptions{}); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkServerSideApplyUnchanged(b *testing.B) {
	bothWays(b, func(b *testing.B, client typed.KustomizationInterface) {
		patch := []byte(`{"apiVersion":"kustomize.toolkit.fluxcd.io/v1","kind":"Kustomization","metadata":{"name":"demo"},` +
			`"spec":{"interval":"10m","path":"./deploy","prune":true,"sourceRef":{"kind":"GitRepository","name":"demo"}}}`)
		for b.Loop() {
			if _, err := client.Patch(b.Context(), "demo", types.ApplyPatchType, patch, metav1.PatchOptions{FieldManager: "bench"}); err != nil {
				b.Fatal(err)
			}
		}
	})
}
