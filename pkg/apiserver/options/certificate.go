package options

import (
	"errors"
	"fmt"

	genericapiserver "k8s.io/apiserver/pkg/server"
	"k8s.io/apiserver/pkg/server/dynamiccertificates"
	"k8s.io/client-go/kubernetes"

	"github.com/leat-dev/leat/pkg/apiserver/certs"
	"github.com/leat-dev/leat/pkg/apiserver/registration"
)

// ownCertificate tells whether the server makes its serving certificate itself.
func (o *Options) ownCertificate() bool {
	return o.Recommended.SecureServing.ServerCert.CertKey.CertFile == ""
}

// certificates sets up what the server serves with, and returns the authorities
// that kube-apiserver is to trust; nil if nobody needs to know them.
func (o *Options) certificates(config *genericapiserver.RecommendedConfig, client kubernetes.Interface) (registration.CABundle, error) {
	if o.ownCertificate() {
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
func (o *Options) serveOwnCertificate(config *genericapiserver.RecommendedConfig, client kubernetes.Interface) (*certs.Manager, error) {
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

// validateCertificate refuses flags of certificates that would be ignored.
func (o *Options) validateCertificate() []error {
	var errs []error
	cert := o.Recommended.SecureServing.ServerCert
	if !o.ownCertificate() && o.RegisterAPIServices && o.ServiceCAFile == "" {
		errs = append(errs, errors.New("--service-ca-file is needed with --tls-cert-file: it is what kube-apiserver is told to trust"))
	}
	if o.ownCertificate() && o.ServiceCAFile != "" {
		errs = append(errs, errors.New("--service-ca-file is for a certificate that is given with --tls-cert-file"))
	}
	if (cert.CertKey.CertFile == "") != (cert.CertKey.KeyFile == "") {
		errs = append(errs, errors.New("--tls-cert-file and --tls-private-key-file must be set together"))
	}
	if cert.CertDirectory != "" {
		errs = append(errs, errors.New("--cert-dir is not used: the serving certificate is kept in the host cluster, or named with --tls-cert-file and --tls-private-key-file"))
	}
	return errs
}
