package launch

import (
	"context"
	"fmt"
	"path"
	"time"

	"k8s.io/apiserver/pkg/storage/storagebackend"
	"k8s.io/client-go/rest"
	"k8s.io/klog/v2"

	"github.com/leat-dev/leat/pkg/apiserver/options"
	"github.com/leat-dev/leat/pkg/artifact"
	"github.com/leat-dev/leat/pkg/record"
	"github.com/leat-dev/leat/pkg/record/origin"
	"github.com/leat-dev/leat/pkg/runlog"
)

// Engines are what the subresources and the reconcilers share: neither imports
// the other, and both are given the same stores.
type Engines struct {
	// Artifacts are the trees of the sources and what is served of them.
	Artifacts *artifact.Store

	// Records are what Leat notes down for itself, beside the objects in etcd.
	Records *record.Store

	// Origins are the namespaces that objects were first seen in.
	Origins *origin.Store

	// Log is what the runs of all objects record.
	Log *runlog.Log

	// Host leads to the cluster that this server belongs to, in its own name.
	Host *rest.Config
}

// openEngines opens the stores. etcd must run.
func (o launcher) openEngines(ctx context.Context, transport storagebackend.TransportConfig, closers *closers) (*Engines, error) {
	host, err := o.hostConfig()
	if err != nil {
		return nil, err
	}
	client, err := newEtcdClient(ctx, transport, o.Recommended.Etcd.StorageConfig.Prefix)
	if err != nil {
		return nil, err
	}
	closers.add(client.Close)
	artifacts, err := artifact.Open(o.ArtifactDir(), artifact.Options{})
	if err != nil {
		return nil, fmt.Errorf("opening the artifact store: %w", err)
	}
	closers.add(artifacts.Close)
	for _, damage := range artifacts.Damaged() {
		klog.FromContext(ctx).Error(damage, "Damage in the artifact store was set aside; what it belonged to is fetched again")
	}
	records := record.New(client, path.Join(o.Recommended.Etcd.StorageConfig.Prefix, options.InternalRecords))
	if err := tellEpoch(ctx, records); err != nil {
		return nil, err
	}
	log := runlog.New(records, runlog.Options{})
	closers.add(func() error { return closeLog(ctx, log) })
	return &Engines{Artifacts: artifacts, Records: records, Origins: origin.New(records), Log: log, Host: host}, nil
}

// tellEpoch says in the log that the store was restored. Whether it was has to be
// known before anything may be deleted.
func tellEpoch(ctx context.Context, records *record.Store) error {
	epoch, err := records.Epoch(ctx)
	if err != nil {
		return err
	}
	if epoch.ID != "" {
		klog.FromContext(ctx).Info("What is stored was restored from a backup; nothing is deleted because of inventories that are older",
			"restoredAt", epoch.Began, "from", epoch.Origin)
	}
	return nil
}

// closeTimeout bounds the last writes of the log.
const closeTimeout = 5 * time.Second

// closeLog writes what the last runs have handed over.
func closeLog(ctx context.Context, log *runlog.Log) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
	defer cancel()
	if err := log.Close(ctx); err != nil {
		return fmt.Errorf("writing the last histories: %w", err)
	}
	return nil
}
