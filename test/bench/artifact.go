package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"

	sourcev1 "github.com/leat-dev/leat/pkg/apis/source/v1"
)

// The artifact of the case download: random bytes, which nothing compresses.
const (
	bigSource    = "big"
	bigFiles     = 6
	bigFileBytes = 50 << 20
)

// publish makes a source with a big artifact and waits until it is there.
func (w *world) publish(ctx context.Context) (*sourcev1.GitRepository, error) {
	repo, err := w.git.CreateRepository(ctx, bigSource)
	if err != nil {
		return nil, err
	}
	files := map[string]string{}
	content := make([]byte, bigFileBytes)
	for i := range bigFiles {
		if _, err := rand.Read(content); err != nil {
			return nil, err
		}
		files[fmt.Sprintf("file-%d", i)] = string(content)
	}
	if _, err := repo.Push(ctx, files); err != nil {
		return nil, err
	}
	source := &sourcev1.GitRepository{ObjectMeta: metav1.ObjectMeta{Name: bigSource, Namespace: namespace}}
	source.Spec.URL, source.Spec.Interval = w.git.URL(bigSource), interval
	branch := "main"
	source.Spec.Reference = &sourcev1.GitRepositoryRef{Branch: &branch}
	sources := w.client.SourceV1().GitRepositories(namespace)
	if _, err := sources.Create(ctx, source, metav1.CreateOptions{}); err != nil {
		return nil, err
	}
	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	for {
		source, err := sources.Get(ctx, bigSource, metav1.GetOptions{})
		if err != nil || source.Status.Artifact != nil {
			return source, err
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("waiting for the artifact of %s: %w: %v", bigSource, ctx.Err(), source.Status.Conditions)
		case <-ticker.C:
		}
	}
}

// downloads measures a download of a big artifact from Leat, without kube-apiserver
// in between, and as its limit the same bytes from a plain file server: also over
// TLS, and by the same client.
func (w *world) downloads(ctx context.Context, dir string) (result, error) {
	source, err := w.publish(ctx)
	if err != nil {
		return result{}, err
	}
	direct := rest.AnonymousClientConfig(w.cluster.Config)
	direct.Host, direct.Insecure, direct.CAData, direct.BearerToken = w.leat.URL(), true, nil, ""
	direct.CertData, direct.KeyData = w.user.CertData, w.user.KeyData
	client, err := rest.HTTPClientFor(direct)
	if err != nil {
		return result{}, err
	}
	url := w.leat.URL() + source.Status.Artifact.URL
	copied := filepath.Join(dir, "artifact.tar.gz")
	file, err := os.Create(copied)
	if err != nil {
		return result{}, err
	}
	if _, err := download(ctx, client, url, file); err != nil { // also warms both sides up
		return result{}, err
	}
	if err := file.Close(); err != nil {
		return result{}, err
	}
	r, err := w.measure(ctx, "artifact", func(ctx context.Context) (time.Duration, error) {
		return download(ctx, client, url, io.Discard)
	})
	if err != nil {
		return result{}, err
	}
	plain := httptest.NewUnstartedServer(http.FileServer(http.Dir(dir)))
	plain.EnableHTTP2 = true
	plain.StartTLS()
	defer plain.Close()
	plainClient := plain.Client()
	if _, err := download(ctx, plainClient, plain.URL+"/artifact.tar.gz", io.Discard); err != nil {
		return result{}, err
	}
	limit, err := w.measure(ctx, "artifact", func(ctx context.Context) (time.Duration, error) {
		return download(ctx, plainClient, plain.URL+"/artifact.tar.gz", io.Discard)
	})
	if err != nil {
		return result{}, err
	}
	r.LimitSeconds, r.LimitCPUSeconds = limit.Seconds, limit.CPUSeconds
	return r, nil
}

func download(ctx context.Context, client *http.Client, url string, to io.Writer) (time.Duration, error) {
	start := time.Now()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, err
	}
	resp, err := client.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return 0, fmt.Errorf("downloading %s: %s", url, resp.Status)
	}
	n, err := io.Copy(to, resp.Body)
	if err != nil {
		return 0, err
	}
	if n < bigFiles*bigFileBytes {
		return 0, fmt.Errorf("downloading %s: %d bytes are too few", url, n)
	}
	return time.Since(start), nil
}
