package generic

import (
	"context"
	"maps"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"

	leatmeta "github.com/leat-dev/leat/pkg/apis/meta"
)

// suspensionAnnotations tell who suspended an object, why and until when. They are
// written by the subresources suspend and resume only, because they name a user
// whom nobody else has authenticated.
//
// Whatever else is written with them is not refused, but does not count: to apply
// an object that was exported must not fail. When the object is no longer
// suspended they go, whoever ended that.
//
//	write by          object is then suspended   not suspended
//	suspend, resume   as written                 removed
//	anybody else      as stored                  removed
func suspensionAnnotations() []string {
	return []string{leatmeta.SuspendedByAnnotation, leatmeta.SuspendReasonAnnotation, leatmeta.SuspendUntilAnnotation}
}

type suspensionKey struct{}

// WithSuspension marks the context of a write that may change the annotations of
// a suspension.
func WithSuspension(ctx context.Context) context.Context {
	return context.WithValue(ctx, suspensionKey{}, true)
}

// settleSuspension makes the annotations of an object what the table says. old is
// nil for an object that is created.
func settleSuspension(ctx context.Context, o, old metav1.Object, suspended bool) {
	authority := old
	if marked, _ := ctx.Value(suspensionKey{}).(bool); marked {
		authority = o
	}
	var counts map[string]string
	if authority != nil && suspended {
		counts = authority.GetAnnotations()
	}
	// The map may be shared with the object that the request was made from.
	annotations := maps.Clone(o.GetAnnotations())
	for _, name := range suspensionAnnotations() {
		value, ok := counts[name]
		if !ok {
			delete(annotations, name)
			continue
		}
		if annotations == nil {
			annotations = map[string]string{}
		}
		annotations[name] = value
	}
	o.SetAnnotations(annotations)
}

// suspensionFields are the annotations as a set of fields that a write cannot set:
// who applies them does not own them.
func suspensionFields() []fieldpath.Path {
	var paths []fieldpath.Path
	for _, name := range suspensionAnnotations() {
		paths = append(paths, fieldpath.MakePathOrDie("metadata", "annotations", name))
	}
	return paths
}

// SetSuspended sets spec.suspend of an object of this kind. Who installs the
// subresources suspend and resume for a kind gives it a way to do that.
func (r *REST) SetSuspended(obj runtime.Object, suspended bool) { r.suspend(obj, suspended) }
