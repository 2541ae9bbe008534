package supervisor

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// maxLog is the size beyond which a program's log is moved aside at its
	// next start, over the one that was moved aside before.
	maxLog        = 32 << 20
	probeInterval = 200 * time.Millisecond
	probeTimeout  = 5 * time.Second
)

// forker starts processes that the kernel kills when the supervisor dies, so
// that a supervisor that was killed leaves no programs behind which the next
// one would start a second time. The kernel ties this to the thread that
// started the process, not to its parent process: one thread starts them all
// and lives as long as the supervisor.
type forker struct {
	logDir string
	starts chan func()
}

func newForker(logDir string) *forker {
	f := &forker{logDir: logDir, starts: make(chan func())}
	go func() {
		runtime.LockOSThread()
		for start := range f.starts {
			start()
		}
	}()
	return f
}

func (f *forker) start(cmd *exec.Cmd) error {
	result := make(chan error)
	f.starts <- func() { result <- cmd.Start() }
	return <-result
}

func (f *forker) launch(p Program) (process, error) {
	log, err := f.openLog(p.Name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = log.Close() }() // the process has its own
	cmd := exec.Command(p.Command[0], p.Command[1:]...)
	cmd.Dir = p.Dir
	cmd.Env = os.Environ()
	for name, value := range p.Env {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := f.start(cmd); err != nil {
		_, _ = fmt.Fprintf(log, "devcluster: %v\n", err)
		return nil, err
	}
	c := &child{program: p, cmd: cmd, ended: make(chan struct{})}
	go c.wait()
	return c, nil
}

func (f *forker) openLog(name string) (*os.File, error) {
	path := filepath.Join(f.logDir, name+".log")
	if info, err := os.Stat(path); err == nil && info.Size() > maxLog {
		if err := os.Rename(path, path+".1"); err != nil {
			return nil, fmt.Errorf("moving the log aside: %w", err)
		}
	}
	log, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("opening the log: %w", err)
	}
	return log, nil
}

// child is a process of ours, the leader of a process group of its own.
type child struct {
	program Program
	cmd     *exec.Cmd
	ended   chan struct{}
	message string // valid once ended is closed
}

func (c *child) pid() int              { return c.cmd.Process.Pid }
func (c *child) done() <-chan struct{} { return c.ended }
func (c *child) exit() string          { <-c.ended; return c.message }

// wait ends whatever the process has left behind in its group. That happens
// before the process is reaped, while its pid, which names the group, cannot
// belong to anybody else.
func (c *child) wait() {
	defer close(c.ended)
	for {
		err := unix.Waitid(unix.P_PID, c.pid(), nil, unix.WEXITED|unix.WNOWAIT, nil)
		if !errors.Is(err, unix.EINTR) {
			break
		}
	}
	_ = unix.Kill(-c.pid(), unix.SIGKILL)
	_ = c.cmd.Wait()
	c.message = c.cmd.ProcessState.String()
}

func (c *child) stop(grace time.Duration) {
	_ = c.cmd.Process.Signal(unix.SIGTERM)
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case <-c.ended:
	case <-timer.C:
		_ = c.cmd.Process.Kill()
		<-c.ended
	}
}

func (c *child) ready(ctx context.Context) error {
	probe := c.probe()
	ticker := time.NewTicker(probeInterval)
	defer ticker.Stop()
	for {
		attempt, cancel := context.WithTimeout(ctx, probeTimeout)
		err := probe(attempt)
		cancel()
		if err == nil {
			return ctx.Err()
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-c.ended:
			return os.ErrProcessDone
		case <-ticker.C:
		}
	}
}

func (c *child) probe() func(context.Context) error {
	switch {
	case c.program.ReadyURL != "":
		// As a kubelet does it: see Program.ReadyURL.
		transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true}
		client := &http.Client{Transport: transport}
		return func(ctx context.Context) error { return get(ctx, client, c.program.ReadyURL) }
	case len(c.program.ReadyCommand) > 0:
		return func(ctx context.Context) error {
			cmd := exec.CommandContext(ctx, c.program.ReadyCommand[0], c.program.ReadyCommand[1:]...)
			cmd.Dir, cmd.Env = c.cmd.Dir, c.cmd.Env
			return cmd.Run()
		}
	default:
		return func(context.Context) error { return nil }
	}
}

func get(ctx context.Context, client *http.Client, url string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answered %s", url, response.Status)
	}
	return nil
}
