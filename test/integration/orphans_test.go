package integration

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/leat-dev/leat/pkg/apiserver/options"
)

// buildWorker is a program that runs this test binary as a worker.
func buildWorker(t *testing.T) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(t.TempDir(), "leat-build")
	script := fmt.Sprintf("#!/bin/sh\nexec '%s' %s\n", self, workerArgument)
	if err := os.WriteFile(program, []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	return program
}

// TestOrphansAreRemovedAtStart deletes a namespace behind the back of a server
// that is not registered, so that nobody asks it to delete what is in there.
func TestOrphansAreRemovedAtStart(t *testing.T) {
	ctx, kept := testContext(t), cluster.Namespace(t)
	dir := t.TempDir()
	unregistered := func(reconcile bool) func(*options.Options) {
		return func(o *options.Options) {
			o.RegisterAPIServices = false
			o.Reconcile = reconcile
			o.BuildWorker = buildWorker(t)
		}
	}
	first, err := startServer(ctx, dir, unregistered(false))
	if err != nil {
		t.Fatal(err)
	}
	c := newClients(t, first.direct)
	host := newClients(t, cluster.Config)
	namespace, err := host.core.CoreV1().Namespaces().Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "to-be-gone-"}}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, ns := range []string{namespace.Name, kept} {
		held := object(t, kustomizationYAML)
		held.SetFinalizers([]string{"finalizers.fluxcd.io"})
		held.Object["spec"].(map[string]any)["suspend"] = true
		if _, err := c.dynamic.Resource(kustomizations).Namespace(ns).Create(ctx, held, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	if err := host.core.CoreV1().Namespaces().Delete(ctx, namespace.Name, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	eventually(ctx, t, "the namespace is gone", func(ctx context.Context) (bool, error) {
		_, err := host.core.CoreV1().Namespaces().Get(ctx, namespace.Name, metav1.GetOptions{})
		return apierrors.IsNotFound(err), nil
	})
	if err := first.stop(); err != nil {
		t.Fatal(err)
	}

	second, err := startServer(ctx, dir, unregistered(true))
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := second.stop(); err != nil {
			t.Error(err)
		}
	}()
	list, err := newClients(t, second.direct).dynamic.Resource(kustomizations).List(ctx, metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if len(list.Items) != 1 || list.Items[0].GetNamespace() != kept {
		t.Errorf("after the start there are %d objects, want only the one in %s", len(list.Items), kept)
	}
}
