package subresource

import (
	"net/url"

	leatv1alpha1 "github.com/leat-dev/leat/pkg/apis/leat/v1alpha1"
)

func readLogOptions(query url.Values, o *leatv1alpha1.LogOptions) (err error) {
	if o.Follow, err = boolean(query, "follow"); err != nil {
		return err
	}
	if o.Tail, err = count(query, "tail"); err != nil {
		return err
	}
	o.Since = query.Get("since")
	o.RequestID = query.Get("requestID")
	o.Output = query.Get("output")
	return nil
}
