package subresource

import (
	"net/url"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/conversion"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	leatv1alpha1 "github.com/leat-dev/leat/pkg/apis/leat/v1alpha1"
)

// ArtifactOptions are the query parameters of the subresource artifact.
type ArtifactOptions struct {
	metav1.TypeMeta `json:",inline"`

	// Output is tar, which is the default and gives the artifact as a tar.gz, or
	// list, which gives an ArtifactList.
	Output string `json:"output,omitempty"`

	// Revision picks a retained artifact by the revision of the source.
	Revision string `json:"revision,omitempty"`

	// Digest picks a retained artifact by the digest of its tar.gz.
	Digest string `json:"digest,omitempty"`

	// Path is what follows the subresource in the URL: a file of the artifact. It
	// has no tag, because it is no query parameter.
	Path string
}

// SwaggerDoc describes the parameters in OpenAPI.
func (*ArtifactOptions) SwaggerDoc() map[string]string {
	return map[string]string{
		"output":   "What is given: tar, which is the default and gives a tar.gz, or list, which gives an ArtifactList.",
		"revision": "Revision of the source that a retained artifact was made from. Defaults to the current one.",
		"digest":   "Digest of the tar.gz of a retained artifact. Defaults to the current one.",
	}
}

// DeepCopyObject implements runtime.Object.
func (o *ArtifactOptions) DeepCopyObject() runtime.Object {
	c := *o
	return &c
}

// AddToScheme registers the types of query parameters. The generic server looks
// for them in the group of the subresource's result, and in the version v1
// without a group when it describes the API.
func AddToScheme(scheme *runtime.Scheme) error {
	options := &ArtifactOptions{}
	scheme.AddKnownTypes(leatv1alpha1.SchemeGroupVersion, options)
	scheme.AddKnownTypes(schema.GroupVersion{Group: leatv1alpha1.GroupName, Version: runtime.APIVersionInternal}, options)
	scheme.AddKnownTypes(schema.GroupVersion{Version: "v1"}, options)
	return scheme.AddConversionFunc((*url.Values)(nil), options, func(from, to any, _ conversion.Scope) error {
		parameters, options := *from.(*url.Values), to.(*ArtifactOptions)
		options.Output = parameters.Get("output")
		options.Revision = parameters.Get("revision")
		options.Digest = parameters.Get("digest")
		options.Path = parameters.Get("path")
		return nil
	})
}
