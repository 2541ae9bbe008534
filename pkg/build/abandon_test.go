package build

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"
)

// A worker that is busy with a build that nobody waits for is killed, and the
// next build starts another one.
func TestAbandonedBuild(t *testing.T) {
	p := newPool(t, PoolOptions{Workers: 1, Timeout: time.Hour, AbandonAfter: time.Millisecond})
	w := p.warmest()
	ctx, cancel := context.WithCancelCause(t.Context())
	tree := explosion(14)
	// The last file that the build reads: from then on it only computes.
	busy := &hookTree{mapTree: tree, path: "l14/cm.yaml", hook: func() { cancel(errors.New("no longer wanted")) }}
	_, err := p.Build(ctx, Request{Tenant: "a", Tree: busy, Options: Options{Path: "app"}})
	if err == nil || !strings.Contains(err.Error(), "no longer wanted") {
		t.Fatalf("got %v", err)
	}
	<-w.exited
	p.settle()
	if p.warmest() != nil {
		t.Error("the worker was replaced before it is needed")
	}
	mustBuildSmall(t, p)
}

// The wait for a worker is told and bounded apart from the build.
func TestWaitIsNotTheBuild(t *testing.T) {
	p := newPool(t, PoolOptions{Workers: 1, WaitTimeout: 10 * time.Millisecond})
	inside, release := make(chan struct{}), make(chan struct{})
	tree := &hookTree{mapTree: small(), path: "app/sa.yaml", hook: func() { close(inside); <-release }}
	built := make(chan error, 1)
	queued, begun := 0, 0
	go func() {
		_, err := p.Build(t.Context(), Request{
			Tenant: "a", Tree: tree, Options: Options{Path: "app"},
			Queued: func() { queued++ }, Begin: func() error { begun++; return nil },
		})
		built <- err
	}()
	<-inside
	waited := false
	_, err := p.Build(t.Context(), Request{
		Tenant: "b", Tree: small(), Options: Options{Path: "app"},
		Queued: func() { waited = true },
		Begin:  func() error { t.Error("it began without a worker"); return nil },
	})
	if ReasonOf(err) != ReasonBusy || err.Error() != "waiting for one of 1 build workers: none was free for 10ms" {
		t.Errorf("got %v", err)
	}
	if !waited {
		t.Error("the wait was not told")
	}
	close(release)
	if err := <-built; err != nil || queued != 0 || begun != 1 {
		t.Errorf("the first build: %v, queued %d times, begun %d times", err, queued, begun)
	}

	w := p.warmest()
	refused := errors.New("not now")
	if _, err := p.Build(t.Context(), Request{Tree: small(), Begin: func() error { return refused }}); !errors.Is(err, refused) {
		t.Errorf("got %v, want %v", err, refused)
	}
	mustBuildSmall(t, p)
	if p.settle(); p.warmest() != w {
		t.Error("a build that did not begin cost a worker")
	}
}

// A tenant whose builds never end cannot keep another from building, nor the
// pool from being closed.
func TestBusyTenantLeavesAWorker(t *testing.T) {
	p := newPool(t, PoolOptions{Workers: 2, Timeout: time.Hour, AbandonAfter: time.Millisecond})
	ctx, cancel := context.WithCancel(t.Context())
	running := make(chan struct{})
	ended := make(chan error, 5)
	request := Request{Tenant: "a", Tree: explosion(14), Options: Options{Path: "app"}}
	first := request
	first.Begin = func() error { close(running); return nil }
	go func() { _, err := p.Build(ctx, first); ended <- err }()
	<-running
	for range 4 {
		queued := make(chan struct{})
		request.Queued = func() { close(queued) }
		go func(r Request) { _, err := p.Build(ctx, r); ended <- err }(request)
		<-queued
	}
	r, err := p.Build(t.Context(), Request{Tenant: "b", Tree: small(), Options: Options{Path: "app"}})
	if err != nil || len(r.Objects) != 4 {
		t.Errorf("the other tenant: %v", err)
	}
	cancel()
	for range 5 {
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
	}
}
