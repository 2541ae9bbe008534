package controlplane

import (
	"context"
	"fmt"
	"net"

	"github.com/spf13/pflag"
	utilerrors "k8s.io/apimachinery/pkg/util/errors"
	cliflag "k8s.io/component-base/cli/flag"
	"k8s.io/kubernetes/cmd/kube-apiserver/app"
	"k8s.io/kubernetes/cmd/kube-apiserver/app/options"

	"github.com/leat-dev/leat/hack/devcluster/internal/pki"
)

const serviceCIDR = "10.96.0.0/16"

// serviceIP is the address of the Service "kubernetes", the first of the range.
func serviceIP() net.IP { return net.IPv4(10, 96, 0, 1) }

// apiServerArgs are the flags of kube-apiserver without those of the user,
// which come last and win.
func apiServerArgs(o Options, keys *pki.Cluster, etcdEndpoint string) []string {
	port := o.Listener.Addr().(*net.TCPAddr).Port
	return []string{
		"--etcd-servers=" + etcdEndpoint,
		"--bind-address=127.0.0.1",
		fmt.Sprintf("--secure-port=%d", port),
		// Without an address kube-apiserver announces that of the default
		// route, and fails where there is none. The Endpoints of the Service
		// "kubernetes" must not hold a loopback address, so nobody writes them.
		"--advertise-address=127.0.0.1",
		"--endpoint-reconciler-type=none",
		"--cert-dir=" + o.path("run"),
		"--tls-cert-file=" + keys.ServingCertFile,
		"--tls-private-key-file=" + keys.ServingKeyFile,
		"--client-ca-file=" + keys.CA.CertFile,
		"--authorization-mode=Node,RBAC",
		"--service-cluster-ip-range=" + serviceCIDR,
		"--service-account-issuer=https://kubernetes.default.svc.cluster.local",
		"--service-account-key-file=" + keys.ServiceAccountKeyFile,
		"--service-account-signing-key-file=" + keys.ServiceAccountKeyFile,
		"--allow-privileged=true",

		"--requestheader-client-ca-file=" + keys.FrontProxyCA.CertFile,
		"--requestheader-allowed-names=" + pki.FrontProxyName,
		"--requestheader-username-headers=X-Remote-User",
		"--requestheader-uid-headers=X-Remote-Uid",
		"--requestheader-group-headers=X-Remote-Group",
		"--requestheader-extra-headers-prefix=X-Remote-Extra-",
		"--proxy-client-cert-file=" + keys.FrontProxyCertFile,
		"--proxy-client-key-file=" + keys.FrontProxyKeyFile,

		"--audit-policy-file=" + o.path("audit-policy.yaml"),
		"--audit-log-path=" + o.path("logs", "audit.log"),
		// Written before the answer goes out, so that a test that counts
		// requests finds every one that it has seen answered.
		"--audit-log-mode=blocking",
		fmt.Sprintf("--audit-log-maxsize=%d", auditLogMegabytes),
		"--audit-log-maxbackup=1",
	}
}

// runAPIServer runs kube-apiserver until ctx ends.
func runAPIServer(ctx context.Context, o Options, args []string) error {
	s := options.NewServerRunOptions()
	flags := s.Flags()
	if err := parse("kube-apiserver", &flags, append(args, o.APIServerArgs...)); err != nil {
		return err
	}
	if err := s.GenericServerRunOptions.ComponentGlobalsRegistry.Set(); err != nil {
		return fmt.Errorf("setting kube-apiserver's feature gates: %w", err)
	}
	s.SecureServing.Listener = o.Listener
	completed, err := s.Complete(ctx)
	if err != nil {
		return fmt.Errorf("completing kube-apiserver's options: %w", err)
	}
	if errs := completed.Validate(); len(errs) > 0 {
		return fmt.Errorf("validating kube-apiserver's options: %w", utilerrors.NewAggregate(errs))
	}
	if err := app.Run(ctx, completed); err != nil {
		return fmt.Errorf("running kube-apiserver: %w", err)
	}
	return nil
}

// parse sets the flags of one component. The sets of several components hold
// flags of the same names and are never joined.
func parse(component string, sets *cliflag.NamedFlagSets, args []string) error {
	all := pflag.NewFlagSet(component, pflag.ContinueOnError)
	all.SetNormalizeFunc(cliflag.WordSepNormalizeFunc)
	for _, set := range sets.FlagSets {
		all.AddFlagSet(set)
	}
	if err := all.Parse(args); err != nil {
		return fmt.Errorf("parsing %s's flags: %w", component, err)
	}
	if rest := all.Args(); len(rest) > 0 {
		return fmt.Errorf("parsing %s's flags: %q is not a flag", component, rest)
	}
	return nil
}
