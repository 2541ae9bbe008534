package suspension

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apimachinery/pkg/watch"
	dynamicfake "k8s.io/client-go/dynamic/fake"
	clienttesting "k8s.io/client-go/testing"
	"k8s.io/client-go/tools/cache"
	clocktesting "k8s.io/utils/clock/testing"
)

var (
	resource = schema.GroupVersionResource{Group: "garden.example.com", Version: "v1", Resource: "acorns"}
	start    = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
)

// events remembers what people are told.
type events struct {
	mu   sync.Mutex
	told []string
}

func (e *events) Normal(obj metav1.Object, reason, message string, _ map[string]string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.told = append(e.told, obj.GetName()+" "+reason+": "+message)
}

func (e *events) all() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return append([]string{}, e.told...)
}

type setup struct {
	t      *testing.T
	client *dynamicfake.FakeDynamicClient
	clock  *clocktesting.FakeClock
	events *events
	stop   func()
}

func acorn(name, until string) *unstructured.Unstructured {
	u := &unstructured.Unstructured{Object: map[string]any{"spec": map[string]any{"suspend": true}}}
	u.SetAPIVersion("garden.example.com/v1")
	u.SetKind("Acorn")
	u.SetNamespace("garden")
	u.SetName(name)
	u.SetUID("u-1")
	if until != "" {
		u.SetAnnotations(map[string]string{"leat.dev/suspend-until": until})
	}
	return u
}

func newSetup(t *testing.T, objects ...runtime.Object) *setup {
	kinds := map[schema.GroupVersionResource]string{resource: "AcornList"}
	return &setup{
		t: t, clock: clocktesting.NewFakeClock(start), events: &events{},
		client: dynamicfake.NewSimpleDynamicClientWithCustomListKinds(runtime.NewScheme(), kinds, objects...),
	}
}

// start runs a Resumer, as a start of the server does.
func (s *setup) start() {
	s.t.Helper()
	ctx, cancel := context.WithCancel(s.t.Context())
	objects := s.client.Resource(resource).Namespace("garden")
	informer := cache.NewSharedInformer(cache.ToListWatcherWithWatchListSemantics(&cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) { return objects.List(ctx, o) },
		WatchFuncWithContext: func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
			return objects.Watch(ctx, o)
		},
	}, s.client), &unstructured.Unstructured{}, 0)
	r := New(s.client, s.clock)
	if err := r.Watch(resource, informer, s.events); err != nil {
		s.t.Fatal(err)
	}
	var running sync.WaitGroup
	running.Go(func() { informer.RunWithContext(ctx) })
	if !cache.WaitForCacheSync(ctx.Done(), informer.HasSynced) {
		s.t.Fatal("the informer did not sync")
	}
	running.Go(func() { r.Run(ctx) })
	s.stop = func() { cancel(); running.Wait() }
	s.t.Cleanup(s.stop)
}

func (s *setup) eventually(what string, done func() bool) {
	s.t.Helper()
	err := wait.PollUntilContextTimeout(s.t.Context(), time.Millisecond, 10*time.Second, true, func(context.Context) (bool, error) { return done(), nil })
	if err != nil {
		s.t.Fatalf("waiting until %s: %v", what, err)
	}
}

// step lets time pass once the Resumer waits for it.
func (s *setup) step(d time.Duration) {
	s.t.Helper()
	s.eventually("the resumer waits", s.clock.HasWaiters)
	s.clock.Step(d)
}

func (s *setup) suspended(name string) bool {
	s.t.Helper()
	u, err := s.client.Resource(resource).Namespace("garden").Get(s.t.Context(), name, metav1.GetOptions{})
	if err != nil {
		s.t.Fatal(err)
	}
	suspended, _, err := unstructured.NestedBool(u.Object, "spec", "suspend")
	if err != nil {
		s.t.Fatal(err)
	}
	return suspended
}

func (s *setup) update(u *unstructured.Unstructured) {
	s.t.Helper()
	if _, err := s.client.Resource(resource).Namespace("garden").Update(s.t.Context(), u, metav1.UpdateOptions{}); err != nil {
		s.t.Fatal(err)
	}
}

// patches counts the writes of the Resumer.
func (s *setup) patches() int {
	n := 0
	for _, action := range s.client.Actions() {
		if action.GetVerb() == "patch" {
			n++
		}
	}
	return n
}

func TestSuspensionsEnd(t *testing.T) {
	s := newSetup(t, acorn("soon", "2026-11-20T12:00:30Z"), acorn("later", "2026-11-20T12:00:45Z"), acorn("forever", ""), acorn("nonsense", "soon"))
	s.start()
	s.step(29 * time.Second)
	if n := s.patches(); n != 0 || !s.suspended("soon") {
		t.Errorf("%d writes before the time has come", n)
	}
	s.clock.Step(time.Second)
	s.eventually("the first is told of", func() bool { return len(s.events.all()) == 1 })
	if s.suspended("soon") || !s.suspended("later") {
		t.Errorf("soon is suspended: %t, later: %t", s.suspended("soon"), s.suspended("later"))
	}
	s.step(15 * time.Second)
	s.eventually("the second is told of", func() bool { return len(s.events.all()) == 2 })
	want := []string{"soon Resumed: resumed: the suspension ended at 2026-11-20T12:00:30Z", "later Resumed: resumed: the suspension ended at 2026-11-20T12:00:45Z"}
	if diff := cmp.Diff(want, s.events.all()); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	if n := s.patches(); n != 2 || !s.suspended("forever") || !s.suspended("nonsense") {
		t.Errorf("%d writes; forever is suspended: %t, nonsense: %t", n, s.suspended("forever"), s.suspended("nonsense"))
	}
}

func TestSuspensionThatEndedWhileNobodyWatched(t *testing.T) {
	s := newSetup(t, acorn("past", "2026-11-20T11:00:00Z"))
	s.start()
	s.eventually("it is resumed", func() bool { return len(s.events.all()) == 1 && !s.suspended("past") })
}

func TestRestartForgetsNothing(t *testing.T) {
	s := newSetup(t, acorn("soon", "2026-11-20T12:00:30Z"))
	s.start()
	s.eventually("the resumer waits", s.clock.HasWaiters)
	s.stop()
	s.clock.Step(time.Hour)
	if !s.suspended("soon") {
		t.Error("it was resumed although nobody ran")
	}
	s.start()
	s.eventually("it is resumed", func() bool { return !s.suspended("soon") })
}

func TestSuspensionsThatChange(t *testing.T) {
	s := newSetup(t, acorn("longer", "2026-11-20T12:00:30Z"), acorn("shorter", "2026-11-20T13:00:00Z"), acorn("resumed", "2026-11-20T12:00:30Z"), acorn("deleted", "2026-11-20T12:00:30Z"))
	s.start()
	s.eventually("the resumer waits", s.clock.HasWaiters)
	s.update(acorn("longer", "2026-11-20T13:00:00Z"))
	s.update(acorn("resumed", ""))
	if err := s.client.Resource(resource).Namespace("garden").Delete(t.Context(), "deleted", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	// The last change: when it is seen, the others have been.
	s.update(acorn("shorter", "2026-11-20T12:00:20Z"))
	s.eventually("the shorter one is resumed", func() bool { s.clock.Step(time.Second); return !s.suspended("shorter") })
	s.step(time.Minute - time.Duration(s.clock.Since(start).Seconds())*time.Second)
	if !s.suspended("longer") || !s.suspended("resumed") || s.patches() != 1 {
		t.Errorf("after %d writes longer is suspended: %t, resumed: %t", s.patches(), s.suspended("longer"), s.suspended("resumed"))
	}
}

// TestAnotherSuspensionIsNotEnded has the annotation change between the last that
// the Resumer saw and its write: the write must say what it is for.
func TestAnotherSuspensionIsNotEnded(t *testing.T) {
	s := newSetup(t, acorn("raced", "2026-11-20T12:00:30Z"))
	refused := make(chan string, 1)
	s.client.PrependReactor("patch", "acorns", func(action clienttesting.Action) (bool, runtime.Object, error) {
		// Somebody is faster, the first time.
		if err := s.client.Tracker().Update(resource, acorn("raced", "2026-11-20T12:01:00Z"), "garden"); err != nil {
			t.Error(err)
		}
		refused <- string(action.(clienttesting.PatchAction).GetPatch())
		return true, nil, apierrors.NewGenericServerResponse(422, "patch", resource.GroupResource(), "raced", "the server rejected our request", 0, true)
	})
	s.start()
	s.step(30 * time.Second)
	want := `[{"op":"test","path":"/metadata/uid","value":"u-1"},{"op":"test","path":"/metadata/annotations/leat.dev~1suspend-until","value":"2026-11-20T12:00:30Z"},{"op":"add","path":"/spec/suspend","value":false},{"op":"remove","path":"/metadata/annotations/leat.dev~1suspend-until"}]`
	if diff := cmp.Diff(want, <-refused); diff != "" {
		t.Errorf("patch (-want +got):\n%s", diff)
	}
	// The one that is there instead ends at its own time.
	s.step(30 * time.Second)
	if got := <-refused; !strings.Contains(got, "12:01:00Z") {
		t.Errorf("the other one ended by %s", got)
	}
	if len(s.events.all()) != 0 {
		t.Errorf("told of what was not done: %q", s.events.all())
	}
}

func TestWritesThatFailAreRepeated(t *testing.T) {
	for name, failure := range map[string]error{
		"the store": errors.New("etcd is away"),
		// A policy refuses with the code that a test of a patch fails with.
		"a policy": apierrors.NewGenericServerResponse(422, "patch", resource.GroupResource(), "soon", "ValidatingAdmissionPolicy 'freeze' denied request", 0, true),
	} {
		t.Run(name, func(t *testing.T) { testRepeatedAfter(t, failure) })
	}
}

func testRepeatedAfter(t *testing.T, failure error) {
	s := newSetup(t, acorn("soon", "2026-11-20T12:00:00Z"))
	var mu sync.Mutex
	failures := 3
	s.client.PrependReactor("patch", "acorns", func(clienttesting.Action) (bool, runtime.Object, error) {
		mu.Lock()
		defer mu.Unlock()
		if failures--; failures >= 0 {
			return true, nil, failure
		}
		return false, nil, nil
	})
	s.start()
	for _, pause := range []time.Duration{time.Second, 2 * time.Second, 4 * time.Second} {
		s.step(pause)
	}
	s.eventually("it is resumed", func() bool { return !s.suspended("soon") })
	s.eventually("it is told of", func() bool { return len(s.events.all()) == 1 })
	if n := s.patches(); n != 4 {
		t.Errorf("%d writes, want 4", n)
	}
}

// TestTheClockIsSet: a timer of an hour does not notice that the clock was put
// forward by one; nor may an object be resumed early that was put back.
func TestTheClockIsSet(t *testing.T) {
	s := newSetup(t, acorn("hour", "2026-11-20T13:00:00Z"))
	s.start()
	s.eventually("the resumer waits", s.clock.HasWaiters)
	s.clock.SetTime(start.Add(-time.Hour))
	s.clock.Step(lookAgain)
	if !s.suspended("hour") {
		t.Error("it was resumed early")
	}
	// A timer that is set for lookAgain runs out by then whatever the clock says.
	if wait, more := (&Resumer{clock: s.clock, pending: s.pendingWith("2026-11-20T13:00:00Z")}).resumeDue(t.Context()); !more || wait != lookAgain {
		t.Errorf("it waits %s for the next end, %t; want at most %s", wait, more, lookAgain)
	}
	s.clock.SetTime(start.Add(2 * time.Hour))
	s.eventually("it is resumed", func() bool { return !s.suspended("hour") })
}

func (s *setup) pendingWith(until string) *pending {
	p := newPending()
	p.see(resource, acorn("x", until), s.events)
	return p
}
