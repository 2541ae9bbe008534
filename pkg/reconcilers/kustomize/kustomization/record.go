package kustomization

import (
	"context"
	"fmt"
	"strings"

	"github.com/leat-dev/leat/pkg/apply"
	"github.com/leat-dev/leat/pkg/build"
	"github.com/leat-dev/leat/pkg/runlog"
)

// build renders the objects and records how long that took.
func (a *attempt) build(ctx context.Context, request build.Request) (*build.Result, error) {
	stage := a.run.Log.Stage(runlog.Build, "")
	rendered, err := a.Builder.Build(ctx, request)
	n := 0
	if rendered != nil {
		n = len(rendered.Objects)
	}
	stage.End(err, fmt.Sprintf("rendered %d object(s) from %s", n, request.Options.Path))
	return rendered, err
}

// planned says how much a plan would change.
func planned(p *apply.Plan) string {
	if p == nil {
		return ""
	}
	n := map[apply.Action]int{}
	for i := range p.Changes {
		n[p.Changes[i].Action]++
	}
	var parts []string
	for _, c := range []struct {
		action apply.Action
		what   string
	}{
		{apply.ActionCreated, "to create"}, {apply.ActionConfigured, "to configure"}, {apply.ActionDeleted, "to delete"},
		{apply.ActionSkipped, "to skip"}, {apply.ActionUnchanged, "unchanged"},
	} {
		if n[c.action] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n[c.action], c.what))
		}
	}
	if len(parts) == 0 {
		return "nothing to do"
	}
	return strings.Join(parts, ", ")
}

// recordWork records what the run has done so far.
func (a *attempt) recordWork(result *apply.Result) { recordWork(a.run.Log, a.digest, result) }

func recordWork(log *runlog.Run, digest string, result *apply.Result) {
	work := runlog.Work{Digest: digest}
	if result != nil {
		work.Created = result.Count(apply.ActionCreated)
		work.Updated = result.Count(apply.ActionConfigured)
		work.Deleted = result.Count(apply.ActionDeleted)
	}
	log.Did(work)
}

// failedRun is what the log says of a run that did not succeed:
//
//	the run                                        history
//	was asked for, and has answered                failed
//	waits for others, or gives way to a newer one  put off
//	anything else                                  failed
func (a *attempt) failedRun(f *failure) runlog.Outcome {
	told := a.requested && f.answered()
	putOff := (f.waiting || f.superseded) && !told
	return runlog.Outcome{Phase: runlog.Failed, Message: f.Error(), News: !putOff, Postponed: putOff}
}
