package kustomization

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/fake"
	testingclock "k8s.io/utils/clock/testing"

	kustomizev1 "github.com/leat-dev/leat/pkg/apis/kustomize/v1"
	"github.com/leat-dev/leat/pkg/apis/meta"
	sourcev1 "github.com/leat-dev/leat/pkg/apis/source/v1"
	"github.com/leat-dev/leat/pkg/artifact"
	"github.com/leat-dev/leat/pkg/build"
	kustomizelisters "github.com/leat-dev/leat/pkg/generated/listers/kustomize/v1"
	sourcelisters "github.com/leat-dev/leat/pkg/generated/listers/source/v1"
	"github.com/leat-dev/leat/pkg/reconcilers/runtime"
	"github.com/leat-dev/leat/pkg/reconcilers/runtime/runtimetest"
	"github.com/leat-dev/leat/pkg/runlog"
)

// world is a reconciler with real queues, edges, builds and artifacts around
// it. Only the cluster that it applies to is a stand-in, and time stands still
// unless the test moves it.
type world struct {
	t              testing.TB
	kustomizations *runtimetest.Server[*kustomizev1.Kustomization]
	sources        *runtimetest.Server[*sourcev1.GitRepository]
	configMaps     *runtimetest.Server[*metav1.PartialObjectMetadata]
	secrets        *runtimetest.Server[*metav1.PartialObjectMetadata]
	host           *fake.Clientset
	artifacts      *artifact.Store
	builds         *countingBuilder
	cluster        *cluster
	events         *runtimetest.Events
	clock          *testingclock.FakeClock
	controller     *runtime.Controller
	log            *runlog.Log

	mu        sync.Mutex
	refetched []runtime.Key
}

// countingBuilder counts the builds of the real pool.
type countingBuilder struct {
	*build.Pool
	mu    sync.Mutex
	count int
	last  build.Request
}

func (b *countingBuilder) Build(ctx context.Context, r build.Request) (*build.Result, error) {
	b.mu.Lock()
	b.count++
	b.last = r
	b.mu.Unlock()
	return b.Pool.Build(ctx, r)
}

func (b *countingBuilder) take() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := b.count
	b.count = 0
	return n
}

func emptyMetadata() *metav1.PartialObjectMetadata { return &metav1.PartialObjectMetadata{} }

// newWorld has one slot, so that objects run one after the other.
func newWorld(t testing.TB, change ...func(*Config)) *world {
	t.Helper()
	return newWorldWith(t, 1, change...)
}

func newWorldWith(t testing.TB, slots int, change ...func(*Config)) *world {
	t.Helper()
	w := &world{
		t:              t,
		kustomizations: runtimetest.NewServer(kustomizev1.Resource("kustomizations"), func() *kustomizev1.Kustomization { return &kustomizev1.Kustomization{} }),
		sources:        runtimetest.NewServer(sourcev1.Resource("gitrepositories"), func() *sourcev1.GitRepository { return &sourcev1.GitRepository{} }),
		configMaps:     runtimetest.NewServer(schema.GroupResource{Resource: "configmaps"}, emptyMetadata),
		secrets:        runtimetest.NewServer(schema.GroupResource{Resource: "secrets"}, emptyMetadata),
		host:           fake.NewClientset(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "demo"}}),
		builds:         &countingBuilder{Pool: pool},
		events:         &runtimetest.Events{},
		clock:          testingclock.NewFakeClock(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)),
	}
	w.cluster = newCluster(w.clock)
	w.log = runlog.New(noStore{}, runlog.Options{Clock: w.clock})
	var err error
	if w.artifacts, err = artifact.Open(t.TempDir(), artifact.Options{Clock: w.clock}); err != nil {
		t.Fatal(err)
	}
	c := Config{
		Kustomizations:  kustomizelisters.NewKustomizationLister(w.kustomizations.Indexer()),
		GitRepositories: sourcelisters.NewGitRepositoryLister(w.sources.Indexer()),
		Writer: runtime.NewWriter(StatusManager, func(ns string) runtime.Client[*kustomizev1.Kustomization] {
			return w.kustomizations.In(ns)
		}),
		Events: w.events, Artifacts: w.artifacts, Builder: w.builds, Engine: w.cluster, Core: w.host.CoreV1(),
		Clock: w.clock,
		Refetch: func(k runtime.Key) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.refetched = append(w.refetched, k)
		},
	}
	for _, f := range change {
		f(&c)
	}
	w.controller, err = runtime.NewController(New(c), runtime.ControllerOptions{
		Name: "test", Slots: slots, Clock: w.clock, Log: w.log,
		Jitter: runtime.Jitter{Float64: func() float64 { return 0.5 }},
		Identify: func(k runtime.Key) (runtime.Identity, bool) {
			obj, ok := w.kustomizations.Get(k.Namespace, k.Name)
			return runtime.Identity{UID: obj.UID, Generation: obj.Generation}, ok
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := Connect(Informers{
		Kustomizations: w.kustomizations.Informer(), GitRepositories: w.sources.Informer(),
		ConfigMaps: w.configMaps.Informer(), Secrets: w.secrets.Informer(),
	}, w.controller); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); w.controller.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		<-done
		_ = w.artifacts.Close()
	})
	return w
}

// push makes a revision of the source "app" and returns it.
func (w *world) push(revision string, files map[string]string) string {
	w.t.Helper()
	ctx := context.Background()
	revision = "main@sha1:" + revision
	if _, ok := w.sources.Get("demo", "app"); !ok {
		w.sources.Create(&sourcev1.GitRepository{ObjectMeta: metav1.ObjectMeta{Namespace: "demo", Name: "app"}})
	}
	source, _ := w.sources.Get("demo", "app")
	writer, err := w.artifacts.NewWriter(ctx)
	if err != nil {
		w.t.Fatal(err)
	}
	for path, content := range files {
		if _, err := writer.File(path, false, bytes.NewReader([]byte(content))); err != nil {
			w.t.Fatal(err)
		}
	}
	tree, err := writer.Commit()
	if err != nil {
		w.t.Fatal(err)
	}
	owner := artifact.Owner{Kind: "GitRepository", Namespace: "demo", Name: "app", UID: string(source.UID)}
	record, err := w.artifacts.Publish(ctx, owner, revision, tree, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	if err := w.sources.UpdateStatus("demo", "app", func(r *sourcev1.GitRepository) {
		r.Status.Artifact = &meta.Artifact{Revision: revision, Digest: string(record.Archive), LastUpdateTime: metav1.NewTime(record.UpdatedAt)}
	}); err != nil {
		w.t.Fatal(err)
	}
	return revision
}

// kustomization returns one of directory ./<name> of the source.
func kustomization(name string, change ...func(*kustomizev1.KustomizationSpec)) *kustomizev1.Kustomization {
	prune, path := true, "./"+name
	retry := meta.Duration("1m")
	k := &kustomizev1.Kustomization{
		ObjectMeta: metav1.ObjectMeta{Namespace: "demo", Name: name},
		Spec: kustomizev1.KustomizationSpec{
			Interval: "10m", RetryInterval: &retry, Prune: &prune, Path: &path,
			SourceRef: kustomizev1.CrossNamespaceSourceReference{Kind: kustomizev1.SourceKindGitRepository, Name: "app"},
		},
	}
	k.Status.ObservedGeneration = -1
	for _, f := range change {
		f(&k.Spec)
	}
	return k
}

func waiting(s *kustomizev1.KustomizationSpec) {
	yes := true
	s.Wait = &yes
}

func dependsOn(names ...string) func(*kustomizev1.KustomizationSpec) {
	return func(s *kustomizev1.KustomizationSpec) {
		for _, n := range names {
			s.DependsOn = append(s.DependsOn, kustomizev1.DependencyReference{Name: n})
		}
	}
}

// configMap is the manifest of a ConfigMap.
func configMap(name, value string) string {
	return fmt.Sprintf("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: %s, namespace: demo}\ndata: {key: %q}\n", name, value)
}

// await waits until a Kustomization is as it should be.
func (w *world) await(name, what string, done func(*kustomizev1.Kustomization) bool) *kustomizev1.Kustomization {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	k, err := w.kustomizations.Await(ctx, "demo", name, func(k *kustomizev1.Kustomization, exists bool) bool { return exists && done(k) })
	if err != nil {
		w.t.Fatalf("%s never was %s; it is %s; the cluster saw %+v", name, what, summary(k), w.cluster.counts())
	}
	return k
}

func (w *world) awaitReady(name, revision string) *kustomizev1.Kustomization {
	w.t.Helper()
	return w.await(name, "ready at "+revision, func(k *kustomizev1.Kustomization) bool {
		return runtime.IsTrueAt(k.Status.Conditions, "Ready", k.Generation) && k.Status.LastAppliedRevision == revision
	})
}

func (w *world) awaitReason(name, reason string) *kustomizev1.Kustomization {
	w.t.Helper()
	return w.await(name, reason, func(k *kustomizev1.Kustomization) bool { return ready(k).Reason == reason })
}

// awaitIdle waits until nothing is left to do but to wait for the clock. A run
// ends some time after it has told its outcome.
func (w *world) awaitIdle() {
	w.t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for w.controller.Busy() {
		if time.Now().After(deadline) {
			w.t.Fatal("objects wait or run, and do not end")
		}
		time.Sleep(100 * time.Microsecond)
	}
}

// step moves the clock and waits until all that this brings about is done.
func (w *world) step(d time.Duration) {
	w.t.Helper()
	w.clock.Step(d)
	w.awaitIdle()
}

// awaitWaits waits until the cluster is asked for health for the nth time.
func (w *world) awaitWaits(n int) {
	w.t.Helper()
	w.awaitCount("health", n, func(c counts) int { return c.Waits })
}

// awaitPlans waits until the cluster is asked for the nth plan.
func (w *world) awaitPlans(n int) {
	w.t.Helper()
	w.awaitCount("plans", n, func(c counts) int { return c.Plans })
}

func (w *world) awaitCount(what string, n int, of func(counts) int) {
	w.t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for of(w.cluster.counts()) < n {
		if time.Now().After(deadline) {
			w.t.Fatalf("%s: asked %d times, want %d", what, of(w.cluster.counts()), n)
		}
		time.Sleep(100 * time.Microsecond)
	}
}

func ready(k *kustomizev1.Kustomization) metav1.Condition { return condition(k, "Ready") }

func condition(k *kustomizev1.Kustomization, kind string) metav1.Condition {
	for _, c := range k.Status.Conditions {
		if c.Type == kind {
			return c
		}
	}
	return metav1.Condition{}
}

func summary(k *kustomizev1.Kustomization) string {
	var parts []string
	for _, c := range k.Status.Conditions {
		parts = append(parts, fmt.Sprintf("%s=%s %s %q", c.Type, c.Status, c.Reason, c.Message))
	}
	return fmt.Sprintf("%s (applied %q)", strings.Join(parts, ", "), k.Status.LastAppliedRevision)
}

// stuckBuilder never ends a build of a tree that has the file b/stuck.yaml in
// directory b.
type stuckBuilder struct {
	Builder
	building chan<- struct{}
}

func (b stuckBuilder) Build(ctx context.Context, r build.Request) (*build.Result, error) {
	if _, stuck := r.Tree.Lookup("b/stuck.yaml"); stuck && r.Options.Path == "./b" {
		close(b.building)
		<-ctx.Done()
		return nil, context.Cause(ctx)
	}
	return b.Builder.Build(ctx, r)
}
