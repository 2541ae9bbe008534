package e2e

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"

	sourcev1 "github.com/leat-dev/leat/pkg/apis/source/v1"
	"github.com/leat-dev/leat/pkg/generated/clientset/versioned"
	"github.com/leat-dev/leat/test/leatserver"
)

// second starts another server, which is not registered and acts on nothing, and
// returns it with a client that goes straight to it.
func second(t *testing.T, args ...string) (*leatserver.Server, string, *rest.Config) {
	t.Helper()
	dir := t.TempDir()
	s, err := leatserver.New(dir, cluster.Kubeconfig, append([]string{
		"--etcd-ephemeral", "--register-apiservices=false", "--reconcile=false", "--service-external-name=", "--service-namespace=leat-second",
	}, args...)...)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
	})
	config := rest.CopyConfig(cluster.Config)
	config.Host = s.URL()
	// Its certificate is made for its Service; who asks is told by a client
	// certificate, which proves nothing to a stranger.
	config.Insecure, config.CAData, config.CAFile = true, nil, ""
	return s, dir, config
}

func newSource(namespace, name, url string) *sourcev1.GitRepository {
	r := &sourcev1.GitRepository{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: namespace}}
	r.Spec.URL, r.Spec.Interval = url, "1h"
	return r
}

// The flags of any Kubernetes API server do what they say.
func TestAuditAndEncryption(t *testing.T) {
	namespace := cluster.Namespace(t)
	const marker = "encrypted-or-not.example.com"
	flags := t.TempDir()
	write := func(name, text string) string {
		file := filepath.Join(flags, name)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	audit := filepath.Join(flags, "audit.log")
	policy := write("policy.yaml", "apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: [{level: Metadata, resources: [{group: source.toolkit.fluxcd.io}]}, {level: None}]\n")
	encryption := write("encryption.yaml", `apiVersion: apiserver.config.k8s.io/v1
kind: EncryptionConfiguration
resources:
- resources: [gitrepositories.source.toolkit.fluxcd.io]
  providers:
  - aescbc: {keys: [{name: one, secret: AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=}]}
`)
	for name, tt := range map[string]struct {
		args  []string
		plain bool
	}{
		"plain":     {nil, true},
		"encrypted": {[]string{"--encryption-provider-config", encryption, "--audit-policy-file", policy, "--audit-log-path", audit}, false},
	} {
		t.Run(name, func(t *testing.T) {
			s, dir, config := second(t, tt.args...)
			client, err := versioned.NewForConfig(config)
			if err != nil {
				t.Fatal(err)
			}
			sources := client.SourceV1().GitRepositories(namespace)
			if _, err := sources.Create(t.Context(), newSource(namespace, "one", "https://"+marker+"/x"), metav1.CreateOptions{}); err != nil {
				t.Fatal(err)
			}
			got, err := sources.Get(t.Context(), "one", metav1.GetOptions{})
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(got.Spec.URL, marker) {
				t.Errorf("the object came back with url %s", got.Spec.URL)
			}
			s.Kill()
			if plain := onDisk(t, filepath.Join(dir, "data", "etcd"), marker); plain != tt.plain {
				t.Errorf("the object is readable on the disk: %v, want %v", plain, tt.plain)
			}
		})
	}
	log, err := os.ReadFile(audit)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"verb":"create"`, `"resource":"gitrepositories"`, `"namespace":"` + namespace + `"`, `"username":`} {
		if !bytes.Contains(log, []byte(want)) {
			t.Errorf("the audit log lacks %s:\n%s", want, log)
		}
	}
}

// onDisk says whether a file below dir holds the text.
func onDisk(t *testing.T, dir, text string) bool {
	t.Helper()
	found := false
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		data, err := os.ReadFile(path)
		found = found || bytes.Contains(data, []byte(text))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// A server that is told to stop answers what it has accepted, and ends the
// watches, which would otherwise hold it up.
func TestStopDrains(t *testing.T) {
	namespace := cluster.Namespace(t)
	s, _, config := second(t)
	client, err := versioned.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	sources := client.SourceV1().GitRepositories(namespace)
	if _, err := sources.Create(t.Context(), newSource(namespace, "one", "https://example.com/x"), metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	watch, err := sources.Watch(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	// Nothing acts on the object, so that this request lasts as long as it says.
	// Its annotation on the object tells that it has arrived.
	answer := make(chan error, 1)
	go func() {
		body := []byte(`{"apiVersion":"leat.dev/v1alpha1","kind":"ReconcileRequest","spec":{"waitSeconds":5}}`)
		answer <- client.SourceV1().RESTClient().Post().Namespace(namespace).Resource("gitrepositories").Name("one").
			SubResource("reconcile").SetHeader("Content-Type", "application/json").Body(body).Do(t.Context()).Error()
	}()
	for event := range watch.ResultChan() {
		source, ok := event.Object.(*sourcev1.GitRepository)
		if ok && source.Annotations["reconcile.fluxcd.io/requestedAt"] != "" {
			break
		}
	}
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	if err := <-answer; err != nil {
		t.Errorf("a request that the server had accepted was not answered: %v", err)
	}
	select {
	case <-drained(watch.ResultChan()):
	case <-time.After(patience):
		t.Error("the watch did not end with the server")
	}
}

// drained is closed when the channel is.
func drained[T any](c <-chan T) <-chan struct{} {
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range c {
		}
	}()
	return done
}
