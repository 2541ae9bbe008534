package build

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/leat-dev/leat/pkg/artifact"
)

// hookTree calls a function when a path is first looked up.
type hookTree struct {
	mapTree
	path string
	once sync.Once
	hook func()
}

func (t *hookTree) Lookup(p string) (artifact.Entry, bool) {
	if p == t.path {
		t.once.Do(t.hook)
	}
	return t.mapTree.Lookup(p)
}

// explosion is a tree whose build doubles with each level: kustomize is busy
// with it for ages.
func explosion(levels int) mapTree {
	tree := mapTree{
		fmt.Sprintf("l%d/kustomization.yaml", levels): "resources: [cm.yaml]\n",
		fmt.Sprintf("l%d/cm.yaml", levels):            configMap("a", ""),
		"app/kustomization.yaml":                      "resources: [../l0]\n",
	}
	for l := range levels {
		tree[fmt.Sprintf("l%d/kustomization.yaml", l)] = "resources: [a, b]\n"
		for _, side := range []string{"a", "b"} {
			tree[fmt.Sprintf("l%d/%s/kustomization.yaml", l, side)] = fmt.Sprintf("resources: [../../l%d]\nnamePrefix: %s-\n", l+1, side)
		}
	}
	return tree
}

// aliasBomb is a manifest that is small until its aliases are expanded.
func aliasBomb() mapTree {
	var b strings.Builder
	b.WriteString("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\nx0: &x0 [" + strings.Repeat("lol,", 20) + "lol]\n")
	for i := 1; i < 12; i++ {
		fmt.Fprintf(&b, "x%d: &x%d [%s*x%d]\n", i, i, strings.Repeat(fmt.Sprintf("*x%d,", i-1), 9), i-1)
	}
	return mapTree{"app/a.yaml": b.String()}
}

// warmest returns the worker that the next build gets.
func (p *Pool) warmest() *process {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.idle) == 0 {
		return nil
	}
	return p.idle[len(p.idle)-1]
}

// settle waits until no build runs and no worker is being replaced.
func (p *Pool) settle() {
	var tenants []string
	for i := range p.options.Workers {
		tenants = append(tenants, fmt.Sprintf("settle %d", i))
		_ = p.turns.acquire(context.Background(), tenants[i], nil) // fails only when the pool is closed
	}
	for _, tenant := range tenants {
		p.turns.release(tenant)
	}
}

func mustBuildSmall(t *testing.T, p *Pool) *Result {
	t.Helper()
	r, err := p.Build(t.Context(), Request{Tree: small(), Options: Options{Path: "app"}})
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Objects) != 4 {
		t.Fatalf("built %v", summary(r.Objects))
	}
	return r
}

func TestBuildThatKillsItsWorker(t *testing.T) {
	tests := []struct {
		name    string
		tree    func(*Pool) Tree
		options PoolOptions
		reason  Reason
		message string
		repeats bool
	}{
		{name: "deadline", options: PoolOptions{Timeout: 300 * time.Millisecond}, tree: func(*Pool) Tree { return explosion(14) },
			reason: ReasonDeadline, repeats: true, message: "took longer than 300ms"},
		{name: "aliases", options: PoolOptions{MemoryLimit: 64 << 20}, tree: func(*Pool) Tree { return aliasBomb() },
			reason: ReasonMemory, repeats: true, message: "more than 64 MiB of memory"},
		{name: "kill -9", tree: func(p *Pool) Tree {
			w := p.warmest()
			return &hookTree{mapTree: small(), path: "app/sa.yaml", hook: func() { _ = syscall.Kill(w.pid(), syscall.SIGKILL); <-w.exited }}
		}, reason: ReasonCrashed, message: "signal: killed"},
		{name: "abort", tree: func(p *Pool) Tree {
			w := p.warmest()
			return &hookTree{mapTree: small(), path: "app/sa.yaml", hook: func() { _ = syscall.Kill(w.pid(), syscall.SIGABRT); <-w.exited }}
		}, reason: ReasonCrashed, message: "the build worker died"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.options.Workers = 1
			p := newPool(t, tt.options)
			before := p.warmest().pid()
			_, err := p.Build(t.Context(), Request{Tree: tt.tree(p), Options: Options{Path: "app"}})
			e, ok := errors.AsType[*Error](err)
			if !ok || e.Input() || e.Repeats() != tt.repeats || e.Reason != tt.reason || !strings.Contains(err.Error(), tt.message) {
				t.Fatalf("got %v, want %s: …%s…", err, tt.reason, tt.message)
			}
			mustBuildSmall(t, p)
			if after := p.warmest().pid(); after == before {
				t.Error("the worker was not replaced")
			}
		})
	}
}

func TestOthersAreNotAffected(t *testing.T) {
	p := newPool(t, PoolOptions{Workers: 2, Timeout: 10 * time.Second, MemoryLimit: 64 << 20})
	var group sync.WaitGroup
	for range 2 {
		group.Go(func() {
			if _, err := p.Build(t.Context(), Request{Tree: aliasBomb(), Options: Options{Path: "app"}}); ReasonOf(err) != ReasonMemory {
				t.Errorf("the bomb: %v", err)
			}
		})
	}
	for range 4 {
		group.Go(func() {
			for range 10 {
				if r, err := p.Build(t.Context(), Request{Tree: small(), Options: Options{Path: "app"}}); err != nil || len(r.Objects) != 4 {
					t.Errorf("a build beside the bombs: %v", err)
				}
			}
		})
	}
	group.Wait()
}

// A schema of a build's own changes how patches merge, process-wide. It must
// not be there in the next build.
func TestSchemaDoesNotLeak(t *testing.T) {
	p := newPool(t, PoolOptions{Workers: 1})
	custom, plain := readTree(t, "testdata/trees/custom-schema.txt"), readTree(t, "testdata/trees/no-schema.txt")
	parts := func(tree mapTree) int {
		t.Helper()
		r, err := p.Build(t.Context(), Request{Tree: tree, Options: Options{Path: "app"}})
		if err != nil {
			t.Fatal(err)
		}
		return len(r.Objects[0].Object["spec"].(map[string]any)["parts"].([]any))
	}
	pids := make(map[int]bool)
	for range 3 {
		pids[p.warmest().pid()] = true
		if got := parts(custom); got != 2 {
			t.Errorf("with the schema the lists merge to %d parts, want 2", got)
		}
		p.settle()
		for range 2 {
			pids[p.warmest().pid()] = true
			if got := parts(plain); got != 1 {
				t.Errorf("without the schema the patch replaces the list: got %d parts, want 1", got)
			}
		}
	}
	if len(pids) != 4 {
		t.Errorf("there were %d workers, want 4: replaced after each schema and only then", len(pids))
	}
}

func TestContext(t *testing.T) {
	p := newPool(t, PoolOptions{Workers: 1, AbandonAfter: time.Hour})
	ctx, cancel := context.WithCancel(t.Context())
	w := p.warmest()
	inside, release := make(chan struct{}), make(chan struct{})
	tree := &hookTree{mapTree: small(), path: "app/sa.yaml", hook: func() { close(inside); <-release }}
	failed := make(chan error, 1)
	go func() {
		_, err := p.Build(ctx, Request{Tree: tree, Options: Options{Path: "app"}})
		failed <- err
	}()
	<-inside

	// The only worker is busy: who waits for it is let go with its context.
	waiting, stopWaiting := context.WithCancelCause(t.Context())
	stopWaiting(errors.New("no patience"))
	if _, err := p.Build(waiting, Request{Tree: small()}); err == nil || !strings.Contains(err.Error(), "no patience") {
		t.Errorf("waiting for a worker: %v", err)
	}

	// So is who waits for a build.
	cancel()
	if err := <-failed; !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled build: %v", err)
	}
	close(release)
	p.settle()
	if p.warmest() != w || w.hasExited() {
		t.Error("cancelling a build cost a worker")
	}
	mustBuildSmall(t, p)
}

func TestIdleWorkerThatDied(t *testing.T) {
	p := newPool(t, PoolOptions{Workers: 1})
	w := p.warmest()
	if err := syscall.Kill(w.pid(), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	<-w.exited
	mustBuildSmall(t, p)
}

func TestClose(t *testing.T) {
	p := newPool(t, PoolOptions{Workers: 2})
	w := p.warmest()
	inside, release := make(chan struct{}), make(chan struct{})
	tree := &hookTree{mapTree: small(), path: "app/sa.yaml", hook: func() { close(inside); <-release }}
	built := make(chan error, 1)
	go func() {
		_, err := p.Build(t.Context(), Request{Tree: tree, Options: Options{Path: "app"}})
		built <- err
	}()
	<-inside
	closed := make(chan error, 1)
	go func() { closed <- p.Close() }()
	for {
		if _, err := p.Build(t.Context(), Request{Tree: small(), Options: Options{Path: "app"}}); ReasonOf(err) == ReasonUnavailable {
			break
		}
	}
	select {
	case <-closed:
		t.Fatal("closed while a build was running")
	default:
	}
	close(release)
	if err := <-built; err != nil {
		t.Errorf("the build under way: %v", err)
	}
	if err := <-closed; err != nil {
		t.Error(err)
	}
	<-w.exited
	if !w.state.Success() {
		t.Errorf("the worker ended with %s, want it to exit by itself", w.state)
	}
}

func TestWorkersThatCannotStart(t *testing.T) {
	tests := []struct {
		name    string
		command []string
		timeout time.Duration
		message string
	}{
		{"none", nil, 0, "no command"},
		{"missing", []string{"/nowhere/leat-build"}, 0, "finding the build worker"},
		{"exits", []string{"/bin/true"}, 0, "the build worker died: exit status 0"},
		{"speaks otherwise", []string{"/bin/echo", "hello there, this is no frame"}, 0, "broke the protocol"},
		{"complains", []string{"/bin/sh", "-c", "echo >&2 'leat-build: out of paper'; exit 3"}, 0, "exit status 3 (out of paper)"},
		{"silent", []string{"/bin/sleep", "100"}, 100 * time.Millisecond, "not ready after 100ms"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p, err := NewPool(PoolOptions{Command: tt.command, StartTimeout: tt.timeout})
			if err == nil {
				t.Fatal(p.Close())
			}
			if !strings.Contains(err.Error(), tt.message) {
				t.Errorf("got %v, want …%s…", err, tt.message)
			}
		})
	}
}

func TestParallelBuildsAreDeterministic(t *testing.T) {
	p := newPool(t, PoolOptions{Workers: 3})
	type digests struct{ Result, Input, Inputs string }
	want := make(map[string]digests)
	var mu sync.Mutex
	var group sync.WaitGroup
	for _, file := range treeFiles(t) {
		for range 3 {
			group.Go(func() {
				r, err := p.Build(t.Context(), Request{Tree: readTree(t, file), Options: Options{Path: "app"}})
				if err != nil {
					t.Errorf("%s: %v", file, err)
					return
				}
				got := digests{r.Digest, r.InputDigest, r.Inputs.Digest()}
				mu.Lock()
				defer mu.Unlock()
				if first, ok := want[file]; !ok {
					want[file] = got
				} else if diff := cmp.Diff(first, got); diff != "" {
					t.Errorf("%s: a second build differs:\n%s", file, diff)
				}
			})
		}
	}
	group.Wait()
}
