package runtimetest

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/cache"
)

// Object is an object of the API.
type Object interface {
	metav1.Object
	runtime.Object
}

// Server serves one kind. It is the store, the client and the informer of it.
type Server[O Object] struct {
	resource schema.GroupResource
	empty    func() O

	mu       sync.Mutex
	version  int64
	uids     int
	indexer  cache.Indexer
	handlers []cache.ResourceEventHandler
	before   []func()
	changed  chan struct{} // closed by the next change

	// StatusWrites and Writes count the requests that changed a status, and
	// anything else.
	StatusWrites, Writes atomic.Int64
}

// NewServer returns an empty server.
func NewServer[O Object](resource schema.GroupResource, empty func() O) *Server[O] {
	return &Server[O]{
		resource: resource, empty: empty, changed: make(chan struct{}),
		indexer: cache.NewIndexer(cache.MetaNamespaceKeyFunc, cache.Indexers{cache.NamespaceIndex: cache.MetaNamespaceIndexFunc}),
	}
}

// Indexer is the informer's store.
func (s *Server[O]) Indexer() cache.Indexer { return s.indexer }

// BeforeNext has f called before the next request is carried out: what another
// client does in between.
func (s *Server[O]) BeforeNext(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.before = append(s.before, f)
}

// Create stores a new object and returns it.
func (s *Server[O]) Create(obj O) O {
	obj = obj.DeepCopyObject().(O)
	s.mu.Lock()
	s.uids++
	obj.SetUID(types.UID(fmt.Sprintf("uid-%d", s.uids)))
	obj.SetGeneration(1)
	s.mu.Unlock()
	return s.store(obj, nil)
}

// Update changes an object as its users do: status excepted. It fails if there
// is none.
func (s *Server[O]) Update(namespace, name string, change func(O)) error {
	old, err := s.get(namespace, name)
	if err != nil {
		return err
	}
	changed := old.DeepCopyObject().(O)
	change(changed)
	if spec := part(old, "Spec"); spec.IsValid() && !reflect.DeepEqual(spec.Interface(), part(changed, "Spec").Interface()) {
		changed.SetGeneration(old.GetGeneration() + 1)
	}
	if status := part(old, "Status"); status.IsValid() {
		part(changed, "Status").Set(status)
	}
	s.store(changed, &old)
	return nil
}

// UpdateStatus changes an object's status as another controller does.
func (s *Server[O]) UpdateStatus(namespace, name string, change func(O)) error {
	old, err := s.get(namespace, name)
	if err != nil {
		return err
	}
	changed := old.DeepCopyObject().(O)
	change(changed)
	s.store(changed, &old)
	return nil
}

// Await waits until an object is as it should be, and returns it. An empty
// object is passed to done when there is none.
func (s *Server[O]) Await(ctx context.Context, namespace, name string, done func(obj O, exists bool) bool) (O, error) {
	for {
		s.mu.Lock()
		changed := s.changed
		s.mu.Unlock()
		obj, err := s.get(namespace, name)
		if done(obj, err == nil) {
			return obj, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return obj, context.Cause(ctx)
		}
	}
}

// Delete deletes an object, which waits for its finalizers.
func (s *Server[O]) Delete(namespace, name string) error {
	old, err := s.get(namespace, name)
	if err != nil {
		return err
	}
	doomed := old.DeepCopyObject().(O)
	now := metav1.Now()
	doomed.SetDeletionTimestamp(&now)
	doomed.SetGeneration(old.GetGeneration() + 1)
	s.store(doomed, &old)
	return nil
}

// Get returns an object, and whether there is one.
func (s *Server[O]) Get(namespace, name string) (O, bool) {
	obj, err := s.get(namespace, name)
	return obj, err == nil
}

func part(o any, name string) reflect.Value { return reflect.ValueOf(o).Elem().FieldByName(name) }

func (s *Server[O]) get(namespace, name string) (O, error) {
	found, ok, err := s.indexer.GetByKey(namespace + "/" + name)
	if err != nil || !ok {
		return s.empty(), apierrors.NewNotFound(s.resource, name)
	}
	return found.(O).DeepCopyObject().(O), nil
}

// store puts an object in place of old and tells the handlers.
func (s *Server[O]) store(obj O, old *O) O {
	s.mu.Lock()
	s.version++
	obj.SetResourceVersion(strconv.FormatInt(s.version, 10))
	gone := obj.GetDeletionTimestamp() != nil && len(obj.GetFinalizers()) == 0
	var err error
	if gone {
		err = s.indexer.Delete(obj)
	} else {
		err = s.indexer.Add(obj)
	}
	handlers := slices.Clone(s.handlers)
	close(s.changed)
	s.changed = make(chan struct{})
	s.mu.Unlock()
	if err != nil {
		panic(err) // an index function failed: the test is wrong
	}
	for _, h := range handlers {
		switch {
		case gone:
			h.OnDelete(obj)
		case old == nil:
			h.OnAdd(obj, false)
		default:
			h.OnUpdate(*old, obj)
		}
	}
	return obj.DeepCopyObject().(O)
}

// In returns the client of one namespace.
func (s *Server[O]) In(namespace string) *Client[O] { return &Client[O]{s, namespace} }

// Client has the calls that reconcilers make.
type Client[O Object] struct {
	server    *Server[O]
	namespace string
}

// Get returns an object.
func (c *Client[O]) Get(_ context.Context, name string, _ metav1.GetOptions) (O, error) {
	return c.server.get(c.namespace, name)
}

// Patch changes an object, or its status.
func (c *Client[O]) Patch(ctx context.Context, name string, pt types.PatchType, data []byte, _ metav1.PatchOptions, subresources ...string) (O, error) {
	s := c.server
	s.mu.Lock()
	before := s.before
	s.before = nil
	s.mu.Unlock()
	for _, f := range before {
		f()
	}
	if err := ctx.Err(); err != nil {
		return s.empty(), err
	}
	old, err := s.get(c.namespace, name)
	if err != nil {
		return old, err
	}
	patched := old.DeepCopyObject().(O)
	switch pt {
	case types.JSONPatchType:
		err = operate(patched, data)
	case types.MergePatchType:
		patched.SetFinalizers(nil) // a list replaces what is there
		err = json.Unmarshal(data, patched)
	default:
		err = apierrors.NewBadRequest("unexpected patch type " + string(pt))
	}
	if err != nil {
		return s.empty(), err
	}
	if patched.GetUID() != old.GetUID() || patched.GetResourceVersion() != old.GetResourceVersion() {
		return s.empty(), apierrors.NewConflict(s.resource, name, fmt.Errorf("a precondition does not hold"))
	}
	if slices.Contains(subresources, "status") {
		s.StatusWrites.Add(1)
		result := old.DeepCopyObject().(O)
		part(result, "Status").Set(part(patched, "Status"))
		return s.store(result, &old), nil
	}
	s.Writes.Add(1)
	return s.store(patched, &old), nil
}

// operate knows the two operations that a status is written with.
func operate(obj Object, data []byte) error {
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
			if string(o.Value) != strconv.Quote(string(obj.GetUID())) {
				return apierrors.NewGenericServerResponse(422, "", schema.GroupResource{}, "", "test failed", 0, false)
			}
		case "add /status":
			status := part(obj, "Status")
			status.SetZero()
			if err := json.Unmarshal(o.Value, status.Addr().Interface()); err != nil {
				return apierrors.NewBadRequest(err.Error())
			}
		default:
			return apierrors.NewBadRequest("unexpected operation " + o.Op + " " + o.Path)
		}
	}
	return nil
}

// Informer is the server's informer. It has only what is used to connect it.
type Informer[O Object] struct {
	cache.SharedIndexInformer
	server *Server[O]
}

// Informer returns the informer.
func (s *Server[O]) Informer() *Informer[O] { return &Informer[O]{server: s} }

// AddEventHandler has h told of all that happens.
func (i *Informer[O]) AddEventHandler(h cache.ResourceEventHandler) (cache.ResourceEventHandlerRegistration, error) {
	i.server.mu.Lock()
	defer i.server.mu.Unlock()
	i.server.handlers = append(i.server.handlers, h)
	return nil, nil
}

// AddIndexers adds indexes.
func (i *Informer[O]) AddIndexers(x cache.Indexers) error { return i.server.indexer.AddIndexers(x) }

// GetIndexer returns the store.
func (i *Informer[O]) GetIndexer() cache.Indexer { return i.server.indexer }
