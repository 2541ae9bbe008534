package certs

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr/funcr"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"
	"k8s.io/klog/v2"
	testclock "k8s.io/utils/clock/testing"
)

// told is a listener that passes on each call.
type told chan struct{}

func (c told) Enqueue() { c <- struct{}{} }

func (c told) await(t *testing.T) {
	t.Helper()
	select {
	case <-c:
	case <-time.After(30 * time.Second):
		t.Fatal("the listener was not told")
	}
}

type fixture struct {
	client *fake.Clientset
	clock  *testclock.FakeClock
	logs   *logBuffer
}

func newFixture() *fixture {
	return &fixture{client: fake.NewClientset(), clock: testclock.NewFakeClock(start), logs: &logBuffer{}}
}

func (f *fixture) manager(t *testing.T) *Manager {
	t.Helper()
	m, err := New(Options{Client: f.client, Namespace: "leat-system", Service: "leat-apiserver", Clock: f.clock})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func (f *fixture) context(t *testing.T) context.Context {
	return klog.NewContext(t.Context(), funcr.New(f.logs.add, funcr.Options{Verbosity: 10}))
}

func (f *fixture) secret(t *testing.T) *corev1.Secret {
	t.Helper()
	secret, err := f.client.CoreV1().Secrets("leat-system").Get(t.Context(), DefaultSecretName, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return secret
}

type logBuffer struct {
	mu   sync.Mutex
	text strings.Builder
}

func (b *logBuffer) add(prefix, args string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.text.WriteString(prefix + args + "\n")
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

func TestFirstRun(t *testing.T) {
	f := newFixture()
	m := f.manager(t)
	cert, key := m.CurrentCertKeyContent()
	if _, err := tls.X509KeyPair(cert, key); err != nil {
		t.Errorf("there is nothing to serve with before the first run: %v", err)
	}
	if err := m.Check(nil); err == nil || !strings.Contains(err.Error(), "leat-system/leat-apiserver-cert") {
		t.Errorf("before the first run: Check returns %v, want an error that names the Secret", err)
	}
	if len(m.CurrentCABundleContent()) != 0 {
		t.Error("clients are told to trust the throw-away certificate")
	}
	listener := make(told, 8)
	m.AddListener(listener)
	if err := m.RunOnce(f.context(t)); err != nil {
		t.Fatal(err)
	}
	listener.await(t)
	if err := m.Check(nil); err != nil {
		t.Errorf("after the first run: %v", err)
	}
	served, _ := m.CurrentCertKeyContent()
	if bytes.Equal(served, cert) {
		t.Error("the throw-away certificate is still served")
	}
	secret := f.secret(t)
	if !bytes.Equal(secret.Data[corev1.TLSCertKey], served) || !bytes.Equal(secret.Data[bundleKey], m.CurrentCABundleContent()) {
		t.Error("the Secret holds something else than what is in use")
	}
	certs, err := parseCertificates(served)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"leat-apiserver.leat-system.svc", "localhost", "127.0.0.1"} {
		if err := verify(certs[0], m.CurrentCABundleContent(), name, start); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}

	// A second run, and a restart, change nothing.
	if err := m.RunOnce(f.context(t)); err != nil {
		t.Fatal(err)
	}
	restarted := f.manager(t)
	if err := restarted.RunOnce(f.context(t)); err != nil {
		t.Fatal(err)
	}
	if again, _ := restarted.CurrentCertKeyContent(); !bytes.Equal(again, served) {
		t.Error("a restart changed the certificate")
	}
	if len(listener) != 0 {
		t.Error("the listener was told of nothing")
	}
}

// TestHostIsDown starts with a host cluster that does not answer, and then does.
func TestHostIsDown(t *testing.T) {
	f := newFixture()
	var mu sync.Mutex
	down := true
	f.client.PrependReactor("*", "secrets", func(clienttesting.Action) (bool, runtime.Object, error) {
		mu.Lock()
		defer mu.Unlock()
		if down {
			return true, nil, errors.New("connection refused")
		}
		return false, nil, nil
	})
	m := f.manager(t)
	if err := m.RunOnce(f.context(t)); err == nil || m.Check(nil) == nil {
		t.Errorf("RunOnce returned %v, Check %v", err, m.Check(nil))
	}
	listener := make(told, 8)
	m.AddListener(listener)
	stop := f.start(t, m)
	mu.Lock()
	down = false
	mu.Unlock()
	f.passTimeUntil(t, func() bool { return m.Check(nil) == nil })
	listener.await(t)
	stop()
}

// start runs the manager until the returned function is called.
func (f *fixture) start(t *testing.T, m *Manager) (stop func()) {
	ctx, cancel := context.WithCancel(f.context(t))
	done := make(chan struct{})
	go func() {
		defer close(done)
		m.Run(ctx, 1)
	}()
	stop = func() { cancel(); <-done }
	t.Cleanup(stop)
	return stop
}

// passTimeUntil moves the clock on, a retry at a time, until the condition holds.
func (f *fixture) passTimeUntil(t *testing.T, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !condition(); {
		if time.Now().After(deadline) {
			t.Fatalf("it did not come to that; logs:\n%s", f.logs)
		}
		if f.clock.HasWaiters() {
			f.clock.Step(2 * lastRetry)
		}
	}
}

// TestRotatesWhileRunning lets two years pass in steps of ten days.
func TestRotatesWhileRunning(t *testing.T) {
	f := newFixture()
	m := f.manager(t)
	listener := make(told, 64)
	m.AddListener(listener)
	f.start(t, m)
	listener.await(t)
	for range 20 {
		before, _ := m.CurrentCertKeyContent()
		bundle := m.CurrentCABundleContent()
		f.passUntilDue(t, m)
		listener.await(t)
		after, _ := m.CurrentCertKeyContent()
		if bytes.Equal(before, after) && bytes.Equal(bundle, m.CurrentCABundleContent()) {
			t.Error("the listener was told of nothing")
		}
		certs, err := parseCertificates(after)
		if err != nil {
			t.Fatal(err)
		}
		if err := verify(certs[0], m.CurrentCABundleContent(), "localhost", f.clock.Now()); err != nil {
			t.Fatal(err)
		}
	}
	for _, part := range []string{"PRIVATE KEY", "BEGIN"} {
		if strings.Contains(f.logs.String(), part) {
			t.Errorf("the logs hold %q", part)
		}
	}
	if !strings.Contains(f.logs.String(), "the next authority takes over") {
		t.Errorf("the logs do not tell of the rotation:\n%s", f.logs)
	}
}

// passUntilDue sets the clock to when the manager waits for.
func (f *fixture) passUntilDue(t *testing.T, m *Manager) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !f.clock.HasWaiters(); {
		if time.Now().After(deadline) {
			t.Fatal("the manager does not wait")
		}
	}
	f.clock.SetTime(m.current.Load().due)
}

// TestDeletedSecret is how an operator replaces keys that have leaked.
func TestDeletedSecret(t *testing.T) {
	f := newFixture()
	m := f.manager(t)
	listener := make(told, 8)
	m.AddListener(listener)
	f.start(t, m)
	listener.await(t)
	old := m.CurrentCABundleContent()
	f.awaitWatch(t)
	if err := f.client.CoreV1().Secrets("leat-system").Delete(t.Context(), DefaultSecretName, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	listener.await(t)
	if bundle := m.CurrentCABundleContent(); bytes.Contains(bundle, bytes.TrimSpace(old)) {
		t.Error("the old authority is still trusted")
	}
}

// awaitWatch waits until the manager's watch is established: the fake client does
// not replay what happened before.
func (f *fixture) awaitWatch(t *testing.T) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); ; {
		for _, action := range f.client.Actions() {
			if action.GetVerb() == "watch" {
				return
			}
		}
		if time.Now().After(deadline) {
			t.Fatal("nothing is watched")
		}
	}
}

// TestReplicasAgree has replicas that start at the same moment; the fake client does
// not compare resource versions, so this does, as the API server would.
func TestReplicasAgree(t *testing.T) {
	f := newFixture()
	f.enforceVersions()
	var replicas [5]*Manager
	var wg sync.WaitGroup
	for i := range replicas {
		replicas[i] = f.manager(t)
		wg.Go(func() {
			if err := replicas[i].RunOnce(f.context(t)); err != nil {
				t.Errorf("replica %d: %v", i, err)
			}
		})
	}
	wg.Wait()
	f.clock.SetTime(start.Add(servingLifetime))
	for i := range replicas {
		wg.Go(func() {
			if err := replicas[i].RunOnce(f.context(t)); err != nil {
				t.Errorf("replica %d: %v", i, err)
			}
		})
	}
	wg.Wait()
	for i := range replicas {
		cert, _ := replicas[i].CurrentCertKeyContent()
		if !bytes.Equal(cert, f.secret(t).Data[corev1.TLSCertKey]) {
			t.Errorf("replica %d serves with a certificate of its own", i)
		}
	}
}

// enforceVersions makes updates fail that are not based on what is stored.
func (f *fixture) enforceVersions() {
	var mu sync.Mutex
	version := 0
	f.client.PrependReactor("create", "secrets", func(action clienttesting.Action) (bool, runtime.Object, error) {
		action.(clienttesting.CreateAction).GetObject().(*corev1.Secret).ResourceVersion = "0"
		return false, nil, nil
	})
	f.client.PrependReactor("update", "secrets", func(action clienttesting.Action) (bool, runtime.Object, error) {
		mu.Lock()
		defer mu.Unlock()
		secret := action.(clienttesting.UpdateAction).GetObject().(*corev1.Secret)
		if secret.ResourceVersion != fmt.Sprint(version) {
			return true, nil, apierrors.NewConflict(corev1.Resource("secrets"), secret.Name, errors.New("changed meanwhile"))
		}
		version++
		secret.ResourceVersion = fmt.Sprint(version)
		return true, secret, f.client.Tracker().Update(corev1.SchemeGroupVersion.WithResource("secrets"), secret, secret.Namespace)
	})
}

func TestUnreadableSecretIsReplaced(t *testing.T) {
	f := newFixture()
	broken := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: DefaultSecretName, Namespace: "leat-system", Labels: map[string]string{"keep": "me"}},
		Data:       map[string][]byte{servingKey: []byte("hunter2"), bundleKey: []byte("hunter2")},
	}
	if err := f.client.Tracker().Add(broken); err != nil {
		t.Fatal(err)
	}
	m := f.manager(t)
	if err := m.RunOnce(f.context(t)); err != nil {
		t.Fatal(err)
	}
	if err := m.Check(nil); err != nil {
		t.Error(err)
	}
	if f.secret(t).Labels["keep"] != "me" {
		t.Error("labels were lost")
	}
	if logs := f.logs.String(); strings.Contains(logs, "hunter2") || !strings.Contains(logs, "cannot be used") {
		t.Errorf("logs:\n%s", logs)
	}
}

func TestExpiredIsSaid(t *testing.T) {
	f := newFixture()
	m := f.manager(t)
	if err := m.RunOnce(f.context(t)); err != nil {
		t.Fatal(err)
	}
	f.clock.SetTime(start.Add(servingLifetime))
	if err := m.Check(nil); err == nil || !strings.Contains(err.Error(), "expired") {
		t.Errorf("Check: %v", err)
	}
}

func TestCreatesNamespace(t *testing.T) {
	f := newFixture()
	f.client.PrependReactor("create", "secrets", func(action clienttesting.Action) (bool, runtime.Object, error) {
		_, err := f.client.Tracker().Get(corev1.SchemeGroupVersion.WithResource("namespaces"), "", action.GetNamespace())
		return err != nil, nil, err
	})
	m := f.manager(t)
	if err := m.RunOnce(f.context(t)); err == nil {
		t.Fatal("the namespace was created though it was not to be")
	}
	m.options.CreateNamespace = true
	if err := m.RunOnce(f.context(t)); err != nil {
		t.Fatal(err)
	}
}
