package target

import (
	"context"
	"fmt"
	"net/http"
	"net/url"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/json"
)

// wholePage is how many whole objects one request of a listing returns. They are
// held in memory, decoded, until all of them have been looked at.
const wholePage = "100"

// Known returns what the cache knows of an object, without asking the cluster.
// known is false where the kind is not cached; found is false also for an object
// that has no owner.
func (t *Target) Known(ref Ref) (live Live, found, known bool) {
	k := t.cache.kind(ref.GroupVersionKind())
	if k == nil {
		return Live{}, false, false
	}
	return k.get(ref.namespacedName())
}

// List reads the objects of a kind in a namespace, or in the cluster where that is
// empty, until visit returns false.
func (t *Target) List(ctx context.Context, id Identity, r Resource, namespace string, visit func(*unstructured.Unstructured) bool) error {
	q := url.Values{"limit": {wholePage}}
	for {
		body, _, err := t.do(ctx, request{id: id, method: http.MethodGet, path: r.path(namespace, ""), query: q})
		if err != nil {
			return err
		}
		var page struct {
			Metadata struct {
				Continue string `json:"continue"`
			} `json:"metadata"`
			Items []map[string]any `json:"items"`
		}
		if err := json.Unmarshal(body, &page); err != nil {
			return fmt.Errorf("reading a list of %s: %w", r.Resource, err)
		}
		for _, item := range page.Items {
			// The items of a list do not say what they are.
			item["apiVersion"], item["kind"] = r.GroupVersion().String(), r.Kind
			if !visit(&unstructured.Unstructured{Object: item}) {
				return nil
			}
		}
		if page.Metadata.Continue == "" {
			return nil
		}
		q.Set("continue", page.Metadata.Continue)
	}
}

// MayList says whether the user may list a kind in a namespace.
func (r *Reviewer) MayList(ctx context.Context, res Resource, namespace string) (bool, error) {
	return r.may(ctx, "list", res.GroupVersionResource, namespace, "")
}

// HealthOf computes the health of a whole object as the cache does.
func HealthOf(u *unstructured.Unstructured) (h Health) {
	defer func() {
		if r := recover(); r != nil {
			h = Health{Status: status.UnknownStatus, Message: fmt.Sprintf("computing the health: %v", r)}
		}
	}()
	r, err := status.Compute(u)
	if err != nil {
		return Health{Status: status.UnknownStatus, Message: err.Error()}
	}
	if u.GroupVersionKind().Group == "batch" && u.GetKind() == "Job" && r.Status == status.CurrentStatus && !isComplete(u) {
		return Health{Status: status.InProgressStatus, Message: r.Message}
	}
	return Health{Status: r.Status, Message: r.Message}
}

// isComplete says that a Job has ended well.
func isComplete(job *unstructured.Unstructured) bool {
	conditions, _, _ := unstructured.NestedSlice(job.Object, "status", "conditions")
	for _, c := range conditions {
		if m, ok := c.(map[string]any); ok && m["type"] == "Complete" && m["status"] == "True" {
			return true
		}
	}
	return false
}
