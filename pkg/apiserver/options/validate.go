package options

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation"

	embedded "github.com/leat-dev/leat/pkg/etcd"
)

// maxWorkers bounds what a mistyped number can do to a machine.
const maxWorkers = 1024

// Complete fills in what follows from other flags.
func (o *Options) Complete() error {
	if o.DataDir != "" {
		dir, err := filepath.Abs(o.DataDir)
		if err != nil {
			return fmt.Errorf("--data-dir %q: %w", o.DataDir, err)
		}
		o.DataDir = dir
	}
	if o.BuildWorker == "" {
		self, err := os.Executable()
		if err != nil {
			return fmt.Errorf("finding leat-build beside this program (name it with --build-worker): %w", err)
		}
		o.BuildWorker = filepath.Join(filepath.Dir(self), "leat-build")
	}
	host := o.Recommended.CoreAPI.CoreAPIKubeconfigPath
	if o.Recommended.Authentication.RemoteKubeConfigFile == "" {
		o.Recommended.Authentication.RemoteKubeConfigFile = host
	}
	if o.Recommended.Authorization.RemoteKubeConfigFile == "" {
		o.Recommended.Authorization.RemoteKubeConfigFile = host
	}
	if err := o.ServerRun.Complete(); err != nil {
		return fmt.Errorf("setting feature gates: %w", err)
	}
	return nil
}

// Validate refuses flags that cannot work, and combinations that contradict
// each other: a server that ignores half of what it was told is worse than one
// that does not start.
func (o *Options) Validate() error {
	var errs []error
	if o.DataDir == "" {
		errs = append(errs, errors.New("--data-dir must be set"))
	}
	errs = append(errs, o.validateEtcd()...)
	errs = append(errs, o.validateCertificate()...)
	errs = append(errs, o.validateLeat()...)
	errs = append(errs, o.ServerRun.Validate()...)
	errs = append(errs, o.validateRecommended()...)
	return errors.Join(errs...)
}

func (o *Options) validateEtcd() []error {
	var errs []error
	etcd := o.Recommended.Etcd
	transport := etcd.StorageConfig.Transport
	if o.Embedded() {
		if o.EtcdQuotaBytes < embedded.MinQuotaBytes {
			errs = append(errs, fmt.Errorf("--etcd-quota-backend-bytes must be at least %d, not %d", embedded.MinQuotaBytes, o.EtcdQuotaBytes))
		}
		if transport.CertFile != "" || transport.KeyFile != "" || transport.TrustedCAFile != "" {
			errs = append(errs, errors.New("--etcd-certfile, --etcd-keyfile and --etcd-cafile need --etcd-servers: the embedded etcd is reached by a socket of its own"))
		}
		if len(etcd.EtcdServersOverrides) > 0 {
			errs = append(errs, errors.New("--etcd-servers-overrides needs --etcd-servers"))
		}
	} else {
		if o.EtcdQuotaBytes != embedded.DefaultQuotaBytes {
			errs = append(errs, errors.New("--etcd-quota-backend-bytes is for the embedded etcd and contradicts --etcd-servers"))
		}
		if o.EtcdEphemeral {
			errs = append(errs, errors.New("--etcd-ephemeral is for the embedded etcd and contradicts --etcd-servers"))
		}
		if (transport.CertFile == "") != (transport.KeyFile == "") {
			errs = append(errs, errors.New("--etcd-certfile and --etcd-keyfile must be set together"))
		}
	}
	if etcd.DefaultStorageMediaType != runtime.ContentTypeJSON {
		errs = append(errs, fmt.Errorf("--storage-media-type %q: the kinds of this server are stored as %s only", etcd.DefaultStorageMediaType, runtime.ContentTypeJSON))
	}
	if !etcd.EnableGarbageCollection {
		errs = append(errs, errors.New("--enable-garbage-collector=false would delete objects before their finalizers have run"))
	}
	if etcd.StorageConfig.CompactionInterval == 0 {
		errs = append(errs, errors.New("--etcd-compaction-interval=0: nobody else compacts, and etcd would grow until it takes no more writes"))
	}
	return errs
}

func (o *Options) validateLeat() []error {
	var errs []error
	for flag, n := range map[string]int{"--build-workers": o.BuildWorkers, "--concurrent": o.Concurrent} {
		if n < 1 || n > maxWorkers {
			errs = append(errs, fmt.Errorf("%s must be between 1 and %d, not %d", flag, maxWorkers, n))
		}
	}
	for flag, name := range map[string]string{"--service-namespace": o.ServiceNamespace, "--service-name": o.ServiceName} {
		for _, problem := range validation.IsDNS1123Label(name) {
			errs = append(errs, fmt.Errorf("%s %q: %s", flag, name, problem))
		}
	}
	if o.DefaultServiceAccount != "" {
		for _, problem := range validation.IsDNS1123Subdomain(o.DefaultServiceAccount) {
			errs = append(errs, fmt.Errorf("--default-service-account %q: %s", o.DefaultServiceAccount, problem))
		}
	}
	if o.ServiceExternalName != "" {
		for _, problem := range validation.IsDNS1123Subdomain(o.ServiceExternalName) {
			errs = append(errs, fmt.Errorf("--service-external-name %q: %s", o.ServiceExternalName, problem))
		}
		if !o.RegisterAPIServices {
			errs = append(errs, errors.New("--service-external-name needs --register-apiservices: without it no Service is made"))
		}
	}
	if o.AdoptFluxCRDs && !o.RegisterAPIServices {
		errs = append(errs, errors.New("--adopt-flux-crds needs --register-apiservices: without it nothing is taken over"))
	}
	if o.LeaderElect && o.Embedded() {
		errs = append(errs, errors.New("--leader-elect needs --etcd-servers: servers with an etcd of their own each have different objects"))
	}
	if o.PodName != "" {
		for _, problem := range validation.IsDNS1123Subdomain(o.PodName) {
			errs = append(errs, fmt.Errorf("--pod-name %q: %s", o.PodName, problem))
		}
	}
	if o.Recommended.SecureServing.BindPort == 0 && o.Recommended.SecureServing.Listener == nil {
		errs = append(errs, errors.New("--secure-port must be set: this server has no other"))
	}
	return errs
}

// validateRecommended validates the generic options, as if the embedded etcd
// were running already.
func (o *Options) validateRecommended() []error {
	checked := *o.Recommended
	if o.Embedded() {
		etcd := *o.Recommended.Etcd
		etcd.StorageConfig.Transport.ServerList = []string{"unix://embedded"}
		checked.Etcd = &etcd
	}
	return checked.Validate()
}
