package target

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/klog/v2"
)

// sink takes what a follower learns. Its methods are called one at a time.
type sink interface {
	// listing says that all that exists is told next, listed that it has been.
	listing()
	listed(position string)
	seen(o identified)
	// has says that the sink knows the object in just that state already.
	has(n types.NamespacedName, position string) bool
	// gone says that an object no longer exists or no longer matches.
	gone(n types.NamespacedName, position string)
	// denied says that the objects cannot be had for now.
	denied(err error)
}

// follower keeps a sink up to date with the objects of one resource that match
// its selectors.
type follower struct {
	t            *Target
	id           Identity
	res          Resource
	namespace    string
	label, field string
	sink         sink

	logger klog.Logger
	tape   tape
	// position is the resource version to go on from, empty to list.
	position string
	// plain says that the server cannot list through a watch.
	plain bool
}

const (
	// bookmark that ends the listing of a watch.
	initialEventsEnd = "k8s.io/initial-events-end"
	listPage         = "500"

	minBackoff = 100 * time.Millisecond
	maxBackoff = 30 * time.Second
	// lostBackoff is the longest pause while the server cannot be reached at all,
	// or says that it is not up to it: when it is back, what changed meanwhile
	// should be seen soon, and one request every few seconds is no load.
	lostBackoff = 3 * time.Second
	// deniedBackoff is how long to wait before asking again for what was refused:
	// rights come by someone else's doing.
	deniedBackoff = time.Minute
)

// run follows until ctx ends.
func (f *follower) run(ctx context.Context) {
	f.logger = klog.FromContext(ctx).WithValues("resource", f.res.String())
	backoff := minBackoff
	for ctx.Err() == nil {
		began := f.t.opts.Clock.Now()
		err := f.follow(ctx)
		if ctx.Err() != nil {
			return
		}
		wait := backoff
		switch {
		case err == nil:
			backoff = minBackoff
			continue
		case apierrors.IsResourceExpired(err) || apierrors.IsGone(err):
			f.position = ""
		case apierrors.IsInvalid(err) && f.position == "" && !f.plain:
			f.plain = true
			continue
		case apierrors.IsNotFound(err):
			// The kind is gone, or so new that not every server knows it.
			f.position = ""
			f.sink.denied(err)
		case apierrors.IsForbidden(err), apierrors.IsUnauthorized(err), apierrors.IsMethodNotSupported(err):
			f.position, wait = "", deniedBackoff
			f.sink.denied(err)
			f.logger.Info("cannot watch, reading objects one by one", "err", err, "retryIn", wait)
		default:
			if status := apierrors.APIStatus(nil); !errors.As(err, &status) || apierrors.IsServiceUnavailable(err) {
				wait = min(wait, lostBackoff)
			}
			f.logger.V(2).Info("watch ended", "err", err, "retryIn", wait)
		}
		if f.t.opts.Clock.Since(began) > time.Minute {
			backoff = minBackoff
		} else {
			backoff = min(2*backoff, maxBackoff)
		}
		select {
		case <-f.t.opts.Clock.After(wait/2 + rand.N(wait/2+1)):
		case <-ctx.Done():
		}
	}
}

// follow does one watch, after a listing where one is needed. It returns nil
// when the server has ended it as agreed.
func (f *follower) follow(ctx context.Context) error {
	q := url.Values{"watch": {"true"}, "allowWatchBookmarks": {"true"}}
	// Watches are renewed, at different times, so that they spread over servers.
	q.Set("timeoutSeconds", strconv.Itoa(300+rand.IntN(300)))
	if f.position == "" {
		f.sink.listing()
		if f.plain {
			if err := f.list(ctx); err != nil {
				return err
			}
		} else {
			q.Set("sendInitialEvents", "true")
			q.Set("resourceVersionMatch", string(metav1.ResourceVersionMatchNotOlderThan))
		}
	}
	if f.position != "" {
		q.Set("resourceVersion", f.position)
	}
	f.selectors(q)
	resp, err := f.t.send(ctx, request{id: f.id, method: http.MethodGet, path: f.res.path(f.namespace, ""), query: q})
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode >= 400 {
		body, err := readLimited(resp, f.t.opts.MaxResponseBytes)
		if err != nil {
			return err
		}
		return statusError(request{method: http.MethodGet, path: f.res.path(f.namespace, "")}, resp.StatusCode, body)
	}
	return f.events(bufio.NewReaderSize(resp.Body, 32<<10))
}

func (f *follower) selectors(q url.Values) {
	if f.label != "" {
		q.Set("labelSelector", f.label)
	}
	if f.field != "" {
		q.Set("fieldSelector", f.field)
	}
}

// events reads a watch's stream. kube-apiserver writes one event a line.
func (f *follower) events(r *bufio.Reader) error {
	var long []byte
	for {
		line, err := r.ReadSlice('\n')
		if errors.Is(err, bufio.ErrBufferFull) {
			if long = append(long, line...); int64(len(long)) > f.t.opts.MaxResponseBytes {
				return fmt.Errorf("an event is larger than the limit of %d bytes", f.t.opts.MaxResponseBytes)
			}
			continue
		}
		if err != nil {
			if len(long)+len(line) == 0 || lost(err) {
				return nil // the stream ended between events, or with its connection
			}
			return fmt.Errorf("reading a watch: %w", err)
		}
		if len(long) > 0 {
			long = append(long, line...)
			line = long
		}
		if err := f.event(line); err != nil {
			return err
		}
		long = long[:0]
	}
}

func (f *follower) event(line []byte) error {
	if err := f.tape.reset(line); err != nil {
		return fmt.Errorf("reading an event: %w", err)
	}
	t := &f.tape
	kind, n := t.text(t.get(0, "type")), t.get(0, "object")
	switch kind {
	case "ADDED", "MODIFIED", "DELETED":
		if kind != "DELETED" && f.echo(t, n) {
			return nil
		}
		o, err := f.t.reduce(f.res.GroupVersionKind(), t, n)
		switch {
		case err != nil:
			// One object that cannot be read must not end the watch of all.
			f.logger.Error(err, "Cannot read an object, it is not cached", "object", klog.KRef(o.Namespace, o.Name))
			if o.Name == "" {
				return nil
			}
			f.sink.gone(o.NamespacedName, o.ResourceVersion)
		case kind == "DELETED":
			f.sink.gone(o.NamespacedName, o.ResourceVersion)
		default:
			f.sink.seen(o)
		}
		f.move(o.ResourceVersion)
	case "BOOKMARK":
		position := t.text(t.get(n, "metadata", "resourceVersion"))
		if t.is(t.get(n, "metadata", "annotations", initialEventsEnd), "true") {
			f.position = position
			f.sink.listed(position)
		}
		f.move(position)
	case "ERROR":
		var st metav1.Status
		if !decodeStatus(t.raw(n), &st) {
			return errors.New("the watch ended with an error of an unknown kind")
		}
		return &apierrors.StatusError{ErrStatus: st}
	}
	return nil
}

// echo says that an event tells only what the answer to a write of our own has
// told before, which is so for half of all events while a set is applied.
func (f *follower) echo(t *tape, n int32) bool {
	meta := t.get(n, "metadata")
	name := types.NamespacedName{Namespace: t.text(t.get(meta, "namespace")), Name: t.text(t.get(meta, "name"))}
	position := t.text(t.get(meta, "resourceVersion"))
	if position == "" || !f.sink.has(name, position) {
		return false
	}
	f.move(position)
	return true
}

// move notes how far the watch has come. While the objects are still being
// listed there is nowhere to go on from: they come in no order.
func (f *follower) move(position string) {
	if f.position != "" {
		f.position = position
	}
}

// list tells the sink of all objects, page by page.
func (f *follower) list(ctx context.Context) error {
	q := url.Values{"limit": {listPage}}
	f.selectors(q)
	for {
		body, _, err := f.t.do(ctx, request{id: f.id, method: http.MethodGet, path: f.res.path(f.namespace, ""), query: q})
		if err != nil {
			return err
		}
		t := &f.tape
		if err := t.reset(body); err != nil {
			return fmt.Errorf("reading a list: %w", err)
		}
		t.elements(t.get(0, "items"), func(n int32) bool {
			o, err := f.t.reduce(f.res.GroupVersionKind(), t, n)
			if err != nil {
				f.logger.Error(err, "Cannot read an object, it is not cached", "object", klog.KRef(o.Namespace, o.Name))
				return true
			}
			f.sink.seen(o)
			return true
		})
		next := t.text(t.get(0, "metadata", "continue"))
		if next == "" {
			f.position = t.text(t.get(0, "metadata", "resourceVersion"))
			f.sink.listed(f.position)
			return nil
		}
		q.Set("continue", next)
	}
}
