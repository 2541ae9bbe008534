package runtime

import (
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/cache"
)

// Adder is the part of a queue that events need.
type Adder interface {
	Add(Key, Trigger)
	Remove(Key)
}

// OwnEvents returns the handler of the informer of a controller's own kind: an
// object runs when it appears, when its generation or deletion time changes,
// and when annotation gets another value. Writes of status change none of them.
func OwnEvents(q Adder, annotation string) cache.ResourceEventHandler {
	return cache.ResourceEventHandlerDetailedFuncs{
		AddFunc: func(obj any, isInInitialList bool) {
			t := Spec
			if isInInitialList {
				t = Started
			}
			if o, err := meta.Accessor(obj); err == nil {
				q.Add(keyOf(o), t)
			}
		},
		UpdateFunc: func(oldObj, newObj any) {
			before, err := meta.Accessor(oldObj)
			if err != nil {
				return
			}
			after, err := meta.Accessor(newObj)
			if err != nil {
				return
			}
			q.Add(keyOf(after), ownTriggers(before, after, annotation))
		},
		DeleteFunc: func(obj any) {
			// The run finds nothing and lets go of what is kept in memory.
			if o, ok := deleted(obj); ok {
				q.Remove(keyOf(o))
				q.Add(keyOf(o), Spec)
			}
		},
	}
}

func ownTriggers(before, after metav1.Object, annotation string) Trigger {
	var t Trigger
	if before.GetUID() != after.GetUID() || before.GetGeneration() != after.GetGeneration() ||
		before.GetDeletionTimestamp().IsZero() != after.GetDeletionTimestamp().IsZero() {
		t |= Spec
	}
	if v := after.GetAnnotations()[annotation]; v != "" && v != before.GetAnnotations()[annotation] {
		t |= Requested
	}
	return t
}

// Edge leads from an upstream kind to the objects that use it.
type Edge struct {
	// Users returns the keys that use an upstream object.
	Users func(upstream metav1.Object) []Key
	// Relevant says whether a change matters to users at all. Without it every
	// change does.
	Relevant func(before, after metav1.Object) bool
	// To is where the users run, and Trigger what they are told.
	To      Adder
	Trigger Trigger
}

// Events returns the handler of the upstream's informer.
//
// What an informer lists at its start triggers nobody: every user runs at the
// start anyway. An object that appears or vanishes later always matters.
func (e Edge) Events() cache.ResourceEventHandler {
	return cache.ResourceEventHandlerDetailedFuncs{
		AddFunc: func(obj any, isInInitialList bool) {
			if o, err := meta.Accessor(obj); err == nil && !isInInitialList {
				e.trigger(o)
			}
		},
		UpdateFunc: func(oldObj, newObj any) {
			before, err := meta.Accessor(oldObj)
			if err != nil {
				return
			}
			after, err := meta.Accessor(newObj)
			if err != nil || before.GetResourceVersion() == after.GetResourceVersion() {
				return // a resync
			}
			if e.Relevant == nil || before.GetUID() != after.GetUID() || e.Relevant(before, after) {
				e.trigger(after)
			}
		},
		DeleteFunc: func(obj any) {
			if o, ok := deleted(obj); ok {
				e.trigger(o)
			}
		},
	}
}

func (e Edge) trigger(upstream metav1.Object) {
	for _, key := range e.Users(upstream) {
		e.To.Add(key, e.Trigger)
	}
}

// UsersByIndex finds users in an informer's index, in which each user is filed
// under what reference returns for the upstream objects that it names.
func UsersByIndex(users cache.Indexer, index string, reference func(upstream metav1.Object) string) func(metav1.Object) []Key {
	return func(upstream metav1.Object) []Key {
		found, err := users.ByIndex(index, reference(upstream))
		if err != nil {
			return nil // only if the index does not exist, which its users know at start
		}
		keys := make([]Key, 0, len(found))
		for _, obj := range found {
			if o, err := meta.Accessor(obj); err == nil {
				keys = append(keys, keyOf(o))
			}
		}
		return keys
	}
}

// Reference is how objects are filed in an index.
func Reference(kind, namespace, name string) string { return kind + "/" + namespace + "/" + name }

// Slim drops from an informer's objects what no reconciler reads.
func Slim(obj any) (any, error) {
	if o, err := meta.Accessor(obj); err == nil {
		o.SetManagedFields(nil)
	}
	return obj, nil
}

func deleted(obj any) (metav1.Object, bool) {
	if tombstone, ok := obj.(cache.DeletedFinalStateUnknown); ok {
		obj = tombstone.Obj
	}
	o, err := meta.Accessor(obj)
	return o, err == nil
}

func keyOf(o metav1.Object) Key { return Key{Namespace: o.GetNamespace(), Name: o.GetName()} }
