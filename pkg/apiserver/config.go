package apiserver

import (
	"fmt"

	"k8s.io/apimachinery/pkg/util/sets"
	openapinamer "k8s.io/apiserver/pkg/endpoints/openapi"
	"k8s.io/apiserver/pkg/endpoints/request"
	"k8s.io/apiserver/pkg/registry/rest"
	genericapiserver "k8s.io/apiserver/pkg/server"
	"k8s.io/apiserver/pkg/server/filters"
	"k8s.io/kube-openapi/pkg/common"
	"k8s.io/utils/clock"

	"github.com/leat-dev/leat/pkg/apiserver/intake"
	"github.com/leat-dev/leat/pkg/registry/generic"
)

// name of the server in its logs and metrics.
const name = "leat-apiserver"

// Group is an API group that the server serves.
type Group interface {
	Types

	// NewStorage builds the storage of the group's resources, by version and by
	// resource or resource/subresource.
	NewStorage(generic.Environment) (map[string]map[string]rest.Storage, error)
}

// Hook is work that starts once the server serves. Run must return soon and
// leave long work to goroutines that end with the context: the server is not
// ready before all hooks have returned, and an error from one ends the process.
type Hook struct {
	Name string
	Run  func(genericapiserver.PostStartHookContext) error
}

// Config is what a server is made from.
type Config struct {
	GenericConfig *genericapiserver.RecommendedConfig
	ExtraConfig   ExtraConfig
}

// ExtraConfig is what Leat adds to the generic configuration.
type ExtraConfig struct {
	Scheme *Scheme
	Schema generic.Schema
	Groups []Group
	Clock  clock.WithTicker

	// Authors learns who makes objects run. It may be nil.
	Authors generic.Authors

	// Start runs when the server serves, Stop while it still does and is about to
	// end.
	Start []Hook
	Stop  []StopHook
}

// StopHook is work that is done before the server stops serving.
type StopHook struct {
	Name string
	Run  func() error
}

type completedConfig struct {
	generic genericapiserver.CompletedConfig
	extra   ExtraConfig
}

// CompletedConfig can only be made by Config.Complete.
type CompletedConfig struct {
	*completedConfig
}

// Complete fills in what follows from the configuration.
func (c *Config) Complete() CompletedConfig {
	if c.ExtraConfig.Clock == nil {
		c.ExtraConfig.Clock = clock.RealClock{}
	}
	return CompletedConfig{&completedConfig{generic: c.GenericConfig.Complete(), extra: c.ExtraConfig}}
}

// New builds the server. Nothing is served before Run.
func (c completedConfig) New() (*Server, error) {
	server, err := c.generic.New(name, genericapiserver.NewEmptyDelegateWithCustomHandler(intake.NotFound()))
	if err != nil {
		return nil, fmt.Errorf("building the generic server: %w", err)
	}
	env := generic.Environment{
		Scheme:      c.extra.Scheme.Scheme,
		Schema:      c.extra.Schema,
		RESTOptions: c.generic.RESTOptionsGetter,
		Authorizer:  c.generic.Authorization.Authorizer,
		Authors:     c.extra.Authors,
		Clock:       c.extra.Clock,
	}
	// One call installs all groups, so that the OpenAPI models, and the types that
	// server-side apply merges by, are built once.
	infos := make([]*genericapiserver.APIGroupInfo, 0, len(c.extra.Groups))
	for _, group := range c.extra.Groups {
		info, err := c.groupInfo(group, env)
		if err != nil {
			return nil, err
		}
		infos = append(infos, info)
	}
	if err := server.InstallAPIGroups(infos...); err != nil {
		return nil, fmt.Errorf("installing the API groups: %w", err)
	}
	describeBodies(server, infos)
	for _, hook := range c.extra.Start {
		if err := server.AddPostStartHook(hook.Name, hook.Run); err != nil {
			return nil, fmt.Errorf("adding the hook %s: %w", hook.Name, err)
		}
	}
	for _, hook := range c.extra.Stop {
		if err := server.AddPreShutdownHook(hook.Name, hook.Run); err != nil {
			return nil, fmt.Errorf("adding the hook %s: %w", hook.Name, err)
		}
	}
	return &Server{GenericAPIServer: server}, nil
}

func (c completedConfig) groupInfo(group Group, env generic.Environment) (*genericapiserver.APIGroupInfo, error) {
	groupName := group.GroupVersions()[0].Group
	storage, err := group.NewStorage(env)
	if err != nil {
		return nil, fmt.Errorf("building the storage of %s: %w", groupName, err)
	}
	info := genericapiserver.NewDefaultAPIGroupInfo(groupName, c.extra.Scheme.Scheme, c.extra.Scheme.ParameterCodec, c.extra.Scheme.Codecs)
	info.VersionedResourcesStorageMap = storage
	info.NegotiatedSerializer = WithoutProtobuf(info.NegotiatedSerializer)
	return &info, nil
}

// SetOpenAPI describes the API from the definitions that are published.
func SetOpenAPI(config *genericapiserver.Config, scheme *Scheme, definitions common.GetOpenAPIDefinitions) {
	namer := openapinamer.NewDefinitionNamer(scheme.External)
	config.OpenAPIConfig = genericapiserver.DefaultOpenAPIConfig(definitions, namer)
	config.OpenAPIConfig.Info.Title = "Leat"
	config.OpenAPIV3Config = genericapiserver.DefaultOpenAPIV3Config(definitions, namer)
	config.OpenAPIV3Config.Info.Title = "Leat"
}

// LongRunning tells which requests have no deadline: watches, logs that are
// followed, and artifacts, which are as large as they are and may be read slowly.
// kube-apiserver in front knows only the first two; an artifact that it cuts off
// is resumed with a Range.
func LongRunning() request.LongRunningRequestCheck {
	return filters.BasicLongRunningRequestCheck(sets.NewString("watch"), sets.NewString("log", "artifact"))
}
