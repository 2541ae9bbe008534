package launch

import (
	"context"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/metadata"
	"k8s.io/klog/v2"

	"github.com/leat-dev/leat/pkg/apiserver/quarantine"
	"github.com/leat-dev/leat/pkg/apply/inventory"
	"github.com/leat-dev/leat/pkg/registry/subresource"
)

// The pauses between attempts to list the namespaces of a host cluster that does
// not answer.
const (
	firstOrphanRetry = 200 * time.Millisecond
	lastOrphanRetry  = 10 * time.Second
)

// removeOrphans removes the objects whose namespace is gone, or is not the one
// any more that they were created in. Until it is known which those are nothing
// may be reconciled, so it tries until it has succeeded or ctx ends.
func removeOrphans(ctx context.Context, e *Engines, directory *subresource.Directory, inventories *inventory.Store) error {
	client, err := metadata.NewForConfig(e.Host)
	if err != nil {
		return fmt.Errorf("making a client of the host cluster: %w", err)
	}
	namespaces := func(ctx context.Context) ([]metav1.Object, error) {
		list, err := client.Resource(schema.GroupVersionResource{Version: "v1", Resource: "namespaces"}).List(ctx, metav1.ListOptions{})
		if err != nil {
			return nil, err
		}
		all := make([]metav1.Object, 0, len(list.Items))
		for i := range list.Items {
			all = append(all, &list.Items[i])
		}
		return all, nil
	}
	storages := storagesOf(directory)
	logger := klog.FromContext(ctx)
	removed := func(resource schema.GroupResource, orphan quarantine.Orphan) {
		logger.Info("Removed an object without running its finalizers", "resource", resource, "object", klog.KObj(orphan), "uid", orphan.GetUID(), "reason", orphan.Reason)
		e.Log.Forget(string(orphan.GetUID()))
		if err := inventories.Delete(ctx, string(orphan.GetUID())); err != nil {
			logger.Error(err, "The inventory of a removed object stays", "uid", orphan.GetUID())
		}
		if err := e.Origins.Forget(ctx, orphan.GetUID()); err != nil {
			logger.Error(err, "The origin of a removed object stays", "uid", orphan.GetUID())
		}
	}
	backoff := wait.Backoff{Duration: firstOrphanRetry, Factor: 2, Jitter: 0.1, Steps: 1 << 30, Cap: lastOrphanRetry}
	return wait.ExponentialBackoffWithContext(ctx, backoff, func(ctx context.Context) (bool, error) {
		if err := quarantine.Remove(ctx, storages, quarantine.Host{Namespaces: namespaces, Origins: e.Origins.All}, removed); err != nil {
			logger.Error(err, "Looking for objects that have lost their namespace failed; nothing is reconciled until it succeeds")
			return false, nil
		}
		return true, nil
	})
}

// storagesOf are the storages of all kinds.
func storagesOf(directory *subresource.Directory) []quarantine.Storage {
	var storages []quarantine.Storage
	for _, parent := range directory.All() {
		if storage, ok := parent.(quarantine.Storage); ok {
			storages = append(storages, storage)
		}
	}
	return storages
}
