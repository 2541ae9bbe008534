package launch

import (
	"context"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/internalversion"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apiserver/pkg/endpoints/request"
	"k8s.io/klog/v2"
	"k8s.io/utils/clock"

	"github.com/leat-dev/leat/pkg/apiserver/quarantine"
	"github.com/leat-dev/leat/pkg/record/origin"
	"github.com/leat-dev/leat/pkg/registry/subresource"
)

// collectEvery is how often what crashes have left of internal records is
// removed. It does no harm meanwhile: nobody reads it.
const collectEvery = time.Hour

// collectRecords removes the remains of records, and the histories of objects that
// are gone, until ctx ends.
func collectRecords(ctx context.Context, e *Engines, directory *subresource.Directory, clock clock.WithTicker) error {
	ticker := clock.NewTicker(collectEvery)
	defer ticker.Stop()
	logger := klog.FromContext(ctx)
	for {
		if collected, err := e.Records.Collect(ctx); err != nil && ctx.Err() == nil {
			logger.Error(err, "Collecting the remains of records failed", "nextIn", collectEvery)
		} else if err == nil {
			logger.V(2).Info("Collected the remains of records", "collected", collected)
		}
		exist := func(ctx context.Context) (map[string]bool, error) { return uidsIn(ctx, storagesOf(directory)) }
		if err := e.Log.Sweep(ctx, exist); err != nil && ctx.Err() == nil {
			logger.Error(err, "Removing the histories of objects that are gone failed", "nextIn", collectEvery)
		}
		if err := sweepOrigins(ctx, e.Origins, exist); err != nil && ctx.Err() == nil {
			logger.Error(err, "Removing the origins of objects that are gone failed", "nextIn", collectEvery)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C():
		}
	}
}

// sweepOrigins removes the origins of objects that do not exist. They are read
// before the objects: what is written down is there already.
func sweepOrigins(ctx context.Context, origins *origin.Store, exist func(context.Context) (map[string]bool, error)) error {
	all, err := origins.All(ctx)
	if err != nil {
		return err
	}
	uids, err := exist(ctx)
	if err != nil {
		return err
	}
	for object := range all {
		if uids[string(object)] {
			continue
		}
		if err := origins.Forget(ctx, object); err != nil {
			return err
		}
	}
	return nil
}

// uidsIn are the UIDs of all objects, as they are in etcd and not in a cache.
func uidsIn(ctx context.Context, storages []quarantine.Storage) (map[string]bool, error) {
	uids := map[string]bool{}
	ctx = request.WithNamespace(ctx, metav1.NamespaceAll)
	for _, storage := range storages {
		list, err := storage.List(ctx, &internalversion.ListOptions{})
		if err != nil {
			return nil, fmt.Errorf("listing %s: %w", storage.Resource(), err)
		}
		err = meta.EachListItem(list, func(obj runtime.Object) error {
			m, err := meta.Accessor(obj)
			if err == nil {
				uids[string(m.GetUID())] = true
			}
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("reading a list of %s: %w", storage.Resource(), err)
		}
	}
	return uids, nil
}
