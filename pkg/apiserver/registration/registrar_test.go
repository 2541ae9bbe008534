package registration

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/apiserver/pkg/server/dynamiccertificates"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"
	apiregistrationv1 "k8s.io/kube-aggregator/pkg/apis/apiregistration/v1"
	aggregatorfake "k8s.io/kube-aggregator/pkg/client/clientset_generated/clientset/fake"
	testclock "k8s.io/utils/clock/testing"
)

const patience = 30 * time.Second

// bundle is a CA bundle that tests change.
type bundle struct {
	mu       sync.Mutex
	content  []byte
	listener dynamiccertificates.Listener
}

func (b *bundle) CurrentCABundleContent() []byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.content
}

func (b *bundle) AddListener(l dynamiccertificates.Listener) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.listener = l
}

func (b *bundle) set(content string) {
	b.mu.Lock()
	b.content = []byte(content)
	listener := b.listener
	b.mu.Unlock()
	if listener != nil {
		listener.Enqueue()
	}
}

type fixture struct {
	*Registrar
	client *aggregatorfake.Clientset
	core   *fake.Clientset
	bundle *bundle
	clock  *testclock.FakePassiveClock
}

// run starts a registrar in a cluster that holds existing.
func run(t *testing.T, change func(*Options), existing ...runtime.Object) *fixture {
	t.Helper()
	f := &fixture{client: aggregatorfake.NewSimpleClientset(existing...), core: fake.NewClientset(), bundle: &bundle{content: []byte("one")},
		clock: testclock.NewFakePassiveClock(time.Now())}
	options := Options{
		Client: f.client, Core: f.core, CABundle: f.bundle, Clock: f.clock,
		GroupVersions: []schema.GroupVersion{{Group: testGroup, Version: "v1"}},
		Namespace:     "leat-system", Service: "leat", Port: 8443,
	}
	if change != nil {
		change(&options)
	}
	r, err := New(options)
	if err != nil {
		t.Fatal(err)
	}
	f.Registrar = r
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		r.Run(ctx)
	}()
	t.Cleanup(func() { cancel(); <-done })
	return f
}

// await waits until the APIService is as the condition wants it.
func (f *fixture) await(t *testing.T, what string, condition func(*apiregistrationv1.APIService) bool) *apiregistrationv1.APIService {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	services := f.client.ApiregistrationV1().APIServices()
	w, err := services.Watch(ctx, metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Stop()
	// The fake's watch begins now, so what is there is looked at after it.
	s, err := services.Get(ctx, "v1."+testGroup, metav1.GetOptions{})
	if err == nil && condition(s) {
		return s
	}
	for {
		select {
		case event := <-w.ResultChan():
			if s, ok := event.Object.(*apiregistrationv1.APIService); ok && event.Type != watch.Deleted && condition(s) {
				return s
			}
		case <-ctx.Done():
			t.Fatalf("waiting for %s; the server says: %v", what, f.Check(nil))
		}
	}
}

// awaitCheck waits until Check returns an error with text, or none for "".
func (f *fixture) awaitCheck(t *testing.T, text string) {
	t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		err := f.Check(nil)
		if text == "" && err == nil || text != "" && err != nil && strings.Contains(err.Error(), text) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("Check returns %v, want %q", err, text)
		}
	}
}

func isRight(s *apiregistrationv1.APIService) bool {
	return s.Spec.Service != nil && s.Spec.Service.Name == "leat" && *s.Spec.Service.Port == 8443 &&
		string(s.Spec.CABundle) == "one" && !s.Spec.InsecureSkipTLSVerify && s.Labels[managedByLabel] == managedBy
}

func TestRegisters(t *testing.T) {
	f := run(t, nil)
	f.await(t, "the APIService", isRight)
	f.awaitCheck(t, "")
}

func TestWaitsForBundle(t *testing.T) {
	f := run(t, func(o *Options) { o.CABundle.(*bundle).set("") })
	f.awaitCheck(t, "waiting for the serving certificate")
	if list, err := f.client.ApiregistrationV1().APIServices().List(t.Context(), metav1.ListOptions{}); err != nil || len(list.Items) != 0 {
		t.Errorf("registered without a bundle: %v, %v", list.Items, err)
	}
	f.bundle.set("one")
	f.await(t, "the APIService", isRight)
	f.awaitCheck(t, "")
	f.bundle.set("two")
	f.await(t, "the new bundle", func(s *apiregistrationv1.APIService) bool { return string(s.Spec.CABundle) == "two" })
}

// TestPutsRight changes and deletes what was registered.
func TestPutsRight(t *testing.T) {
	f := run(t, nil)
	s := f.await(t, "the APIService", isRight)
	services := f.client.ApiregistrationV1().APIServices()
	evil := s.DeepCopy()
	evil.Labels = nil
	evil.Spec.InsecureSkipTLSVerify, evil.Spec.CABundle = true, nil
	if _, err := services.Update(t.Context(), evil, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	f.await(t, "the repair", isRight)
	if err := services.Delete(t.Context(), s.Name, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	f.await(t, "the APIService again", isRight)
}

// TestFightIsSlow has somebody change the APIService whenever it was put right.
func TestFightIsSlow(t *testing.T) {
	var repairs atomic.Int64
	disturbed := apiService("v1", "leat", nil)
	disturbed.Spec.Service.Namespace = "leat-system"
	f := run(t, func(o *Options) {
		client := o.Client.(*aggregatorfake.Clientset)
		client.PrependReactor("update", "apiservices", func(action clienttesting.Action) (bool, runtime.Object, error) {
			s := action.(clienttesting.UpdateAction).GetObject().(*apiregistrationv1.APIService).DeepCopy()
			repairs.Add(1)
			s.Spec.VersionPriority = 1
			return true, s, client.Tracker().Update(apiregistrationv1.SchemeGroupVersion.WithResource("apiservices"), s, "")
		})
	}, disturbed)
	f.Enqueue()
	for deadline := time.Now().Add(patience); repairs.Load() < repairBurst; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d repairs", repairs.Load())
		}
	}
	// Passes that come now find the allowance used up.
	for range 100 {
		f.Enqueue()
	}
	f.awaitIdle(t)
	if n := repairs.Load(); n > repairBurst {
		t.Errorf("%d repairs without a pause, want %d", n, repairBurst)
	}
	f.clock.SetTime(f.clock.Now().Add(repairPause))
	f.Enqueue()
	for deadline := time.Now().Add(patience); repairs.Load() == repairBurst; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("not put right after the pause")
		}
	}
}

// awaitIdle waits until nothing is queued.
func (f *fixture) awaitIdle(t *testing.T) {
	t.Helper()
	for deadline := time.Now().Add(patience); f.queue.Len() > 0; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("never idle")
		}
	}
}

func TestRefusesCRDs(t *testing.T) {
	f := run(t, nil, crd("v1"))
	f.awaitCheck(t, "--adopt-flux-crds")
	s, err := f.client.ApiregistrationV1().APIServices().Get(t.Context(), "v1."+testGroup, metav1.GetOptions{})
	if err != nil || s.Spec.Service != nil || s.Labels[automanagedLabel] != "true" {
		t.Errorf("what Flux installed was changed: %+v, %v", s, err)
	}
	f.awaitEvent(t, reasonRefused)
	// Uninstalled: nothing is in the way any more.
	if err := f.client.ApiregistrationV1().APIServices().Delete(t.Context(), "v1."+testGroup, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	f.await(t, "the APIService", isRight)
	f.awaitCheck(t, "")
}

func (f *fixture) awaitEvent(t *testing.T, reason string) {
	t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		list, err := f.core.CoreV1().Events("").List(t.Context(), metav1.ListOptions{})
		if err != nil {
			t.Fatal(err)
		}
		for _, event := range list.Items {
			if event.Reason == reason && event.InvolvedObject.Kind == "APIService" && event.InvolvedObject.Name == "v1."+testGroup {
				return
			}
		}
		if time.Now().After(deadline) {
			t.Fatalf("no event %s among %v", reason, list.Items)
		}
	}
}

func TestAdopts(t *testing.T) {
	f := run(t, func(o *Options) { o.Adopt = true }, crd("v1"))
	s := f.await(t, "the APIService", isRight)
	if _, ok := s.Labels[automanagedLabel]; ok {
		t.Error("kube-apiserver would change it back: the label is still there")
	}
	f.awaitCheck(t, "")
	f.awaitEvent(t, reasonAdopted)
}

func TestDoesNotSplitGroup(t *testing.T) {
	f := run(t, func(o *Options) { o.Adopt = true }, crd("v1"), crd("v1beta2"))
	f.awaitCheck(t, "every object would exist twice")
}

// TestOneGroupRefusedOthersServed proves that a group in use does not keep others out.
func TestOneGroupRefusedOthersServed(t *testing.T) {
	taken := crd("v1")
	taken.Name, taken.Spec.Group = "v1.taken", "taken"
	f := run(t, func(o *Options) {
		o.GroupVersions = append(o.GroupVersions, schema.GroupVersion{Group: "taken", Version: "v1"})
	}, taken)
	f.await(t, "the APIService", isRight)
	f.awaitCheck(t, "v1.taken")
}

func TestFailuresAreRetried(t *testing.T) {
	var failing atomic.Bool
	failing.Store(true)
	f := run(t, func(o *Options) {
		o.Client.(*aggregatorfake.Clientset).PrependReactor("create", "apiservices", func(clienttesting.Action) (bool, runtime.Object, error) {
			if failing.Load() {
				return true, nil, errors.New("no quorum")
			}
			return false, nil, nil
		})
	})
	f.awaitCheck(t, "no quorum")
	failing.Store(false)
	f.await(t, "the APIService", isRight)
	f.awaitCheck(t, "")
}

func TestExternalName(t *testing.T) {
	f := run(t, func(o *Options) {
		o.ExternalName = "localhost"
		// The fake client does not mind a namespace that is not there.
		core := o.Core.(*fake.Clientset)
		core.PrependReactor("create", "services", func(clienttesting.Action) (bool, runtime.Object, error) {
			namespaces := corev1.SchemeGroupVersion.WithResource("namespaces")
			_, err := core.Tracker().Get(namespaces, "", "leat-system")
			return err != nil, nil, err
		})
	})
	f.await(t, "the APIService", isRight)
	service, err := f.core.CoreV1().Services("leat-system").Get(t.Context(), "leat", metav1.GetOptions{})
	if err != nil || service.Spec.Type != corev1.ServiceTypeExternalName || service.Spec.ExternalName != "localhost" {
		t.Errorf("Service: %+v, %v", service, err)
	}
	if _, err := f.core.CoreV1().Namespaces().Get(t.Context(), "leat-system", metav1.GetOptions{}); err != nil {
		t.Error(err)
	}
}

func TestForeignServiceIsLeftAlone(t *testing.T) {
	f := run(t, func(o *Options) {
		o.ExternalName = "localhost"
		foreign := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: "leat-system", Name: "leat"}, Spec: corev1.ServiceSpec{ClusterIP: "10.0.0.1"}}
		if err := o.Core.(*fake.Clientset).Tracker().Add(foreign); err != nil {
			t.Fatal(err)
		}
	})
	f.awaitCheck(t, "--service-name")
}

func TestTouch(t *testing.T) {
	foreign := apiService("v1", "other", nil)
	foreign.Name, foreign.Spec.Group = "v1.foreign", "foreign"
	f := run(t, func(o *Options) {
		o.GroupVersions = append(o.GroupVersions, schema.GroupVersion{Group: "foreign", Version: "v1"})
	}, foreign)
	f.await(t, "the APIService", isRight)
	if err := f.Touch(t.Context()); err != nil {
		t.Fatal(err)
	}
	f.await(t, "the annotation", func(s *apiregistrationv1.APIService) bool {
		return s.Annotations[ReadyAnnotation] == f.clock.Now().UTC().Format(time.RFC3339Nano)
	})
	s, err := f.client.ApiregistrationV1().APIServices().Get(t.Context(), "v1.foreign", metav1.GetOptions{})
	if err != nil || len(s.Annotations) != 0 {
		t.Errorf("an APIService of others was touched: %v, %v", s.Annotations, err)
	}
}

func TestOptionsAreChecked(t *testing.T) {
	good := Options{Client: aggregatorfake.NewSimpleClientset(), Core: fake.NewClientset(), CABundle: &bundle{}, Namespace: "n", Service: "s", Port: 1,
		GroupVersions: []schema.GroupVersion{{Group: "g", Version: "v1"}}}
	tests := map[string]struct {
		change func(*Options)
		want   string
	}{
		"good":        {func(*Options) {}, ""},
		"no client":   {func(o *Options) { o.Client = nil }, "clients"},
		"no bundle":   {func(o *Options) { o.CABundle = nil }, "CA bundle"},
		"no service":  {func(o *Options) { o.Service = "" }, "Service"},
		"no port":     {func(o *Options) { o.Port = 0 }, "port 0"},
		"large port":  {func(o *Options) { o.Port = 65536 }, "65535"},
		"no versions": {func(o *Options) { o.GroupVersions = nil }, "group versions"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			options := good
			tt.change(&options)
			_, err := New(options)
			if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}
