package subresource

import (
	"net/url"

	leatv1alpha1 "github.com/leat-dev/leat/pkg/apis/leat/v1alpha1"
)

func readDiffOptions(query url.Values, o *leatv1alpha1.DiffOptions) error {
	o.Output = query.Get("output")
	o.From = query.Get("from")
	o.To = query.Get("to")
	o.ID = query.Get("id")
	if query.Has("prune") {
		prune, err := boolean(query, "prune")
		if err != nil {
			return err
		}
		o.Prune = &prune
	}
	return nil
}
