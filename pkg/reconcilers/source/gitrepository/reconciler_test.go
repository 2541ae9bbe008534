package gitrepository

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/fake"

	"github.com/leat-dev/leat/pkg/apis/meta"
	sourcev1 "github.com/leat-dev/leat/pkg/apis/source/v1"
	"github.com/leat-dev/leat/pkg/artifact"
	"github.com/leat-dev/leat/pkg/reconcilers/runtime/runtimetest"
	"github.com/leat-dev/leat/test/gitserver"
)

func TestFetch(t *testing.T) {
	w := newWorld(t, gitserver.Options{})
	commit := w.push(map[string]string{"a.yaml": "a: 1"})
	w.create()
	got := w.awaitReady(commit)

	records := w.artifacts.Records(owner(got))
	if len(records) != 1 {
		t.Fatalf("%d records, want 1", len(records))
	}
	size := records[0].Size
	digest := string(records[0].Archive)
	revision := "main@sha1:" + commit
	at := metav1.NewTime(w.clock.Now())
	cond := func(kind string) metav1.Condition {
		return metav1.Condition{Type: kind, Status: "True", Reason: "Succeeded", Message: "stored artifact for revision '" + revision + "'", ObservedGeneration: 1, LastTransitionTime: at}
	}
	want := sourcev1.GitRepositoryStatus{
		ObservedGeneration: 1,
		Conditions:         []metav1.Condition{cond("Ready"), cond("ArtifactInStorage")},
		Artifact: &meta.Artifact{
			Path:     "gitrepository/demo/app/" + commit + ".tar.gz",
			URL:      "/apis/source.toolkit.fluxcd.io/v1/namespaces/demo/gitrepositories/app/artifact?digest=" + digest,
			Revision: revision, Digest: digest, LastUpdateTime: at, Size: &size,
		},
	}
	if diff := cmp.Diff(want, got.Status); diff != "" {
		t.Errorf("status (-want +got):\n%s", diff)
	}
	if s, o := w.objects.StatusWrites.Load(), w.objects.Writes.Load(); s != 1 || o != 1 {
		t.Errorf("%d status writes and %d others, want one each", s, o)
	}
	wantEvents := []runtimetest.Event{{
		Type: "Normal", Object: "demo/app", Reason: "NewArtifact", Message: "stored artifact for commit 'change'",
		Metadata: map[string]string{"revision": revision, "digest": digest},
	}}
	if diff := cmp.Diff(wantEvents, w.events.Take()); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}

	// Nothing new costs nothing.
	w.step(time.Minute)
	if s, e := w.objects.StatusWrites.Load(), w.events.Take(); s != 1 || len(e) != 0 {
		t.Errorf("an interval without news: %d status writes, events %v", s-1, e)
	}
	// A push is found at the next interval, and at once when asked for.
	commit = w.push(map[string]string{"a.yaml": "a: 2"})
	w.step(time.Minute)
	w.awaitReady(commit)
	commit = w.push(map[string]string{"a.yaml": "a: 3"})
	w.update(func(o *sourcev1.GitRepository) {
		o.Annotations = map[string]string{meta.ReconcileRequestAnnotation: "t1"}
	})
	if got := w.awaitReady(commit); got.Status.LastHandledReconcileAt != "t1" {
		t.Errorf("lastHandledReconcileAt %q", got.Status.LastHandledReconcileAt)
	}
	if s := w.objects.StatusWrites.Load(); s != 3 {
		t.Errorf("%d status writes for three revisions", s)
	}
}

func TestIgnoreMakesAnotherArtifact(t *testing.T) {
	w := newWorld(t, gitserver.Options{})
	commit := w.push(map[string]string{"a.yaml": "a: 1", "b.yaml": "b: 1"})
	w.create()
	before := w.awaitReady(commit)
	ignore := "/b.yaml\n"
	w.update(func(o *sourcev1.GitRepository) { o.Spec.Ignore = &ignore })
	after := w.awaitReady(commit)
	if before.Status.Artifact.Digest == after.Status.Artifact.Digest {
		t.Error("the artifact is the same one")
	}
	if o := after.Status.ObservedIgnore; o == nil || *o != ignore {
		t.Errorf("observedIgnore %v", o)
	}
}

func TestLostArtifactIsFetchedAgain(t *testing.T) {
	w := newWorld(t, gitserver.Options{})
	commit := w.push(map[string]string{"a.yaml": "a: 1"})
	w.create()
	got := w.awaitReady(commit)
	if err := w.artifacts.Forget(owner(got)); err != nil {
		t.Fatal(err)
	}
	w.step(time.Minute)
	again := w.awaitReady(commit)
	if len(w.artifacts.Records(owner(got))) != 1 {
		t.Fatal("the artifact was not restored")
	}
	if !got.Status.Artifact.LastUpdateTime.Before(&again.Status.Artifact.LastUpdateTime) {
		t.Error("users cannot see that the artifact is back")
	}
}

// The status promises an archive; one whose file is gone is made again.
func TestLostArchiveIsMadeAgain(t *testing.T) {
	w := newWorld(t, gitserver.Options{})
	commit := w.push(map[string]string{"a.yaml": "a: 1"})
	w.create()
	digest := artifact.Digest(w.awaitReady(commit).Status.Artifact.Digest)
	file, err := w.artifacts.OpenArchive(digest)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if err := os.Remove(file.Name()); err != nil {
		t.Fatal(err)
	}
	w.step(time.Minute)
	w.awaitReady(commit)
	again, err := w.artifacts.OpenArchive(digest)
	if err != nil {
		t.Fatalf("the archive was not made again: %v", err)
	}
	again.Close()
}

func TestFailures(t *testing.T) {
	for _, tc := range []struct {
		name    string
		o       gitserver.Options
		spec    func(*sourcev1.GitRepositorySpec)
		empty   bool
		reason  string
		message string
		stalled bool
	}{
		{name: "empty repository", empty: true, reason: "EmptyGitRepository", message: "empty"},
		{name: "no credentials", o: gitserver.Options{Username: "u", Password: "p4ssw0rd"}, reason: "AuthenticationFailed", message: "failed to fetch"},
		{
			name: "no such secret", spec: func(s *sourcev1.GitRepositorySpec) { s.SecretRef = &meta.LocalObjectReference{Name: "x"} },
			reason: "AuthenticationFailed", message: "reading secret 'demo/x'",
		},
		{
			name: "no such branch", spec: func(s *sourcev1.GitRepositorySpec) { b := "nope"; s.Reference.Branch = &b },
			reason: "GitOperationFailed", message: `branch "nope" not found`,
		},
		{
			name: "ssh", spec: func(s *sourcev1.GitRepositorySpec) { s.URL = "ssh://git@example.com/x" },
			reason: "UnsupportedField", message: "SSH remotes are not supported yet: spec.url", stalled: true,
		},
		{
			name: "ssh and submodules", spec: func(s *sourcev1.GitRepositorySpec) {
				yes := true
				s.URL, s.RecurseSubmodules = "ssh://git@example.com/x", &yes
			},
			reason: "UnsupportedField", message: "or http://; not acted on yet: spec.recurseSubmodules", stalled: true,
		},
		{
			name: "no such repository", spec: func(s *sourcev1.GitRepositorySpec) { s.URL += "x" },
			reason: "GitOperationFailed", message: "repository not found",
		},
		{
			name: "signatures", spec: func(s *sourcev1.GitRepositorySpec) {
				s.Verification = &sourcev1.GitRepositoryVerification{SecretRef: meta.LocalObjectReference{Name: "x"}}
			},
			reason: "UnsupportedField", message: "spec.verify", stalled: true,
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := newWorld(t, tc.o)
			if !tc.empty {
				w.push(map[string]string{"a.yaml": "a: 1"})
			}
			if tc.spec == nil {
				w.create()
			} else {
				w.create(tc.spec)
			}
			got := w.awaitReason(tc.reason)
			c := condition(got, "Ready")
			if c.Status != "False" || !strings.Contains(c.Message, tc.message) || strings.Contains(c.Message, "p4ssw0rd") || strings.HasSuffix(c.Message, ":") {
				t.Errorf("Ready: %+v", c)
			}
			if f := condition(got, "FetchFailed"); (f.Status == "True") == tc.stalled || !tc.stalled && f.Reason != tc.reason {
				t.Errorf("FetchFailed: %+v", f)
			}
			if s := condition(got, "Stalled"); (s.Status == "True") != tc.stalled {
				t.Errorf("Stalled: %+v", s)
			}
			if want := int64(-1); !tc.stalled && got.Status.ObservedGeneration != want || tc.stalled && got.Status.ObservedGeneration != 1 {
				t.Errorf("observedGeneration %d", got.Status.ObservedGeneration)
			}
			if e := w.events.Take(); len(e) != 1 || e[0].Type != "Warning" || e[0].Reason != tc.reason {
				t.Errorf("events %+v", e)
			}
			w.step(750 * time.Millisecond)
			if e := w.events.Take(); (len(e) == 1) == tc.stalled {
				t.Errorf("after 750 ms: events %+v", e)
			}
		})
	}
}

// TestOutage: while a repository cannot be reached, its last artifact stays.
func TestOutage(t *testing.T) {
	var mu sync.Mutex
	down := false
	w := newWorld(t, gitserver.Options{Wrap: func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			mu.Lock()
			defer mu.Unlock()
			if down {
				http.Error(rw, "down", http.StatusBadGateway)
				return
			}
			next.ServeHTTP(rw, r)
		})
	}})
	set := func(v bool) { mu.Lock(); down = v; mu.Unlock() }
	commit := w.push(map[string]string{"a.yaml": "a: 1"})
	w.create()
	w.awaitReady(commit)
	w.events.Take()
	set(true)
	w.step(time.Minute)
	got := w.awaitReason("GitOperationFailed")
	if got.Status.Artifact == nil || condition(got, "ArtifactInStorage").Status != "True" || condition(got, "Reconciling").Reason != "ProgressingWithRetry" {
		t.Errorf("%+v", got.Status)
	}
	set(false)
	w.step(750 * time.Millisecond)
	got = w.awaitReady(commit)
	if len(got.Status.Conditions) != 2 {
		t.Errorf("conditions after the outage: %+v", got.Status.Conditions)
	}
	var reasons []string
	for _, e := range w.events.Take() {
		reasons = append(reasons, e.Reason)
	}
	if diff := cmp.Diff([]string{"GitOperationFailed", "Succeeded"}, reasons, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
}

func TestCredentials(t *testing.T) {
	ctx := context.Background()
	w := newWorld(t, gitserver.Options{Username: "u", Password: "p4ssw0rd", TLS: true})
	commit := w.push(map[string]string{"a.yaml": "a: 1"})
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: "demo", Name: "git"},
		Data:       map[string][]byte{"username": []byte("u"), "password": []byte("wrong-one"), "ca.crt": w.git.CA()},
	}
	if _, err := w.host.CoreV1().Secrets("demo").Create(ctx, secret, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	w.create(func(s *sourcev1.GitRepositorySpec) { s.SecretRef = &meta.LocalObjectReference{Name: "git"} })
	got := w.awaitReason("AuthenticationFailed")
	if strings.Contains(fmt.Sprint(got.Status, w.events.Take()), "wrong-one") {
		t.Error("the status or an event shows the password")
	}
	secret.Data["password"] = []byte("p4ssw0rd")
	if _, err := w.host.CoreV1().Secrets("demo").Update(ctx, secret, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	w.step(750 * time.Millisecond)
	w.awaitReady(commit)
}

func TestHalfASecretIsRefused(t *testing.T) {
	ctx := context.Background()
	for name, data := range map[string]map[string][]byte{
		"username and password": {"username": []byte("u")},
		"tls.crt and tls.key":   {"tls.key": []byte("k")},
	} {
		host := fake.NewClientset(&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "demo", Name: "git"}, Data: data})
		obj := &sourcev1.GitRepository{ObjectMeta: metav1.ObjectMeta{Namespace: "demo"}}
		obj.Spec.SecretRef = &meta.LocalObjectReference{Name: "git"}
		if _, err := credentials(ctx, host.CoreV1(), obj); err == nil || !strings.Contains(err.Error(), name+" go together") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestOldKeysOfSecrets(t *testing.T) {
	host := fake.NewClientset(&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "demo", Name: "git"}, Data: map[string][]byte{
		"caFile": []byte("ca"), "certFile": []byte("cert"), "keyFile": []byte("key"), "bearerToken": []byte("t"),
	}})
	obj := &sourcev1.GitRepository{ObjectMeta: metav1.ObjectMeta{Namespace: "demo"}}
	obj.Spec.SecretRef = &meta.LocalObjectReference{Name: "git"}
	got, err := credentials(context.Background(), host.CoreV1(), obj)
	if err != nil {
		t.Fatal(err)
	}
	if string(got.CA) != "ca" || !bytes.Equal(got.ClientCert, []byte("cert")) || string(got.ClientKey) != "key" || got.BearerToken != "t" {
		t.Error("not all keys were read")
	}
}

func TestSuspendAndDelete(t *testing.T) {
	w := newWorld(t, gitserver.Options{})
	commit := w.push(map[string]string{"a.yaml": "a: 1"})
	w.create()
	got := w.awaitReady(commit)
	yes := true
	w.update(func(o *sourcev1.GitRepository) { o.Spec.Suspend = &yes })
	w.awaitIdle()
	w.git.ForgetRequests()
	w.step(time.Hour)
	if r := w.git.Requests(); len(r) != 0 {
		t.Errorf("a suspended object made %d requests", len(r))
	}
	w.mu.Lock()
	w.garbage = 0
	w.mu.Unlock()
	if err := w.objects.Delete("demo", "app"); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if _, err := w.objects.Await(ctx, "demo", "app", func(_ *sourcev1.GitRepository, exists bool) bool { return !exists }); err != nil {
		t.Fatal("it is still there")
	}
	if n := len(w.artifacts.Records(owner(got))); n != 0 {
		t.Errorf("%d records are left", n)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.garbage != 1 {
		t.Errorf("garbage was announced %d times", w.garbage)
	}
}

// TestSpecEndsAFetch: a repository that does not answer does not keep its
// object from being pointed somewhere else.
func TestSpecEndsAFetch(t *testing.T) {
	hang := make(chan struct{})
	var once sync.Once
	asked := make(chan struct{})
	w := newWorld(t, gitserver.Options{Wrap: func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			if strings.HasPrefix(r.URL.Path, "/hang") {
				once.Do(func() { close(asked) })
				select {
				case <-hang:
				case <-r.Context().Done():
				}
				return
			}
			next.ServeHTTP(rw, r)
		})
	}})
	defer close(hang)
	commit := w.push(map[string]string{"a.yaml": "a: 1"})
	w.create(func(s *sourcev1.GitRepositorySpec) { s.URL = w.git.URL("hang.git") })
	<-asked
	w.clock.Step(2 * time.Second)
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	got, err := w.objects.Await(ctx, "demo", "app", func(o *sourcev1.GitRepository, _ bool) bool { return len(o.Status.Conditions) > 0 })
	if err != nil || condition(got, "Reconciling").Status != "True" || !strings.HasPrefix(condition(got, "Ready").Message, "fetching from 'http") {
		t.Errorf("a slow fetch: %+v, %v", got.Status, err)
	}
	w.update(func(o *sourcev1.GitRepository) { o.Spec.URL = w.repo.URL })
	w.awaitReady(commit)
}

func TestEveryFieldIsAccountedFor(t *testing.T) {
	runtimetest.CheckFields(t, fields(), "source.toolkit.fluxcd.io_v1_GitRepository.tsv", []string{
		"spec.include[].fromPath", "spec.include[].repository.name", "spec.include[].toPath",
		"spec.proxySecretRef.name", "spec.serviceAccountName", "spec.sparseCheckout[]",
		"spec.verify.mode", "spec.verify.secretRef.name",
	})
}
