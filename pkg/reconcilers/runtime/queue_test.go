package runtime

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	testingclock "k8s.io/utils/clock/testing"
)

func key(s string) Key {
	var k Key
	for i := range s {
		if s[i] == '/' {
			k.Namespace, k.Name = s[:i], s[i+1:]
		}
	}
	return k
}

// startQueue runs a queue on a clock that only the test moves.
func startQueue(t testing.TB, o QueueOptions) (*Queue, *testingclock.FakeClock) {
	t.Helper()
	c := testingclock.NewFakeClock(time.Unix(1_000_000, 0))
	o.Clock = c
	q := NewQueue(o)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); q.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	return q, c
}

func get(t testing.TB, q *Queue) *Claim {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	c, err := q.Get(ctx)
	if err != nil {
		t.Fatalf("no key came: %v", err)
	}
	return c
}

// wantNone fails if a key can be had. The queue has nothing in flight when it
// is asked, so there is nothing to wait for.
func wantNone(t testing.TB, q *Queue) {
	t.Helper()
	if c, _ := q.next(); c != nil {
		t.Fatalf("got %s (%s), want nothing", c.Key, c.Triggers)
	}
}

func TestQueueAddsUpTriggers(t *testing.T) {
	q, _ := startQueue(t, QueueOptions{})
	q.Add(key("a/1"), Spec)
	q.Add(key("a/1"), Source)
	q.Add(key("a/1"), 0)
	if got := q.Len(); got != 1 {
		t.Fatalf("Len() = %d, want 1", got)
	}
	c := get(t, q)
	if c.Key != key("a/1") || c.Triggers != Spec|Source {
		t.Errorf("got %s (%s), want a/1 (spec,source)", c.Key, c.Triggers)
	}
	q.Done(c, 0, 0)
	wantNone(t, q)
}

func TestQueueRunsAKeyOnceAtATime(t *testing.T) {
	q, _ := startQueue(t, QueueOptions{})
	q.Add(key("a/1"), Spec)
	first := get(t, q)
	q.Add(key("a/1"), Interval)
	wantNone(t, q)
	superseded, respecified := 0, 0
	first.OnArrival(Superseding, func() { superseded++ })
	first.OnArrival(Spec, func() { respecified++ })
	if superseded != 0 {
		t.Error("an interval superseded the run")
	}
	q.Add(key("a/1"), Source)
	q.Add(key("a/1"), Requested)
	if superseded != 1 || respecified != 0 {
		t.Errorf("a revision and a request: superseded %d times, respecified %d times; want 1, 0", superseded, respecified)
	}
	first.OnArrival(Source, func() { superseded++ })
	if superseded != 2 {
		t.Error("what has arrived already was not told")
	}
	q.Done(first, time.Hour, Interval)
	second := get(t, q)
	if want := Interval | Source | Requested; second.Triggers != want {
		t.Errorf("second run has triggers %s, want %s", second.Triggers, want)
	}
	second.OnArrival(Superseding, func() { t.Error("the second run starts superseded") })
	q.Done(second, 0, 0)
}

func TestQueueIsFairBetweenNamespaces(t *testing.T) {
	q, _ := startQueue(t, QueueOptions{})
	for i := range 1000 {
		q.Add(Key{Namespace: "big", Name: fmt.Sprint(i)}, Spec)
	}
	for i := range 3 {
		c := get(t, q)
		if want := (Key{Namespace: "big", Name: fmt.Sprint(i)}); c.Key != want {
			t.Fatalf("got %s, want %s", c.Key, want)
		}
		q.Done(c, 0, 0)
	}
	q.Add(key("small/1"), Spec)
	q.Add(key("other/1"), Spec)
	q.Add(key("small/2"), Spec)
	var got []string
	for range 7 {
		c := get(t, q)
		got = append(got, c.Key.String())
		q.Done(c, 0, 0)
	}
	want := []string{"big/3", "small/1", "other/1", "big/4", "small/2", "big/5", "big/6"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("order (-want +got):\n%s", diff)
	}
}

func TestQueueTimers(t *testing.T) {
	q, c := startQueue(t, QueueOptions{})
	q.Schedule(key("a/late"), 10*time.Second, Interval)
	q.Schedule(key("a/soon"), 5*time.Second, Interval)
	q.Schedule(key("a/soon"), 7*time.Second, Retry) // the earlier one counts
	wantNone(t, q)
	c.Step(5 * time.Second)
	got := get(t, q)
	if got.Key != key("a/soon") || got.Triggers != Interval {
		t.Errorf("got %s (%s), want a/soon (interval)", got.Key, got.Triggers)
	}
	q.Done(got, 0, 0)

	// A run takes the timer with it.
	q.Add(key("a/late"), Spec)
	got = get(t, q)
	q.Done(got, time.Minute, Interval)
	c.Step(59 * time.Second)
	wantNone(t, q)
	c.Step(time.Second)
	if got = get(t, q); got.Key != key("a/late") {
		t.Errorf("got %s, want a/late", got.Key)
	}
	q.Done(got, time.Minute, Interval)

	q.Remove(key("a/late"))
	c.Step(time.Hour)
	wantNone(t, q)
	if n := len(q.items); n != 0 {
		t.Errorf("%d items are kept for nothing", n)
	}
}

func TestQueueTimerOfARunningKey(t *testing.T) {
	q, c := startQueue(t, QueueOptions{})
	q.Add(key("a/1"), Spec)
	run := get(t, q)
	q.Schedule(key("a/1"), time.Second, Interval)
	c.Step(time.Second)
	// The timer fires while the key runs: it waits for the run to end.
	q.promote()
	wantNone(t, q)
	q.Done(run, 0, 0)
	if again := get(t, q); again.Triggers != Interval {
		t.Errorf("triggers = %s, want interval", again.Triggers)
	}
}

func TestQueueBacksOff(t *testing.T) {
	q, c := startQueue(t, QueueOptions{})
	want := []time.Duration{
		750 * time.Millisecond, 1500 * time.Millisecond, 3 * time.Second, 6 * time.Second, 12 * time.Second, 24 * time.Second,
		48 * time.Second, 96 * time.Second, 192 * time.Second, 384 * time.Second, 768 * time.Second, 15 * time.Minute, 15 * time.Minute,
	}
	q.Add(key("a/1"), Spec)
	var got []time.Duration
	for range want {
		claim := get(t, q)
		d := q.Fail(claim, 0)
		got = append(got, d)
		c.Step(d - 1)
		wantNone(t, q)
		c.Step(1)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("delays (-want +got):\n%s", diff)
	}
	claim := get(t, q)
	if claim.Triggers != Retry {
		t.Errorf("triggers = %s, want retry", claim.Triggers)
	}
	q.Done(claim, 0, 0)
	q.Add(key("a/1"), Spec)
	claim = get(t, q)
	if d := q.Fail(claim, 0); d != 750*time.Millisecond {
		t.Errorf("the first failure after a success waits %s, want 750ms", d)
	}
	c.Step(time.Second)
	if d := q.Fail(get(t, q), time.Second); d != time.Second {
		t.Errorf("a limit of 1s gives %s", d)
	}
}

func TestQueueStops(t *testing.T) {
	q := NewQueue(QueueOptions{})
	ctx, cancel := context.WithCancel(context.Background())
	go q.Run(ctx)
	q.Add(key("a/1"), Spec)
	claim := get(t, q)
	errs := make(chan error)
	for range 3 {
		go func() { _, err := q.Get(context.Background()); errs <- err }()
	}
	cancel()
	for range 3 {
		if err := <-errs; err == nil {
			t.Error("Get returned a key after the stop")
		}
	}
	q.Add(key("a/2"), Spec)
	q.Done(claim, time.Hour, Interval)
	if n := q.Len(); n != 0 {
		t.Errorf("%d keys wait in a closed queue", n)
	}
}

// TestQueueLosesNothing lets several workers and producers at one queue: every
// addition must be followed by a run that began after it, and no key may run
// twice at once.
func TestQueueLosesNothing(t *testing.T) {
	q := NewQueue(QueueOptions{})
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go q.Run(ctx)

	var mu sync.Mutex
	added, seen, running := map[Key]int{}, map[Key]int{}, map[Key]bool{}
	var workers sync.WaitGroup
	for range 8 {
		workers.Go(func() {
			for {
				c, err := q.Get(ctx)
				if err != nil {
					return
				}
				mu.Lock()
				if running[c.Key] {
					t.Errorf("%s runs twice at once", c.Key)
				}
				running[c.Key] = true
				seen[c.Key] = added[c.Key]
				mu.Unlock()
				mu.Lock()
				running[c.Key] = false
				mu.Unlock()
				if rand.IntN(4) == 0 {
					q.Fail(c, time.Millisecond)
				} else {
					q.Done(c, 0, 0)
				}
			}
		})
	}
	var producers sync.WaitGroup
	for p := range 4 {
		producers.Go(func() {
			for i := range 5000 {
				k := Key{Namespace: fmt.Sprint(p % 2), Name: fmt.Sprint(i % 17)}
				mu.Lock()
				added[k]++
				mu.Unlock()
				q.Add(k, Spec)
			}
		})
	}
	producers.Wait()
	deadline := time.Now().Add(10 * time.Second)
	for {
		mu.Lock()
		equal := cmp.Equal(added, seen)
		mu.Unlock()
		if equal {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("additions without a run (-added +seen):\n%s", cmp.Diff(added, seen))
		}
		time.Sleep(time.Millisecond)
	}
	cancel()
	workers.Wait()
}

func BenchmarkQueue(b *testing.B) {
	for _, namespaces := range []int{1, 100} {
		b.Run(fmt.Sprintf("namespaces=%d", namespaces), func(b *testing.B) {
			q := NewQueue(QueueOptions{})
			ctx := context.Background()
			keys := make([]Key, 1000)
			for i := range keys {
				keys[i] = Key{Namespace: fmt.Sprint(i % namespaces), Name: fmt.Sprint(i)}
				q.Add(keys[i], Spec)
			}
			b.ReportAllocs()
			for b.Loop() {
				c, err := q.Get(ctx)
				if err != nil {
					b.Fatal(err)
				}
				q.Done(c, time.Minute, Interval)
				q.Add(c.Key, Source)
			}
		})
	}
}
