package options

import (
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/runtime/schema"
	genericapiserver "k8s.io/apiserver/pkg/server"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/klog/v2"
	aggregator "k8s.io/kube-aggregator/pkg/client/clientset_generated/clientset"

	"github.com/leat-dev/leat/pkg/apiserver"
	"github.com/leat-dev/leat/pkg/apiserver/registration"
)

// addRegistration has the server keep its APIServices true while it serves.
func (o *Options) addRegistration(config *apiserver.Config, host *rest.Config, authorities registration.CABundle) error {
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
	config.ExtraConfig.Start = append(config.ExtraConfig.Start, apiserver.Hook{
		Name: "register-apiservices",
		Run: func(ctx genericapiserver.PostStartHookContext) error {
			go registrar.Run(ctx)
			go touch(ctx, registrar)
			return nil
		},
	})
	return nil
}

// touch has kube-apiserver look at this server at once. That it could not is no
// reason to end: it looks by itself within half a minute.
func touch(ctx context.Context, registrar *registration.Registrar) {
	if err := registrar.Touch(ctx); err != nil && ctx.Err() == nil {
		klog.FromContext(ctx).Error(err, "Telling kube-apiserver that this server is ready failed")
	}
}

// servicePort is the port that kube-apiserver is told: that of the Service, or
// this server's own where the Service leads straight to it.
func (o *Options) servicePort() int32 {
	if o.ServiceExternalName != "" {
		return int32(o.Recommended.SecureServing.BindPort)
	}
	return defaultServicePort
}

// defaultServicePort is the port of the Service in artifacts/install.
const defaultServicePort = 443
