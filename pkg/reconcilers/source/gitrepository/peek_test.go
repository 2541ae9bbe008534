package gitrepository

import (
	"context"
	"errors"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/leat-dev/leat/pkg/apis/meta"
	sourcev1 "github.com/leat-dev/leat/pkg/apis/source/v1"
	"github.com/leat-dev/leat/pkg/artifact"
	sourcelisters "github.com/leat-dev/leat/pkg/generated/listers/source/v1"
	"github.com/leat-dev/leat/pkg/preview"
	"github.com/leat-dev/leat/pkg/source/git"
	"github.com/leat-dev/leat/test/gitserver"
)

// peeker looks into the sources of a world with the fetcher of its reconciler.
func (w *world) peeker(change ...func(*PeekerConfig)) *Peeker {
	w.t.Helper()
	c := PeekerConfig{
		GitRepositories: sourcelisters.NewGitRepositoryLister(w.objects.Indexer()),
		Fetcher:         w.fetcher, Core: w.host.CoreV1(), Artifacts: w.artifacts,
	}
	for _, f := range change {
		f(&c)
	}
	return NewPeeker(c)
}

func (w *world) files(tree *artifact.Tree) map[string]string {
	w.t.Helper()
	found := map[string]string{}
	view := w.artifacts.View(tree)
	for e := range tree.Files() {
		b, err := view.ReadFile(e.Path)
		if err != nil {
			w.t.Fatal(err)
		}
		found[e.Path] = string(b)
	}
	return found
}

func status(t *testing.T, err error) metav1.Status {
	t.Helper()
	var s apierrors.APIStatus
	if !errors.As(err, &s) {
		t.Fatalf("%v is no API status", err)
	}
	return s.Status()
}

// What was pushed after the last fetch is seen by a peek, with the source's
// credentials, and the source itself goes on as if nothing had been.
func TestPeek(t *testing.T) {
	ctx := context.Background()
	w := newWorld(t, gitserver.Options{Username: "git", Password: "hunter22"})
	if _, err := w.host.CoreV1().Secrets("demo").Create(ctx, &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: "git"}, Data: map[string][]byte{"username": []byte("git"), "password": []byte("hunter22")},
	}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	first := w.push(map[string]string{"a.yaml": "1", "b.jpg": "x"})
	w.create(func(s *sourcev1.GitRepositorySpec) { s.SecretRef = &meta.LocalObjectReference{Name: "git"} })
	before := w.awaitReady(first)

	second := w.push(map[string]string{"a.yaml": "2"})
	branch, err := w.repo.Commit(ctx, gitserver.Commit{Branch: "next", Files: map[string]gitserver.File{"n.yaml": {Content: "n"}}})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.repo.SetRef(ctx, "refs/pull/7/head", second); err != nil {
		t.Fatal(err)
	}
	p := w.peeker()
	for ref, want := range map[string]struct {
		revision string
		files    map[string]string
	}{
		"next":             {"next@sha1:" + branch, map[string]string{"n.yaml": "n"}},
		"refs/pull/7/head": {"refs/pull/7/head@sha1:" + second, map[string]string{"a.yaml": "2"}},
		"":                 {"main@sha1:" + second, map[string]string{"a.yaml": "2"}},
		second:             {"sha1:" + second, map[string]string{"a.yaml": "2"}},
	} {
		got, err := p.Peek(ctx, "demo", "app", ref)
		if err != nil {
			t.Fatalf("%q: %v", ref, err)
		}
		have := w.files(got.Tree)
		if ref == "next" {
			delete(have, "a.yaml")
		}
		if diff := cmp.Diff(want.files, have); diff != "" || got.Revision != want.revision {
			t.Errorf("%q: revision %s, files (-want +got):\n%s", ref, got.Revision, diff)
		}
	}
	after, _ := w.objects.Get("demo", "app")
	if diff := cmp.Diff(before, after); diff != "" {
		t.Errorf("the object has changed:\n%s", diff)
	}
	if records := w.artifacts.Records(owner(before)); len(records) != 1 || records[0].Revision != "main@sha1:"+first {
		t.Errorf("published: %v", records)
	}
}

func TestPeekRefusals(t *testing.T) {
	ctx := context.Background()
	w := newWorld(t, gitserver.Options{Username: "git", Password: "hunter22"})
	if _, err := w.host.CoreV1().Secrets("demo").Create(ctx, &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: "git"}, Data: map[string][]byte{"username": []byte("git"), "password": []byte("hunter22")},
	}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	w.create(func(s *sourcev1.GitRepositorySpec) { s.SecretRef = &meta.LocalObjectReference{Name: "git"} })
	w.push(map[string]string{"a.yaml": "1"})
	for branch, f := range map[string][2]string{"evil": {`c:\evil`, "x"}, "rules": {".sourceignore", strings.Repeat("x", 2000)}} {
		c := gitserver.Commit{Branch: branch, Orphan: true, Files: map[string]gitserver.File{f[0]: {Content: f[1]}}}
		if _, err := w.repo.Commit(ctx, c); err != nil {
			t.Fatal(err)
		}
	}
	p := w.peeker()
	for _, tt := range []struct {
		name, ref string
		change    func(*sourcev1.GitRepository)
		code      int32
		says      string
	}{
		{"no such ref", "--upload-pack=touch /tmp/x", nil, http.StatusUnprocessableEntity, "--upload-pack"},
		{"a commit that is not there", strings.Repeat("b", 40), nil, http.StatusUnprocessableEntity, "bbbb"},
		{"verification", "main", func(o *sourcev1.GitRepository) {
			o.Spec.Verification = &sourcev1.GitRepositoryVerification{SecretRef: meta.LocalObjectReference{Name: "keys"}}
		}, http.StatusConflict, "spec.verify"},
		{"submodules", "main", func(o *sourcev1.GitRepository) { yes := true; o.Spec.RecurseSubmodules = &yes }, http.StatusConflict, "recurseSubmodules"},
		{"ssh", "main", func(o *sourcev1.GitRepository) { o.Spec.URL = "ssh://git@example.org/app" }, http.StatusConflict, "SSH"},
		{"a path that no tree can have", "evil", nil, http.StatusUnprocessableEntity, `c:\\evil`},
		{"rules that cannot be read", "rules", nil, http.StatusUnprocessableEntity, ".sourceignore"},
		{"no Secret", "main", func(o *sourcev1.GitRepository) { o.Spec.SecretRef.Name = "missing" }, http.StatusServiceUnavailable, "credentials"},
		{"no credentials", "main", func(o *sourcev1.GitRepository) { o.Spec.SecretRef = nil }, http.StatusServiceUnavailable, "AuthenticationFailed"},
		{"no server", "main", func(o *sourcev1.GitRepository) { o.Spec.URL = "http://127.0.0.1:1/secret-project.git" }, http.StatusServiceUnavailable, "GitOperationFailed"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			old, _ := w.objects.Get("demo", "app")
			if tt.change != nil {
				w.update(tt.change)
				defer w.update(func(o *sourcev1.GitRepository) { o.Spec = old.Spec })
			}
			_, err := p.Peek(ctx, "demo", "app", tt.ref)
			if err == nil {
				t.Fatal("no error")
			}
			s := status(t, err)
			if s.Code != tt.code || !strings.Contains(s.Message, tt.says) {
				t.Errorf("%d %q, want %d with %q", s.Code, s.Message, tt.code, tt.says)
			}
			for _, told := range []string{"hunter22", "127.0.0.1", "secret-project"} {
				if strings.Contains(s.Message, told) {
					t.Errorf("the error tells %q: %s", told, s.Message)
				}
			}
		})
	}
	if _, err := p.Peek(ctx, "demo", "missing", "main"); !apierrors.IsNotFound(err) {
		t.Errorf("no such source: %v", err)
	}
}

// gate is a Fetcher whose fetches wait.
type gate struct {
	Fetcher
	entered, open chan struct{}
}

func (g *gate) Fetch(ctx context.Context, r git.Request) (*git.Result, error) {
	g.entered <- struct{}{}
	select {
	case <-g.open:
		return g.Fetcher.Fetch(ctx, r)
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func TestPeeksAreLimited(t *testing.T) {
	ctx := t.Context()
	w := newWorld(t, gitserver.Options{})
	w.push(map[string]string{"a.yaml": "1"})
	w.create()
	g := &gate{Fetcher: w.fetcher, entered: make(chan struct{}), open: make(chan struct{})}
	p := w.peeker(func(c *PeekerConfig) { c.Fetcher = g })
	done := make(chan error, 2)
	for range 2 {
		go func() {
			_, err := p.Peek(ctx, "demo", "app", "main")
			done <- err
		}()
		<-g.entered
	}
	_, err := p.Peek(ctx, "demo", "app", "main")
	if !apierrors.IsTooManyRequests(err) {
		t.Fatalf("a third: %v", err)
	}
	if seconds, ok := apierrors.SuggestsClientDelay(err); !ok || seconds <= 0 {
		t.Errorf("no hint when to come back: %v", err)
	}
	close(g.open)
	for range 2 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	go func() { <-g.entered }()
	if _, err := p.Peek(ctx, "demo", "app", "main"); err != nil {
		t.Errorf("afterwards: %v", err)
	}
	if len(p.busy) != 0 || p.total != 0 {
		t.Errorf("places are still taken: %v, %d", p.busy, p.total)
	}
}

func TestPeekTakesAsLongAsTheSpecSays(t *testing.T) {
	w := newWorld(t, gitserver.Options{})
	w.push(map[string]string{"a.yaml": "1"})
	w.create(func(s *sourcev1.GitRepositorySpec) { short := meta.Duration("50ms"); s.Timeout = &short })
	g := &gate{Fetcher: w.fetcher, entered: make(chan struct{}, 1), open: make(chan struct{})}
	_, err := w.peeker(func(c *PeekerConfig) { c.Fetcher = g }).Peek(t.Context(), "demo", "app", "main")
	if s := status(t, err); s.Code != http.StatusGatewayTimeout || !strings.Contains(s.Message, "50ms") {
		t.Errorf("%d %s", s.Code, s.Message)
	}
	// A caller who has gone is not told anything.
	ctx, cancel := context.WithCancel(t.Context())
	g.entered = make(chan struct{})
	go func() { <-g.entered; cancel() }()
	w.update(func(o *sourcev1.GitRepository) { long := meta.Duration("60s"); o.Spec.Timeout = &long })
	if _, err := w.peeker(func(c *PeekerConfig) { c.Fetcher = g }).Peek(ctx, "demo", "app", "main"); !errors.Is(err, context.Canceled) {
		t.Errorf("canceled: %v", err)
	}
}

// What a peek has fetched is there as long as it is held, and no longer.
func TestPeekedIsCollected(t *testing.T) {
	ctx := context.Background()
	w := newWorld(t, gitserver.Options{})
	first := w.push(map[string]string{"a.yaml": "1"})
	w.create()
	w.awaitReady(first)
	if _, err := w.repo.Commit(ctx, gitserver.Commit{Branch: "next", Files: map[string]gitserver.File{"n.yaml": {Content: "only for a preview"}}}); err != nil {
		t.Fatal(err)
	}
	notified := 0
	p := w.peeker(func(c *PeekerConfig) { c.Garbage = func() { notified++ } })
	digest := func() artifact.Digest {
		got, err := p.Peek(ctx, "demo", "app", "next")
		if err != nil {
			t.Fatal(err)
		}
		// Hours later, and after many collections.
		w.clock.Step(5 * time.Hour)
		for range 3 {
			runtime.GC()
			if _, err := w.artifacts.Collect(ctx); err != nil {
				t.Fatal(err)
			}
		}
		if diff := cmp.Diff(map[string]string{"n.yaml": "only for a preview"}, w.files(got.Tree)); diff != "" {
			t.Errorf("while it is held (-want +got):\n%s", diff)
		}
		e, _ := got.Tree.Lookup("n.yaml")
		return e.Digest
	}()
	if notified != 1 {
		t.Errorf("the janitor was told %d times", notified)
	}
	gone := false
	for range 20 { // what is unreachable is gone after some collection, not after a certain one
		runtime.GC()
		if _, err := w.artifacts.Collect(ctx); err != nil {
			t.Fatal(err)
		}
		if gone = !w.artifacts.Has(digest); gone {
			break
		}
	}
	if !gone {
		t.Error("what nobody holds any more is not collected")
	}
	// It can be looked at again, although what the fetcher remembers is gone.
	if got, err := p.Peek(ctx, "demo", "app", "next"); err != nil || w.files(got.Tree)["n.yaml"] == "" {
		t.Errorf("again: %v", err)
	}
}

func TestPeekOfADeletedSourceLeavesNoCopy(t *testing.T) {
	w := newWorld(t, gitserver.Options{})
	first := w.push(map[string]string{"a.yaml": "1"})
	w.create()
	obj := w.awaitReady(first)
	g := &gate{Fetcher: w.fetcher, entered: make(chan struct{}), open: make(chan struct{})}
	forgotten := &forgetter{Fetcher: g}
	p := w.peeker(func(c *PeekerConfig) { c.Fetcher = forgotten })
	go func() {
		<-g.entered
		_ = w.objects.Indexer().Delete(obj) // as the lister sees a deletion
		close(g.open)
	}()
	if _, err := p.Peek(t.Context(), "demo", "app", "main"); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{string(obj.UID)}, forgotten.keys); diff != "" {
		t.Errorf("copies that were removed (-want +got):\n%s", diff)
	}
}

type forgetter struct {
	Fetcher
	keys []string
}

func (f *forgetter) Forget(key string) error {
	f.keys = append(f.keys, key)
	return f.Fetcher.Forget(key)
}

// An uploaded tree is taken as the source would have taken it.
func TestSift(t *testing.T) {
	w := newWorld(t, gitserver.Options{})
	w.push(map[string]string{"a.yaml": "1"})
	rules := "*.txt"
	w.create(func(s *sourcev1.GitRepositorySpec) { s.Ignore = &rules })
	out, err := w.artifacts.NewWriter(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{"a.yaml": "2", "b.txt": "b", ".git/config": "secret"} {
		if _, err := out.File(name, false, strings.NewReader(content)); err != nil {
			t.Fatal(err)
		}
	}
	tree, err := out.Commit()
	if err != nil {
		t.Fatal(err)
	}
	var source preview.Source = w.peeker()
	got, err := source.Sift(t.Context(), "demo", "app", tree)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]string{"a.yaml": "2"}, w.files(got)); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
	if _, err := source.Sift(t.Context(), "demo", "missing", tree); !apierrors.IsNotFound(err) {
		t.Errorf("no such source: %v", err)
	}
}
