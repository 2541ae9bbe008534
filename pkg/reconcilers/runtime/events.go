package runtime

import (
	"context"
	"strings"
	"unicode/utf8"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	typedcorev1 "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/tools/record"
	"k8s.io/klog/v2"

	"github.com/leat-dev/leat/pkg/apis/meta"
)

// Keys of what an event says besides its message. They become annotations,
// prefixed by the API group of the object.
const (
	MetaRevision       = "revision"
	MetaOriginRevision = "originRevision"
	MetaDigest         = "digest"
	MetaToken          = "token"
)

// maxEventMessage is the most that a cluster takes as the note of an event.
const maxEventMessage = 1024

// EventWriter writes core/v1 Events about one kind's objects to the cluster.
//
// It never delays a run: events wait in a bounded queue, are sent by a
// goroutine of their own, and are dropped when the cluster does not take them.
// The same event again raises the count of the one that is there; an object
// that floods is throttled.
type EventWriter struct {
	recorder record.EventRecorder
	gvk      schema.GroupVersionKind
}

// NewEventWriter starts to send events in the name of controller until ctx
// ends.
func NewEventWriter(ctx context.Context, core typedcorev1.EventsGetter, gvk schema.GroupVersionKind, controller, instance string) *EventWriter {
	ctx = klog.NewContext(ctx, klog.FromContext(ctx).WithName("events"))
	broadcaster := record.NewBroadcaster(record.WithContext(ctx), record.WithCorrelatorOptions(record.CorrelatorOptions{
		// Ten different events within ten minutes are a busy repository, not a
		// flood: they are not merged into one whose message is lost.
		MaxEvents: 100,
		BurstSize: 100,
	}))
	broadcaster.StartRecordingToSink(&typedcorev1.EventSinkImpl{Interface: core.Events(metav1.NamespaceAll)})
	context.AfterFunc(ctx, broadcaster.Shutdown)
	source := corev1.EventSource{Component: controller, Host: instance}
	// The scheme is only asked for what is not a reference already.
	return &EventWriter{recorder: broadcaster.NewRecorder(runtime.NewScheme(), source), gvk: gvk}
}

// Normal tells good news about obj.
func (e *EventWriter) Normal(obj metav1.Object, reason, message string, metadata map[string]string) {
	e.write(obj, corev1.EventTypeNormal, reason, message, metadata)
}

// Warning tells bad news about obj.
func (e *EventWriter) Warning(obj metav1.Object, reason, message string, metadata map[string]string) {
	e.write(obj, corev1.EventTypeWarning, reason, message, metadata)
}

// NamespaceWarning tells bad news about a namespace. Events about namespaces are
// kept in the namespace default, so that they are there when it is gone.
func (e *EventWriter) NamespaceWarning(namespace, reason, message string) {
	ref := &corev1.ObjectReference{APIVersion: "v1", Kind: "Namespace", Name: namespace}
	e.recorder.Event(ref, corev1.EventTypeWarning, reason, clipEvent(message))
}

func (e *EventWriter) write(obj metav1.Object, eventType, reason, message string, metadata map[string]string) {
	annotations := map[string]string{}
	for k, v := range obj.GetAnnotations() {
		if strings.HasPrefix(k, meta.EventAnnotationPrefix) {
			annotations[k] = v
		}
	}
	for k, v := range metadata {
		if v != "" {
			annotations[e.gvk.Group+"/"+k] = v
		}
	}
	ref := &corev1.ObjectReference{
		APIVersion: e.gvk.GroupVersion().String(), Kind: e.gvk.Kind,
		Namespace: obj.GetNamespace(), Name: obj.GetName(),
		UID: obj.GetUID(), ResourceVersion: obj.GetResourceVersion(),
	}
	e.recorder.AnnotatedEventf(ref, annotations, eventType, reason, "%s", clipEvent(message))
}

// clipEvent cuts a message that is too long between two characters.
func clipEvent(message string) string {
	const more = "…"
	if len(message) <= maxEventMessage {
		return message
	}
	end := maxEventMessage - len(more)
	for end > 0 && !utf8.RuneStart(message[end]) {
		end--
	}
	return message[:end] + more
}
