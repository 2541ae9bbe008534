package apply

import (
	"context"
	"fmt"

	"github.com/leat-dev/leat/pkg/runlog"
)

// timed does a step of a run on n objects and records it, unless there are none:
// what has nothing to do is not worth a line. done says how many objects were
// dealt with.
func timed(ctx context.Context, stage runlog.Stage, n int, step func() error, done func() string) error {
	if n == 0 {
		return step()
	}
	timing := runlog.FromContext(ctx).Stage(stage, "")
	err := step()
	timing.End(err, done())
	return err
}

// toValidate counts the objects that are to be dry-run before the first write.
func (r *run) toValidate() int {
	n := 0
	if r.choosePilot() != nil {
		n = -1
	}
	for _, it := range r.p.items {
		if it.unchecked() && it.after == noStage {
			n++
		}
	}
	return n
}

// toApply counts the objects that are to be written.
func (r *run) toApply() int {
	n := 0
	for _, it := range r.p.items {
		if it.pending() {
			n++
		}
	}
	return n
}

// applied says how many objects were written.
func (r *run) applied() string {
	n := 0
	for _, it := range r.p.items {
		if it.applied {
			n++
		}
	}
	return fmt.Sprintf("applied %d object(s)", n)
}

// pruned says how many objects were deleted.
func (r *run) pruned() string {
	n := 0
	for i := range r.deleted {
		if r.deleted[i].Action == ActionDeleted {
			n++
		}
	}
	return fmt.Sprintf("deleted %d object(s)", n)
}

// tell records what was done with an object. What is as it should be is not told.
func tell(ctx context.Context, c Change) {
	log := runlog.FromContext(ctx)
	switch c.Action {
	case ActionCreated, ActionConfigured, ActionDeleted:
		log.Object(runlog.Info, c.Key, string(c.Action)+because(c.Reason))
	case ActionSkipped:
		log.Object(runlog.Warning, c.Key, "skipped"+because(c.Reason))
	}
}

func because(reason string) string {
	if reason == "" {
		return ""
	}
	return ": " + reason
}

// tellErrors records what is wrong with each object.
func tellErrors(ctx context.Context, errs []ObjectError) {
	log := runlog.FromContext(ctx)
	for _, e := range errs {
		message := e.Err.Error()
		if e.File != "" {
			message = e.File + ": " + message
		}
		log.Object(runlog.Error, e.Key, message)
	}
}
