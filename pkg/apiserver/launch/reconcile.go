package launch

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"os"

	"k8s.io/apiserver/pkg/server/healthz"
	"k8s.io/component-base/metrics/legacyregistry"
	"k8s.io/klog/v2"

	kustomizev1 "github.com/leat-dev/leat/pkg/apis/kustomize/v1"
	"github.com/leat-dev/leat/pkg/apiserver"
	"github.com/leat-dev/leat/pkg/apply"
	"github.com/leat-dev/leat/pkg/apply/inventory"
	"github.com/leat-dev/leat/pkg/build"
	"github.com/leat-dev/leat/pkg/preview"
	"github.com/leat-dev/leat/pkg/reconcilers"
	"github.com/leat-dev/leat/pkg/reconcilers/runtime"
	"github.com/leat-dev/leat/pkg/record"
	"github.com/leat-dev/leat/pkg/source/git"
	"github.com/leat-dev/leat/pkg/target"
	"github.com/leat-dev/leat/pkg/tree"
)

// digestKeyBytes is the size of the key of digests, that of the hash.
const digestKeyBytes = 32

// addReconcilers opens the engines and has the server run the reconcilers.
func (o launcher) addReconcilers(ctx context.Context, config *apiserver.Config, p *Process) error {
	e := p.Engines
	key, err := digestKey(ctx, e.Records)
	if err != nil {
		return err
	}
	fetcher, err := git.New(o.GitDir(), e.Artifacts, git.Options{})
	if err != nil {
		return fmt.Errorf("opening the copies of Git repositories: %w", err)
	}
	p.closers.add(func() error { fetcher.Close(); return nil })
	pool, err := build.NewPool(build.PoolOptions{
		Command: []string{o.BuildWorker}, Workers: o.BuildWorkers, DigestKey: key, Logger: klog.FromContext(ctx),
	})
	if err != nil {
		return fmt.Errorf("starting the build workers (--build-worker=%s): %w", o.BuildWorker, err)
	}
	p.closers.add(pool.Close)
	if err := countRequests(e.Host); err != nil {
		return err
	}
	// The target outlives ctx: what runs when the server is told to stop is still
	// allowed to finish its writes.
	host, err := target.New(context.WithoutCancel(ctx), e.Host, target.Options{DigestKey: key})
	if err != nil {
		return fmt.Errorf("opening the host cluster as a target: %w", err)
	}
	p.closers.add(func() error { host.Close(); return nil })
	metrics, err := runtime.NewMetrics(legacyregistry.Register)
	if err != nil {
		return fmt.Errorf("registering the metrics of reconcilers: %w", err)
	}
	objects := reconcilers.NewObjectMetrics()
	if err := legacyregistry.CustomRegister(objects); err != nil {
		return fmt.Errorf("registering the metrics of objects: %w", err)
	}
	instance, err := os.Hostname()
	if err != nil {
		return fmt.Errorf("finding the name of this host for events: %w", err)
	}
	inventories := inventory.New(e.Records)
	engine := apply.NewEngine(host, inventories, apply.EngineOptions{})
	p.trees.Use(tree.NewEngine(host, tree.Options{DefaultServiceAccount: o.DefaultServiceAccount}))
	previewer := &preview.Deferred{}
	p.Previews.Add(kustomizev1.Kind(kustomizev1.KustomizationKind), previewer)
	manager, err := reconcilers.New(reconcilers.Config{
		Loopback:              config.GenericConfig.LoopbackClientConfig,
		Host:                  e.Host,
		Artifacts:             e.Artifacts,
		Git:                   fetcher,
		Builder:               pool,
		Engine:                engine,
		Previews:              &reconcilers.Previews{Engine: engine, Target: host, Kustomizations: previewer},
		Log:                   e.Log,
		Origins:               e.Origins,
		Concurrency:           o.Concurrent,
		DefaultServiceAccount: o.DefaultServiceAccount,
		NoCrossNamespaceRefs:  o.NoCrossNamespaceRefs,
		Instance:              instance,
		Metrics:               metrics,
		Objects:               objects,
		Clock:                 config.ExtraConfig.Clock,
	})
	if err != nil {
		return err
	}
	config.ExtraConfig.Start = append(config.ExtraConfig.Start, p.work.Hook("collect-records", func(ctx context.Context) error {
		return collectRecords(ctx, e, p.directory, config.ExtraConfig.Clock)
	}))
	hookReconcilers(config, manager, p.work, func(ctx context.Context) error {
		return removeOrphans(ctx, e, p.directory, inventories)
	})
	return nil
}

// hookReconcilers starts the manager when the server serves and first has been
// done. The server is ready when the manager knows all objects.
func hookReconcilers(config *apiserver.Config, manager *reconcilers.Manager, work *apiserver.Background, first func(context.Context) error) {
	const name = "reconcilers"
	config.GenericConfig.AddReadyzChecks(healthz.NamedCheck(name, func(*http.Request) error {
		if !manager.HasSynced() {
			return errors.New("the objects to reconcile have not been read yet")
		}
		return nil
	}))
	config.ExtraConfig.Start = append(config.ExtraConfig.Start, work.Hook(name, func(ctx context.Context) error {
		if err := first(ctx); err != nil {
			return err
		}
		return manager.Run(ctx)
	}))
}

// digestKey returns the key of this installation's digests. They cover values of
// Secrets, and without the key they could be guessed from a digest.
func digestKey(ctx context.Context, records *record.Store) ([]byte, error) {
	fresh := make([]byte, digestKeyBytes)
	if _, err := rand.Read(fresh); err != nil {
		return nil, fmt.Errorf("making a digest key: %w", err)
	}
	key, err := records.Create(ctx, "installation", "digest-key", fresh)
	if err != nil {
		return nil, fmt.Errorf("reading the digest key: %w", err)
	}
	if len(key) != digestKeyBytes {
		return nil, fmt.Errorf("the digest key has %d bytes, want %d", len(key), digestKeyBytes)
	}
	return key, nil
}
