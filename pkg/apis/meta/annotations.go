package meta

// Finalizer is what keeps an object until its deletion has been carried out.
const Finalizer = "finalizers.fluxcd.io"

// Annotations and labels on objects of the API.
const (
	// ReconcileRequestAnnotation asks for a run: any value other than the one in
	// status.lastHandledReconcileAt does.
	ReconcileRequestAnnotation = "reconcile.fluxcd.io/requestedAt"
	// ForceRequestAnnotation asks for one forced run; it counts only when it
	// equals ReconcileRequestAnnotation.
	ForceRequestAnnotation = "reconcile.fluxcd.io/forceAt"
	// ResetRequestAnnotation asks to forget failures; it counts only when it
	// equals ReconcileRequestAnnotation.
	ResetRequestAnnotation = "reconcile.fluxcd.io/resetAt"
	// WatchLabel on a ConfigMap or Secret makes what refers to it run when it
	// changes.
	WatchLabel = "reconcile.fluxcd.io/watch"
	// WatchLabelEnabled is the value of WatchLabel that counts.
	WatchLabelEnabled = "Enabled"
	// EventAnnotationPrefix begins annotations that are copied into the events
	// of an object.
	EventAnnotationPrefix = "event.toolkit.fluxcd.io/"
)

// Annotations of Leat's own, written by subresources only.
const (
	SuspendedByAnnotation   = "leat.dev/suspended-by"
	SuspendReasonAnnotation = "leat.dev/suspend-reason"
	SuspendUntilAnnotation  = "leat.dev/suspend-until"
)

// Keys in the metadata of an artifact.
const (
	// OriginRevisionKey holds the revision of the code that an OCI artifact was
	// built from.
	OriginRevisionKey = "org.opencontainers.image.revision"
	// OriginSourceKey holds the address of that code.
	OriginSourceKey = "org.opencontainers.image.source"
)

// ReconcileRequested gives the value of the annotation that asks for a run.
func ReconcileRequested(annotations map[string]string) (string, bool) {
	value, ok := annotations[ReconcileRequestAnnotation]
	return value, ok && value != ""
}
