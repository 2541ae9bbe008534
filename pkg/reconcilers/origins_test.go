package reconcilers

import (
	"context"
	"errors"
	"maps"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes/fake"
	testingclock "k8s.io/utils/clock/testing"

	sourcev1 "github.com/leat-dev/leat/pkg/apis/source/v1"
	"github.com/leat-dev/leat/pkg/reconcilers/runtime"
)

// book is a store of origins in memory.
type book struct {
	mu     sync.Mutex
	notes  map[types.UID]types.UID
	writes int
	fail   error
}

func (b *book) Note(_ context.Context, object, namespace types.UID) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.writes++; b.fail != nil {
		return b.fail
	}
	if _, ok := b.notes[object]; !ok {
		b.notes[object] = namespace
	}
	return nil
}

func (b *book) All(context.Context) (map[types.UID]types.UID, error) {
	return maps.Clone(b.notes), b.fail
}

func (b *book) Forget(_ context.Context, object types.UID) error {
	delete(b.notes, object)
	return nil
}

// ran is a reconciler that counts.
type ran struct{ runs int }

func (r *ran) Reconcile(context.Context, *runtime.Run) (runtime.Result, error) {
	r.runs++
	return runtime.Result{}, nil
}

func (r *ran) Quarantine(context.Context, runtime.Key, error) error { return nil }

func TestOrigins(t *testing.T) {
	b := &book{notes: map[types.UID]types.UID{"known": "earlier"}}
	team := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "team", UID: "first"}}
	client := fake.NewClientset(team)
	clock := testingclock.NewFakeClock(time.Now())
	o := newOrigins(b, client.CoreV1().Namespaces(), clock)
	o.load(t.Context())

	objects := map[string]*sourcev1.GitRepository{}
	get := func(key runtime.Key) (metav1.Object, error) {
		if obj, ok := objects[key.Name]; ok {
			return obj, nil
		}
		return nil, apierrors.NewNotFound(schema.GroupResource{Resource: "gitrepositories"}, key.Name)
	}
	next := &ran{}
	r := o.before(next, get)
	run := func(name string) {
		t.Helper()
		_, err := r.Reconcile(t.Context(), &runtime.Run{Claim: &runtime.Claim{Key: runtime.Key{Namespace: "team", Name: name}}})
		if err != nil {
			t.Error(err)
		}
	}
	add := func(name string, uid types.UID) {
		objects[name] = &sourcev1.GitRepository{ObjectMeta: metav1.ObjectMeta{Namespace: "team", Name: name, UID: uid}}
		run(name)
	}
	add("a", "u-a")
	add("b", "u-b") // the namespace was read just now
	run("a")
	add("known", "known")
	if b.writes != 2 {
		t.Errorf("%d notes were written, want one each of a and b", b.writes)
	}

	// The namespace is another one now, and so is what is in it.
	clock.Step(time.Minute)
	again := team.DeepCopy()
	again.UID = "second"
	if _, err := client.CoreV1().Namespaces().Update(t.Context(), again, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	delete(objects, "b")
	run("b")
	add("b", "u-b2")
	want := map[types.UID]types.UID{"known": "earlier", "u-a": "first", "u-b2": "second"}
	if diff := cmp.Diff(want, b.notes); diff != "" {
		t.Errorf("notes (-want +got):\n%s", diff)
	}

	// What cannot be written down runs all the same, and is tried again.
	b.fail = errors.New("etcd is away")
	add("c", "u-c")
	b.fail = nil
	run("c")
	if b.notes["u-c"] != "second" {
		t.Errorf("c was not written down in the end: %v", b.notes)
	}
	// What is on its way out is left alone.
	now := metav1.Now()
	objects["d"] = &sourcev1.GitRepository{ObjectMeta: metav1.ObjectMeta{Namespace: "team", Name: "d", UID: "u-d", DeletionTimestamp: &now}}
	run("d")
	if _, ok := b.notes["u-d"]; ok {
		t.Error("an object that is being deleted was written down")
	}
	if next.runs != 9 {
		t.Errorf("the reconciler ran %d times, want every time, which is 9", next.runs)
	}
}

func TestNoOrigins(t *testing.T) {
	var o *origins
	next := &ran{}
	o.load(t.Context())
	if r := o.before(next, nil); r != runtime.Reconciler(next) {
		t.Error("without a store the reconciler is another one")
	}
}
