package launch

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

func hostClient(t *testing.T, url string) rest.Interface {
	t.Helper()
	client, err := kubernetes.NewForConfig(&rest.Config{Host: url, QPS: -1})
	if err != nil {
		t.Fatal(err)
	}
	return client.Discovery().RESTClient()
}

func TestAwaitHost(t *testing.T) {
	for name, tt := range map[string]struct {
		answers []int
		asked   int32
	}{
		"ready":                  {[]int{200}, 1},
		"ready soon":             {[]int{500, 503, 200}, 3},
		"may not be asked":       {[]int{403}, 1},
		"does not know us":       {[]int{401}, 1},
		"does not have the path": {[]int{404}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			var asked atomic.Int32
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				n := int(asked.Add(1))
				w.WriteHeader(tt.answers[min(n, len(tt.answers))-1])
			}))
			defer server.Close()
			if err := awaitHost(t.Context(), hostClient(t, server.URL)); err != nil {
				t.Error(err)
			}
			if asked.Load() != tt.asked {
				t.Errorf("asked %d times, want %d", asked.Load(), tt.asked)
			}
		})
	}
}

func TestAwaitHostEnds(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusServiceUnavailable)
		cancel()
	}))
	defer server.Close()
	if err := awaitHost(ctx, hostClient(t, server.URL)); err == nil || !strings.Contains(err.Error(), "waiting for the host cluster") {
		t.Errorf("it ended with %v", err)
	}
}
