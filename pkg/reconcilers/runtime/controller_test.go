package runtime

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	testingclock "k8s.io/utils/clock/testing"
)

// script is a reconciler whose behaviour a test writes.
type script struct {
	reconcile func(ctx context.Context, run *Run) (Result, error)

	mu          sync.Mutex
	quarantined map[Key]string
}

func (s *script) Reconcile(ctx context.Context, run *Run) (Result, error) {
	return s.reconcile(ctx, run)
}

func (s *script) Quarantine(_ context.Context, k Key, cause error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.quarantined == nil {
		s.quarantined = map[Key]string{}
	}
	s.quarantined[k] = cause.Error()
	return nil
}

// generations identifies objects by a number that a test sets.
type generations struct {
	mu sync.Mutex
	of map[Key]int64
}

func (g *generations) set(k Key, n int64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.of == nil {
		g.of = map[Key]int64{}
	}
	g.of[k] = n
}

func (g *generations) identify(k Key) (Identity, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	n, ok := g.of[k]
	return Identity{UID: "u", Generation: n}, ok
}

func startController(t *testing.T, r Reconciler, g *generations, slots int) (*Controller, *testingclock.FakeClock) {
	t.Helper()
	clock := testingclock.NewFakeClock(time.Unix(1_000_000, 0))
	c, err := NewController(r, ControllerOptions{
		Name: "test", Slots: slots, Clock: clock, Identify: g.identify,
		Jitter: Jitter{Float64: func() float64 { return 0.5 }},
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); c.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	return c, clock
}

func receive[T any](t *testing.T, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(10 * time.Second):
		t.Fatal("nothing came within 10s")
		panic("unreachable")
	}
}

func TestControllerQuarantinesWhatPanics(t *testing.T) {
	var g generations
	g.set(key("a/bad"), 1)
	g.set(key("a/good"), 1)
	ran := make(chan string, 10)
	s := &script{}
	s.reconcile = func(_ context.Context, run *Run) (Result, error) {
		ran <- run.Key.String()
		if id, _ := g.identify(run.Key); run.Key.Name == "bad" && id.Generation == 1 {
			panic("nil map")
		}
		return Result{}, nil
	}
	c, _ := startController(t, s, &g, 1)

	c.Add(key("a/bad"), Spec)
	receive(t, ran)
	// One slot: when the next object runs, the panic has been dealt with.
	c.Add(key("a/good"), Spec)
	if got := receive(t, ran); got != "a/good" {
		t.Fatalf("ran %s, want a/good", got)
	}
	s.mu.Lock()
	if got, want := s.quarantined[key("a/bad")], "the reconciler panicked: nil map"; got != want {
		t.Errorf("reported %q, want %q", got, want)
	}
	s.mu.Unlock()

	c.Add(key("a/bad"), Requested) // a request does not help
	c.Add(key("b/good"), Spec)
	if got := receive(t, ran); got != "b/good" {
		t.Fatalf("ran %s: a quarantined object runs without a new spec", got)
	}
	g.set(key("a/bad"), 2)
	c.Add(key("a/bad"), Spec)
	if got := receive(t, ran); got != "a/bad" {
		t.Fatalf("ran %s, want a/bad", got)
	}
}

func TestControllerRetriesAndRepeats(t *testing.T) {
	var g generations
	outcomes := []error{errors.New("down"), errors.New("down"), nil, nil}
	triggers := make(chan Trigger)
	i := 0
	s := &script{reconcile: func(_ context.Context, run *Run) (Result, error) {
		triggers <- run.Triggers
		err := outcomes[i]
		i++
		return Result{Next: time.Minute}, err
	}}
	c, clock := startController(t, s, &g, 4)
	c.Add(key("a/1"), Spec)
	if got := receive(t, triggers); got != Spec {
		t.Fatalf("first run: %s", got)
	}
	for _, step := range []struct {
		after time.Duration
		want  Trigger
	}{
		{750 * time.Millisecond, Retry},
		{1500 * time.Millisecond, Retry},
		{time.Minute, Interval},
	} {
		// The run before ends, and sets the timer, some time after it has told
		// its triggers; the timer goroutine waits on the clock then.
		waitFor(t, clock.HasWaiters)
		clock.Step(step.after)
		if got := receive(t, triggers); got != step.want {
			t.Errorf("after %s: %s, want %s", step.after, got, step.want)
		}
	}
}

// waitFor waits until a condition holds that another goroutine brings about.
func waitFor(t *testing.T, condition func() bool) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for !condition() {
		if time.Now().After(deadline) {
			t.Fatal("it did not happen within 10s")
		}
		time.Sleep(100 * time.Microsecond)
	}
}

func TestRunYieldsItsSlot(t *testing.T) {
	var g generations
	waiting, healthy := make(chan struct{}), make(chan struct{})
	ran := make(chan string, 2)
	s := &script{reconcile: func(_ context.Context, run *Run) (Result, error) {
		if run.Key.Name == "slow" {
			run.Yield()
			run.Yield() // twice is once
			close(waiting)
			<-healthy
		}
		ran <- run.Key.Name
		return Result{}, nil
	}}
	c, _ := startController(t, s, &g, 1)
	c.Add(key("a/slow"), Spec)
	receive(t, waiting)
	c.Add(key("a/quick"), Spec)
	if got := receive(t, ran); got != "quick" {
		t.Errorf("%s ran first, want quick", got)
	}
	close(healthy)
	if got := receive(t, ran); got != "slow" {
		t.Errorf("%s ran last, want slow", got)
	}
	waitFor(t, func() bool { return len(c.slots) <= 1 })
}

func TestRunIsSuperseded(t *testing.T) {
	var g generations
	started, ended := make(chan struct{}, 2), make(chan bool, 2)
	s := &script{reconcile: func(ctx context.Context, run *Run) (Result, error) {
		if run.Triggers.Has(Source) {
			ended <- false
			return Result{}, nil
		}
		ctx, cancel := run.Interruptible(ctx, Superseding)
		defer cancel()
		started <- struct{}{}
		<-ctx.Done()
		ended <- IsSuperseded(ctx)
		return Result{}, nil
	}}
	c, _ := startController(t, s, &g, 1)
	c.Add(key("a/1"), Spec)
	receive(t, started)
	c.Add(key("a/1"), Dependency) // does not
	c.Add(key("a/1"), Source)
	if !receive(t, ended) {
		t.Error("the wait did not end because of the new revision")
	}
	if receive(t, ended) {
		t.Error("the second run was superseded as well")
	}
}

func TestPatiently(t *testing.T) {
	clock := testingclock.NewFakeClock(time.Unix(0, 0))
	want := errors.New("x")
	for _, tc := range []struct {
		name    string
		slow    bool
		reports int
	}{{"quick", false, 0}, {"slow", true, 1}} {
		t.Run(tc.name, func(t *testing.T) {
			reports := 0
			goOn := make(chan struct{})
			if !tc.slow {
				close(goOn)
			}
			errs := make(chan error)
			go func() {
				errs <- Patiently(context.Background(), clock, time.Second, func(context.Context) error {
					<-goOn
					return want
				}, func() { reports++; close(goOn) })
			}()
			if tc.slow {
				waitFor(t, clock.HasWaiters)
				clock.Step(time.Second)
			}
			if err := receive(t, errs); !errors.Is(err, want) {
				t.Errorf("error = %v", err)
			}
			if reports != tc.reports {
				t.Errorf("%d reports, want %d", reports, tc.reports)
			}
		})
	}
	t.Run("a panic reaches the caller", func(t *testing.T) {
		defer func() {
			if p, ok := recover().(*panicError); !ok || p.value != "boom" || !strings.Contains(string(p.stack), "TestPatiently") {
				t.Errorf("recovered %v", p)
			}
		}()
		_ = Patiently(context.Background(), clock, time.Second, func(context.Context) error { panic("boom") }, func() {})
		t.Error("no panic")
	})
}

func TestControllerRefusesNonsense(t *testing.T) {
	if _, err := NewController(&script{}, ControllerOptions{Name: "x", Identify: (&generations{}).identify}); err == nil {
		t.Error("no slots accepted")
	}
	if _, err := NewController(&script{}, ControllerOptions{Name: "x", Slots: 1}); err == nil {
		t.Error("no identity accepted")
	}
}
