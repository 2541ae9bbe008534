package runlog

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	clocktesting "k8s.io/utils/clock/testing"
)

func follow(t *testing.T, l *Log, uid string, q Query) *Reader {
	t.Helper()
	q.Follow = true
	r, err := l.Read(t.Context(), uid, q)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	return r
}

func TestFollowSeesWhatIsRecorded(t *testing.T) {
	l, _, _ := newLog(Options{})
	work(l, "u", "1", "a")
	r := follow(t, l, "u", everything)
	if got, err := r.Next(t.Context()); len(got) != 3 || err != nil {
		t.Fatalf("got %v, %v", messages(got), err)
	}
	next := make(chan []Record)
	go func() {
		for {
			got, err := r.Next(context.WithoutCancel(t.Context()))
			if err != nil {
				close(next)
				return
			}
			next <- got
		}
	}()
	run := l.Begin(RunOptions{UID: "u", ID: "2"})
	run.Info("live")
	var got []string
	for len(got) < 2 {
		got = append(got, messages(<-next)...)
	}
	if diff := cmp.Diff([]string{"run started", "live"}, got); diff != "" {
		t.Errorf("while the run goes on (-want +got):\n%s", diff)
	}
	l.Forget("u")
	if _, open := <-next; open {
		t.Error("the reader of an object that is gone goes on")
	}
}

func TestHowAReaderEnds(t *testing.T) {
	l, _, _ := newLog(Options{Records: 3})
	t.Run("slow", func(t *testing.T) {
		work(l, "slow", "1", "a")
		r := follow(t, l, "slow", everything)
		work(l, "slow", "2", "b", "c", "d")
		if got, err := r.Next(t.Context()); !errors.Is(err, ErrTooSlow) {
			t.Errorf("got %v, %v, want %v", messages(got), err, ErrTooSlow)
		}
	})
	t.Run("gone", func(t *testing.T) {
		work(l, "gone", "1", "a")
		r := follow(t, l, "gone", everything)
		l.Forget("gone")
		if got, err := r.Next(t.Context()); len(got) != 3 || err != nil {
			t.Errorf("what was there is lost: %v, %v", messages(got), err)
		}
		if _, err := r.Next(t.Context()); !errors.Is(err, ErrGone) {
			t.Errorf("got %v, want %v", err, ErrGone)
		}
	})
	t.Run("cancelled", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := follow(t, l, "cancelled", everything).Next(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("end", func(t *testing.T) {
		r, err := l.Read(t.Context(), "nothing", everything)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := r.Next(t.Context()); !errors.Is(err, io.EOF) {
			t.Errorf("got %v, want EOF", err)
		}
		r.Close()
	})
	t.Run("stopping", func(t *testing.T) {
		r := follow(t, l, "stopping", everything)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		l.Run(ctx)
		work(l, "stopping", "1")
		if got, err := r.Next(t.Context()); len(got) == 0 || err != nil {
			t.Errorf("the last records are lost: %v, %v", messages(got), err)
		}
		if _, err := r.Next(t.Context()); !errors.Is(err, ErrStopping) {
			t.Errorf("got %v, want %v", err, ErrStopping)
		}
	})
	if l.readers != 0 {
		t.Errorf("%d readers are counted when all have been closed", l.readers)
	}
}

func TestReadersAreBounded(t *testing.T) {
	l, _, _ := newLog(Options{Readers: 2, TotalReaders: 3})
	a1, a2 := follow(t, l, "a", everything), follow(t, l, "a", everything)
	if _, err := l.Read(t.Context(), "a", Query{Follow: true}); !errors.Is(err, ErrTooManyReaders) || !strings.Contains(err.Error(), "limit 2") {
		t.Errorf("third reader of one object: %v", err)
	}
	b := follow(t, l, "b", everything)
	if _, err := l.Read(t.Context(), "c", Query{Follow: true}); !errors.Is(err, ErrTooManyReaders) || !strings.Contains(err.Error(), "limit 3") {
		t.Errorf("fourth reader of all: %v", err)
	}
	if _, err := l.Read(t.Context(), "a", everything); err != nil {
		t.Errorf("who does not follow: %v", err)
	}
	for _, r := range []*Reader{a1, a2, b, b} {
		r.Close()
	}
	if len(l.objects) != 0 || l.readers != 0 {
		t.Errorf("closed readers leave %d objects, %d readers", len(l.objects), l.readers)
	}
}

func TestQueries(t *testing.T) {
	l, store, clock := newLog(Options{})
	work(l, "u", "1", "a")
	clock.Step(time.Hour)
	work(l, "u", "2", "b")
	if err := l.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	// After a restart the log begins with what the history says.
	after := New(store, Options{Clock: clock})
	clock.Step(time.Hour)
	work(after, "u", "3", "c")
	started := "run started: Source"
	for name, tt := range map[string]struct {
		q    Query
		want []string
	}{
		"all":                    {everything, []string{"done 1 (1 configured)", "done 2 (1 configured)", started, "c", "done 3"}},
		"tail within memory":     {Query{Tail: 2}, []string{"c", "done 3"}},
		"tail within history":    {Query{Tail: 4}, []string{"done 2 (1 configured)", started, "c", "done 3"}},
		"tail of more":           {Query{Tail: 99}, []string{"done 1 (1 configured)", "done 2 (1 configured)", started, "c", "done 3"}},
		"tail of nothing":        {Query{Tail: 0}, []string{}},
		"one request":            {Query{Tail: -1, RequestID: "2"}, []string{"done 2 (1 configured)"}},
		"tail of one request":    {Query{Tail: 1, RequestID: "3"}, []string{"done 3"}},
		"since":                  {Query{Tail: -1, Since: noon.Add(90 * time.Minute)}, []string{started, "c", "done 3"}},
		"since, from history on": {Query{Tail: -1, Since: noon.Add(time.Hour)}, []string{"done 2 (1 configured)", started, "c", "done 3"}},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, messages(all(t, after, "u", tt.q))); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// Many runs and readers at once: the race detector looks on, and every reader sees
// every record of its object in order, or is told that it was too slow.
func TestConcurrency(t *testing.T) {
	const objects, runs, lines = 8, 20, 20
	store := newMemory()
	l := New(store, Options{Records: runs * (lines + 2), Clock: clocktesting.NewFakeClock(noon)})
	ctx, cancel := context.WithCancel(t.Context())
	var writers, readers sync.WaitGroup
	readers.Go(func() { l.Run(ctx) })
	for i := range objects {
		uid := fmt.Sprint(i)
		for range 2 {
			r := follow(t, l, uid, everything)
			readers.Go(func() {
				n := 0
				for {
					records, err := r.Next(context.WithoutCancel(ctx))
					n += len(records)
					if err != nil {
						if n != runs*(lines+2) {
							t.Errorf("reader of %s saw %d records, want %d: %v", uid, n, runs*(lines+2), err)
						}
						return
					}
				}
			})
		}
		writers.Go(func() {
			for n := range runs {
				l.Note(uid, Note{Generation: int64(n + 1), User: "someone"})
				run := l.Begin(RunOptions{UID: uid, ID: fmt.Sprint(n), Generation: int64(n + 1)})
				for range lines {
					run.Info("line")
				}
				run.End(Outcome{Phase: Succeeded, News: true})
				if _, err := l.History(ctx, uid); err != nil {
					t.Error(err)
				}
			}
		})
	}
	writers.Wait()
	cancel()
	readers.Wait()
	if err := l.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	for i := range objects {
		entries := history(t, l, fmt.Sprint(i))
		if len(entries) != runs || entries[0].User != "someone" || entries[runs-1].User != "someone" {
			t.Errorf("object %d has %d entries, want %d: %+v", i, len(entries), runs, entries[0])
		}
	}
}
