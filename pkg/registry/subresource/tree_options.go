package subresource

import (
	"net/url"

	leatv1alpha1 "github.com/leat-dev/leat/pkg/apis/leat/v1alpha1"
)

func readTreeOptions(query url.Values, o *leatv1alpha1.TreeOptions) error {
	o.Output = query.Get("output")
	return nil
}
