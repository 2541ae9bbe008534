package build

import (
	"context"
	"fmt"
	"slices"
	"sync"
)

// turns decides whose build runs next. It counts workers and knows nothing of
// processes.
//
// Tenants that wait stand in a line, each with its requests in the order in
// which they came. A free worker goes to the first tenant that may have it. A
// tenant goes to the end of the line when it gets a worker, and again when one
// of its builds ends: who has just come does not wait for a second build of a
// tenant that has had its turn.
//
// One tenant holds at most all workers but one, so that there is always one
// that builds for the others, however long the builds of the first are.
type turns struct {
	workers int
	// most is how many workers one tenant may hold.
	most int
	// waiting bounds how many requests of one tenant may wait.
	waiting int

	mu      sync.Mutex
	free    int
	held    map[string]int
	line    []*queue // of tenants that wait, none of them empty
	refusal error    // why nobody gets a turn any more
}

// queue holds the requests of a tenant that wait.
type queue struct {
	tenant   string
	requests []*turn
}

// turn is a request for a worker.
type turn struct {
	decided chan struct{}
	err     error // set before decided is closed; nil if a worker was given
}

func newTurns(workers, waiting int) *turns {
	return &turns{
		workers: workers, most: max(workers-1, 1), waiting: waiting, free: workers, held: make(map[string]int),
	}
}

// acquire waits for a worker for tenant, which release gives back. queued is
// called, if it is not nil, when there is none at once.
func (t *turns) acquire(ctx context.Context, tenant string, queued func()) error {
	if ctx.Err() != nil {
		return t.impatient(ctx)
	}
	w, err := t.enqueue(tenant)
	if err != nil {
		return err
	}
	select {
	case <-w.decided:
		return w.err
	default:
	}
	if queued != nil {
		queued()
	}
	select {
	case <-w.decided:
		return w.err
	case <-ctx.Done():
	}
	if given := t.withdraw(tenant, w); given {
		t.release(tenant)
	}
	return t.impatient(ctx)
}

func (t *turns) impatient(ctx context.Context) error {
	return fmt.Errorf("waiting for one of %d build workers: %w", t.workers, context.Cause(ctx))
}

// release gives back a worker of tenant.
func (t *turns) release(tenant string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.free++
	if t.held[tenant]--; t.held[tenant] == 0 {
		delete(t.held, tenant)
	}
	if i := t.place(tenant); i >= 0 {
		t.toEnd(i)
	}
	t.serve()
}

// refuse ends all waiting, also that of later requests, with err.
func (t *turns) refuse(err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.refusal = err
	for _, q := range t.line {
		for _, w := range q.requests {
			w.decide(err)
		}
	}
	t.line = nil
}

func (t *turns) enqueue(tenant string) (*turn, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.refusal != nil {
		return nil, t.refusal
	}
	i := t.place(tenant)
	if i < 0 {
		i = len(t.line)
		t.line = append(t.line, &queue{tenant: tenant})
	}
	q := t.line[i]
	if len(q.requests) >= t.waiting {
		return nil, &Error{Reason: ReasonBusy, Err: fmt.Errorf("%d builds of %q wait for a worker already, which is the limit", t.waiting, tenant)}
	}
	w := &turn{decided: make(chan struct{})}
	q.requests = append(q.requests, w)
	t.serve()
	return w, nil
}

// withdraw takes back a request, or reports that a worker was given to it in
// the meantime.
func (t *turns) withdraw(tenant string, w *turn) (given bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	select {
	case <-w.decided:
		return w.err == nil
	default:
	}
	i := t.place(tenant)
	q := t.line[i]
	q.requests = slices.DeleteFunc(q.requests, func(other *turn) bool { return other == w })
	if len(q.requests) == 0 {
		t.line = slices.Delete(t.line, i, i+1)
	}
	return false
}

// serve gives free workers away. Where one is free, no more than one tenant
// holds as many as it may, so the search is short.
func (t *turns) serve() {
	for t.free > 0 {
		i := slices.IndexFunc(t.line, func(q *queue) bool { return t.held[q.tenant] < t.most })
		if i < 0 {
			return
		}
		q := t.line[i]
		w := q.requests[0]
		q.requests[0] = nil
		q.requests = q.requests[1:]
		t.free--
		t.held[q.tenant]++
		if len(q.requests) == 0 {
			t.line = slices.Delete(t.line, i, i+1)
		} else {
			t.toEnd(i)
		}
		w.decide(nil)
	}
}

// place returns where in the line tenant stands, or -1.
func (t *turns) place(tenant string) int {
	return slices.IndexFunc(t.line, func(q *queue) bool { return q.tenant == tenant })
}

func (t *turns) toEnd(i int) {
	q := t.line[i]
	t.line = append(slices.Delete(t.line, i, i+1), q)
}

func (w *turn) decide(err error) {
	w.err = err
	close(w.decided)
}
