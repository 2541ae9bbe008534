package apply

import (
	"context"
	"errors"
	"fmt"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/leat-dev/leat/pkg/target"
)

// Wait returns when all objects are ready. It fails at once when one reaches a
// failed state, and at the timeout, with a *HealthError that names each object
// that is not ready. When ctx ends, for instance for a newer revision, the
// error wraps its cause.
func (e *Engine) Wait(ctx context.Context, r HealthRequest) error {
	if len(r.Objects) == 0 {
		return nil
	}
	if r.Timeout <= 0 {
		return errors.New("waiting for health: the timeout must be positive")
	}
	refs := make([]target.Ref, len(r.Objects))
	for i := range r.Objects {
		o := &r.Objects[i]
		res, err := e.target.Resource(ctx, schema.GroupVersionKind{Group: o.Group, Version: o.Version, Kind: o.Kind})
		if err != nil {
			return fmt.Errorf("waiting for health of %s: %w", o.Key, err)
		}
		refs[i] = target.Ref{Resource: res, Namespace: o.Namespace, Name: o.Name}
		if !res.Namespaced {
			// Whoever names an object by kind and name cannot know its scope.
			refs[i].Namespace = ""
		}
		if err := refs[i].Check(); err != nil {
			return fmt.Errorf("waiting for health of %s: %w", o.Key, err)
		}
	}
	sub, err := e.target.Subscribe(ctx, r.Identity, refs)
	if err != nil {
		return fmt.Errorf("waiting for health: %w", err)
	}
	defer sub.Close()
	return e.awaitHealth(ctx, &r, sub)
}

func (e *Engine) awaitHealth(ctx context.Context, r *HealthRequest, sub *target.Subscription) error {
	timer := e.opts.Clock.NewTimer(r.Timeout)
	defer timer.Stop()
	sub.Drain()
	states := make([]target.Health, len(r.Objects))
	waiting, failed := 0, 0
	look := func(i int) {
		h := healthOf(&r.Objects[i], sub.State(i))
		waiting += notCurrent(h) - notCurrent(states[i])
		failed += isFailed(h) - isFailed(states[i])
		states[i] = h
	}
	for i := range states {
		states[i].Status = status.CurrentStatus
		look(i)
	}
	for {
		switch {
		case failed > 0:
			return &HealthError{Failed: true, Objects: unhealthy(r, states, isFailed)}
		case waiting == 0:
			return nil
		}
		select {
		case <-sub.Changed():
		case <-timer.C():
			return &HealthError{Timeout: r.Timeout.String(), Objects: unhealthy(r, states, notCurrent)}
		case <-ctx.Done():
			if errors.Is(ctx.Err(), context.DeadlineExceeded) {
				// The run's time is up at about the same moment; what it was
				// spent on is to be told in either case.
				return &HealthError{Timeout: r.Timeout.String(), Objects: unhealthy(r, states, notCurrent)}
			}
			return fmt.Errorf("waiting for health: %w", context.Cause(ctx))
		}
		for _, i := range sub.Drain() {
			look(i)
		}
	}
}

func notCurrent(h target.Health) int {
	if h.Status == status.CurrentStatus {
		return 0
	}
	return 1
}

func isFailed(h target.Health) int {
	if h.Status == status.FailedStatus {
		return 1
	}
	return 0
}

// unhealthy lists the objects for whose health is returns 1.
func unhealthy(r *HealthRequest, states []target.Health, is func(target.Health) int) []Unhealthy {
	var out []Unhealthy
	for i, h := range states {
		if is(h) == 1 {
			out = append(out, Unhealthy{Key: r.Objects[i].Key, Status: string(h.Status), Message: h.Message})
		}
	}
	return out
}

// healthOf judges what a subscription knows of an object.
//
//	known       found  transient  health
//	an error                      Unknown, with the error
//	no                            InProgress
//	yes         no     yes        Current: it has done its work
//	yes         no     no         NotFound
//	yes         yes               the live object's
func healthOf(o *HealthTarget, st target.State) target.Health {
	switch {
	case st.Err != nil:
		return target.Health{Status: status.UnknownStatus, Message: st.Err.Error()}
	case !st.Known:
		return target.Health{Status: status.InProgressStatus, Message: "not read yet"}
	case !st.Found && o.Transient:
		return target.Health{Status: status.CurrentStatus}
	case !st.Found:
		return target.Health{Status: status.NotFoundStatus}
	}
	return st.Live.Health
}
