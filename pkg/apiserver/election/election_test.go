package election

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"
)

const patience = 30 * time.Second

func candidate(client *fake.Clientset, name string) Options {
	return Options{
		Client: client, Namespace: "leat-system", Lease: "leat", Identity: name, Pod: name, Selector: "app=leat",
		Duration: time.Second, RenewDeadline: 500 * time.Millisecond, RetryPeriod: 50 * time.Millisecond,
	}
}

func pods(names ...string) []runtime.Object {
	var objects []runtime.Object
	for _, name := range names {
		objects = append(objects, &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "leat-system", Name: name, Labels: map[string]string{"app": "leat"}}})
	}
	return objects
}

// server runs a candidate until stop is called; acting is closed when it acts.
func server(t *testing.T, o Options) (acting chan struct{}, stop func() error) {
	ctx, cancel := context.WithCancel(t.Context())
	acting = make(chan struct{})
	ended := make(chan error, 1)
	go func() {
		ended <- Run(ctx, o, func(ctx context.Context) error {
			close(acting)
			<-ctx.Done()
			return nil
		})
	}()
	return acting, func() error { cancel(); return <-ended }
}

func await(t *testing.T, what string, done <-chan struct{}) {
	t.Helper()
	select {
	case <-done:
	case <-time.After(patience):
		t.Fatalf("waiting for %s", what)
	}
}

func TestOneActs(t *testing.T) {
	client := fake.NewClientset(pods("a", "b")...)
	first, stopFirst := server(t, candidate(client, "a"))
	await(t, "the first to act", first)
	awaitLabels(t, client, map[string]string{"a": "true", "b": ""})
	second, stopSecond := server(t, candidate(client, "b"))
	if err := stopFirst(); err != nil {
		t.Error(err)
	}
	await(t, "the second to act", second)
	awaitLabels(t, client, map[string]string{"a": "", "b": "true"})
	if err := stopSecond(); err != nil {
		t.Error(err)
	}
	lease, err := client.CoordinationV1().Leases("leat-system").Get(t.Context(), "leat", metav1.GetOptions{})
	if err != nil || lease.Spec.HolderIdentity == nil || *lease.Spec.HolderIdentity != "" {
		t.Errorf("the lease was not given back: %+v, %v", lease, err)
	}
}

func awaitLabels(t *testing.T, client *fake.Clientset, want map[string]string) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for name, label := range want {
		for {
			pod, err := client.CoreV1().Pods("leat-system").Get(t.Context(), name, metav1.GetOptions{})
			if err != nil {
				t.Fatal(err)
			}
			if pod.Labels[ActiveLabel] == label {
				break
			}
			if time.Now().After(deadline) {
				t.Fatalf("Pod %s has labels %v", name, pod.Labels)
			}
			time.Sleep(time.Millisecond)
		}
	}
}

func TestStandingByEnds(t *testing.T) {
	client := fake.NewClientset(pods("a", "b")...)
	first, stopFirst := server(t, candidate(client, "a"))
	await(t, "the first to act", first)
	second, stopSecond := server(t, candidate(client, "b"))
	if err := stopSecond(); err != nil {
		t.Error(err)
	}
	select {
	case <-second:
		t.Error("two act")
	default:
	}
	if err := stopFirst(); err != nil {
		t.Error(err)
	}
}

func TestLost(t *testing.T) {
	client := fake.NewClientset(pods("a")...)
	var broken atomic.Bool
	client.PrependReactor("*", "leases", func(clienttesting.Action) (bool, runtime.Object, error) {
		if broken.Load() {
			return true, nil, errors.New("no route to host")
		}
		return false, nil, nil
	})
	err := Run(t.Context(), candidate(client, "a"), func(ctx context.Context) error {
		broken.Store(true)
		<-ctx.Done()
		if !errors.Is(context.Cause(ctx), ErrLost) {
			t.Errorf("ended by %v", context.Cause(ctx))
		}
		return nil
	})
	if !errors.Is(err, ErrLost) {
		t.Errorf("Run() = %v", err)
	}
}

// Who cannot mark its Pod, and then cannot renew, stops as well.
func TestLostWhileMarking(t *testing.T) {
	client := fake.NewClientset(pods("a")...)
	var broken atomic.Bool
	tried := make(chan struct{}, 1)
	client.PrependReactor("patch", "pods", func(clienttesting.Action) (bool, runtime.Object, error) {
		select {
		case tried <- struct{}{}:
		default:
		}
		return true, nil, errors.New("forbidden")
	})
	client.PrependReactor("update", "leases", func(clienttesting.Action) (bool, runtime.Object, error) {
		return broken.Load(), nil, errors.New("no route to host")
	})
	err := Run(t.Context(), candidate(client, "a"), func(ctx context.Context) error {
		<-tried
		broken.Store(true)
		select {
		case <-ctx.Done():
		case <-time.After(patience):
			t.Error("it acts without the lease")
		}
		return nil
	})
	if !errors.Is(err, ErrLost) {
		t.Errorf("Run() = %v", err)
	}
}

// The lease is given back when nothing acts any more: not as the first thing after
// a renewal that failed, which may take longer than the lease lasts.
func TestLeaseIsGivenBackLast(t *testing.T) {
	client := fake.NewClientset(pods("a")...)
	var broken, stopped, givenBack atomic.Bool
	client.PrependReactor("update", "leases", func(action clienttesting.Action) (bool, runtime.Object, error) {
		update, ok := action.(clienttesting.UpdateAction)
		if !ok {
			return false, nil, nil
		}
		lease, ok := update.GetObject().(*coordinationv1.Lease)
		if ok && lease.Spec.HolderIdentity != nil && *lease.Spec.HolderIdentity == "" {
			givenBack.Store(true)
			if !stopped.Load() {
				t.Error("the lease is given back by one who acts")
			}
			return false, nil, nil
		}
		return broken.Load(), nil, errors.New("no route to host")
	})
	err := Run(t.Context(), candidate(client, "a"), func(ctx context.Context) error {
		broken.Store(true)
		<-ctx.Done()
		stopped.Store(true)
		return nil
	})
	if !errors.Is(err, ErrLost) {
		t.Errorf("Run() = %v", err)
	}
	if !givenBack.Load() {
		t.Error("the lease was not given back")
	}
}

// A Pod that cannot be marked at first is marked later.
func TestMarkIsRepeated(t *testing.T) {
	client := fake.NewClientset(pods("a")...)
	var calls atomic.Int32
	client.PrependReactor("patch", "pods", func(clienttesting.Action) (bool, runtime.Object, error) {
		if calls.Add(1) == 1 {
			return true, nil, errors.New("try again")
		}
		return false, nil, nil
	})
	_, stop := server(t, candidate(client, "a"))
	awaitLabels(t, client, map[string]string{"a": "true"})
	if err := stop(); err != nil {
		t.Error(err)
	}
}

func TestStandby(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	if _, err := StartStandby(t.Context(), address); err == nil {
		t.Error("it listens where somebody else does")
	}
	listener.Close()
	s, err := StartStandby(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}, Timeout: patience}
	defer client.CloseIdleConnections()
	for path, want := range map[string]int{"/livez": 200, "/readyz": 200, "/healthz": 200, "/apis": 503, "/": 503} {
		resp, err := client.Get("https://" + address + path)
		if err != nil {
			t.Fatal(err)
		}
		if resp.StatusCode != want {
			t.Errorf("%s: got %d, want %d", path, resp.StatusCode, want)
		}
		var status metav1.Status
		if err := json.NewDecoder(resp.Body).Decode(&status); want == 503 && (err != nil || status.Reason != metav1.StatusReasonServiceUnavailable || resp.Header.Get("Retry-After") == "") {
			t.Errorf("%s: %+v, %v", path, status, err)
		}
		resp.Body.Close()
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	again, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatalf("the address is still taken: %v", err)
	}
	again.Close()
}
