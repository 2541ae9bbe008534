package supervisor

import (
	"context"
	"errors"
	"sync"
	"time"
)

// State says what a program is doing.
type State string

// What a program can be doing.
const (
	Waiting State = "Waiting" // for the control plane
	Running State = "Running" // but not ready yet
	Ready   State = "Ready"
	BackOff State = "BackOff" // it ended and is started again at NextStart
	Stopped State = "Stopped"
)

// Status tells about one program.
type Status struct {
	Name  string    `json:"name"`
	State State     `json:"state"`
	PID   int       `json:"pid,omitempty"`
	Since time.Time `json:"since"`
	// Restarts counts the starts after the first one.
	Restarts int `json:"restarts"`
	// LastExit says how the last process ended.
	LastExit  string    `json:"lastExit,omitempty"`
	NextStart time.Time `json:"nextStart,omitzero"`
}

// process is a program that was started.
type process interface {
	pid() int
	// done is closed when it has ended and everything that it started, too.
	done() <-chan struct{}
	// exit says how it ended.
	exit() string
	// ready returns when the program is ready, or an error when ctx ends.
	ready(ctx context.Context) error
	// stop asks it to end, forces it to after the grace period, and returns
	// when it has ended.
	stop(grace time.Duration)
}

type launcher func(Program) (process, error)

// runner keeps one program running. Its loop owns the process; all others see
// only the status.
type runner struct {
	program Program
	launch  launcher
	grace   time.Duration

	ctx      context.Context
	cancel   context.CancelFunc
	restarts chan chan error
	done     chan struct{}

	mu     sync.Mutex
	status Status
}

func newRunner(p Program, launch launcher, grace time.Duration) *runner {
	ctx, cancel := context.WithCancel(context.Background())
	return &runner{
		program: p, launch: launch, grace: grace,
		ctx: ctx, cancel: cancel,
		restarts: make(chan chan error), done: make(chan struct{}),
		status: Status{Name: p.Name, State: Waiting, Since: time.Now()},
	}
}

func (r *runner) start() { go r.loop() }

// restart asks the loop for a new process and waits for it.
func (r *runner) restart() error {
	answer := make(chan error, 1)
	select {
	case r.restarts <- answer:
		return <-answer
	case <-r.done:
		return errors.New("it was stopped")
	}
}

// loop starts the program until the runner is cancelled.
//
//	what happens             | next start     | pause after that
//	process ends by itself   | after the pause| doubled, up to longestGap
//	same, after healthyAfter | after firstPause | doubled
//	it cannot be started     | after the pause| doubled
//	restart is asked for     | at once        | firstPause
func (r *runner) loop() {
	defer close(r.done)
	pause := firstPause
	var asked chan error // who waits for the next start
	for first := true; ; first = false {
		if !first {
			r.update(func(s *Status) { s.Restarts++ })
		}
		p, err := r.launch(r.program)
		if asked != nil {
			asked <- err
			asked = nil
		}
		if err == nil {
			var age time.Duration
			if asked, age, err = r.attend(p); asked != nil {
				pause = firstPause
				continue
			}
			if age >= healthyAfter {
				pause = firstPause
			}
		}
		if r.ctx.Err() != nil {
			r.enter(Stopped, 0, "")
			return
		}
		r.backOff(err, pause)
		select {
		case <-time.After(pause):
			pause = min(2*pause, longestGap)
		case asked = <-r.restarts:
			pause = firstPause
		case <-r.ctx.Done():
			r.enter(Stopped, 0, "")
			return
		}
	}
}

// attend stays with a process until it has ended, which it does by itself, or
// because the runner is cancelled, or because somebody asked for a restart,
// who is then returned.
func (r *runner) attend(p process) (asked chan error, age time.Duration, err error) {
	started := time.Now()
	r.enter(Running, p.pid(), "")
	probing, stopProbing := context.WithCancel(r.ctx)
	probed := make(chan struct{})
	go func() {
		defer close(probed)
		if p.ready(probing) == nil {
			r.enter(Ready, p.pid(), "")
		}
	}()
	select {
	case <-p.done():
	case asked = <-r.restarts:
	case <-r.ctx.Done():
	}
	// The probe must be over before the state changes again, or a late answer
	// would call a dead process ready.
	stopProbing()
	<-probed
	p.stop(r.grace)
	return asked, time.Since(started), errors.New(p.exit())
}

func (r *runner) backOff(err error, pause time.Duration) {
	r.enter(BackOff, 0, err.Error())
	r.update(func(s *Status) { s.NextStart = time.Now().Add(pause) })
}

func (r *runner) enter(state State, pid int, lastExit string) {
	r.update(func(s *Status) {
		s.State, s.PID, s.Since, s.NextStart = state, pid, time.Now(), time.Time{}
		if lastExit != "" {
			s.LastExit = lastExit
		}
	})
}

func (r *runner) update(f func(*Status)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f(&r.status)
}

func (r *runner) currentStatus() Status {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.status
}
