package quarantine

import (
	"context"
	"errors"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/internalversion"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apiserver/pkg/endpoints/request"
	"k8s.io/apiserver/pkg/registry/rest"
)

// Storage is where the objects of one kind are. It is the storage itself and not
// the API in front of it: the API changes nothing in a namespace that does not
// exist.
type Storage interface {
	rest.Lister
	rest.Updater
	rest.GracefulDeleter

	Resource() schema.GroupResource
}

// Host is what is known of where objects are, and where they were.
type Host struct {
	// Namespaces lists all namespaces of the host cluster.
	Namespaces func(context.Context) ([]metav1.Object, error)
	// Origins returns the UIDs of the namespaces that objects were first seen in,
	// by those of the objects. Without it the times of creation decide alone.
	Origins func(context.Context) (map[types.UID]types.UID, error)
}

// Remove removes the objects that have lost their namespace, and says of each to
// removed which it was. Their finalizers are not run: what they would delete may
// belong to somebody else by now. It must not run beside reconcilers.
func Remove(ctx context.Context, storages []Storage, host Host, removed func(schema.GroupResource, Orphan)) error {
	var origins map[types.UID]types.UID
	if host.Origins != nil {
		var err error
		if origins, err = host.Origins(ctx); err != nil {
			return fmt.Errorf("reading where objects were first seen: %w", err)
		}
	}
	lists := make([][]Object, len(storages))
	for i, storage := range storages {
		objects, err := list(ctx, storage, origins)
		if err != nil {
			return err
		}
		lists[i] = objects
	}
	// After the objects: a namespace that is made in between must not be missed.
	known, err := host.Namespaces(ctx)
	if err != nil {
		return fmt.Errorf("listing the namespaces of the host cluster: %w", err)
	}
	var errs []error
	for i, storage := range storages {
		orphans, err := Orphans(lists[i], known)
		if err != nil {
			return err
		}
		for _, orphan := range orphans {
			if err := remove(ctx, storage, orphan); err != nil {
				errs = append(errs, err)
				continue
			}
			removed(storage.Resource(), orphan)
		}
	}
	return errors.Join(errs...)
}

func list(ctx context.Context, storage Storage, origins map[types.UID]types.UID) ([]Object, error) {
	ctx = request.WithNamespace(ctx, metav1.NamespaceAll)
	all, err := storage.List(ctx, &internalversion.ListOptions{})
	if err != nil {
		return nil, fmt.Errorf("listing %s: %w", storage.Resource(), err)
	}
	var objects []Object
	err = meta.EachListItem(all, func(item runtime.Object) error {
		object, err := meta.Accessor(item)
		if err != nil {
			return err
		}
		objects = append(objects, Object{Object: object, NamespaceUID: origins[object.GetUID()]})
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("listing %s: %w", storage.Resource(), err)
	}
	return objects, nil
}

func remove(ctx context.Context, storage Storage, orphan Orphan) error {
	ctx = request.WithNamespace(ctx, orphan.GetNamespace())
	uid := orphan.GetUID()
	withoutFinalizers := rest.DefaultUpdatedObjectInfo(nil, func(_ context.Context, _, stored runtime.Object) (runtime.Object, error) {
		changed := stored.DeepCopyObject()
		object, err := meta.Accessor(changed)
		if err != nil {
			return nil, err
		}
		object.SetFinalizers(nil)
		return changed, nil
	})
	_, _, err := storage.Update(ctx, orphan.GetName(), withoutFinalizers, rest.ValidateAllObjectFunc, rest.ValidateAllObjectUpdateFunc, false, &metav1.UpdateOptions{})
	if err == nil {
		_, _, err = storage.Delete(ctx, orphan.GetName(), rest.ValidateAllObjectFunc, &metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &uid}})
	}
	// One that was being deleted is gone with its last finalizer.
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("removing %s %s/%s: %w", storage.Resource(), orphan.GetNamespace(), orphan.GetName(), err)
	}
	return nil
}
