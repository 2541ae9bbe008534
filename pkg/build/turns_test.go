package build

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// bench is where the builds of a test sit: each gets its turn, says so, and
// goes on until it is let go.
type bench struct {
	t     *testing.T
	turns *turns
	group sync.WaitGroup
	// served tells who got a turn.
	served chan sitting
}

type sitting struct {
	tenant string
	leave  chan struct{}
}

func newBench(t *testing.T, workers int) *bench {
	return &bench{t: t, turns: newTurns(workers, 1000), served: make(chan sitting, 1000)}
}

// ask adds a request, and returns when it has its turn or stands in the line.
func (b *bench) ask(tenant string) {
	b.t.Helper()
	entered := make(chan struct{})
	b.group.Go(func() {
		once := sync.OnceFunc(func() { close(entered) })
		defer once()
		if err := b.turns.acquire(b.t.Context(), tenant, once); err != nil {
			b.t.Error(err)
			return
		}
		s := sitting{tenant, make(chan struct{})}
		b.served <- s
		once()
		<-s.leave
		b.turns.release(tenant)
	})
	<-entered
}

// none checks that nobody else has a turn.
func (b *bench) none() {
	b.t.Helper()
	select {
	case s := <-b.served:
		b.t.Fatalf("%s got a turn", s.tenant)
	default:
	}
}

// A tenant with fifty long builds delays the single one of another by no more
// than the end of one of them, however many workers there are.
func TestOneTenantDoesNotStarveAnother(t *testing.T) {
	for _, workers := range []int{1, 2, 4} {
		t.Run(fmt.Sprint(workers), func(t *testing.T) {
			b := newBench(t, workers)
			for range 50 {
				b.ask("a")
			}
			var running []sitting
			for range max(workers-1, 1) {
				running = append(running, <-b.served)
			}
			b.none() // the last worker is not theirs
			b.ask("b")
			if workers == 1 { // nor is the only one free
				b.none()
				close(running[0].leave)
			}
			s := <-b.served
			if s.tenant != "b" {
				t.Fatalf("%s was served, want b", s.tenant)
			}
			b.none()
			close(s.leave)
			if workers > 1 {
				close(running[0].leave)
			}
			for range 50 - max(workers-1, 1) {
				s := <-b.served
				if s.tenant != "a" {
					t.Fatalf("%s was served", s.tenant)
				}
				close(s.leave)
			}
			for _, s := range running[1:] {
				close(s.leave)
			}
			b.group.Wait()
			if b.turns.free != workers || len(b.turns.held) != 0 || len(b.turns.line) != 0 {
				t.Errorf("left: %d free, held %v, %d tenants in the line", b.turns.free, b.turns.held, len(b.turns.line))
			}
		})
	}
}

func TestTenantsTakeTurns(t *testing.T) {
	tests := []struct {
		name string
		ask  string
		want string // the order in which they are served
	}{
		{"alone", "aaa", "aaa"},
		{"two", "aaabbb", "ababab"},
		{"three", "aaaabbc", "abcabaa"},
		{"late", "aaabc", "abcaa"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t, 1)
			for _, tenant := range strings.Split(tt.ask, "") {
				b.ask(tenant)
			}
			var got strings.Builder
			for range tt.ask {
				s := <-b.served
				got.WriteString(s.tenant)
				close(s.leave)
			}
			b.group.Wait()
			if got.String() != tt.want {
				t.Errorf("served %s, want %s", got.String(), tt.want)
			}
		})
	}
}

// Requests of one tenant are served in the order in which they came.
func TestFirstComeFirstServed(t *testing.T) {
	turns := newTurns(1, 100)
	if err := turns.acquire(t.Context(), "a", nil); err != nil {
		t.Fatal(err)
	}
	var waiting []*turn
	for range 20 {
		w, err := turns.enqueue("a")
		if err != nil {
			t.Fatal(err)
		}
		waiting = append(waiting, w)
	}
	for i, w := range waiting {
		turns.release("a")
		<-w.decided
		for _, later := range waiting[i+1:] {
			select {
			case <-later.decided:
				t.Fatal("a later request was served first")
			default:
			}
		}
	}
}

func TestWaitingIsBounded(t *testing.T) {
	turns := newTurns(1, 2)
	if err := turns.acquire(t.Context(), "a", nil); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := turns.enqueue("a"); err != nil {
			t.Fatal(err)
		}
	}
	_, err := turns.enqueue("a")
	if ReasonOf(err) != ReasonBusy || !strings.Contains(err.Error(), `2 builds of "a" wait`) {
		t.Errorf("one too many: %v", err)
	}
	if _, err := turns.enqueue("b"); err != nil {
		t.Errorf("another tenant: %v", err)
	}

	impatient, cancel := context.WithCancelCause(t.Context())
	err = turns.acquire(impatient, "c", func() { cancel(errors.New("no patience")) })
	if err == nil || err.Error() != "waiting for one of 1 build workers: no patience" {
		t.Errorf("got %v", err)
	}
	var tenants []string
	for _, q := range turns.line {
		tenants = append(tenants, q.tenant)
	}
	if diff := cmp.Diff([]string{"a", "b"}, tenants); diff != "" {
		t.Errorf("the line:\n%s", diff)
	}

	turns.refuse(errClosed())
	for _, tenant := range []string{"a", "d"} {
		if err := turns.acquire(t.Context(), tenant, nil); ReasonOf(err) != ReasonUnavailable {
			t.Errorf("after the end: %v", err)
		}
	}
}

// Whatever comes and goes, no worker is lost, none is given twice, and no
// tenant has all of them.
func TestTurnsAddUp(t *testing.T) {
	const workers, tenants = 3, 5
	turns := newTurns(workers, 1000)
	var mu sync.Mutex
	var all int
	var of [tenants]int
	count := func(tenant, n int) {
		mu.Lock()
		defer mu.Unlock()
		all += n
		of[tenant] += n
		if all > workers || slices.Max(of[:]) > workers-1 {
			t.Errorf("%d turns at once, by tenant %v", all, of)
		}
	}
	var group sync.WaitGroup
	for i := range 40 {
		tenant := i % tenants
		random := rand.New(rand.NewPCG(1, uint64(i)))
		group.Go(func() {
			for range 200 {
				ctx, cancel := context.WithTimeout(t.Context(), time.Duration(random.IntN(200))*time.Microsecond)
				if turns.acquire(ctx, fmt.Sprint(tenant), nil) == nil {
					count(tenant, 1)
					count(tenant, -1)
					turns.release(fmt.Sprint(tenant))
				}
				cancel()
			}
		})
	}
	group.Wait()
	if turns.free != workers || len(turns.held) != 0 || len(turns.line) != 0 {
		t.Errorf("left: %d free, held %v, %d tenants in the line", turns.free, turns.held, len(turns.line))
	}
}
