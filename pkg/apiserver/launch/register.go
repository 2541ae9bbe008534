package launch

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/klog/v2"
	aggregator "k8s.io/kube-aggregator/pkg/client/clientset_generated/clientset"

	"github.com/leat-dev/leat/pkg/apiserver"
	"github.com/leat-dev/leat/pkg/apiserver/registration"
)

// readyPoll is how often the server asks itself whether it is ready.
const readyPoll = 100 * time.Millisecond

// addRegistration has the server keep its APIServices true while it serves.
func (o launcher) addRegistration(config *apiserver.Config, host *rest.Config, authorities registration.CABundle, work *apiserver.Background) error {
	core, err := kubernetes.NewForConfig(host)
	if err != nil {
		return fmt.Errorf("making a client of the host cluster: %w", err)
	}
	services, err := aggregator.NewForConfig(host)
	if err != nil {
		return fmt.Errorf("making a client of the host cluster's aggregator: %w", err)
	}
	var served []schema.GroupVersion
	for _, group := range config.ExtraConfig.Groups {
		served = append(served, group.GroupVersions()...)
	}
	registrar, err := registration.New(registration.Options{
		Client:        services,
		Core:          core,
		GroupVersions: served,
		Namespace:     o.ServiceNamespace,
		Service:       o.ServiceName,
		Port:          o.servicePort(),
		ExternalName:  o.ServiceExternalName,
		CABundle:      authorities,
		Adopt:         o.AdoptFluxCRDs,
		Clock:         config.ExtraConfig.Clock,
	})
	if err != nil {
		return err
	}
	config.GenericConfig.AddReadyzChecks(registrar)
	config.ExtraConfig.Start = append(config.ExtraConfig.Start,
		work.Hook("register-apiservices", func(ctx context.Context) error {
			registrar.Run(ctx)
			return nil
		}),
		work.Hook("touch-apiservices", func(ctx context.Context) error {
			if err := touchWhenReady(ctx, config.GenericConfig.LoopbackClientConfig, registrar); err != nil {
				return err
			}
			remind(ctx, core)
			return nil
		}))
	return nil
}

// touchWhenReady has kube-apiserver look at this server as soon as it is ready.
// That it could not be told is no reason to end: it looks by itself within half a
// minute.
func touchWhenReady(ctx context.Context, loopback *rest.Config, registrar *registration.Registrar) error {
	client, err := rest.HTTPClientFor(loopback)
	if err != nil {
		return fmt.Errorf("making a client of this server: %w", err)
	}
	defer client.CloseIdleConnections()
	err = wait.PollUntilContextCancel(ctx, readyPoll, true, func(ctx context.Context) (bool, error) {
		return ready(ctx, client, loopback.Host)
	})
	if err != nil {
		return fmt.Errorf("waiting to be ready: %w", err)
	}
	if err := registrar.Touch(ctx); err != nil && ctx.Err() == nil {
		klog.FromContext(ctx).Error(err, "Telling kube-apiserver that this server is ready failed")
	}
	return nil
}

// remindTimeout bounds how long namespaces are dealt with. They are tried again
// without it, only later.
const remindTimeout = 2 * time.Second

// remindHost has the deletions go on that have waited for this server, if the host
// cluster can be reached; if not, others will say so.
func (o launcher) remindHost(ctx context.Context) {
	if !o.RegisterAPIServices {
		return
	}
	host, err := o.hostConfig()
	if err != nil {
		return
	}
	if core, err := kubernetes.NewForConfig(host); err == nil {
		remind(ctx, core)
	}
}

// remind is best effort: without it the deletions go on too, but later.
func remind(ctx context.Context, core kubernetes.Interface) {
	ctx, cancel := context.WithTimeout(ctx, remindTimeout)
	defer cancel()
	logger := klog.FromContext(ctx)
	reminded, err := registration.Remind(ctx, core, time.Now())
	switch {
	case err != nil:
		logger.Info("Namespaces whose deletion waits for this server could not be touched; they are tried again within a minute after it is ready", "err", err)
	case reminded > 0:
		logger.Info("Touched the namespaces whose deletion waits for this server", "namespaces", reminded)
	}
}

// ready asks the server itself, as others do. One that does not listen yet is
// not ready.
func ready(ctx context.Context, client *http.Client, host string) (bool, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, host+"/readyz", nil)
	if err != nil {
		return false, err
	}
	response, err := client.Do(req)
	if err != nil {
		return false, nil // it does not listen yet
	}
	defer func() { _ = response.Body.Close() }() // it was not read
	return response.StatusCode == http.StatusOK, nil
}

// servicePort is the port that kube-apiserver is told: that of the Service, or
// this server's own where the Service leads straight to it.
func (o launcher) servicePort() int32 {
	if o.ServiceExternalName != "" {
		return int32(o.Recommended.SecureServing.BindPort)
	}
	return defaultServicePort
}

// defaultServicePort is the port of the Service in artifacts/install.
const defaultServicePort = 443
