package subresource

import (
	"context"
	"fmt"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/internalversion"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/utils/clock"

	leatv1alpha1 "github.com/leat-dev/leat/pkg/apis/leat/v1alpha1"
	leatmeta "github.com/leat-dev/leat/pkg/apis/meta"
	"github.com/leat-dev/leat/pkg/registry/generic"
)

// waiter follows the objects that were asked to run: the object itself, which
// is the last one, and its source before it where that was asked to run as well.
type waiter struct {
	clock     clock.WithTicker
	requestID string
	stamps    []stamped
}

// run updates the status until the run has ended or the time is over. A watch
// that breaks ends the wait, not the request: it has been accepted.
func (w *waiter) run(ctx context.Context, limit time.Duration, status *leatv1alpha1.ReconcileRequestStatus) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	timer := w.clock.NewTimer(limit)
	defer timer.Stop()

	changes := make(chan change)
	for i := range w.stamps {
		events, err := w.stamps[i].watch(ctx)
		if err != nil {
			return fmt.Errorf("watching %s: %w", w.stamps[i].ref, err)
		}
		defer events.Stop()
		go forward(ctx, i, events, changes)
	}
	for {
		w.assess(status)
		if final(status.Phase) {
			return nil
		}
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C():
			return nil
		case c := <-changes:
			if c.event.Type == watch.Deleted {
				status.Phase = leatv1alpha1.RequestFailed
				status.Message = w.stamps[c.of].ref.String() + " was deleted"
				return nil
			}
			if c.event.Object == nil || c.event.Type == watch.Error {
				return nil
			}
			if c.event.Type != watch.Bookmark {
				w.stamps[c.of].obj = unwrapped(c.event.Object)
			}
		}
	}
}

// unwrapped takes an object out of what the watch cache wraps it in, to encode it
// once for all watchers.
func unwrapped(obj runtime.Object) runtime.Object {
	if cached, ok := obj.(runtime.CacheableObject); ok {
		return cached.GetObject()
	}
	return obj
}

// watch follows the object from the version that was stamped.
func (s *stamped) watch(ctx context.Context) (watch.Interface, error) {
	m, err := meta.Accessor(s.obj)
	if err != nil {
		return nil, err
	}
	return s.parent.Watch(s.context(ctx), &internalversion.ListOptions{
		FieldSelector:   fields.OneTermEqualSelector(metav1.ObjectNameField, s.ref.Name),
		ResourceVersion: m.GetResourceVersion(),
	})
}

// change is an event of one of the objects; its zero event says that the watch
// has ended.
type change struct {
	of    int
	event watch.Event
}

func forward(ctx context.Context, of int, events watch.Interface, to chan<- change) {
	for {
		event, open := <-events.ResultChan()
		select {
		case to <- change{of: of, event: event}:
		case <-ctx.Done():
			return
		}
		if !open {
			return
		}
	}
}

func final(phase leatv1alpha1.RequestPhase) bool {
	switch phase {
	case leatv1alpha1.RequestSucceeded, leatv1alpha1.RequestFailed, leatv1alpha1.RequestSuspended:
		return true
	default:
		return false
	}
}

// assess tells from the objects how far the run is. With a source there are two
// runs to wait for, and the second must have used what the first one found:
//
//	source          object                              phase
//	not handled     any                                 of the source, Queued or Running
//	failed          any                                 Failed
//	succeeded       not handled, or of older revision   of the object, Queued or Running
//	succeeded       handled                             of the object
func (w *waiter) assess(status *leatv1alpha1.ReconcileRequestStatus) {
	object := w.stamps[len(w.stamps)-1]
	summary := object.parent.Summarize(object.obj)
	phase, message := w.phase(object.obj, summary)
	for _, source := range w.stamps[:len(w.stamps)-1] {
		found := source.parent.Summarize(source.obj)
		sourcePhase, sourceMessage := w.phase(source.obj, found)
		switch {
		case sourcePhase != leatv1alpha1.RequestSucceeded:
			phase, message = sourcePhase, strings.TrimSuffix(fmt.Sprintf("%s: %s", source.ref, sourceMessage), ": ")
		case final(phase) && phase != leatv1alpha1.RequestSuspended && found.Revision != summary.Attempted:
			phase = leatv1alpha1.RequestRunning
		}
	}

	now := metav1.NewTime(w.clock.Now()).Rfc3339Copy()
	status.Phase, status.Message, status.Revision = phase, message, summary.Revision
	if phase != leatv1alpha1.RequestQueued && status.StartedAt == nil {
		status.StartedAt = &now
	}
	if final(phase) && status.FinishedAt == nil {
		status.FinishedAt = &now
	}
}

// phase of the run of one object.
func (w *waiter) phase(obj runtime.Object, summary generic.Summary) (leatv1alpha1.RequestPhase, string) {
	ready := summary.Condition(leatmeta.ReadyCondition)
	message := ""
	if ready != nil {
		message = ready.Message
	}
	reconciling := summary.Condition(leatmeta.ReconcilingCondition)
	running := reconciling != nil && reconciling.Status == metav1.ConditionTrue
	switch {
	case summary.Suspended:
		return leatv1alpha1.RequestSuspended, "the object was suspended"
	case !handled(summary.HandledAt, w.requestID) && !running:
		return leatv1alpha1.RequestQueued, message
	case !handled(summary.HandledAt, w.requestID), running && !failedForGood(summary), ready == nil, ready.Status == metav1.ConditionUnknown:
		return leatv1alpha1.RequestRunning, message
	case summary.ObservedGeneration < generation(obj) && ready.Status == metav1.ConditionTrue:
		return leatv1alpha1.RequestRunning, message
	case ready.Status == metav1.ConditionTrue:
		return leatv1alpha1.RequestSucceeded, message
	default:
		return leatv1alpha1.RequestFailed, message
	}
}

// failedForGood tells a run that has failed and will be tried again later, which
// leaves Reconciling True, from one that is under way.
func failedForGood(summary generic.Summary) bool {
	ready := summary.Condition(leatmeta.ReadyCondition)
	reconciling := summary.Condition(leatmeta.ReconcilingCondition)
	return ready != nil && ready.Status == metav1.ConditionFalse && reconciling.Reason == leatmeta.ProgressingWithRetryReason
}

// handled tells whether a run has answered the request, or a later one that took
// its place. Who does not write times, as any client may, is answered when the
// values are equal.
func handled(at, id string) bool {
	if at == id {
		return true
	}
	answered, err := time.Parse(time.RFC3339Nano, at)
	if err != nil {
		return false
	}
	asked, err := time.Parse(time.RFC3339Nano, id)
	return err == nil && answered.After(asked)
}

func generation(obj runtime.Object) int64 {
	m, err := meta.Accessor(obj)
	if err != nil {
		return 0
	}
	return m.GetGeneration()
}
