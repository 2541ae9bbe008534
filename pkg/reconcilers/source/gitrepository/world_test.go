package gitrepository

import (
	"context"
	"sync"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/fake"
	testingclock "k8s.io/utils/clock/testing"

	"github.com/leat-dev/leat/pkg/apis/meta"
	sourcev1 "github.com/leat-dev/leat/pkg/apis/source/v1"
	"github.com/leat-dev/leat/pkg/artifact"
	sourcelisters "github.com/leat-dev/leat/pkg/generated/listers/source/v1"
	"github.com/leat-dev/leat/pkg/reconcilers/runtime"
	"github.com/leat-dev/leat/pkg/reconcilers/runtime/runtimetest"
	"github.com/leat-dev/leat/pkg/source/git"
	"github.com/leat-dev/leat/test/gitserver"
)

// world is a reconciler with a real Git server, fetcher, store and queue. Time
// stands still unless the test moves it.
type world struct {
	t          *testing.T
	git        *gitserver.Server
	repo       *gitserver.Repository
	objects    *runtimetest.Server[*sourcev1.GitRepository]
	host       *fake.Clientset
	artifacts  *artifact.Store
	fetcher    *git.Fetcher
	events     *runtimetest.Events
	clock      *testingclock.FakeClock
	controller *runtime.Controller

	mu      sync.Mutex
	garbage int
}

func newWorld(t *testing.T, o gitserver.Options) *world {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	w := &world{
		t:       t,
		objects: runtimetest.NewServer(sourcev1.Resource("gitrepositories"), func() *sourcev1.GitRepository { return &sourcev1.GitRepository{} }),
		host:    fake.NewClientset(),
		events:  &runtimetest.Events{},
		clock:   testingclock.NewFakeClock(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)),
	}
	var err error
	if w.git, err = gitserver.Start(t.TempDir(), o); err != nil {
		t.Fatal(err)
	}
	if w.repo, err = w.git.CreateRepository(ctx, "app.git"); err != nil {
		t.Fatal(err)
	}
	if w.artifacts, err = artifact.Open(t.TempDir(), artifact.Options{Clock: w.clock}); err != nil {
		t.Fatal(err)
	}
	fetcher, err := git.New(t.TempDir(), w.artifacts, git.Options{})
	if err != nil {
		t.Fatal(err)
	}
	w.fetcher = fetcher
	r := New(Config{
		GitRepositories: sourcelisters.NewGitRepositoryLister(w.objects.Indexer()),
		Writer:          runtime.NewWriter(Controller, func(ns string) runtime.Client[*sourcev1.GitRepository] { return w.objects.In(ns) }),
		Events:          w.events, Fetcher: fetcher, Artifacts: w.artifacts, Core: w.host.CoreV1(), Clock: w.clock,
		Garbage: func() { w.mu.Lock(); w.garbage++; w.mu.Unlock() },
	})
	w.controller, err = runtime.NewController(r, runtime.ControllerOptions{
		Name: "test", Slots: 2, Clock: w.clock, Jitter: runtime.Jitter{Float64: func() float64 { return 0.5 }},
		Identify: func(k runtime.Key) (runtime.Identity, bool) {
			obj, ok := w.objects.Get(k.Namespace, k.Name)
			return runtime.Identity{UID: obj.UID, Generation: obj.Generation}, ok
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.objects.Informer().AddEventHandler(runtime.OwnEvents(w.controller, meta.ReconcileRequestAnnotation)); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { defer close(done); w.controller.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		<-done
		fetcher.Close()
		_ = w.artifacts.Close()
		_ = w.git.Close()
	})
	return w
}

func (w *world) push(files map[string]string) string {
	w.t.Helper()
	commit, err := w.repo.Push(context.Background(), files)
	if err != nil {
		w.t.Fatal(err)
	}
	return commit
}

// create creates the GitRepository "app" for the branch main.
func (w *world) create(change ...func(*sourcev1.GitRepositorySpec)) {
	branch, timeout := "main", meta.Duration("60s")
	obj := &sourcev1.GitRepository{ObjectMeta: metav1.ObjectMeta{Namespace: "demo", Name: "app"}}
	obj.Spec = sourcev1.GitRepositorySpec{
		URL: w.repo.URL, Interval: "1m", Timeout: &timeout, Reference: &sourcev1.GitRepositoryRef{Branch: &branch},
	}
	obj.Status.ObservedGeneration = -1
	for _, f := range change {
		f(&obj.Spec)
	}
	w.objects.Create(obj)
}

func (w *world) update(change func(*sourcev1.GitRepository)) {
	w.t.Helper()
	if err := w.objects.Update("demo", "app", change); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) await(what string, done func(*sourcev1.GitRepository) bool) *sourcev1.GitRepository {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	obj, err := w.objects.Await(ctx, "demo", "app", func(o *sourcev1.GitRepository, exists bool) bool { return exists && done(o) })
	if err != nil {
		w.t.Fatalf("never %s: %+v", what, obj.Status)
	}
	w.awaitIdle()
	return obj
}

func (w *world) awaitReady(commit string) *sourcev1.GitRepository {
	w.t.Helper()
	return w.await("ready at "+commit, func(o *sourcev1.GitRepository) bool {
		return runtime.IsTrueAt(o.Status.Conditions, "Ready", o.Generation) && o.Status.Artifact.HasRevision("main@sha1:"+commit)
	})
}

func (w *world) awaitReason(reason string) *sourcev1.GitRepository {
	w.t.Helper()
	return w.await(reason, func(o *sourcev1.GitRepository) bool { return condition(o, "Ready").Reason == reason })
}

func (w *world) awaitIdle() {
	w.t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for w.controller.Busy() {
		if time.Now().After(deadline) {
			w.t.Fatal("objects wait or run, and do not end")
		}
		time.Sleep(100 * time.Microsecond)
	}
}

func (w *world) step(d time.Duration) {
	w.t.Helper()
	w.clock.Step(d)
	w.awaitIdle()
}

func condition(o *sourcev1.GitRepository, kind string) metav1.Condition {
	for _, c := range o.Status.Conditions {
		if c.Type == kind {
			return c
		}
	}
	return metav1.Condition{}
}
