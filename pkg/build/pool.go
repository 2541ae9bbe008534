package build

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"time"

	"k8s.io/klog/v2"

	"github.com/leat-dev/leat/pkg/build/protocol"
)

// PoolOptions configures a Pool. All but Command have defaults.
type PoolOptions struct {
	// Command is the worker program and its arguments.
	Command []string
	// Workers is how many builds run at once (the number of processors, at
	// most 8). A worker is started when it is first needed and then kept.
	Workers int
	// Timeout is how long a build may take once it has a worker
	// (DefaultTimeout). The worker is killed then.
	Timeout time.Duration
	// WaitTimeout is how long a request may wait for a worker
	// (DefaultWaitTimeout).
	WaitTimeout time.Duration
	// Waiting is how many requests of one tenant may wait (DefaultWaiting).
	Waiting int
	// AbandonAfter is how long a build may go on that nobody waits for any more
	// (1 s). The worker is killed then.
	AbandonAfter time.Duration
	// StartTimeout is how long a worker may take to get warm (30 s).
	StartTimeout time.Duration
	// MemoryLimit is how many bytes a build may take (DefaultMemoryLimit), on
	// top of what a warm worker holds.
	MemoryLimit int64
	// Limits bound what one build reads and renders.
	Limits Limits
	// DigestKey keys the input digests, which cover values of Secrets. Without
	// it a random key is used, and digests of two pools never compare.
	DigestKey []byte
	// Logger is for the lives of workers. The zero value is klog's background
	// logger.
	Logger klog.Logger
}

func (o *PoolOptions) complete() error {
	if len(o.Command) == 0 {
		return errors.New("no command for build workers")
	}
	program, err := exec.LookPath(o.Command[0])
	if err != nil {
		return fmt.Errorf("finding the build worker: %w", err)
	}
	// Workers are started in the root directory.
	if program, err = filepath.Abs(program); err != nil {
		return fmt.Errorf("finding the build worker: %w", err)
	}
	o.Command = append([]string{program}, o.Command[1:]...)
	setDefault(&o.Workers, min(runtime.GOMAXPROCS(0), maxDefaultWorkers))
	setDefault(&o.Timeout, DefaultTimeout)
	setDefault(&o.WaitTimeout, DefaultWaitTimeout)
	setDefault(&o.Waiting, DefaultWaiting)
	setDefault(&o.AbandonAfter, time.Second)
	setDefault(&o.StartTimeout, 30*time.Second)
	setDefault(&o.MemoryLimit, DefaultMemoryLimit)
	o.Limits = o.Limits.withDefaults()
	if o.Workers < 0 || o.Waiting < 0 || o.MemoryLimit < 0 || min(o.Timeout, o.WaitTimeout, o.AbandonAfter, o.StartTimeout) < 0 {
		return errors.New("workers, requests that wait, times and memory limit must not be negative")
	}
	// Half of a frame is left for paths and names.
	if most := max(o.Limits.TotalBytes, o.Limits.ResultBytes); most > protocol.MaxFrame/2 {
		return fmt.Errorf("limit of %d bytes is more than the %d that a frame has room for", most, protocol.MaxFrame/2)
	}
	if len(o.DigestKey) == 0 {
		o.DigestKey = make([]byte, 32)
		_, _ = rand.Read(o.DigestKey) // never fails
	}
	if o.Logger.GetSink() == nil {
		o.Logger = klog.Background()
	}
	return nil
}

// Pool runs builds in worker processes, as many at once as it has workers.
// Tenants take turns at them, and one alone never gets all of them, unless
// there is only one.
//
// A worker runs one build after another. It is replaced when a build used a
// schema of its own, which kustomize keeps for the life of the process, and
// when it died: by its deadline, because nobody waits for the build any more,
// for want of memory, or by itself. That is the error of the one build that it
// ran and of no other.
type Pool struct {
	options PoolOptions
	spawner *spawner
	turns   *turns

	mu     sync.Mutex
	idle   []*process // the last one is the warmest
	closed bool
	// running counts the goroutines that have a turn.
	running sync.WaitGroup
}

// NewPool starts a pool and its first worker, so that a worker that cannot run
// is found at once.
func NewPool(o PoolOptions) (*Pool, error) {
	if err := o.complete(); err != nil {
		return nil, err
	}
	p := &Pool{options: o, spawner: newSpawner(), turns: newTurns(o.Workers, o.Waiting)}
	w, err := startProcess(p.spawner, &p.options)
	if err != nil {
		p.spawner.close()
		return nil, err
	}
	p.idle = append(p.idle, w)
	return p, nil
}

// Build renders r. It waits for a free worker until ctx is done, but no longer
// than PoolOptions.WaitTimeout. The error is an *Error, or that of ctx or of
// Request.Begin.
func (p *Pool) Build(ctx context.Context, r Request) (*Result, error) {
	w, err := p.acquire(ctx, r.Tenant, r.Queued)
	if err != nil {
		return nil, err
	}
	if r.Begin != nil {
		if err := p.begin(w, &r); err != nil {
			return nil, err
		}
	}
	rec := newRecorder(r.Tree, p.options.Limits)
	type outcome struct {
		done *protocol.Done
		err  *Error
	}
	// Who waits does so no longer than ctx, but the turn lasts until the worker
	// is free or dead.
	finished := make(chan outcome, 1)
	leash := newLeash(w)
	go func() {
		defer p.running.Done()
		done, err, reusable := w.build(rec, p.message(&r))
		reusable = leash.off() && reusable
		p.release(r.Tenant, w, reusable, rec.abandoned.Load())
		finished <- outcome{done, err}
	}()
	select {
	case o := <-finished:
		if o.err != nil {
			return nil, o.err
		}
		return p.result(&r, rec, o.done)
	case <-ctx.Done():
		// A build that asks for something is refused it and ends by itself,
		// which keeps the worker. One that is busy is not to be interrupted.
		rec.abandoned.Store(true)
		leash.shorten()
		return nil, fmt.Errorf("building %s: %w", displayPath(r.Options.Path), context.Cause(ctx))
	}
}

// begin calls Request.Begin; if that fails, or does not return, the turn is
// given back.
func (p *Pool) begin(w *process, r *Request) error {
	begun := false
	defer func() {
		if !begun {
			p.put(r.Tenant, w)
			p.running.Done()
		}
	}()
	if err := r.Begin(); err != nil {
		return err
	}
	begun = true
	return nil
}

func (p *Pool) message(r *Request) *protocol.Build {
	l := &p.options.Limits
	return &protocol.Build{
		Options:   r.Options,
		Variables: r.Variables,
		Limits:    protocol.Limits{Depth: uint64(l.Depth), Objects: uint64(l.Objects), ResultBytes: uint64(l.ResultBytes)},
	}
}

// acquire waits for a turn and returns a warm worker.
func (p *Pool) acquire(ctx context.Context, tenant string, queued func()) (*process, error) {
	waiting, cancel := context.WithTimeoutCause(ctx, p.options.WaitTimeout, &Error{
		Reason: ReasonBusy, Err: fmt.Errorf("none was free for %s", p.options.WaitTimeout),
	})
	err := p.turns.acquire(waiting, tenant, queued)
	cancel()
	if err != nil {
		return nil, err
	}
	w, err := p.takeIdle()
	if err == nil && w == nil {
		if w, err = startProcess(p.spawner, &p.options); err != nil {
			err = &Error{Reason: ReasonUnavailable, Err: err}
			p.running.Done()
		}
	}
	if err != nil {
		p.turns.release(tenant)
		return nil, err
	}
	return w, nil
}

// takeIdle returns an idle worker, or nil if there is none. Unless it fails,
// the caller is counted as running.
func (p *Pool) takeIdle() (*process, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, errClosed()
	}
	p.running.Add(1)
	for len(p.idle) > 0 {
		last := len(p.idle) - 1
		w := p.idle[last]
		p.idle = p.idle[:last]
		if !w.hasExited() {
			return w, nil
		}
		p.options.Logger.Info("An idle build worker has died", "pid", w.pid(), "cause", w.cause())
	}
	return nil, nil
}

// release ends a turn.
//
//	worker     build      what happens
//	reusable   –          the worker is kept
//	spent      wanted     a new worker takes its place before the turn ends, so that the next build finds a warm one
//	spent      abandoned  none does: who abandons builds is not to decide how often processes start
func (p *Pool) release(tenant string, w *process, reusable, abandoned bool) {
	switch {
	case reusable:
		p.put(tenant, w)
	case abandoned:
		w.kill(nil)
		p.put(tenant, nil)
	default:
		w.kill(nil)
		p.running.Go(func() { p.put(tenant, p.replacement()) })
	}
}

// replacement returns a new worker, or nil if there can be none: then the next
// build tries to start one, and reports the error.
func (p *Pool) replacement() *process {
	p.mu.Lock()
	closed := p.closed
	p.mu.Unlock()
	if closed {
		return nil
	}
	w, err := startProcess(p.spawner, &p.options)
	if err != nil {
		p.options.Logger.Error(err, "Replacing a build worker failed")
		return nil
	}
	return w
}

// put ends a turn and keeps w for the next one, unless it is nil.
func (p *Pool) put(tenant string, w *process) {
	p.mu.Lock()
	closed := p.closed
	if w != nil && !closed {
		p.idle = append(p.idle, w)
	}
	p.mu.Unlock()
	if w != nil && closed {
		w.stop()
	}
	p.turns.release(tenant)
}

// Close refuses new builds and those that wait for a worker, waits for those
// that run (none is longer than PoolOptions.Timeout) and stops the workers.
func (p *Pool) Close() error {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return nil
	}
	p.closed = true
	idle := p.idle
	p.idle = nil
	p.mu.Unlock()

	p.turns.refuse(errClosed())
	p.running.Wait()
	for _, w := range idle {
		w.stop()
	}
	p.spawner.close()
	return nil
}

func errClosed() *Error {
	return &Error{Reason: ReasonUnavailable, Err: errors.New("the pool of build workers is closed")}
}

// displayPath is how messages call a path to build.
func displayPath(path string) string {
	if path == "" {
		return "./"
	}
	return path
}
