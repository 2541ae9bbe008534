package runtimetest

import (
	"slices"
	"sync"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Event is one event as it was written.
type Event struct {
	Type, Object, Reason, Message string
	Metadata                      map[string]string
}

// Events records events. It is safe for concurrent use.
type Events struct {
	mu   sync.Mutex
	list []Event
}

// Normal records good news.
func (e *Events) Normal(obj metav1.Object, reason, message string, metadata map[string]string) {
	e.add("Normal", obj, reason, message, metadata)
}

// Warning records bad news.
func (e *Events) Warning(obj metav1.Object, reason, message string, metadata map[string]string) {
	e.add("Warning", obj, reason, message, metadata)
}

// NamespaceWarning records bad news about a namespace.
func (e *Events) NamespaceWarning(namespace, reason, message string) {
	e.add("Warning", &metav1.ObjectMeta{Name: namespace}, reason, message, nil)
}

func (e *Events) add(kind string, obj metav1.Object, reason, message string, metadata map[string]string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.list = append(e.list, Event{kind, obj.GetNamespace() + "/" + obj.GetName(), reason, message, metadata})
}

// Take returns what was recorded since the last call.
func (e *Events) Take() []Event {
	e.mu.Lock()
	defer e.mu.Unlock()
	list := slices.Clone(e.list)
	e.list = nil
	return list
}
