package launch

import (
	"fmt"

	genericapiserver "k8s.io/apiserver/pkg/server"
	"k8s.io/apiserver/pkg/server/dynamiccertificates"
	"k8s.io/client-go/kubernetes"

	"github.com/leat-dev/leat/pkg/apiserver/certs"
	"github.com/leat-dev/leat/pkg/apiserver/registration"
)

// certificates sets up what the server serves with, and returns the authorities
// that kube-apiserver is to trust; nil if nobody needs to know them.
func (o launcher) certificates(config *genericapiserver.RecommendedConfig, client kubernetes.Interface) (registration.CABundle, error) {
	if o.OwnCertificate() {
		return o.serveOwnCertificate(config, client)
	}
	if !o.RegisterAPIServices {
		return nil, nil
	}
	bundle, err := dynamiccertificates.NewDynamicCAContentFromFile("service-ca", o.ServiceCAFile)
	if err != nil {
		return nil, fmt.Errorf("reading --service-ca-file: %w", err)
	}
	err = config.AddPostStartHook("service-ca", func(ctx genericapiserver.PostStartHookContext) error {
		go bundle.Run(ctx, 1)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("following --service-ca-file: %w", err)
	}
	return bundle, nil
}

// serveOwnCertificate has the server serve with a certificate that it keeps in
// the host cluster. It returns the manager, whose authorities kube-apiserver is to
// trust; the generic server runs it.
func (o launcher) serveOwnCertificate(config *genericapiserver.RecommendedConfig, client kubernetes.Interface) (*certs.Manager, error) {
	manager, err := certs.New(certs.Options{
		Client:          client,
		Namespace:       o.ServiceNamespace,
		Service:         o.ServiceName,
		CreateNamespace: o.Recommended.CoreAPI.CoreAPIKubeconfigPath != "",
	})
	if err != nil {
		return nil, fmt.Errorf("preparing the serving certificate: %w", err)
	}
	config.SecureServing.Cert = manager
	config.AddReadyzChecks(manager)
	return manager, nil
}
