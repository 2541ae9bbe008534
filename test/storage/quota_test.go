package storage

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"k8s.io/client-go/rest"

	"github.com/leat-dev/leat/pkg/etcd"
)

// ask sends a request to the server itself, as the administrator.
func (l *leat) ask(path string) (int, string) {
	l.t.Helper()
	config := rest.CopyConfig(cluster.Config)
	config.Host = l.URL()
	// Its certificate is made for the Service, and nothing secret is sent.
	config.TLSClientConfig.Insecure, config.CAFile, config.CAData = true, "", nil
	client, err := rest.HTTPClientFor(config)
	if err != nil {
		l.t.Fatal(err)
	}
	request, err := http.NewRequestWithContext(l.t.Context(), http.MethodGet, l.URL()+path, nil)
	if err != nil {
		l.t.Fatal(err)
	}
	response, err := client.Do(request)
	if err != nil {
		l.t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		l.t.Fatal(err)
	}
	return response.StatusCode, string(body)
}

// socket is a client of the etcd that the server runs.
func (l *leat) socket() *clientv3.Client {
	l.t.Helper()
	access, err := etcd.Open(l.t.Context(), etcd.Config{Dir: filepath.Join(l.data(), "etcd")})
	if err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() { access.Close() })
	return access.Client
}

const filler = "/filler/"

// fill writes until the etcd takes no more, however often the server makes room.
func fill(ctx context.Context, t *testing.T, client *clientv3.Client) {
	t.Helper()
	value := strings.Repeat("x", 1<<20)
	refused := 0
	for i := 0; refused < 3; i++ {
		_, err := client.Put(ctx, fmt.Sprintf("%s%d", filler, i), value)
		switch {
		case errors.Is(err, rpctypes.ErrNoSpace):
			refused++
		case err != nil:
			t.Fatal(err)
		case i > 64:
			t.Fatal("64 MiB did not fill a quota of 16")
		}
	}
}

// TestQuotaReached fills the embedded etcd with what is alive. Reads go on, writes
// get a Status that says what helps, and as soon as there is something to free the
// server goes on by itself.
func TestQuotaReached(t *testing.T) {
	ns := cluster.Namespace(t)
	newRepository(t, "quota.git")
	l := newLeat(t, "--etcd-ephemeral", "--reconcile=false", fmt.Sprintf("--etcd-quota-backend-bytes=%d", etcd.MinQuotaBytes))
	l.start()
	apply(t, source(ns, "quota.git"))
	if code, body := l.ask("/healthz/etcd-space"); code != http.StatusOK {
		t.Fatalf("/healthz/etcd-space of a new server: %d %s", code, body)
	}
	client := l.socket()
	fill(t.Context(), t, client)

	_, err := tryKubectl(t, "", "label", "--namespace", ns, "gitrepository/repo", "full=yes")
	if err == nil || !strings.Contains(err.Error(), "InsufficientStorage") || !strings.Contains(err.Error(), "raise --etcd-quota-backend-bytes") {
		t.Errorf("a write that there is no room for: %v, want a Status that says what helps", err)
	}
	if code, body := l.ask("/healthz/etcd-space"); code != http.StatusInternalServerError || !strings.Contains(body, fmt.Sprint(etcd.MinQuotaBytes)) {
		t.Errorf("/healthz/etcd-space: %d %s", code, body)
	}
	if code, body := l.ask("/readyz"); code != http.StatusOK {
		t.Errorf("/readyz: %d %s; reads and discovery must go on", code, body)
	}
	if _, body := l.ask("/metrics"); !strings.Contains(body, "leat_etcd_out_of_space 1") {
		t.Error("no metric says that the etcd is out of space")
	}
	if got := kubectl(t, "get", "--namespace", ns, "gitrepository/repo", "-o", "name"); got == "" {
		t.Error("reads fail")
	}
	// Namespaces without Leat's objects go as always.
	kubectl(t, "create", "namespace", ns+"-other")
	kubectl(t, "delete", "namespace", ns+"-other", "--timeout", patience.String())

	if _, err := client.Delete(t.Context(), filler, clientv3.WithPrefix()); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the server to make room", func() error {
		_, err := tryKubectl(t, "", "label", "--overwrite", "--namespace", ns, "gitrepository/repo", "full=no-more")
		return err
	})
	if code, body := l.ask("/healthz/etcd-space"); code != http.StatusOK {
		t.Errorf("/healthz/etcd-space afterwards: %d %s", code, body)
	}
	if want := "had reached its quota and takes writes again"; !strings.Contains(l.log(), want) {
		t.Errorf("the log does not say that the etcd %s", want)
	}
}
