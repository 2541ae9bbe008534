package runtime

import (
	"container/heap"
	"context"
	"slices"
	"sync"
	"time"

	"k8s.io/utils/clock"
)

// QueueOptions configure a Queue. The zero value is ready to use.
type QueueOptions struct {
	// Name tells the queue's metrics apart.
	Name string
	// Clock defaults to the real one.
	Clock clock.WithTicker
	// Backoff is how long a failed key waits; the zero value means the
	// default of 750 ms, doubled up to 15 min.
	Backoff Backoff
	// Metrics may be nil.
	Metrics *Metrics
}

// Queue is a set of keys that wait to be run.
//
//   - A key is in it once, however often it is added; the triggers add up.
//   - A key that runs is not handed out again until its Claim is released; if
//     it was added meanwhile, it waits again from then on.
//   - Namespaces take turns: the next key is the oldest one of the namespace
//     that was served least recently. A thousand keys of one namespace delay
//     the only one of another by a single run.
//   - A key may have one timer (Schedule, or the back-off of Fail). A run takes
//     the timer with it: whoever runs now decides anew when to run next.
type Queue struct {
	o    QueueOptions
	wake chan struct{} // the first timer changed
	// ready holds a token while there may be a key to hand out. Waiters pass
	// it on, so that one token wakes as many as there are keys.
	ready chan struct{}

	mu      sync.Mutex
	items   map[Key]*item
	ring    ring
	timers  timerHeap
	waiting int
	claimed int
	closed  bool
}

// item is the state of one key. It exists while the key waits, runs, has a
// timer or has failed.
type item struct {
	key      Key
	pending  Trigger // why it waits, or is to run again
	since    time.Time
	queued   bool
	claim    *Claim
	failures int

	at      time.Time // the timer; zero for none
	trigger Trigger
	index   int // in the heap
}

// Claim is the right to run one key. It is released by Done or Fail of the
// queue, exactly once.
type Claim struct {
	Key Key
	// Triggers is why the key runs.
	Triggers Trigger
	// Waited is how long the key was in the queue.
	Waited time.Duration

	mu       sync.Mutex
	arrived  Trigger
	watchers []watcher
}

// watcher is called when one of its triggers arrives.
type watcher struct {
	triggers Trigger
	call     func()
}

// OnArrival calls f once one of the triggers in t has arrived for the key since
// the claim began, at once if that is so already. f must not block.
func (c *Claim) OnArrival(t Trigger, f func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.arrived.Has(t) {
		f()
		return
	}
	c.watchers = append(c.watchers, watcher{t, f})
}

func (c *Claim) arrive(t Trigger) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.arrived |= t
	c.watchers = slices.DeleteFunc(c.watchers, func(w watcher) bool {
		if t.Has(w.triggers) {
			w.call()
			return true
		}
		return false
	})
}

// NewQueue returns an empty queue. Timers fire only while Run runs.
func NewQueue(o QueueOptions) *Queue {
	if o.Clock == nil {
		o.Clock = clock.RealClock{}
	}
	o.Backoff = o.Backoff.orDefault()
	return &Queue{
		o: o, items: map[Key]*item{}, ring: newRing(),
		wake: make(chan struct{}, 1), ready: make(chan struct{}, 1),
	}
}

// Add asks for a run of key.
func (q *Queue) Add(key Key, t Trigger) {
	if t == 0 {
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return
	}
	it := q.item(key)
	it.pending |= t
	if it.claim != nil {
		it.claim.arrive(t)
		return
	}
	q.enqueue(it)
}

// Schedule asks for a run of key after d. Of two timers of a key the earlier
// one counts.
func (q *Queue) Schedule(key Key, d time.Duration, t Trigger) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.closed {
		q.schedule(q.item(key), d, t)
	}
}

// Remove forgets the timer and the failures of key, which has ceased to exist.
// A run that is waiting or under way is not affected.
func (q *Queue) Remove(key Key) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if it, ok := q.items[key]; ok {
		it.failures = 0
		q.unschedule(it)
		q.drop(it)
	}
}

// Get waits for a key and claims it. It fails only with the error of ctx, or
// with context.Canceled once the queue is closed.
func (q *Queue) Get(ctx context.Context) (*Claim, error) {
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		claim, closed := q.next()
		if claim != nil {
			return claim, nil
		}
		if closed {
			q.signal() // the next waiter has to learn it too
			return nil, context.Canceled
		}
		select {
		case <-ctx.Done():
		case <-q.ready:
		}
	}
}

// Done releases a claim after success: the failures of the key are forgotten,
// and it runs again after next; zero means when it is added, not before.
func (q *Queue) Done(c *Claim, next time.Duration, t Trigger) {
	q.mu.Lock()
	defer q.mu.Unlock()
	it := q.items[c.Key]
	it.failures = 0
	if next > 0 {
		q.schedule(it, next, t)
	}
	q.release(it)
}

// Fail releases a claim after a failure and returns after how long the key is
// tried again: exponential in the failures in a row, and never longer than
// limit unless limit is zero.
func (q *Queue) Fail(c *Claim, limit time.Duration) time.Duration {
	q.mu.Lock()
	defer q.mu.Unlock()
	it := q.items[c.Key]
	d := q.o.Backoff.After(it.failures)
	it.failures++
	if limit > 0 {
		d = min(d, limit)
	}
	q.schedule(it, d, Retry)
	q.release(it)
	return d
}

// Len returns how many keys wait to be handed out.
func (q *Queue) Len() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.waiting
}

// Busy reports whether keys wait or run, or their time has come. If not, there
// is nothing left to do but to wait for the clock and for new keys.
func (q *Queue) Busy() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	due := len(q.timers) > 0 && !q.timers[0].at.After(q.o.Clock.Now())
	return q.waiting+q.claimed > 0 || due
}

// Run moves keys whose time has come into the queue until ctx ends, and closes
// the queue then: nothing is added or handed out any more.
func (q *Queue) Run(ctx context.Context) {
	defer q.close()
	for {
		deadline, ok := q.promote()
		if !ok {
			select {
			case <-ctx.Done():
				return
			case <-q.wake:
			}
			continue
		}
		timer := q.o.Clock.NewTimer(deadline.Sub(q.o.Clock.Now()))
		// The clock may have passed the deadline while the timer was made. The
		// real one does not mind; one that a test steps would never fire.
		if !deadline.After(q.o.Clock.Now()) {
			timer.Stop()
			continue
		}
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C():
		case <-q.wake:
			timer.Stop()
		}
	}
}

func (q *Queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	q.signal()
}

// promote puts the keys whose timers are due in line and returns the time of
// the first one that is not.
func (q *Queue) promote() (time.Time, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	now := q.o.Clock.Now()
	for len(q.timers) > 0 {
		it := q.timers[0]
		if it.at.After(now) {
			return it.at, true
		}
		t := it.trigger
		q.unschedule(it)
		it.pending |= t
		if it.claim == nil {
			q.enqueue(it)
		}
	}
	return time.Time{}, false
}

func (q *Queue) next() (c *Claim, closed bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return nil, true
	}
	key, ok := q.ring.pop()
	if !ok {
		return nil, false
	}
	it := q.items[key]
	c = &Claim{Key: key, Triggers: it.pending, Waited: q.o.Clock.Since(it.since)}
	it.claim, it.queued, it.pending = c, false, 0
	q.claimed++
	q.unschedule(it)
	q.count(-1)
	if q.waiting > 0 {
		q.signal()
	}
	return c, false
}

func (q *Queue) item(key Key) *item {
	it, ok := q.items[key]
	if !ok {
		it = &item{key: key, index: -1}
		q.items[key] = it
	}
	return it
}

func (q *Queue) enqueue(it *item) {
	if it.queued {
		return
	}
	it.queued, it.since = true, q.o.Clock.Now()
	q.ring.push(it.key)
	q.count(1)
	q.signal()
}

// release ends the claim of it and puts it in line again if it was added
// meanwhile.
func (q *Queue) release(it *item) {
	it.claim = nil
	q.claimed--
	if it.pending != 0 && !q.closed {
		q.enqueue(it)
	}
	q.drop(it)
}

// drop forgets an item that has no state left.
func (q *Queue) drop(it *item) {
	if !it.queued && it.claim == nil && it.index < 0 && it.failures == 0 {
		delete(q.items, it.key)
	}
}

func (q *Queue) schedule(it *item, d time.Duration, t Trigger) {
	at := q.o.Clock.Now().Add(d)
	switch {
	case it.index < 0:
		it.at, it.trigger = at, t
		heap.Push(&q.timers, it)
	case at.Before(it.at):
		it.at, it.trigger = at, t
		heap.Fix(&q.timers, it.index)
	default:
		return
	}
	if it.index == 0 {
		notify(q.wake)
	}
}

func (q *Queue) unschedule(it *item) {
	if it.index >= 0 {
		heap.Remove(&q.timers, it.index)
	}
}

func (q *Queue) count(n int) {
	q.waiting += n
	q.o.Metrics.depth(q.o.Name, q.waiting)
}

func (q *Queue) signal() { notify(q.ready) }

// notify leaves a token in c unless there is one.
func notify(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
