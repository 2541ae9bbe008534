package subresource

import (
	"net/url"

	leatv1alpha1 "github.com/leat-dev/leat/pkg/apis/leat/v1alpha1"
)

func readArtifactOptions(query url.Values, o *leatv1alpha1.ArtifactOptions) error {
	o.Output = query.Get("output")
	o.Revision = query.Get("revision")
	o.Digest = query.Get("digest")
	o.Path = query.Get("path")
	return nil
}
