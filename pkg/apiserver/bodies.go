package apiserver

import (
	"net/http"
	"strings"

	genericapiserver "k8s.io/apiserver/pkg/server"

	"github.com/leat-dev/leat/pkg/registry/subresource"
)

// describeBodies tells of the bodies that subresources read by themselves. The
// generic server publishes those that it decodes itself, and no others. It must
// run before OpenAPI is made from the routes.
func describeBodies(server *genericapiserver.GenericAPIServer, groups []*genericapiserver.APIGroupInfo) {
	describers := bodyDescribers(groups)
	for _, service := range server.Handler.GoRestfulContainer.RegisteredWebServices() {
		// These are the routes that are served, and no copies: none is added later.
		routes := service.Routes()
		for i := range routes {
			route := &routes[i]
			describer, ok := describers[strings.Replace(route.Path, "/namespaces/{namespace}/", "/", 1)]
			if !ok || route.Method == http.MethodGet {
				continue
			}
			if sample, description := describer.DescribeBody(route.Method); sample != nil {
				route.ReadSample = sample
				route.ParameterDocs = append(route.ParameterDocs, service.BodyParameter("body", description).Required(true))
			}
		}
	}
}

// bodyDescribers are the subresources that read bodies, by their paths without the
// namespace.
func bodyDescribers(groups []*genericapiserver.APIGroupInfo) map[string]subresource.BodyDescriber {
	describers := map[string]subresource.BodyDescriber{}
	for _, group := range groups {
		for _, version := range group.PrioritizedVersions {
			for path, storage := range group.VersionedResourcesStorageMap[version.Version] {
				if describer, ok := storage.(subresource.BodyDescriber); ok {
					resource, name, _ := strings.Cut(path, "/")
					describers["/apis/"+version.String()+"/"+resource+"/{name}/"+name] = describer
				}
			}
		}
	}
	return describers
}
