package subresource

import (
	"net/url"

	"k8s.io/apimachinery/pkg/conversion"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	leatv1alpha1 "github.com/leat-dev/leat/pkg/apis/leat/v1alpha1"
)

// AddToScheme registers what a server needs to know of query parameters. It looks
// for them in the version v1 without a group, when it describes the API, and
// converts queries to them.
func AddToScheme(scheme *runtime.Scheme) error {
	options := &leatv1alpha1.ArtifactOptions{}
	scheme.AddKnownTypes(schema.GroupVersion{Version: "v1"}, options)
	return scheme.AddConversionFunc((*url.Values)(nil), options, func(from, to any, _ conversion.Scope) error {
		parameters, options := *from.(*url.Values), to.(*leatv1alpha1.ArtifactOptions)
		options.Output = parameters.Get("output")
		options.Revision = parameters.Get("revision")
		options.Digest = parameters.Get("digest")
		options.Path = parameters.Get("path")
		return nil
	})
}
