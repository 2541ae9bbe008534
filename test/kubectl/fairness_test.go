package kubectl

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"

	"github.com/leat-dev/leat/test/framework"
)

const (
	// watchers are that many through kube-apiserver, and directWatchers straight to
	// Leat, with windows so small that Leat has to wait for them.
	watchers, directWatchers = 900, 100
	directWindow             = 16 << 10
	listsPerSecond           = 200
	// writes are made one by one, at that pace if the server keeps up.
	writes, pace = 12, 250 * time.Millisecond
)

// TestLoadDoesNotStarveWrites writes while a thousand watches are open that nobody
// reads, and lists come faster than they are answered. How long a write takes is
// told; that it is done is required. It is not run beside other tests.
func TestLoadDoesNotStarveWrites(t *testing.T) {
	namespace := cluster.Namespace(t)
	k := kinds()[0]
	demos(admin(t, namespace), k)
	busy, worker := as(t, namespace, "busy", "edit"), as(t, namespace, "worker", "edit")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	began := time.Now()
	openWatches(ctx, t, k, busy)
	t.Logf("%d watches are open after %s", watchers+directWatchers, time.Since(began).Round(time.Millisecond))

	lists := &load{path: k.path(namespace)}
	done := make(chan error, 1)
	go func() { done <- lists.run(ctx, busy.client) }()
	var took []time.Duration
	ticker := time.NewTicker(pace)
	defer ticker.Stop()
	for i := range writes {
		<-ticker.C
		// Large enough to fill the windows of those that do not read.
		patch := fmt.Sprintf(`{"metadata":{"annotations":{"write":"%d","filling":"%s"}}}`, i, strings.Repeat("x", 8<<10))
		began := time.Now()
		eventually(t, "a write is done", func(context.Context) (bool, error) {
			code, answer := worker.do(http.MethodPatch, k.path(namespace, "a"), patch, map[string]string{"Content-Type": "application/merge-patch+json"})
			if code == http.StatusOK {
				return true, nil
			}
			t.Logf("write %d is answered with %d after %s: %s", i, code, time.Since(began).Round(time.Millisecond), answer)
			return false, nil
		})
		took = append(took, time.Since(began))
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	slices.Sort(took)
	t.Logf("%d writes: median %s, slowest %s; beside them %d lists, %d sent away with 429",
		writes, took[writes/2].Round(time.Millisecond), took[writes-1].Round(time.Millisecond), lists.answered.Load(), lists.sentAway.Load())
	if lists.answered.Load() == 0 {
		t.Error("no list was answered")
	}
	if slowest := took[writes-1]; slowest > patience/2 {
		t.Errorf("a write took %s", slowest)
	}
}

// straight is the user without kube-apiserver in between.
func straight(u user) user {
	config := rest.CopyConfig(u.client.Config)
	config.Host = leat.URL()
	// Its certificate is made for its Service.
	config.Insecure, config.CAData, config.CAFile = true, nil, ""
	return user{u.t, &framework.Client{Config: config}, u.namespace}
}

// Leat sorts requests by the flow schemas of the cluster, also those that
// kube-apiserver does not see.
func TestFlowSchemas(t *testing.T) {
	t.Parallel()
	forKinds(t, func(t *testing.T, k kind, namespace string) {
		u := as(t, namespace, "somebody", "view")
		schema := admin(t, namespace).run("get", "--raw", "/apis/flowcontrol.apiserver.k8s.io/v1/flowschemas/global-default")
		var object metav1.PartialObjectMetadata
		if err := json.Unmarshal([]byte(schema), &object); err != nil {
			t.Fatal(err)
		}
		code, header, answer := straight(u).request(http.MethodGet, k.path(namespace), "", nil)
		if got := header.Get("X-Kubernetes-PF-FlowSchema-UID"); code != http.StatusOK || got != string(object.UID) {
			t.Errorf("a list is answered with %d, in the flow schema %q, want global-default, %s: %s", code, got, object.UID, answer)
		}
	})
}

// openWatches opens watches and reads nothing of what they bring. They end with the
// context.
func openWatches(ctx context.Context, t *testing.T, k kind, u user) {
	t.Helper()
	direct := straight(u).client.Config
	var group errgroup.Group
	group.SetLimit(50)
	for _, to := range []struct {
		config *rest.Config
		count  int
		window int
	}{{u.client.Config, watchers, 0}, {direct, directWatchers, directWindow}} {
		tls, err := rest.TLSConfigFor(to.config)
		if err != nil {
			t.Fatal(err)
		}
		transport := &http.Transport{TLSClientConfig: tls, ForceAttemptHTTP2: true}
		if to.window > 0 {
			transport.HTTP2 = &http.HTTP2Config{MaxReceiveBufferPerStream: to.window}
		}
		t.Cleanup(transport.CloseIdleConnections)
		client := &http.Client{Transport: transport}
		for range to.count {
			group.Go(func() error {
				req, err := http.NewRequestWithContext(ctx, http.MethodGet, to.config.Host+k.path(u.namespace)+"?watch=true", nil)
				if err != nil {
					return err
				}
				resp, err := client.Do(req)
				if err != nil {
					return err
				}
				if resp.StatusCode != http.StatusOK {
					resp.Body.Close()
					return fmt.Errorf("a watch is answered with %s", resp.Status)
				}
				context.AfterFunc(ctx, func() { resp.Body.Close() })
				return nil
			})
		}
	}
	if err := group.Wait(); err != nil {
		t.Fatalf("opening watches: %v", err)
	}
}

// load lists, at a steady rate, whether the answers come or not.
type load struct {
	path               string
	answered, sentAway atomic.Int64
}

func (l *load) run(ctx context.Context, as *framework.Client) error {
	client, err := rest.HTTPClientFor(as.Config)
	if err != nil {
		return err
	}
	ticker := time.NewTicker(time.Second / listsPerSecond)
	defer ticker.Stop()
	var group sync.WaitGroup
	defer group.Wait()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
			group.Go(func() { l.list(ctx, client, as.Config.Host) })
		}
	}
}

func (l *load) list(ctx context.Context, client *http.Client, host string) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, host+l.path, nil)
	if err != nil {
		return
	}
	resp, err := client.Do(req)
	if err != nil {
		return // the test is over
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, resp.Body) // likewise
	switch resp.StatusCode {
	case http.StatusOK:
		l.answered.Add(1)
	case http.StatusTooManyRequests:
		l.sentAway.Add(1)
	}
}
