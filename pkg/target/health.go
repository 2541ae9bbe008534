package target

import (
	"fmt"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Health is an object's state as kstatus sees it.
type Health struct {
	Status  status.Status
	Message string
}

// readsSpec are the kinds whose readiness depends on their spec. All others
// are judged by their metadata and status only, and are current while they
// have no status.
func readsSpec(gk schema.GroupKind) bool {
	switch gk.Group {
	case "":
		switch gk.Kind {
		case "Service", "Pod", "PersistentVolumeClaim":
			return true
		}
	case "apps":
		return true
	case "batch":
		return gk.Kind == "Job"
	case "policy":
		return gk.Kind == "PodDisruptionBudget"
	case "apiextensions.k8s.io":
		return true
	}
	return false
}

// bulky says whether a member of a spec is large and read by no rule.
func bulky(t *tape, key int32) bool {
	return t.is(key, "template") || t.is(key, "versions") || t.is(key, "volumeClaimTemplates") || t.is(key, "volumes")
}

// healthOf computes the health of the object that is value n of t. A panic on
// a malformed object must not end the watch that a whole cluster depends on.
func healthOf(gvk schema.GroupVersionKind, t *tape, n int32) (h Health) {
	gk := gvk.GroupKind()
	defer func() {
		if r := recover(); r != nil {
			h = Health{Status: status.UnknownStatus, Message: fmt.Sprintf("computing the health: %v", r)}
		}
	}()
	deleting := t.get(n, "metadata", "deletionTimestamp") >= 0
	st := t.get(n, "status")
	if !deleting && st < 0 && !readsSpec(gk) {
		return Health{Status: status.CurrentStatus, Message: "Resource is current"}
	}
	u := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": gvk.GroupVersion().String(),
		"kind":       gk.Kind,
		"metadata": t.decode(t.get(n, "metadata"), func(k int32) bool {
			return t.is(k, "managedFields")
		}),
	}}
	if readsSpec(gk) {
		u.Object["spec"] = t.decode(t.get(n, "spec"), func(k int32) bool { return bulky(t, k) })
	}
	if st >= 0 {
		u.Object["status"] = t.decode(st, nil)
	}
	r, err := status.Compute(u)
	if err != nil {
		return Health{Status: status.UnknownStatus, Message: err.Error()}
	}
	if gk.Group == "batch" && gk.Kind == "Job" && r.Status == status.CurrentStatus && !jobComplete(t, st) {
		// kstatus calls a running Job current. Who waits for a Job waits for its
		// end.
		return Health{Status: status.InProgressStatus, Message: r.Message}
	}
	return Health{Status: r.Status, Message: r.Message}
}

func jobComplete(t *tape, st int32) bool {
	done := false
	t.elements(t.get(st, "conditions"), func(c int32) bool {
		done = t.is(t.get(c, "type"), "Complete") && t.is(t.get(c, "status"), "True")
		return !done
	})
	return done
}
