package kustomization

import (
	"context"
	"fmt"
	"strings"

	"k8s.io/klog/v2"

	kustomizev1 "github.com/leat-dev/leat/pkg/apis/kustomize/v1"
	"github.com/leat-dev/leat/pkg/apis/meta"
	"github.com/leat-dev/leat/pkg/object"
	"github.com/leat-dev/leat/pkg/reconcilers/runtime"
)

const (
	// orphanedReason is that of the event about objects that outlive a namespace.
	orphanedReason = "ObjectsLeft"
	// maxLoggedOrphans bounds the names in one line of the log.
	maxLoggedOrphans = 50
)

// orphaning says why what was applied is left as it is, if it is.
type orphaning struct {
	why string
	// namespaceGoes says that the object's namespace goes too, with all events in
	// it.
	namespaceGoes bool
}

// tellOrphans tells what nobody follows any more, and why: in the log, and where
// somebody may still read it. What is in the namespace goes with it and is only
// counted.
func (r *Reconciler) tellOrphans(ctx context.Context, run *runtime.Run, obj *kustomizev1.Kustomization, o orphaning) {
	if o.why == "" {
		return
	}
	run.Log.Warn(o.why)
	r.Events.Warning(obj, meta.ReconciliationFailedReason, o.why, nil)
	count, elsewhere := outside(obj)
	klog.FromContext(ctx).Info("Applied objects are orphaned", "kustomization", klog.KObj(obj), "cause", o.why,
		"count", count, "countElsewhere", len(elsewhere), "objectsElsewhere", elsewhere[:min(len(elsewhere), maxLoggedOrphans)])
	if o.namespaceGoes && len(elsewhere) > 0 {
		r.Events.NamespaceWarning(obj.Namespace, orphanedReason, fmt.Sprintf(
			"Kustomization %s/%s is gone with its namespace. %d object(s) that it applied elsewhere are left, and nobody follows them any more:\n%s",
			obj.Namespace, obj.Name, len(elsewhere), strings.Join(elsewhere, "\n")))
	}
}

// outside returns how many objects the inventory has, and the names of those that
// are not in the namespace of obj.
func outside(obj *kustomizev1.Kustomization) (count int, names []string) {
	if obj.Status.Inventory == nil {
		return 0, nil
	}
	for _, e := range obj.Status.Inventory.Entries {
		key, err := object.ParseID(e.ID)
		switch {
		case err != nil:
			names = append(names, e.ID)
		case key.Namespace != obj.Namespace:
			names = append(names, key.String())
		}
	}
	return len(obj.Status.Inventory.Entries), names
}
