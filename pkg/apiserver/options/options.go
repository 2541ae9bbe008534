package options

import (
	"path/filepath"
	"runtime"
	"time"

	"k8s.io/apiserver/pkg/admission/plugin/resourcequota"
	mutatingwebhook "k8s.io/apiserver/pkg/admission/plugin/webhook/mutating"
	genericoptions "k8s.io/apiserver/pkg/server/options"
	cliflag "k8s.io/component-base/cli/flag"

	"github.com/leat-dev/leat/pkg/apiserver/admission/referencepermission"
	"github.com/leat-dev/leat/pkg/etcd"
)

const (
	// DefaultDataDir is where everything is kept that must survive a restart.
	DefaultDataDir = "/var/lib/leat"

	// watchGracePeriod is how long watches are given to end when the server stops.
	watchGracePeriod = 10 * time.Second

	// etcdPrefix begins the keys of all objects. It can never change: what is
	// stored under another prefix is not found.
	etcdPrefix = "/registry/leat.dev"

	// InternalRecords is the part of etcd's keys below --etcd-prefix for what is not
	// an object. No API group can be there: their names have dots.
	InternalRecords = "internal"
)

// Options are the flags of leat-apiserver.
type Options struct {
	ServerRun   *genericoptions.ServerRunOptions
	Recommended *genericoptions.RecommendedOptions

	// DataDir holds etcd, artifacts and copies of Git repositories.
	DataDir string

	// EtcdEphemeral allows a data directory that does not survive a restart.
	EtcdEphemeral bool

	// EtcdQuotaBytes is how large the embedded etcd may grow.
	EtcdQuotaBytes int64

	// BuildWorker is the path of the program that builds run in, BuildWorkers how
	// many of them run at once.
	BuildWorker  string
	BuildWorkers int

	// DefaultServiceAccount is impersonated for objects that name none.
	DefaultServiceAccount string

	// NoCrossNamespaceRefs refuses references to other namespaces.
	NoCrossNamespaceRefs bool

	// Concurrent is how many objects of a kind are reconciled at once.
	Concurrent int

	// ServiceNamespace and ServiceName are the Service that kube-apiserver reaches
	// this server by.
	ServiceNamespace, ServiceName string

	// ServiceExternalName is the host name that kube-apiserver reaches this server
	// by when it runs outside of the cluster.
	ServiceExternalName string

	// ServiceCAFile is what signed a certificate that was given by file.
	ServiceCAFile string

	// Reconcile has the server act on the objects that it serves.
	Reconcile bool

	// RegisterAPIServices keeps the APIService objects in the host cluster true.
	RegisterAPIServices bool

	// LeaderElect lets one of several servers act, and has the others stand by.
	// PodName is the Pod that this one runs in.
	LeaderElect bool
	PodName     string

	// AdoptFluxCRDs takes over groups for which the host cluster serves CRDs.
	AdoptFluxCRDs bool
}

// New returns the defaults.
func New() *Options {
	o := &Options{
		ServerRun: genericoptions.NewServerRunOptions(),
		// The codec follows from the groups and is set when they are known.
		Recommended:         genericoptions.NewRecommendedOptions(etcdPrefix, nil),
		DataDir:             DefaultDataDir,
		EtcdQuotaBytes:      etcd.DefaultQuotaBytes,
		BuildWorkers:        runtime.GOMAXPROCS(0),
		Concurrent:          20,
		ServiceNamespace:    "leat-system",
		ServiceName:         "leat-apiserver",
		RegisterAPIServices: true,
		Reconcile:           true,
	}
	// Without a period of grace watches are not told of the end, and each stop
	// takes until the timeout of the last one.
	o.ServerRun.ShutdownWatchTerminationGracePeriod = watchGracePeriod
	o.Recommended.SecureServing.BindPort = 8443
	o.Recommended.SecureServing.ServerCert.CertDirectory = ""
	o.Recommended.SecureServing.ServerCert.PairName = "leat-apiserver"

	admission := o.Recommended.Admission
	referencepermission.Register(admission.Plugins)
	resourcequota.Register(admission.Plugins)
	admission.RecommendedPluginOrder = insertAfter(admission.RecommendedPluginOrder, mutatingwebhook.PluginName, referencepermission.PluginName)
	// Last, so that nothing is counted that is refused.
	admission.RecommendedPluginOrder = append(admission.RecommendedPluginOrder, resourcequota.PluginName)
	return o
}

// AddFlags adds all flags, in sections for --help.
func (o *Options) AddFlags(sections *cliflag.NamedFlagSets) {
	fs := sections.FlagSet("Leat")
	fs.StringVar(&o.DataDir, "data-dir", o.DataDir,
		"Directory for everything that must survive a restart: etcd, artifacts and copies of Git repositories.")
	fs.BoolVar(&o.EtcdEphemeral, "etcd-ephemeral", o.EtcdEphemeral,
		"Start the embedded etcd in a directory that does not survive a restart. All objects are lost with it.")
	fs.Int64Var(&o.EtcdQuotaBytes, "etcd-quota-backend-bytes", o.EtcdQuotaBytes,
		"How large the file of the embedded etcd may grow. When it has, history is dropped and the file is defragmented; only if that "+
			"does not help no writes are taken any more.")
	fs.StringVar(&o.BuildWorker, "build-worker", o.BuildWorker,
		"Program that builds run in. Defaults to leat-build in the directory of this program.")
	fs.IntVar(&o.BuildWorkers, "build-workers", o.BuildWorkers,
		"How many builds run at once. Defaults to the number of CPUs.")
	fs.IntVar(&o.Concurrent, "concurrent", o.Concurrent,
		"How many objects of each kind are reconciled at once.")
	fs.StringVar(&o.ServiceNamespace, "service-namespace", o.ServiceNamespace,
		"Namespace of the Service that kube-apiserver reaches this server by.")
	fs.StringVar(&o.ServiceName, "service-name", o.ServiceName,
		"Name of the Service that kube-apiserver reaches this server by.")
	fs.StringVar(&o.ServiceExternalName, "service-external-name", o.ServiceExternalName,
		"Host name that kube-apiserver reaches this server by, at --secure-port, when it runs outside of the cluster. "+
			"The Service is then made by this server, as one of type ExternalName.")
	fs.StringVar(&o.ServiceCAFile, "service-ca-file", o.ServiceCAFile,
		"File with the authorities that signed --tls-cert-file, for the APIServices. Without both, the server makes its own certificate.")
	fs.StringVar(&o.DefaultServiceAccount, "default-service-account", o.DefaultServiceAccount,
		"ServiceAccount that is impersonated for objects that name none, in their own namespace. Empty for this server's own rights.")
	fs.BoolVar(&o.NoCrossNamespaceRefs, "no-cross-namespace-refs", o.NoCrossNamespaceRefs,
		"Refuse references to sources and dependencies in other namespaces.")
	fs.BoolVar(&o.Reconcile, "reconcile", o.Reconcile,
		"Act on the objects that are served. Without it the API is complete, but nothing is fetched or applied.")
	fs.BoolVar(&o.RegisterAPIServices, "register-apiservices", o.RegisterAPIServices,
		"Create the APIService objects of this server in the host cluster and keep them true.")
	fs.BoolVar(&o.AdoptFluxCRDs, "adopt-flux-crds", o.AdoptFluxCRDs,
		"Take over groups for which the host cluster serves CRDs of Flux. Their objects are hidden while this server is registered.")
	fs.BoolVar(&o.LeaderElect, "leader-elect", o.LeaderElect,
		"Act only while this server holds a Lease in --service-namespace, and stand by while another one does. "+
			"For several servers with one etcd (--etcd-servers).")
	fs.StringVar(&o.PodName, "pod-name", o.PodName,
		"Name of the Pod that this server runs in. With --leader-elect it gets the label leat.dev/active=true while the server acts.")

	o.ServerRun.AddUniversalFlags(sections.FlagSet("generic"))
	o.Recommended.SecureServing.AddFlags(sections.FlagSet("secure serving"))
	o.Recommended.CoreAPI.AddFlags(sections.FlagSet("host cluster"))
	o.Recommended.Authentication.AddFlags(sections.FlagSet("authentication"))
	o.Recommended.Authorization.AddFlags(sections.FlagSet("authorization"))
	o.Recommended.Admission.AddFlags(sections.FlagSet("admission"))
	o.Recommended.Etcd.AddFlags(sections.FlagSet("etcd"))
	o.Recommended.Audit.AddFlags(sections.FlagSet("audit"))
	o.Recommended.Features.AddFlags(sections.FlagSet("features"))
	o.Recommended.EgressSelector.AddFlags(sections.FlagSet("egress"))
	o.Recommended.Traces.AddFlags(sections.FlagSet("traces"))
}

// Embedded tells whether objects are kept in an etcd of our own.
func (o *Options) Embedded() bool {
	return len(o.Recommended.Etcd.StorageConfig.Transport.ServerList) == 0
}

// EtcdDir is where the embedded etcd keeps its data.
func (o *Options) EtcdDir() string { return filepath.Join(o.DataDir, "etcd") }

// ArtifactDir is where artifacts are kept.
func (o *Options) ArtifactDir() string { return filepath.Join(o.DataDir, "artifacts") }

// GitDir is where copies of Git repositories are kept.
func (o *Options) GitDir() string { return filepath.Join(o.DataDir, "git") }

// insertAfter returns names with name after the given one, or at the end.
func insertAfter(names []string, after, name string) []string {
	var result []string
	found := false
	for _, n := range names {
		result = append(result, n)
		if n == after {
			result = append(result, name)
			found = true
		}
	}
	if !found {
		result = append(result, name)
	}
	return result
}
