package launch

import (
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/admission"
	genericapiserver "k8s.io/apiserver/pkg/server"
	"k8s.io/apiserver/pkg/storage/storagebackend"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/kube-openapi/pkg/common"

	leatv1alpha1 "github.com/leat-dev/leat/pkg/apis/leat/v1alpha1"
	"github.com/leat-dev/leat/pkg/apiserver"
	"github.com/leat-dev/leat/pkg/apiserver/admission/referencepermission"
	"github.com/leat-dev/leat/pkg/apiserver/intake"
	"github.com/leat-dev/leat/pkg/apiserver/registration"
	"github.com/leat-dev/leat/pkg/registry/kustomize"
	"github.com/leat-dev/leat/pkg/registry/source"
	"github.com/leat-dev/leat/pkg/registry/subresource"
)

// newGroups returns the API groups of this server.
func newGroups(artifacts subresource.Artifacts, log subresource.Log, previews *subresource.Previews, trees *subresource.Trees, directory *subresource.Directory) []apiserver.Group {
	return []apiserver.Group{
		&source.Group{Artifacts: artifacts, Log: log, Directory: directory},
		&kustomize.Group{Log: log, Previews: previews, Trees: trees, Directory: directory},
	}
}

// types are those of the groups, and of the group leat.dev, which has requests
// and results but no resources.
func types(groups []apiserver.Group) []apiserver.Types {
	all := []apiserver.Types{leatTypes{}}
	for _, group := range groups {
		all = append(all, group)
	}
	return all
}

type leatTypes struct{}

func (leatTypes) GroupVersions() []schema.GroupVersion {
	return []schema.GroupVersion{leatv1alpha1.SchemeGroupVersion}
}
func (leatTypes) AddToScheme(s *runtime.Scheme) error { return leatv1alpha1.AddToScheme(s) }
func (leatTypes) AddInternalToScheme(s *runtime.Scheme) error {
	if err := leatv1alpha1.AddInternalToScheme(s); err != nil {
		return err
	}
	return subresource.AddToScheme(s)
}

// genericConfig applies the generic options in the order that they depend on
// each other. It also returns the authorities that kube-apiserver is to trust.
func (o launcher) genericConfig(ctx context.Context, host *rest.Config, transport storagebackend.TransportConfig, scheme *apiserver.Scheme, definitions common.GetOpenAPIDefinitions) (*genericapiserver.RecommendedConfig, registration.CABundle, error) {
	client, err := kubernetes.NewForConfig(host)
	if err != nil {
		return nil, nil, fmt.Errorf("making a client of the host cluster: %w", err)
	}
	if err := awaitHost(ctx, client.Discovery().RESTClient()); err != nil {
		return nil, nil, err
	}
	if err := o.ProbeAdmission(ctx, client); err != nil {
		return nil, nil, err
	}

	config := genericapiserver.NewRecommendedConfig(scheme.Codecs)
	apiserver.SetOpenAPI(&config.Config, scheme, definitions)
	config.LongRunningFunc = apiserver.LongRunning()
	config.AddReadyzChecks(apiserver.DirectoryWritable("data-dir", o.DataDir))
	// This sets the effective version and the feature gates, which all that
	// follows reads.
	if err := o.ServerRun.ApplyTo(&config.Config); err != nil {
		return nil, nil, fmt.Errorf("applying the generic flags: %w", err)
	}
	recommended := *o.Recommended
	etcd := *o.Recommended.Etcd
	etcd.StorageConfig.Transport = transport
	etcd.StorageConfig.Codec = scheme.StorageCodec()
	etcd.StorageConfig.EncodeVersioner = scheme.StorageVersioner()
	recommended.Etcd = &etcd
	recommended.ExtraAdmissionInitializers = func(*genericapiserver.RecommendedConfig) ([]admission.PluginInitializer, error) {
		return []admission.PluginInitializer{referencepermission.NewInitializer(servedGroups(scheme)...), countObjects{}}, nil
	}
	if err := recommended.ApplyTo(config); err != nil {
		return nil, nil, fmt.Errorf("applying the recommended flags: %w", err)
	}
	authorities, err := o.authorities(ctx, client, config)
	if err != nil {
		return nil, nil, err
	}
	authorities.HoldBack(&config.Config)
	intake.Install(&config.Config)
	certificates, err := o.certificates(config, client)
	if err != nil {
		return nil, nil, err
	}
	return config, certificates, nil
}

// authorities are those that the authentication flags have the server read from
// the host cluster.
func (o launcher) authorities(ctx context.Context, client kubernetes.Interface, config *genericapiserver.RecommendedConfig) (*apiserver.Authorities, error) {
	authentication := o.Recommended.Authentication
	return apiserver.NewAuthorities(ctx, client, &config.Config, apiserver.ReadAuthorities{
		Clients:    !authentication.SkipInClusterLookup && authentication.ClientCert.ClientCA == "",
		FrontProxy: !authentication.SkipInClusterLookup && authentication.RequestHeader.ClientCAFile == "",
	})
}

func servedGroups(scheme *apiserver.Scheme) []string {
	var groups []string
	for _, version := range scheme.GroupVersions {
		groups = append(groups, version.Group)
	}
	return groups
}

// hostConfig leads to the cluster that this server belongs to.
func (o launcher) hostConfig() (*rest.Config, error) {
	path := o.Recommended.CoreAPI.CoreAPIKubeconfigPath
	if path == "" {
		config, err := rest.InClusterConfig()
		if err != nil {
			return nil, fmt.Errorf("finding the host cluster (outside of a cluster, name it with --kubeconfig): %w", err)
		}
		return config, nil
	}
	config, err := clientcmd.BuildConfigFromFlags("", path)
	if err != nil {
		return nil, fmt.Errorf("reading --kubeconfig: %w", err)
	}
	return config, nil
}
