package runtime

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"

	apiequality "k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/resourceversion"
)

// Client is the part of a generated client that a Writer needs.
type Client[O metav1.Object] interface {
	Get(ctx context.Context, name string, o metav1.GetOptions) (O, error)
	Patch(ctx context.Context, name string, pt types.PatchType, data []byte, o metav1.PatchOptions, subresources ...string) (O, error)
}

// Writer writes the status and the finalizers of one kind's objects.
//
// A status has one writer: the reconciler that holds the claim of the object.
// So a status is replaced as a whole by a patch that names nothing else, which
// can neither conflict with nor undo what others write to the object meanwhile;
// the patch carries the UID, so that it never hits a namesake. Finalizers do
// have several writers; they are written under the resource version.
//
// What was written comes back through the informer some time later. Latest
// bridges that time, so that a run never starts from a status that its
// predecessor has already replaced.
type Writer[O metav1.Object] struct {
	client  func(namespace string) Client[O]
	manager string

	mu   sync.Mutex
	last map[Key]O
}

// NewWriter returns a writer that appears as manager in the managed fields.
func NewWriter[O metav1.Object](manager string, client func(namespace string) Client[O]) *Writer[O] {
	return &Writer[O]{client: client, manager: manager, last: map[Key]O{}}
}

// Latest returns the newer of an informer's object and what was written last.
func (w *Writer[O]) Latest(cached O) O {
	w.mu.Lock()
	defer w.mu.Unlock()
	key := keyOf(cached)
	last, ok := w.last[key]
	if !ok {
		return cached
	}
	if last.GetUID() == cached.GetUID() {
		if order, err := resourceversion.CompareResourceVersion(last.GetResourceVersion(), cached.GetResourceVersion()); err == nil && order > 0 {
			return last
		}
	}
	delete(w.last, key)
	return cached
}

// Forget lets go of an object that is gone.
func (w *Writer[O]) Forget(key Key) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.last, key)
}

// jsonPatch is one operation of RFC 6902.
type jsonPatch struct {
	Op    string `json:"op"`
	Path  string `json:"path"`
	Value any    `json:"value"`
}

// WriteStatus replaces the status of obj, which was before, by after; nothing
// is sent if they mean the same. An object that is gone is no error: the
// second result says that the object is still there.
func (w *Writer[O]) WriteStatus(ctx context.Context, obj O, before, after any) (O, bool, error) {
	if apiequality.Semantic.DeepEqual(before, after) {
		return obj, true, nil
	}
	data, err := json.Marshal([]jsonPatch{
		{Op: "test", Path: "/metadata/uid", Value: obj.GetUID()},
		{Op: "add", Path: "/status", Value: after},
	})
	if err != nil {
		return obj, true, fmt.Errorf("encoding the status of %s: %w", keyOf(obj), err)
	}
	written, err := w.client(obj.GetNamespace()).Patch(ctx, obj.GetName(), types.JSONPatchType, data,
		metav1.PatchOptions{FieldManager: w.manager}, "status")
	switch {
	case err == nil:
		w.keep(written)
		return written, true, nil
	case w.isGone(ctx, obj, err):
		return obj, false, nil
	}
	return obj, true, fmt.Errorf("writing the status of %s: %w", keyOf(obj), err)
}

// isGone finds out whether a patch failed because the object, or the object
// with this UID, does not exist any more.
func (w *Writer[O]) isGone(ctx context.Context, obj O, err error) bool {
	if apierrors.IsNotFound(err) {
		return true
	}
	if !apierrors.IsInvalid(err) && !apierrors.IsConflict(err) && apierrors.ReasonForError(err) != metav1.StatusReasonUnknown {
		return false
	}
	live, err := w.client(obj.GetNamespace()).Get(ctx, obj.GetName(), metav1.GetOptions{})
	return apierrors.IsNotFound(err) || err == nil && live.GetUID() != obj.GetUID()
}

// maxConflicts is how often a write of finalizers starts over. Whoever needs
// more than that is fighting with another writer.
const maxConflicts = 8

// AddFinalizer makes sure that obj has a finalizer.
func (w *Writer[O]) AddFinalizer(ctx context.Context, obj O, finalizer string) (O, bool, error) {
	return w.changeFinalizers(ctx, obj, func(have []string) []string {
		if slices.Contains(have, finalizer) {
			return have
		}
		return append(slices.Clone(have), finalizer)
	})
}

// RemoveFinalizer makes sure that obj does not have a finalizer. With its last
// one an object that is being deleted disappears.
func (w *Writer[O]) RemoveFinalizer(ctx context.Context, obj O, finalizer string) (O, bool, error) {
	return w.changeFinalizers(ctx, obj, func(have []string) []string {
		return slices.DeleteFunc(slices.Clone(have), func(f string) bool { return f == finalizer })
	})
}

func (w *Writer[O]) changeFinalizers(ctx context.Context, obj O, change func([]string) []string) (O, bool, error) {
	client := w.client(obj.GetNamespace())
	for range maxConflicts {
		want := change(obj.GetFinalizers())
		if slices.Equal(want, obj.GetFinalizers()) {
			return obj, true, nil
		}
		data, err := json.Marshal(map[string]any{"metadata": map[string]any{
			"uid": obj.GetUID(), "resourceVersion": obj.GetResourceVersion(), "finalizers": want,
		}})
		if err != nil {
			return obj, true, fmt.Errorf("encoding the finalizers of %s: %w", keyOf(obj), err)
		}
		written, err := client.Patch(ctx, obj.GetName(), types.MergePatchType, data, metav1.PatchOptions{FieldManager: w.manager})
		switch {
		case err == nil:
			w.keep(written)
			return written, true, nil
		case apierrors.IsNotFound(err):
			return obj, false, nil
		case !apierrors.IsConflict(err):
			return obj, true, fmt.Errorf("writing the finalizers of %s: %w", keyOf(obj), err)
		}
		live, err := client.Get(ctx, obj.GetName(), metav1.GetOptions{})
		switch {
		case apierrors.IsNotFound(err) || err == nil && live.GetUID() != obj.GetUID():
			return obj, false, nil
		case err != nil:
			return obj, true, fmt.Errorf("reading %s: %w", keyOf(obj), err)
		}
		obj = live
	}
	return obj, true, fmt.Errorf("writing the finalizers of %s: %w", keyOf(obj), errConflicts)
}

var errConflicts = errors.New("others changed the object at every attempt")

func (w *Writer[O]) keep(obj O) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.last[keyOf(obj)] = obj
}
