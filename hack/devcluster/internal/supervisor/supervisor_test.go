package supervisor

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// fakeProcess runs until it is told to end.
type fakeProcess struct {
	id      int
	ended   chan struct{}
	once    sync.Once
	message string
	readyAt time.Duration // after its start; negative for never
}

func (p *fakeProcess) pid() int              { return p.id }
func (p *fakeProcess) done() <-chan struct{} { return p.ended }
func (p *fakeProcess) exit() string          { return p.message }
func (p *fakeProcess) stop(time.Duration)    { p.end("terminated") }
func (p *fakeProcess) end(message string) {
	p.once.Do(func() { p.message = message; close(p.ended) })
}

func (p *fakeProcess) ready(ctx context.Context) error {
	if p.readyAt < 0 {
		<-ctx.Done()
		return ctx.Err()
	}
	select {
	case <-time.After(p.readyAt):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// fakeLauncher remembers when it was asked to start what.
type fakeLauncher struct {
	mu       sync.Mutex
	begin    time.Time
	starts   []time.Duration
	names    []string
	last     *fakeProcess
	lives    time.Duration // how long a process lives; 0 for ever
	readyAt  time.Duration
	failWith error
}

func (l *fakeLauncher) launch(p Program) (process, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.starts = append(l.starts, time.Since(l.begin))
	l.names = append(l.names, p.Name)
	if l.failWith != nil {
		return nil, l.failWith
	}
	l.last = &fakeProcess{id: len(l.starts), ended: make(chan struct{}), readyAt: l.readyAt}
	if l.lives > 0 {
		dies := l.last
		time.AfterFunc(l.lives, func() { dies.end("exit status 3") })
	}
	return l.last, nil
}

func (l *fakeLauncher) started() []time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]time.Duration(nil), l.starts...)
}

func program(name string) Program { return Program{Name: name, Command: []string{name}} }

// begin starts a supervisor of one program, called "p".
func begin(t *testing.T, l *fakeLauncher) *Supervisor {
	t.Helper()
	l.begin = time.Now()
	s := newSupervisor(time.Second, l.launch)
	if err := s.Apply([]Program{program("p")}); err != nil {
		t.Fatal(err)
	}
	s.Start()
	return s
}

func TestPauseGrowsAndIsForgotten(t *testing.T) {
	const s = time.Second
	tests := map[string]struct {
		launcher *fakeLauncher
		during   time.Duration
		want     []time.Duration
	}{
		"dies at once":      {&fakeLauncher{lives: time.Nanosecond}, 95 * s, []time.Duration{0, 1 * s, 3 * s, 7 * s, 15 * s, 31 * s, 61 * s, 91 * s}},
		"cannot be started": {&fakeLauncher{failWith: errors.New("no such file")}, 32 * s, []time.Duration{0, 1 * s, 3 * s, 7 * s, 15 * s, 31 * s}},
		// 59 s are not yet health, so the pauses grow: 1, 2, 4 s.
		"lives 59 s": {&fakeLauncher{lives: 59 * s}, 190 * s, []time.Duration{0, 60 * s, 121 * s, 184 * s}},
		"lives 60 s": {&fakeLauncher{lives: 60 * s}, 190 * s, []time.Duration{0, 61 * s, 122 * s, 183 * s}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := test.launcher
				supervisor := begin(t, l)
				time.Sleep(test.during)
				supervisor.Stop()
				got := l.started()
				for i := range got {
					got[i] = got[i].Truncate(time.Millisecond)
				}
				if diff := cmp.Diff(test.want, got); diff != "" {
					t.Errorf("starts (-want +got):\n%s", diff)
				}
			})
		})
	}
}

func TestStatusFollowsTheProgram(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &fakeLauncher{readyAt: 5 * time.Second}
		s := newSupervisor(time.Second, l.launch)
		if err := s.Apply([]Program{program("p")}); err != nil {
			t.Fatal(err)
		}
		expect := func(want Status) {
			t.Helper()
			synctest.Wait()
			got := s.Status()[0]
			got.Since, got.NextStart = time.Time{}, time.Time{}
			want.Name = "p"
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("status (-want +got):\n%s", diff)
			}
		}
		expect(Status{State: Waiting})
		s.Start()
		expect(Status{State: Running, PID: 1})
		time.Sleep(5 * time.Second)
		expect(Status{State: Ready, PID: 1})
		l.last.end("signal: killed")
		expect(Status{State: BackOff, LastExit: "signal: killed"})
		if next := time.Until(s.Status()[0].NextStart); next != firstPause {
			t.Errorf("next start in %s, want %s", next, firstPause)
		}
		time.Sleep(firstPause)
		expect(Status{State: Running, PID: 2, Restarts: 1, LastExit: "signal: killed"})
		s.Stop()
		expect(Status{State: Stopped, Restarts: 1, LastExit: "signal: killed"})
	})
}

func TestRestartIsAtOnceAndForgetsThePause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &fakeLauncher{lives: time.Nanosecond}
		s := begin(t, l)
		time.Sleep(20 * time.Second) // in the pause from 15 to 31 s
		if err := s.Restart("p"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Second)
		if err := s.Restart("nobody"); err == nil {
			t.Error("a program that does not exist was restarted")
		}
		s.Stop()
		got := l.started()
		for i := range got {
			got[i] = got[i].Truncate(time.Millisecond)
		}
		want := []time.Duration{0, 1 * time.Second, 3 * time.Second, 7 * time.Second, 15 * time.Second, 20 * time.Second, 21 * time.Second}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("starts (-want +got):\n%s", diff)
		}
		if err := s.Restart("p"); err == nil {
			t.Error("a program was restarted after the stop")
		}
	})
}

func TestRestartOfARunningProgram(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &fakeLauncher{}
		s := begin(t, l)
		synctest.Wait()
		old := l.last
		if err := s.Restart("p"); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if old.message != "terminated" || l.last == old {
			t.Errorf("the old process: %q, replaced: %t", old.message, l.last != old)
		}
		s.Stop()
	})
}

func TestApplyTouchesOnlyWhatChanged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &fakeLauncher{}
		s := newSupervisor(time.Second, l.launch)
		changed := program("changed")
		mustApply := func(programs ...Program) map[string]int {
			t.Helper()
			if err := s.Apply(programs); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			pids := map[string]int{}
			for _, status := range s.Status() {
				pids[status.Name] = status.PID
			}
			return pids
		}
		s.Start()
		before := mustApply(program("same"), changed, program("gone"))
		changed.Env = map[string]string{"A": "b"}
		after := mustApply(program("new"), changed, program("same"))

		if after["same"] != before["same"] || after["same"] == 0 {
			t.Errorf("same: pid %d became %d", before["same"], after["same"])
		}
		if after["changed"] == before["changed"] || after["changed"] == 0 {
			t.Errorf("changed: pid %d became %d", before["changed"], after["changed"])
		}
		if _, there := after["gone"]; there || after["new"] == 0 || len(after) != 3 {
			t.Errorf("programs after: %v", after)
		}
		s.Stop()
		if err := s.Apply(nil); err == nil {
			t.Error("programs were applied after the stop")
		}
	})
}
