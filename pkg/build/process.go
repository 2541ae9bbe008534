package build

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"syscall"
	"time"

	"github.com/leat-dev/leat/pkg/build/protocol"
)

// stopTimeout is how long a worker has to exit when its input is closed.
const stopTimeout = 2 * time.Second

// process is a running worker.
type process struct {
	options *PoolOptions
	cmd     *exec.Cmd
	conn    *protocol.Conn
	in, out *os.File
	stderr  *head

	// exited is closed when the process has ended; state is set by then.
	exited chan struct{}
	state  *os.ProcessState

	mu     sync.Mutex
	killed *Error // why this package killed the process, if it did for a reason
}

// startProcess starts a worker and waits until it is warm.
func startProcess(s *spawner, o *PoolOptions) (*process, error) {
	w, err := launch(s, o)
	if err != nil {
		return nil, fmt.Errorf("starting the build worker %s: %w", o.Command[0], err)
	}
	if err := w.handshake(); err != nil {
		w.kill(nil)
		<-w.exited
		return nil, fmt.Errorf("starting the build worker %s: %w", o.Command[0], err)
	}
	return w, nil
}

func launch(s *spawner, o *PoolOptions) (*process, error) {
	childIn, in, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	out, childOut, err := os.Pipe()
	if err != nil {
		return nil, errors.Join(err, childIn.Close(), in.Close())
	}
	w := &process{options: o, in: in, out: out, stderr: &head{}, exited: make(chan struct{})}
	w.conn = protocol.NewConn(out, in, protocol.MaxFrame)
	w.cmd = exec.Command(o.Command[0], o.Command[1:]...)
	w.cmd.Stdin, w.cmd.Stdout, w.cmd.Stderr = childIn, childOut, w.stderr
	w.cmd.Env = []string{} // nothing of ours is inherited
	w.cmd.Dir = "/"
	w.cmd.SysProcAttr = processAttributes()
	s.do(func() { err = w.cmd.Start() })
	closed := errors.Join(childIn.Close(), childOut.Close())
	if err != nil {
		return nil, errors.Join(err, closed, in.Close(), out.Close())
	}
	go w.reap()
	return w, nil
}

// reap waits for the process, so that it leaves no zombie.
func (w *process) reap() {
	_ = w.cmd.Wait() // the state says it all
	w.state = w.cmd.ProcessState
	// What the process wrote is still in the pipe; a reader gets it, and then
	// the end. A writer gets an error at once.
	_ = w.in.Close()
	close(w.exited)
}

func (w *process) handshake() error {
	timer := time.AfterFunc(w.options.StartTimeout, func() {
		w.kill(&Error{Reason: ReasonUnavailable, Err: fmt.Errorf("not ready after %s", w.options.StartTimeout)})
	})
	defer timer.Stop()
	// A program that does not listen may still have said what it is.
	err := w.conn.Send(&protocol.Hello{Version: protocol.Version, MemoryLimit: uint64(w.options.MemoryLimit)})
	if err != nil && !isHangUp(err) {
		return w.died(err)
	}
	m, err := w.conn.Receive()
	if err != nil {
		died := w.died(err)
		return fmt.Errorf("%w%s", died, w.stderr.complaint())
	}
	ready, ok := m.(*protocol.Ready)
	if !ok || ready.Version != protocol.Version {
		return fmt.Errorf("it answers with %T instead of version %d of the protocol: is it of the same release?", m, protocol.Version)
	}
	log := w.options.Logger.WithValues("pid", w.pid())
	if ready.Unconfined != "" {
		log.Info("Build worker is not confined by the kernel", "reason", ready.Unconfined)
	}
	log.V(4).Info("Build worker is ready")
	return nil
}

// build runs one build. The worker may run another one only if reusable.
func (w *process) build(r *recorder, m *protocol.Build) (done *protocol.Done, err *Error, reusable bool) {
	done, err, reusable = w.serve(r, m)
	// What was refused decides, whatever the worker made of the refusal.
	if r.err != nil && (err == nil || !err.ofProcess()) {
		done, err = nil, r.err
	}
	return done, err, reusable
}

func (w *process) serve(r *recorder, m *protocol.Build) (*protocol.Done, *Error, bool) {
	if err := w.conn.Send(m); err != nil {
		return nil, w.died(err), false
	}
	for {
		m, err := w.conn.Receive()
		if err != nil {
			return nil, w.died(err), false
		}
		switch m := m.(type) {
		case *protocol.Read:
			if err := w.conn.Send(r.answer(m)); err != nil {
				return nil, w.died(err), false
			}
		case *protocol.Done:
			return m, nil, !m.Retire
		case *protocol.Failed:
			return nil, &Error{Reason: m.Reason, File: m.File, Object: m.Object, Err: errors.New(m.Message)}, !m.Retire
		default:
			return nil, w.died(fmt.Errorf("it sent an unexpected %T", m)), false
		}
	}
}

// died makes sure that the process is gone and says why. The error is what was
// noticed of it.
func (w *process) died(noticed error) *Error {
	if !isHangUp(noticed) {
		// The worker may be alive, but it does not make sense any more.
		w.blame(&Error{Reason: ReasonCrashed, Err: fmt.Errorf("the build worker broke the protocol: %w", noticed)})
	}
	w.kill(nil)
	<-w.exited
	cause := w.cause()
	w.options.Logger.V(2).Info("Build worker died", "pid", w.pid(), "reason", cause.Reason, "cause", cause.Err.Error(),
		"stderr", w.stderr.trace(), "stderrBytes", w.stderr.size())
	return cause
}

// isHangUp says that err is what one sees of a connection whose other side is
// gone.
func isHangUp(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, os.ErrClosed) || errors.Is(err, syscall.EPIPE)
}

// blame says why the process ends, unless that is known already. It may have
// ended by itself before.
func (w *process) blame(reason *Error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.killed == nil {
		w.killed = reason
	}
}

// kill ends the process at once. The first reason that is given is the cause.
func (w *process) kill(reason *Error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	select {
	case <-w.exited:
		return
	default:
	}
	if w.killed == nil {
		w.killed = reason
	}
	_ = w.cmd.Process.Kill() // it has exited if this fails
}

// stop lets the process exit.
func (w *process) stop() {
	_ = w.in.Close() // the worker exits at the end of its input
	timer := time.AfterFunc(stopTimeout, func() { w.kill(nil) })
	defer timer.Stop()
	<-w.exited
	_ = w.out.Close()
}

func (w *process) hasExited() bool {
	select {
	case <-w.exited:
		return true
	default:
		return false
	}
}

func (w *process) pid() int { return w.cmd.Process.Pid }

// cause says why the process ended. It must have.
func (w *process) cause() *Error {
	w.mu.Lock()
	defer w.mu.Unlock()
	_ = w.out.Close()
	switch {
	case w.killed != nil:
		return w.killed
	case w.stderr.outOfMemory(), w.peakMemory() > w.options.MemoryLimit/4*3:
		return &Error{Reason: ReasonMemory, Err: fmt.Errorf("the build needs more than %d MiB of memory", w.options.MemoryLimit>>20)}
	default:
		return &Error{Reason: ReasonCrashed, Err: fmt.Errorf("the build worker died: %s%s", w.state, w.stderr.summary())}
	}
}

// peakMemory returns how many bytes the process had in memory at most. The Go
// runtime does not always say that it ran out of memory: it can fail within
// its own collector, which just crashes.
func (w *process) peakMemory() int64 {
	usage, ok := w.state.SysUsage().(*syscall.Rusage)
	if !ok {
		return 0
	}
	return peakBytes(usage)
}

// ofProcess says that the error is about the process and not about what it was
// asked to build.
func (e *Error) ofProcess() bool {
	return e.Reason == ReasonDeadline || e.Reason == ReasonMemory || e.Reason == ReasonCrashed
}

// spawner starts processes on one operating system thread that lives as long
// as it does: a worker is killed by the kernel when the thread that started it
// ends, and Go ends threads as it likes.
type spawner struct {
	work chan func()
	done chan struct{}
}

func newSpawner() *spawner {
	s := &spawner{work: make(chan func()), done: make(chan struct{})}
	go func() {
		defer close(s.done)
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		for f := range s.work {
			f()
		}
	}()
	return s
}

// do runs f on the thread and waits for it.
func (s *spawner) do(f func()) {
	ran := make(chan struct{})
	s.work <- func() { defer close(ran); f() }
	<-ran
}

func (s *spawner) close() {
	close(s.work)
	<-s.done
}
