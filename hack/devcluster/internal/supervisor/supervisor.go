package supervisor

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	firstPause = time.Second
	longestGap = 30 * time.Second
	// healthyAfter is how long a program has to run for its next pause to be
	// the shortest again.
	healthyAfter = time.Minute
	// DefaultGrace is how long a program may take to end.
	DefaultGrace = 30 * time.Second
)

// Options say how to supervise.
type Options struct {
	// LogDir is where a program's output goes, into NAME.log.
	LogDir string
	// Grace is the time between SIGTERM and SIGKILL; DefaultGrace when zero.
	Grace time.Duration
}

// Supervisor keeps a set of programs running.
type Supervisor struct {
	launch launcher
	grace  time.Duration

	mu      sync.Mutex // held while the set changes
	started bool
	stopped bool

	runnersMu sync.RWMutex
	runners   map[string]*runner
}

// New returns a supervisor that runs nothing yet.
func New(o Options) *Supervisor {
	if o.Grace == 0 {
		o.Grace = DefaultGrace
	}
	return newSupervisor(o.Grace, newForker(o.LogDir).launch)
}

func newSupervisor(grace time.Duration, launch launcher) *Supervisor {
	return &Supervisor{launch: launch, grace: grace, runners: map[string]*runner{}}
}

// Start starts the programs that were applied so far, and from then on every
// program when it is applied.
func (s *Supervisor) Start() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.started || s.stopped {
		return
	}
	s.started = true
	for _, r := range s.list() {
		r.start()
	}
}

// Apply makes the set of programs this one: those that are not in it are
// stopped, those that changed are restarted, the others are left alone. It
// returns when what had to stop has stopped.
func (s *Supervisor) Apply(programs []Program) error {
	if err := Validate(programs); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped {
		return errors.New("the supervisor is stopping")
	}
	wanted := make(map[string]*runner, len(programs))
	var fresh []*runner
	for _, p := range programs {
		if old, ok := s.find(p.Name); ok && old.program.equal(p) {
			wanted[p.Name] = old
			continue
		}
		r := newRunner(p, s.launch, s.grace)
		wanted[p.Name] = r
		fresh = append(fresh, r)
	}
	var gone []*runner
	for _, old := range s.list() {
		if wanted[old.program.Name] != old {
			gone = append(gone, old)
		}
	}
	if s.started {
		stopAll(gone)
	}
	s.runnersMu.Lock()
	s.runners = wanted
	s.runnersMu.Unlock()
	if s.started {
		for _, r := range fresh {
			r.start()
		}
	}
	return nil
}

// Restart stops a program and starts it again at once; it returns when the new
// process is there.
func (s *Supervisor) Restart(name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, ok := s.find(name)
	if !ok {
		return fmt.Errorf("restarting %s: no such program", name)
	}
	if !s.started || s.stopped {
		return fmt.Errorf("restarting %s: programs do not run at the moment", name)
	}
	if err := r.restart(); err != nil {
		return fmt.Errorf("restarting %s: %w", name, err)
	}
	return nil
}

// Status tells about every program, sorted by name.
func (s *Supervisor) Status() []Status {
	list := s.list()
	statuses := make([]Status, 0, len(list))
	for _, r := range list {
		statuses = append(statuses, r.currentStatus())
	}
	return statuses
}

// Stop stops all programs and returns when they have ended.
func (s *Supervisor) Stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stopped = true
	if s.started {
		stopAll(s.list())
	}
}

func stopAll(runners []*runner) {
	for _, r := range runners {
		r.cancel()
	}
	for _, r := range runners {
		<-r.done
	}
}

func (s *Supervisor) find(name string) (*runner, bool) {
	s.runnersMu.RLock()
	defer s.runnersMu.RUnlock()
	r, ok := s.runners[name]
	return r, ok
}

func (s *Supervisor) list() []*runner {
	s.runnersMu.RLock()
	defer s.runnersMu.RUnlock()
	list := make([]*runner, 0, len(s.runners))
	for _, r := range s.runners {
		list = append(list, r)
	}
	slices.SortFunc(list, func(a, b *runner) int { return strings.Compare(a.program.Name, b.program.Name) })
	return list
}
