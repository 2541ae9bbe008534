package runtime

import (
	"context"
	"errors"
	"runtime/debug"
	"time"

	"k8s.io/utils/clock"

	"github.com/leat-dev/leat/pkg/runlog"
)

// ErrSuperseded is the cause with which an interruptible part of a run ends
// when something newer is to be done.
var ErrSuperseded = errors.New("superseded by a newer request, revision or spec")

// Run is one run of one object.
type Run struct {
	*Claim
	// ID names the run in logs and records.
	ID string
	// Log records the run. It may be nil.
	Log *runlog.Run

	controller *Controller
	holdsSlot  bool
}

// Yield gives the run's slot to another object while this one only waits, for
// the health of what it applied for example. The run goes on; it keeps its
// claim, so the object is not run a second time at once.
func (r *Run) Yield() {
	if r.holdsSlot {
		r.holdsSlot = false
		r.controller.release()
	}
}

// Interruptible returns a context for a part of the run that is pointless once
// one of the triggers in t arrives; its cause is ErrSuperseded then.
func (r *Run) Interruptible(ctx context.Context, t Trigger) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	r.OnArrival(t, func() { cancel(ErrSuperseded) })
	return ctx, func() { cancel(context.Canceled) }
}

// IsSuperseded reports whether ctx, or the run it belongs to, ended because of
// something newer.
func IsSuperseded(ctx context.Context) bool {
	return errors.Is(context.Cause(ctx), ErrSuperseded)
}

// Patiently runs work, and report as well if work takes longer than grace. A
// run that is over in a moment need not say that it has begun: that halves the
// status writes of most runs. report ends before Patiently returns.
func Patiently(ctx context.Context, c clock.WithTicker, grace time.Duration, work func(context.Context) error, report func()) error {
	timer := c.NewTimer(grace)
	defer timer.Stop()
	done := make(chan error, 1)
	panicked := make(chan *panicError, 1)
	go func() {
		// A panic belongs to the run, which knows how to survive it.
		defer func() {
			if v := recover(); v != nil {
				panicked <- &panicError{value: v, stack: debug.Stack()}
			}
		}()
		done <- work(ctx)
	}()
	late := timer.C()
	for {
		select {
		case err := <-done:
			return err
		case p := <-panicked:
			panic(p)
		case <-late:
			report()
			late = nil
		}
	}
}
