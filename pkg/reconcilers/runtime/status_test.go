package runtime

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// server is the part of an API server that matters to a Writer: resource
// versions, preconditions, and a status that only the subresource changes.
type server struct {
	mu      sync.Mutex
	pods    map[string]*corev1.Pod
	version int
	// before is called once before the next patch is carried out: what another
	// client does in between.
	before func()
	writes int
}

var podResource = corev1.Resource("pods")

func (s *server) put(p *corev1.Pod) *corev1.Pod {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.version++
	p = p.DeepCopy()
	p.ResourceVersion = strconv.Itoa(s.version)
	if s.pods == nil {
		s.pods = map[string]*corev1.Pod{}
	}
	s.pods[p.Name] = p
	return p.DeepCopy()
}

func (s *server) Get(_ context.Context, name string, _ metav1.GetOptions) (*corev1.Pod, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p, ok := s.pods[name]
	if !ok {
		return nil, apierrors.NewNotFound(podResource, name)
	}
	return p.DeepCopy(), nil
}

func (s *server) Patch(ctx context.Context, name string, pt types.PatchType, data []byte, _ metav1.PatchOptions, sub ...string) (*corev1.Pod, error) {
	if before := s.before; before != nil {
		s.before = nil
		before()
	}
	old, err := s.Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return nil, err
	}
	patched := old.DeepCopy()
	switch pt {
	case types.JSONPatchType:
		err = applyOperations(patched, data)
	case types.MergePatchType:
		// A list in a merge patch replaces what is there, as decoding does.
		patched.Finalizers = nil
		err = json.Unmarshal(data, patched)
	}
	if err != nil {
		return nil, err
	}
	if patched.UID != old.UID || patched.ResourceVersion != old.ResourceVersion {
		return nil, apierrors.NewConflict(podResource, name, fmt.Errorf("precondition"))
	}
	s.writes++
	if slices.Contains(sub, "status") {
		old.Status = patched.Status
		return s.put(old), nil
	}
	patched.Status = old.Status
	return s.put(patched), nil
}

// applyOperations knows the two operations that a status is written with.
func applyOperations(p *corev1.Pod, data []byte) error {
	var operations []struct {
		Op, Path string
		Value    json.RawMessage
	}
	if err := json.Unmarshal(data, &operations); err != nil {
		return apierrors.NewBadRequest(err.Error())
	}
	for _, o := range operations {
		switch o.Op + " " + o.Path {
		case "test /metadata/uid":
			if string(o.Value) != strconv.Quote(string(p.UID)) {
				return apierrors.NewGenericServerResponse(422, "", podResource, "", "test failed", 0, false)
			}
		case "add /status":
			p.Status = corev1.PodStatus{}
			if err := json.Unmarshal(o.Value, &p.Status); err != nil {
				return apierrors.NewBadRequest(err.Error())
			}
		default:
			return apierrors.NewBadRequest("unexpected operation " + o.Op + " " + o.Path)
		}
	}
	return nil
}

func newWriter(s *server) *Writer[*corev1.Pod] {
	return NewWriter[*corev1.Pod]("test", func(string) Client[*corev1.Pod] { return s })
}

func pod(uid string, finalizers ...string) *corev1.Pod {
	return &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "a", Name: "p", UID: types.UID(uid), Finalizers: finalizers}}
}

func TestWriteStatusLeavesTheRestAlone(t *testing.T) {
	ctx, s := context.Background(), &server{}
	w := newWriter(s)
	cached := s.put(pod("u1"))
	s.before = func() {
		p := s.pods["p"].DeepCopy()
		p.Annotations = map[string]string{"reconcile.fluxcd.io/requestedAt": "now"}
		p.Finalizers = []string{"other"}
		s.put(p)
	}
	after := corev1.PodStatus{Phase: corev1.PodRunning}
	written, exists, err := w.WriteStatus(ctx, cached, cached.Status, after)
	if err != nil || !exists {
		t.Fatalf("exists %v, error %v", exists, err)
	}
	if written.Status.Phase != corev1.PodRunning || written.Annotations["reconcile.fluxcd.io/requestedAt"] != "now" || len(written.Finalizers) != 1 {
		t.Errorf("the patch undid what others wrote: %+v", written)
	}

	if got := w.Latest(cached); got.Status.Phase != corev1.PodRunning {
		t.Error("Latest returned the stale object of the informer")
	}
	newer := s.put(written)
	if got := w.Latest(newer); got != newer {
		t.Error("Latest did not return the informer's object, which is newer")
	}
	if len(w.last) != 0 {
		t.Error("an object that the informer has is kept")
	}

	writes := s.writes
	if _, _, err := w.WriteStatus(ctx, newer, newer.Status, after); err != nil || s.writes != writes {
		t.Errorf("an equal status was written (error %v)", err)
	}
}

func TestWriteStatusOfWhatIsGone(t *testing.T) {
	for _, tc := range []struct {
		name   string
		change func(s *server)
	}{
		{"deleted", func(s *server) { delete(s.pods, "p") }},
		{"a namesake", func(s *server) { s.put(pod("u2")) }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := &server{}
			w := newWriter(s)
			cached := s.put(pod("u1"))
			s.before = func() { tc.change(s) }
			_, exists, err := w.WriteStatus(context.Background(), cached, cached.Status, corev1.PodStatus{Phase: corev1.PodFailed})
			if err != nil || exists {
				t.Errorf("exists %v, error %v; want gone", exists, err)
			}
			if p := s.pods["p"]; p != nil && p.Status.Phase != "" {
				t.Error("the namesake got the status")
			}
		})
	}
}

func TestFinalizers(t *testing.T) {
	ctx, s := context.Background(), &server{}
	w := newWriter(s)
	cached := s.put(pod("u1"))
	s.before = func() { s.put(pod("u1", "other")) }
	got, exists, err := w.AddFinalizer(ctx, cached, "ours")
	if err != nil || !exists || !slices.Equal(got.Finalizers, []string{"other", "ours"}) {
		t.Fatalf("finalizers %v, exists %v, error %v", got.Finalizers, exists, err)
	}
	writes := s.writes
	if _, _, err := w.AddFinalizer(ctx, got, "ours"); err != nil || s.writes != writes {
		t.Errorf("adding it again wrote (error %v)", err)
	}
	s.before = func() { s.put(pod("u1", "other", "ours", "third")) }
	got, exists, err = w.RemoveFinalizer(ctx, got, "ours")
	if err != nil || !exists || !slices.Equal(got.Finalizers, []string{"other", "third"}) {
		t.Fatalf("finalizers %v, exists %v, error %v", got.Finalizers, exists, err)
	}
	s.before = func() { s.put(pod("u2", "ours")) }
	if _, exists, err = w.RemoveFinalizer(ctx, s.put(pod("u1", "ours")), "ours"); err != nil || exists {
		t.Errorf("exists %v, error %v; want gone", exists, err)
	}
	if !slices.Equal(s.pods["p"].Finalizers, []string{"ours"}) {
		t.Error("the namesake lost its finalizer")
	}
}
