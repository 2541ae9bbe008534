package runtime

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/uuid"
	"k8s.io/klog/v2"
	"k8s.io/utils/clock"

	"github.com/leat-dev/leat/pkg/runlog"
)

// Reconciler brings one object at a time to the state that its spec asks for.
type Reconciler interface {
	// Reconcile runs once for an object, which may be gone by now. An error
	// means that the run could not even tell its outcome in the status, or that
	// the cause lies in Leat and not in what the user gave it: the object is
	// tried again with exponential back-off. Everything else is a Result.
	Reconcile(ctx context.Context, run *Run) (Result, error)
	// Quarantine tells in the object's status that a run of it panicked and
	// that it will not run again before its spec changes.
	Quarantine(ctx context.Context, key Key, cause error) error
}

// QuarantinedReason is the reason of the condition Stalled of an object whose
// run panicked.
const QuarantinedReason = "Quarantined"

// QuarantineMessage is what the status of such an object says.
func QuarantineMessage(cause error) string {
	return fmt.Sprintf("%v; the object does not run again before its spec changes, please report this with the log of the server", cause)
}

// Result says when an object runs again without being triggered.
type Result struct {
	// Next is the time to the next run, spread by jitter; zero for none.
	Next time.Duration
	// Retry marks the next run as a new attempt at what this one failed to do.
	Retry bool
	// BackoffLimit bounds the back-off after an error; zero for the default.
	BackoffLimit time.Duration
}

// Identity is what an object is quarantined by: its next generation, and a
// namesake that is created later, run again.
type Identity struct {
	UID        types.UID
	Generation int64
}

// ControllerOptions configure a Controller.
type ControllerOptions struct {
	// Name is the controller's name in logs and metrics.
	Name string
	// Kind is that of the objects, for the metrics that Flux has too. Without it
	// there are none.
	Kind string
	// Slots is how many objects run at once, those that have yielded their
	// slot not counted.
	Slots int
	// Identify returns the current identity of an object.
	Identify func(Key) (Identity, bool)
	// Jitter spreads the times of the next runs.
	Jitter Jitter
	// Log records the runs. It may be nil.
	Log *runlog.Log
	// Clock, Backoff and Metrics are those of the queue.
	Clock   clock.WithTicker
	Backoff Backoff
	Metrics *Metrics
}

// Controller runs the objects of one kind.
type Controller struct {
	*Queue

	o          ControllerOptions
	reconciler Reconciler
	slots      chan struct{}

	mu          sync.Mutex
	quarantined map[Key]Identity
}

// NewController returns a controller that does not run yet; keys may be added.
func NewController(r Reconciler, o ControllerOptions) (*Controller, error) {
	if o.Slots < 1 {
		return nil, fmt.Errorf("controller %s: at least one slot is needed, got %d", o.Name, o.Slots)
	}
	if o.Identify == nil {
		return nil, fmt.Errorf("controller %s: no way to identify objects", o.Name)
	}
	if o.Clock == nil {
		o.Clock = clock.RealClock{}
	}
	return &Controller{
		Queue:      NewQueue(QueueOptions{Name: o.Name, Clock: o.Clock, Backoff: o.Backoff, Metrics: o.Metrics}),
		o:          o,
		reconciler: r,
		slots:      make(chan struct{}, o.Slots),

		quarantined: map[Key]Identity{},
	}, nil
}

// Run runs objects until ctx ends, and returns when the last run has ended.
//
// A slot is taken before a key is: who runs next is decided at the last moment,
// when the turn of every namespace is known.
func (c *Controller) Run(ctx context.Context) {
	ctx = klog.NewContext(ctx, klog.FromContext(ctx).WithValues("controller", c.o.Name))
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() { c.Queue.Run(ctx) })
	for {
		if err := c.acquire(ctx); err != nil {
			return
		}
		claim, err := c.Get(ctx)
		if err != nil {
			c.release()
			return
		}
		wg.Go(func() { c.run(ctx, claim) })
	}
}

func (c *Controller) acquire(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case c.slots <- struct{}{}:
		return nil
	}
}

func (c *Controller) release() { <-c.slots }

// run owns a slot and a claim, and gives both back.
func (c *Controller) run(ctx context.Context, claim *Claim) {
	run := &Run{Claim: claim, ID: string(uuid.NewUUID()), controller: c, holdsSlot: true}
	defer run.Yield()
	logger := klog.FromContext(ctx).WithValues("object", klog.KRef(claim.Key.Namespace, claim.Key.Name), "requestID", run.ID)
	ctx = klog.NewContext(ctx, logger)

	c.o.Metrics.waited(c.o.Name, claim.Waited)
	if c.isQuarantined(claim.Key) {
		c.o.Metrics.ran(c.o.Name, outcomeQuarantined, 0)
		c.Done(claim, 0, 0)
		return
	}
	logger.V(4).Info("Run started", "triggers", claim.Triggers, "waited", claim.Waited)
	start := c.o.Clock.Now()
	before, known := c.o.Identify(claim.Key)
	run.Log = c.o.Log.Begin(runlog.RunOptions{
		UID: string(before.UID), ID: run.ID, Triggers: claim.Triggers.Names(), Generation: before.Generation,
		Observe: c.o.Metrics.stage(c.o.Name),
	})
	result, err := c.protect(runlog.NewContext(ctx, run.Log), run)
	took := c.o.Clock.Since(start)
	run.Log.End(outcome(ctx, err))
	if _, exists := c.o.Identify(claim.Key); exists {
		c.o.Metrics.took(c.o.Kind, claim.Key, took)
	} else {
		c.o.Metrics.forget(c.o.Kind, claim.Key)
	}

	var crash *panicError
	switch {
	case errors.As(err, &crash):
		logger.Error(err, "Run panicked", "stack", string(crash.stack))
		c.o.Metrics.ran(c.o.Name, outcomePanicked, took)
		if known {
			c.quarantine(ctx, claim.Key, before, err)
		}
		c.Done(claim, 0, 0)
	case err != nil && ctx.Err() != nil:
		// The process stops; the next one starts with every object.
		c.Done(claim, 0, 0)
	case err != nil:
		c.o.Metrics.ran(c.o.Name, outcomeFailed, took)
		logger.Error(err, "Run failed", "took", took, "retryAfter", c.Fail(claim, result.BackoffLimit))
	default:
		c.o.Metrics.ran(c.o.Name, outcomeDone, took)
		logger.V(4).Info("Run ended", "took", took, "next", result.Next)
		trigger := Interval
		if result.Retry {
			trigger = Retry
		}
		c.Done(claim, c.o.Jitter.Spread(result.Next), trigger)
	}
}

// outcome is how a run ended, for those that have not said so themselves.
//
//	error    process  outcome
//	a panic  –        failed
//	any      stops    put off: the next process begins with every object
//	any      goes on  failed
//	none     –        succeeded, which is no news
func outcome(ctx context.Context, err error) runlog.Outcome {
	var crash *panicError
	switch {
	case errors.As(err, &crash):
		return runlog.Outcome{Phase: runlog.Failed, Message: QuarantineMessage(err), News: true}
	case err != nil && ctx.Err() != nil:
		return runlog.Outcome{Phase: runlog.Failed, Message: "interrupted: the server is stopping", Postponed: true}
	case err != nil:
		return runlog.Outcome{Phase: runlog.Failed, Message: err.Error(), News: true}
	}
	return runlog.Outcome{Phase: runlog.Succeeded, Message: "nothing to do"}
}

// panicError is what is left of a run that panicked. Its text goes to the
// status; the stack goes to the log only.
type panicError struct {
	value any
	stack []byte
}

func (e *panicError) Error() string { return fmt.Sprintf("the reconciler panicked: %v", e.value) }

// protect turns a panic of the reconciler into an error: one object that
// crashes its reconciler must not stop all others.
func (c *Controller) protect(ctx context.Context, run *Run) (result Result, err error) {
	defer func() {
		switch v := recover().(type) {
		case nil:
		case *panicError: // of a goroutine of the run, with its own stack
			err = v
		default:
			err = &panicError{value: v, stack: debug.Stack()}
		}
	}()
	return c.reconciler.Reconcile(ctx, run)
}

// quarantine keeps an object from running until it changes.
func (c *Controller) quarantine(ctx context.Context, key Key, id Identity, cause error) {
	c.mu.Lock()
	c.quarantined[key] = id
	c.mu.Unlock()
	defer func() {
		if v := recover(); v != nil {
			klog.FromContext(ctx).Error(fmt.Errorf("%v", v), "Reporting a panic panicked", "stack", string(debug.Stack()))
		}
	}()
	if err := c.reconciler.Quarantine(ctx, key, cause); err != nil {
		klog.FromContext(ctx).Error(err, "Reporting a panic failed")
	}
}

func (c *Controller) isQuarantined(key Key) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	held, ok := c.quarantined[key]
	if !ok {
		return false
	}
	if now, exists := c.o.Identify(key); exists && now == held {
		return true
	}
	delete(c.quarantined, key)
	return false
}
