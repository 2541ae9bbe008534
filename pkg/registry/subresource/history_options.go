package subresource

import (
	"net/url"

	leatv1alpha1 "github.com/leat-dev/leat/pkg/apis/leat/v1alpha1"
)

func readHistoryOptions(query url.Values, o *leatv1alpha1.HistoryOptions) (err error) {
	o.Output = query.Get("output")
	o.Limit, err = count(query, "limit")
	return err
}
