package reconcilers

import (
	"context"
	"fmt"
	"sync"

	corev1 "k8s.io/api/core/v1"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/metadata/metadatainformer"
	"k8s.io/client-go/tools/cache"

	"github.com/leat-dev/leat/pkg/apis/meta"
	"github.com/leat-dev/leat/pkg/generated/clientset/versioned"
	kustomizeinformers "github.com/leat-dev/leat/pkg/generated/informers/externalversions/kustomize/v1"
	sourceinformers "github.com/leat-dev/leat/pkg/generated/informers/externalversions/source/v1"
	"github.com/leat-dev/leat/pkg/reconcilers/runtime"
	"github.com/leat-dev/leat/pkg/runlog"
)

// informers are all that the manager watches.
type informers struct {
	sources        sourceinformers.GitRepositoryInformer
	kustomizations kustomizeinformers.KustomizationInformer
	// configMaps and secrets see metadata only, and only of what carries the
	// watch label: contents are read when a run needs them.
	configMaps, secrets cache.SharedIndexInformer
}

func newInformers(leat versioned.Interface, host metadata.Interface) (informers, error) {
	own := newLeatInformers(leat)
	in := informers{
		sources:        own.Source().V1().GitRepositories(),
		kustomizations: own.Kustomize().V1().Kustomizations(),
	}
	watched := func(resource string) (cache.SharedIndexInformer, error) {
		i := metadatainformer.NewFilteredMetadataInformer(host, corev1.SchemeGroupVersion.WithResource(resource), metav1.NamespaceAll, 0,
			cache.Indexers{}, func(o *metav1.ListOptions) {
				o.LabelSelector = meta.WatchLabel + "=" + meta.WatchLabelEnabled
			}).Informer()
		if err := i.SetTransform(runtime.Slim); err != nil {
			return nil, fmt.Errorf("watching %s of the cluster: %w", resource, err)
		}
		return i, nil
	}
	var err error
	if in.configMaps, err = watched("configmaps"); err != nil {
		return in, err
	}
	in.secrets, err = watched("secrets")
	return in, err
}

// forget has the log forget the objects that are deleted from now on. What was
// deleted while nobody looked is swept by the upkeep.
func (in informers) forget(log *runlog.Log) error {
	if log == nil {
		return nil
	}
	deleted := cache.ResourceEventHandlerFuncs{DeleteFunc: func(obj any) {
		if tombstone, ok := obj.(cache.DeletedFinalStateUnknown); ok {
			obj = tombstone.Obj
		}
		if o, err := apimeta.Accessor(obj); err == nil {
			log.Forget(string(o.GetUID()))
		}
	}}
	for _, i := range []cache.SharedIndexInformer{in.sources.Informer(), in.kustomizations.Informer()} {
		if _, err := i.AddEventHandler(deleted); err != nil {
			return fmt.Errorf("watching for deleted objects: %w", err)
		}
	}
	return nil
}

// start starts all informers; running counts them.
func (in informers) start(ctx context.Context, running *sync.WaitGroup) {
	for _, i := range []cache.SharedIndexInformer{in.sources.Informer(), in.kustomizations.Informer(), in.configMaps, in.secrets} {
		running.Go(func() { i.RunWithContext(ctx) })
	}
}
