package suspension

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/tools/cache"
	"k8s.io/klog/v2"
	"k8s.io/utils/clock"

	"github.com/leat-dev/leat/pkg/apis/meta"
)

const (
	// ResumedReason is the reason of the event that tells of an end.
	ResumedReason = "Resumed"

	// fieldManager is who has written spec.suspend, in the managed fields.
	fieldManager = "leat"

	// lookAgain bounds a wait for the next end: timers do not notice that the
	// clock of the machine was set.
	lookAgain = time.Minute

	writeTimeout = 30 * time.Second
)

// The pauses after writes that fail.
const (
	firstRetry = time.Second
	lastRetry  = time.Minute
)

// EventWriter tells people what was done with an object.
type EventWriter interface {
	Normal(obj metav1.Object, reason, message string, metadata map[string]string)
}

// Resumer resumes objects when the time in their annotation has come. What it has
// to do follows from the objects as they are stored, so a restart forgets nothing.
type Resumer struct {
	client  dynamic.Interface
	clock   clock.WithTicker
	pending *pending
}

// New returns a Resumer that writes objects with client.
func New(client dynamic.Interface, clock clock.WithTicker) *Resumer {
	return &Resumer{client: client, clock: clock, pending: newPending()}
}

// Watch has the Resumer follow the objects of a kind. events tells of what was
// resumed.
func (r *Resumer) Watch(resource schema.GroupVersionResource, informer cache.SharedInformer, events EventWriter) error {
	seen := func(obj any) {
		if o, ok := obj.(metav1.Object); ok {
			r.pending.see(resource, o, events)
		}
	}
	_, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    seen,
		UpdateFunc: func(_, obj any) { seen(obj) },
		DeleteFunc: func(obj any) {
			if last, ok := obj.(cache.DeletedFinalStateUnknown); ok {
				obj = last.Obj
			}
			if o, ok := obj.(metav1.Object); ok {
				r.pending.forget(resource, o)
			}
		},
	})
	if err != nil {
		return fmt.Errorf("watching the suspensions of %s: %w", resource.GroupResource(), err)
	}
	return nil
}

// Run resumes objects until ctx ends.
func (r *Resumer) Run(ctx context.Context) {
	for {
		var expired <-chan time.Time
		stop := func() bool { return false }
		if wait, more := r.resumeDue(ctx); more {
			timer := r.clock.NewTimer(wait)
			expired, stop = timer.C(), timer.Stop
		}
		select {
		case <-ctx.Done():
			stop()
			return
		case <-r.pending.changed:
		case <-expired:
		}
		stop()
	}
}

// resumeDue resumes what is due, and returns how long to wait for the next, if
// there is one.
func (r *Resumer) resumeDue(ctx context.Context) (wait time.Duration, more bool) {
	// Without the reading of the monotonic clock: it is the time of day that counts.
	for _, end := range r.pending.due(r.clock.Now().Round(0)) {
		err := r.resume(ctx, end)
		if ctx.Err() != nil {
			return 0, false
		}
		if err != nil {
			klog.FromContext(ctx).Error(err, "Ending a suspension failed", "resource", end.resource.GroupResource(), "object", klog.KRef(end.namespace, end.name), "nextIn", end.pause())
		}
		r.pending.done(end, err, r.clock.Now().Round(0))
	}
	next, more := r.pending.next()
	return min(lookAgain, next.Sub(r.clock.Now().Round(0))), more
}

// resume sets spec.suspend to false if the suspension is still the one that has
// ended. Whoever resumed the object before, or suspended it anew, is first.
func (r *Resumer) resume(ctx context.Context, end *end) error {
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	type operation struct {
		Op    string `json:"op"`
		Path  string `json:"path"`
		Value any    `json:"value,omitempty"`
	}
	until := "/metadata/annotations/" + strings.ReplaceAll(meta.SuspendUntilAnnotation, "/", "~1")
	patch, err := json.Marshal([]operation{
		{"test", "/metadata/uid", end.uid},
		{"test", until, end.text},
		{"add", "/spec/suspend", false},
		{"remove", until, nil},
	})
	if err != nil {
		return fmt.Errorf("encoding the patch: %w", err)
	}
	objects := r.client.Resource(end.resource).Namespace(end.namespace)
	resumed, err := objects.Patch(ctx, end.name, types.JSONPatchType, patch, metav1.PatchOptions{FieldManager: fieldManager})
	switch {
	case apierrors.IsNotFound(err):
		return nil
	case err != nil:
		if testFailed(err) && r.overtaken(ctx, end) {
			return nil
		}
		return fmt.Errorf("setting spec.suspend of %s %s/%s to false: %w", end.resource.GroupResource(), end.namespace, end.name, err)
	}
	end.events.Normal(resumed, ResumedReason, "resumed: the suspension ended at "+end.text, nil)
	return nil
}

// testFailed tells whether a patch was not applied because the object may no longer
// be as it must be for that. A policy of the cluster refuses with the same words.
func testFailed(err error) bool {
	return apierrors.IsInvalid(err) || apierrors.IsBadRequest(err)
}

// overtaken tells whether the suspension that has ended is there no longer. While
// it cannot be known it may be.
func (r *Resumer) overtaken(ctx context.Context, end *end) bool {
	o, err := r.client.Resource(end.resource).Namespace(end.namespace).Get(ctx, end.name, metav1.GetOptions{})
	if err != nil {
		return apierrors.IsNotFound(err)
	}
	return o.GetUID() != end.uid || o.GetAnnotations()[meta.SuspendUntilAnnotation] != end.text
}
