package reconcilers

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	"k8s.io/klog/v2"

	kustomizev1 "github.com/leat-dev/leat/pkg/apis/kustomize/v1"
	"github.com/leat-dev/leat/pkg/apis/meta"
	sourcev1 "github.com/leat-dev/leat/pkg/apis/source/v1"
	"github.com/leat-dev/leat/pkg/generated/clientset/versioned"
	"github.com/leat-dev/leat/pkg/generated/informers/externalversions"
	"github.com/leat-dev/leat/pkg/reconcilers/kustomize/kustomization"
	"github.com/leat-dev/leat/pkg/reconcilers/runtime"
	"github.com/leat-dev/leat/pkg/reconcilers/source/gitrepository"
)

// Manager runs the reconcilers of all kinds.
type Manager struct {
	o    Config
	leat versioned.Interface
	host kubernetes.Interface

	informers informers
	janitor   *janitor
	fresh     *freshness
	origins   *origins
	synced    atomic.Bool
}

// New makes a manager. It reads nothing before Run.
func New(c Config) (*Manager, error) {
	if err := c.complete(); err != nil {
		return nil, err
	}
	leat, err := versioned.NewForConfig(unthrottled(c.Loopback))
	if err != nil {
		return nil, fmt.Errorf("making the client of this server: %w", err)
	}
	hostConfig := unthrottled(c.Host)
	host, err := kubernetes.NewForConfig(hostConfig)
	if err != nil {
		return nil, fmt.Errorf("making the client of the cluster: %w", err)
	}
	meta, err := metadata.NewForConfig(hostConfig)
	if err != nil {
		return nil, fmt.Errorf("making the metadata client of the cluster: %w", err)
	}
	m := &Manager{o: c, leat: leat, host: host, janitor: newJanitor(c.Artifacts, c.Clock), fresh: newFreshness()}
	m.origins = newOrigins(c.Origins, host.CoreV1().Namespaces(), c.Clock)
	if m.informers, err = newInformers(leat, meta); err != nil {
		return nil, err
	}
	return m, nil
}

// unthrottled leaves the rate of requests to the priority and fairness of the
// server that gets them. Without a limit set, a client takes five a second.
func unthrottled(c *rest.Config) *rest.Config {
	c = rest.CopyConfig(c)
	c.QPS, c.Burst, c.RateLimiter = -1, 0, nil
	if c.UserAgent == "" {
		c.UserAgent = "leat"
	}
	return c
}

// HasSynced reports whether the informers of Leat's own kinds have seen all
// objects. Those of the cluster's do not count: a cluster that is slow to
// answer must not make this server unready.
func (m *Manager) HasSynced() bool { return m.synced.Load() }

// Run runs all reconcilers until ctx ends, and returns when the last run has
// ended.
func (m *Manager) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	defer func() { cancel(); running.Wait() }()

	sources, err := m.newSources(ctx)
	if err != nil {
		return err
	}
	kustomizations, announce, err := m.newKustomizations(ctx, sources)
	if err != nil {
		return err
	}
	resumer, err := m.newResumer(ctx)
	if err != nil {
		return err
	}
	if err := m.informers.forget(m.o.Log); err != nil {
		return err
	}
	m.informers.start(ctx, &running)
	m.o.Objects.follow(m.informers)
	klog.FromContext(ctx).Info("Waiting for the objects to reconcile")
	if !cache.WaitForCacheSync(ctx.Done(), m.informers.sources.Informer().HasSynced, m.informers.kustomizations.Informer().HasSynced) {
		return nil // stopped while it waited
	}
	announce()
	m.origins.load(ctx)
	m.synced.Store(true)
	klog.FromContext(ctx).Info("Reconciling", "concurrency", m.o.Concurrency)
	running.Go(func() { m.janitor.run(ctx, m.informers.sources.Lister()) })
	running.Go(func() { resumer.Run(ctx) })
	running.Go(func() { sources.Run(ctx) })
	running.Go(func() { kustomizations.Run(ctx) })
	<-ctx.Done()
	return nil
}

func (m *Manager) newSources(ctx context.Context) (*runtime.Controller, error) {
	lister := m.informers.sources.Lister()
	r := gitrepository.New(gitrepository.Config{
		GitRepositories: lister,
		Writer: runtime.NewWriter(gitrepository.Controller, func(ns string) runtime.Client[*sourcev1.GitRepository] {
			return m.leat.SourceV1().GitRepositories(ns)
		}),
		Events: runtime.NewEventWriter(ctx, m.host.CoreV1(),
			sourcev1.SchemeGroupVersion.WithKind(sourcev1.GitRepositoryKind), gitrepository.Controller, m.o.Instance),
		Fetcher: m.o.Git, Artifacts: m.o.Artifacts, Core: m.host.CoreV1(),
		Garbage: m.janitor.notify, Fetched: m.fresh.fetched, Clock: m.o.Clock,
	})
	c, err := m.newController("gitrepository", sourcev1.GitRepositoryKind, r, func(k runtime.Key) (metav1.Object, error) {
		return lister.GitRepositories(k.Namespace).Get(k.Name)
	})
	if err != nil {
		return nil, err
	}
	_, err = m.informers.sources.Informer().AddEventHandler(runtime.OwnEvents(c, meta.ReconcileRequestAnnotation))
	if err != nil {
		return nil, fmt.Errorf("watching GitRepositories: %w", err)
	}
	return c, nil
}

// newKustomizations also prepares the previews of Kustomizations; announce makes
// them known.
func (m *Manager) newKustomizations(ctx context.Context, sources *runtime.Controller) (c *runtime.Controller, announce func(), err error) {
	lister := m.informers.kustomizations.Lister()
	r := kustomization.New(kustomization.Config{
		Kustomizations: lister, GitRepositories: m.informers.sources.Lister(),
		Writer: runtime.NewWriter(kustomization.StatusManager, func(ns string) runtime.Client[*kustomizev1.Kustomization] {
			return m.leat.KustomizeV1().Kustomizations(ns)
		}),
		Events: runtime.NewEventWriter(ctx, m.host.CoreV1(),
			kustomizev1.SchemeGroupVersion.WithKind(kustomizev1.KustomizationKind), kustomization.Controller, m.o.Instance),
		Artifacts: m.o.Artifacts, Builder: m.o.Builder, Engine: m.o.Engine, Core: m.host.CoreV1(),
		Refetch:               func(source runtime.Key) { sources.Add(source, runtime.Retry) },
		Fetched:               m.fresh.latest,
		DefaultServiceAccount: m.o.DefaultServiceAccount,
		NoCrossNamespaceRefs:  m.o.NoCrossNamespaceRefs,
		Clock:                 m.o.Clock, Metrics: m.o.Metrics,
	})
	c, err = m.newController(kustomization.MetricsName, kustomizev1.KustomizationKind, r, func(k runtime.Key) (metav1.Object, error) {
		return lister.Kustomizations(k.Namespace).Get(k.Name)
	})
	if err != nil {
		return nil, nil, err
	}
	m.fresh.triggers(func(user runtime.Key) { c.Add(user, runtime.Source) })
	err = kustomization.Connect(kustomization.Informers{
		Kustomizations: m.informers.kustomizations.Informer(), GitRepositories: m.informers.sources.Informer(),
		ConfigMaps: m.informers.configMaps, Secrets: m.informers.secrets,
	}, c)
	if err != nil {
		return nil, nil, err
	}
	announce, err = m.newPreviews(r)
	return c, announce, err
}

func (m *Manager) newController(name, kind string, r runtime.Reconciler, get func(runtime.Key) (metav1.Object, error)) (*runtime.Controller, error) {
	return runtime.NewController(m.origins.before(r, get), runtime.ControllerOptions{
		Name: name, Kind: kind, Slots: m.o.Concurrency, Clock: m.o.Clock, Metrics: m.o.Metrics, Log: m.o.Log,
		Identify: func(k runtime.Key) (runtime.Identity, bool) {
			obj, err := get(k)
			if err != nil {
				return runtime.Identity{}, false
			}
			return runtime.Identity{UID: obj.GetUID(), Generation: obj.GetGeneration()}, true
		},
	})
}

// newLeatInformers makes the informers of Leat's own kinds.
func newLeatInformers(leat versioned.Interface) externalversions.SharedInformerFactory {
	return externalversions.NewSharedInformerFactoryWithOptions(leat, 0, externalversions.WithTransform(runtime.Slim))
}
