package reconcilers

import (
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/tools/cache"

	kustomizev1 "github.com/leat-dev/leat/pkg/apis/kustomize/v1"
	sourcev1 "github.com/leat-dev/leat/pkg/apis/source/v1"
	"github.com/leat-dev/leat/pkg/reconcilers/kustomize/kustomization"
	"github.com/leat-dev/leat/pkg/reconcilers/runtime"
	"github.com/leat-dev/leat/pkg/reconcilers/source/gitrepository"
	"github.com/leat-dev/leat/pkg/reconcilers/suspension"
)

// newResumer makes what ends the suspensions of all kinds.
func (m *Manager) newResumer(ctx context.Context) (*suspension.Resumer, error) {
	client, err := dynamic.NewForConfig(unthrottled(m.o.Loopback))
	if err != nil {
		return nil, fmt.Errorf("making the client that ends suspensions: %w", err)
	}
	resumer := suspension.New(client, m.o.Clock)
	for _, kind := range []struct {
		gv                         schema.GroupVersion
		kind, resource, controller string
		informer                   cache.SharedIndexInformer
	}{
		{sourcev1.SchemeGroupVersion, sourcev1.GitRepositoryKind, "gitrepositories", gitrepository.Controller, m.informers.sources.Informer()},
		{kustomizev1.SchemeGroupVersion, kustomizev1.KustomizationKind, "kustomizations", kustomization.Controller, m.informers.kustomizations.Informer()},
	} {
		events := runtime.NewEventWriter(ctx, m.host.CoreV1(), kind.gv.WithKind(kind.kind), kind.controller, m.o.Instance)
		if err := resumer.Watch(kind.gv.WithResource(kind.resource), kind.informer, events); err != nil {
			return nil, err
		}
	}
	return resumer, nil
}
