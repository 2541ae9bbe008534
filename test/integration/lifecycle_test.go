package integration

import (
	"context"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/wait"
)

// eventually waits until what is only reached by other programs' work is so.
func eventually(ctx context.Context, t *testing.T, what string, condition func(context.Context) (bool, error)) {
	t.Helper()
	if err := wait.PollUntilContextCancel(ctx, pollInterval, true, condition); err != nil {
		t.Fatalf("waiting until %s: %v", what, err)
	}
}

func TestGarbageCollectionByOwner(t *testing.T) {
	c := newClients(t, cluster.Config)
	bothKinds(t, func(t *testing.T, resource schema.GroupVersionResource, manifest string) {
		ctx, ns := testContext(t), cluster.Namespace(t)
		client := c.dynamic.Resource(resource).Namespace(ns)
		owner, err := c.core.CoreV1().ConfigMaps(ns).Create(ctx, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "owner"}}, metav1.CreateOptions{})
		if err != nil {
			t.Fatal(err)
		}
		owned := object(t, manifest)
		owned.SetOwnerReferences([]metav1.OwnerReference{{APIVersion: "v1", Kind: "ConfigMap", Name: owner.Name, UID: owner.UID}})
		parent, err := client.Create(ctx, owned, metav1.CreateOptions{})
		if err != nil {
			t.Fatal(err)
		}
		// And the other way round: one of our objects as an owner.
		child := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "child", OwnerReferences: []metav1.OwnerReference{
			{APIVersion: parent.GetAPIVersion(), Kind: parent.GetKind(), Name: parent.GetName(), UID: parent.GetUID()},
		}}}
		if _, err := c.core.CoreV1().ConfigMaps(ns).Create(ctx, child, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
		if err := c.core.CoreV1().ConfigMaps(ns).Delete(ctx, owner.Name, metav1.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
		eventually(ctx, t, "the object is collected with its owner", func(ctx context.Context) (bool, error) {
			_, err := client.Get(ctx, "demo", metav1.GetOptions{})
			return apierrors.IsNotFound(err), nil
		})
		eventually(ctx, t, "what the object owns is collected", func(ctx context.Context) (bool, error) {
			_, err := c.core.CoreV1().ConfigMaps(ns).Get(ctx, "child", metav1.GetOptions{})
			return apierrors.IsNotFound(err), nil
		})
	})
}

func TestForegroundDeletion(t *testing.T) {
	c := newClients(t, cluster.Config)
	bothKinds(t, func(t *testing.T, resource schema.GroupVersionResource, manifest string) {
		ctx, ns := testContext(t), cluster.Namespace(t)
		parent := c.create(ctx, t, resource, ns, manifest)
		child := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "child", OwnerReferences: []metav1.OwnerReference{
			{APIVersion: parent.GetAPIVersion(), Kind: parent.GetKind(), Name: parent.GetName(), UID: parent.GetUID(), BlockOwnerDeletion: new(true)},
		}}}
		if _, err := c.core.CoreV1().ConfigMaps(ns).Create(ctx, child, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
		foreground := metav1.DeletePropagationForeground
		client := c.dynamic.Resource(resource).Namespace(ns)
		if err := client.Delete(ctx, "demo", metav1.DeleteOptions{PropagationPolicy: &foreground}); err != nil {
			t.Fatal(err)
		}
		eventually(ctx, t, "owner and owned are gone", func(ctx context.Context) (bool, error) {
			_, err := client.Get(ctx, "demo", metav1.GetOptions{})
			if !apierrors.IsNotFound(err) {
				return false, nil
			}
			if _, err := c.core.CoreV1().ConfigMaps(ns).Get(ctx, "child", metav1.GetOptions{}); !apierrors.IsNotFound(err) {
				t.Errorf("the owner went before what it owns: %v", err)
			}
			return true, nil
		})
	})
}

func TestNamespaceDeletion(t *testing.T) {
	t.Parallel()
	c, ctx := newClients(t, cluster.Config), testContext(t)
	ns, err := c.core.CoreV1().Namespaces().Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "to-be-deleted-"}}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	name := ns.Name
	held := object(t, kustomizationYAML)
	held.SetName("held")
	held.SetFinalizers([]string{"finalizers.fluxcd.io"})
	if _, err := c.dynamic.Resource(kustomizations).Namespace(name).Create(ctx, held, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	c.create(ctx, t, gitRepositories, name, repositoryYAML)
	c.create(ctx, t, kustomizations, name, kustomizationYAML)
	if err := c.core.CoreV1().Namespaces().Delete(ctx, name, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	client := c.dynamic.Resource(kustomizations).Namespace(name)
	eventually(ctx, t, "only the object with a finalizer is left", func(ctx context.Context) (bool, error) {
		list, err := client.List(ctx, metav1.ListOptions{})
		return err == nil && len(list.Items) == 1 && list.Items[0].GetName() == "held" && list.Items[0].GetDeletionTimestamp() != nil, nil
	})
	// Our own admission sees that the namespace goes: what came now would stay.
	late := object(t, gitRepositoryNamed("late"))
	if _, err := c.dynamic.Resource(gitRepositories).Namespace(name).Create(ctx, late, metav1.CreateOptions{}); !apierrors.IsForbidden(err) {
		t.Errorf("creating in a namespace that is being deleted: got %v, want Forbidden", err)
	}
	if _, err := client.Patch(ctx, "held", "application/merge-patch+json", []byte(`{"metadata":{"finalizers":null}}`), metav1.PatchOptions{}); err != nil {
		t.Fatal(err)
	}
	eventually(ctx, t, "the namespace is gone", func(ctx context.Context) (bool, error) {
		_, err := c.core.CoreV1().Namespaces().Get(ctx, name, metav1.GetOptions{})
		return apierrors.IsNotFound(err), nil
	})
}

func TestNamespaceMustExist(t *testing.T) {
	t.Parallel()
	c, ctx := newClients(t, cluster.Config), testContext(t)
	_, err := c.dynamic.Resource(gitRepositories).Namespace("does-not-exist").Create(ctx, object(t, repositoryYAML), metav1.CreateOptions{})
	if !apierrors.IsNotFound(err) {
		t.Errorf("creating in a namespace that does not exist: got %v, want NotFound", err)
	}
}
