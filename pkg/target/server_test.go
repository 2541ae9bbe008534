package target

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// testTarget returns a target whose cluster is handler; without one, requests
// fail.
func testTarget(t testing.TB, handler http.Handler) *Target {
	t.Helper()
	cfg := &rest.Config{Host: "http://127.0.0.1:1"}
	if handler != nil {
		srv := httptest.NewServer(handler)
		t.Cleanup(srv.Close)
		cfg.Host = srv.URL
	}
	ctx, cancel := context.WithCancel(context.Background())
	tgt, err := New(ctx, cfg, Options{DigestKey: []byte("sixteen bytes or"), MaxInFlight: 2, MaxResponseBytes: 1 << 16, MaxThrottle: 3 * time.Second, SyncTimeout: 5 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cancel(); tgt.Close() })
	return tgt
}

var configMaps = Resource{
	GroupVersionResource: schema.GroupVersionResource{Version: "v1", Resource: "configmaps"},
	Kind:                 "ConfigMap", Namespaced: true, Watchable: true,
}

func ref(name string) Ref { return Ref{Resource: configMaps, Namespace: "demo", Name: name} }

func configMap(name, rv, uid string) string {
	return fmt.Sprintf(`{"metadata":{"name":%q,"namespace":"demo","resourceVersion":%q,"uid":%q,"labels":{"kustomize.toolkit.fluxcd.io/name":"app","kustomize.toolkit.fluxcd.io/namespace":"demo"}}}`, name, rv, uid)
}

func failure(w http.ResponseWriter, code int, reason string) {
	w.WriteHeader(code)
	fmt.Fprintf(w, `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":%q,"code":%d,"message":"%s"}`, reason, code, reason)
}

func TestRequests(t *testing.T) {
	var throttled, inFlight, most atomic.Int32
	var mu sync.Mutex
	var users []string
	tgt := testTarget(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n := inFlight.Add(1)
		defer inFlight.Add(-1)
		for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
		}
		mu.Lock()
		users = append(users, r.Header.Get("Impersonate-User"))
		mu.Unlock()
		switch name := r.URL.Path[strings.LastIndex(r.URL.Path, "/")+1:]; name {
		case "throttled":
			if throttled.Add(1) < 3 {
				w.Header().Set("Retry-After", "0")
				failure(w, http.StatusTooManyRequests, "TooManyRequests")
				return
			}
			fmt.Fprint(w, configMap(name, "1", "u"))
		case "always":
			w.Header().Set("Retry-After", "2")
			failure(w, http.StatusTooManyRequests, "TooManyRequests")
		case "gone":
			failure(w, http.StatusNotFound, "NotFound")
		case "huge":
			fmt.Fprint(w, strings.Repeat(" ", 1<<17))
		case "html":
			w.WriteHeader(http.StatusBadGateway)
			fmt.Fprint(w, "<html>proxy</html>")
		case "half":
			w.Header().Set("Content-Length", "1000")
			fmt.Fprint(w, "{")
		default:
			fmt.Fprint(w, configMap(name, "1", "u"))
		}
	}))
	ctx := t.Context()
	tenant := Identity{ServiceAccount: types.NamespacedName{Namespace: "team", Name: "deployer"}}

	if _, err := tgt.Read(ctx, tenant, ref("throttled")); err != nil || throttled.Load() != 3 {
		t.Errorf("429 is not waited out: %v after %d", err, throttled.Load())
	}
	if users[0] != "system:serviceaccount:team:deployer" {
		t.Errorf("impersonated %q", users[0])
	}
	users = nil
	if _, err := tgt.Read(ctx, Identity{}, ref("plain")); err != nil || users[0] != "" {
		t.Errorf("error %v, impersonated %q", err, users[0])
	}
	if _, err := tgt.Read(ctx, tenant, ref("always")); !apierrors.IsTooManyRequests(err) || !strings.Contains(err.Error(), "3s") {
		t.Errorf("error %v, want the server's with the limit", err)
	}
	if _, err := tgt.Read(ctx, tenant, ref("gone")); !apierrors.IsNotFound(err) {
		t.Errorf("error %v", err)
	}
	if _, err := tgt.Read(ctx, tenant, ref("huge")); err == nil || !strings.Contains(err.Error(), "65536") {
		t.Errorf("error %v, want the limit named", err)
	}
	if _, err := tgt.Read(ctx, tenant, ref("html")); err == nil || apierrors.ReasonForError(err) == "" {
		t.Errorf("error %v", err)
	}
	if _, err := tgt.Read(ctx, tenant, ref("half")); err == nil {
		t.Error("half a response is accepted")
	}
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() { _, _ = tgt.Read(ctx, tenant, ref("plain")) })
	}
	wg.Wait()
	if most.Load() > 2 {
		t.Errorf("%d requests in flight, the budget is 2", most.Load())
	}
	cancelled, cancel := context.WithCancelCause(ctx)
	why := errors.New("superseded")
	cancel(why)
	if _, err := tgt.Read(cancelled, tenant, ref("plain")); !errors.Is(err, why) {
		t.Errorf("error %v, want the cause", err)
	}
}

func TestRefCheck(t *testing.T) {
	for _, name := range []string{"", ".", "..", "a/b", "a%2fb", "a,metadata.namespace=kube-system", "a=b"} {
		if err := ref(name).Check(); err == nil {
			t.Errorf("%q is accepted", name)
		}
	}
	for _, name := range []string{"a", "system:node", "a.b-c"} {
		if err := ref(name).Check(); err != nil {
			t.Errorf("%q: %v", name, err)
		}
	}
}

func TestNewRefuses(t *testing.T) {
	key := []byte("sixteen bytes or")
	if _, err := New(t.Context(), &rest.Config{Host: "http://x"}, Options{DigestKey: key[:8]}); err == nil {
		t.Error("a short key is accepted")
	}
	withExec := &rest.Config{Host: "http://x", AuthProvider: nil, ExecProvider: execProvider}
	if _, err := New(t.Context(), withExec, Options{DigestKey: key}); err == nil {
		t.Error("an exec plug-in is accepted")
	}
}

var execProvider = &clientcmdapi.ExecConfig{Command: "/bin/true"}
