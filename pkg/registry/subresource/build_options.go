package subresource

import (
	"net/url"

	leatv1alpha1 "github.com/leat-dev/leat/pkg/apis/leat/v1alpha1"
)

func readBuildOptions(query url.Values, o *leatv1alpha1.BuildOptions) error {
	o.Output = query.Get("output")
	o.Revision = query.Get("revision")
	o.ID = query.Get("id")
	return nil
}
