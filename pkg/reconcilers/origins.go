package reconcilers

import (
	"context"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/klog/v2"
	"k8s.io/utils/clock"

	"github.com/leat-dev/leat/pkg/reconcilers/runtime"
)

// sightingLasts is how long what was read of a namespace holds. A namespace is
// never deleted and made again as fast: its deletion waits for five seconds before
// it even begins.
const sightingLasts = 2 * time.Second

// Origins keeps in which namespace objects were first seen; *origin.Store does.
type Origins interface {
	Note(ctx context.Context, object, namespace types.UID) error
	All(ctx context.Context) (map[types.UID]types.UID, error)
	Forget(ctx context.Context, object types.UID) error
}

// origins has the namespace of each object written down before the object runs for
// the first time, which is before it leaves a trace outside.
//
// It is not worth a run that cannot be written down: the next one tries again, and
// without it the times of creation decide.
type origins struct {
	store      Origins
	namespaces corev1client.NamespaceInterface
	clock      clock.PassiveClock

	mu sync.Mutex
	// known are the objects that are written down.
	known map[types.UID]struct{}
	// current are those of them that run, by their names.
	current map[runtime.Key]types.UID
	// sightings are the namespaces that were read lately.
	sightings map[string]sighting
}

type sighting struct {
	uid types.UID
	at  time.Time
}

// newOrigins returns nil without a store: then nothing is written down.
func newOrigins(store Origins, namespaces corev1client.NamespaceInterface, c clock.PassiveClock) *origins {
	if store == nil {
		return nil
	}
	return &origins{
		store: store, namespaces: namespaces, clock: c,
		known: map[types.UID]struct{}{}, current: map[runtime.Key]types.UID{}, sightings: map[string]sighting{},
	}
}

// load reads what earlier processes have written down, so that it is not written
// again.
func (o *origins) load(ctx context.Context) {
	if o == nil {
		return
	}
	all, err := o.store.All(ctx)
	if err != nil {
		klog.FromContext(ctx).Error(err, "Reading the origins of objects failed; they are written anew")
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	for object := range all {
		o.known[object] = struct{}{}
	}
}

// before returns a reconciler that notes the origin of each object that get finds
// and then has next run it.
func (o *origins) before(next runtime.Reconciler, get func(runtime.Key) (metav1.Object, error)) runtime.Reconciler {
	if o == nil {
		return next
	}
	return &noting{Reconciler: next, origins: o, get: get}
}

type noting struct {
	runtime.Reconciler
	origins *origins
	get     func(runtime.Key) (metav1.Object, error)
}

// Reconcile implements runtime.Reconciler.
func (n *noting) Reconcile(ctx context.Context, run *runtime.Run) (runtime.Result, error) {
	obj, err := n.get(run.Key)
	switch {
	case apierrors.IsNotFound(err):
		err = n.origins.forget(ctx, run.Key)
	case err == nil && obj.GetDeletionTimestamp().IsZero():
		err = n.origins.note(ctx, run.Key, obj.GetUID())
	}
	if err != nil && ctx.Err() == nil {
		klog.FromContext(ctx).Info("The origin of the object could not be kept", "err", err)
	}
	return n.Reconciler.Reconcile(ctx, run)
}

func (o *origins) note(ctx context.Context, key runtime.Key, object types.UID) error {
	o.mu.Lock()
	o.current[key] = object
	_, known := o.known[object]
	o.mu.Unlock()
	if known {
		return nil
	}
	namespace, err := o.namespace(ctx, key.Namespace)
	if err != nil {
		return err
	}
	if err := o.store.Note(ctx, object, namespace); err != nil {
		return err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.known[object] = struct{}{}
	return nil
}

// namespace returns the UID of a namespace, asking the cluster and no cache: a
// cache may still show the former one of the name.
func (o *origins) namespace(ctx context.Context, name string) (types.UID, error) {
	now := o.clock.Now()
	o.mu.Lock()
	seen, ok := o.sightings[name]
	o.mu.Unlock()
	if ok && now.Sub(seen.at).Abs() < sightingLasts {
		return seen.uid, nil
	}
	ns, err := o.namespaces.Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return "", err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.sightings[name] = sighting{uid: ns.UID, at: now}
	return ns.UID, nil
}

func (o *origins) forget(ctx context.Context, key runtime.Key) error {
	o.mu.Lock()
	object, ok := o.current[key]
	delete(o.current, key)
	delete(o.known, object)
	delete(o.sightings, key.Namespace)
	o.mu.Unlock()
	if !ok {
		return nil
	}
	return o.store.Forget(ctx, object)
}
