package leatserver

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/leat-dev/leat/test/framework"
)

const (
	startTimeout = time.Minute
	stopTimeout  = 45 * time.Second
	pollInterval = 20 * time.Millisecond
	// logTail is how much of the server's log goes into an error, in bytes.
	logTail = 4096
)

// groupVersions are what the server registers for.
var groupVersions = []string{"v1.source.toolkit.fluxcd.io", "v1.kustomize.toolkit.fluxcd.io"}

// Server is a leat-apiserver whose data stay in a directory over its lives.
type Server struct {
	dir  string
	port int
	args []string
	// wrapper is what the program is started by, if not by itself.
	wrapper []string

	mu   sync.Mutex
	cmd  *exec.Cmd
	done chan struct{} // closed when the process has ended
}

// New prepares a server that keeps its data and its log in dir and works on the
// cluster of a kubeconfig. It has the server's default flags, followed by args.
func New(dir, kubeconfig string, args ...string) (*Server, error) {
	root, err := framework.Root()
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	command := []string{
		filepath.Join(root, "bin", "leat-apiserver"),
		"--kubeconfig", kubeconfig,
		"--data-dir", filepath.Join(dir, "data"),
		"--build-worker", filepath.Join(root, "bin", "leat-build"),
		"--bind-address", "127.0.0.1",
		"--secure-port", strconv.Itoa(port),
		"--service-external-name", "localhost",
	}
	return &Server{dir: dir, port: port, args: append(command, args...)}, nil
}

// Wrap has the server started by another program, which gets the command line as
// further arguments and becomes the server. It counts from the next start on.
func (s *Server) Wrap(program ...string) { s.wrapper = program }

// Start starts the process and waits until it is ready.
func (s *Server) Start(ctx context.Context) error {
	if err := s.Spawn(); err != nil {
		return err
	}
	if err := s.WaitReady(ctx); err != nil {
		s.Kill()
		return err
	}
	return nil
}

// Spawn starts the process and does not wait for anything.
func (s *Server) Spawn() error {
	if err := s.spawn(); err != nil {
		return fmt.Errorf("starting leat-apiserver: %w", err)
	}
	return nil
}

func (s *Server) spawn() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	log, err := os.OpenFile(s.logFile(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	command := append(slices.Clone(s.wrapper), s.args...)
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Stdout, cmd.Stderr = log, log
	// A test that is killed must not leave a server behind.
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		return err
	}
	done := make(chan struct{})
	s.cmd, s.done = cmd, done
	go func() {
		defer close(done)
		_ = cmd.Wait() // how it ended is told by its log
	}()
	return nil
}

// WaitReady waits until the process that was started is ready.
func (s *Server) WaitReady(ctx context.Context) error {
	if err := s.waitReady(ctx); err != nil {
		return fmt.Errorf("%w\n%s", err, s.log())
	}
	return nil
}

// waitReady asks /readyz until it answers 200: a process that cannot call back
// has to be asked.
func (s *Server) waitReady(ctx context.Context) error {
	client := &http.Client{
		Timeout: 2 * time.Second,
		// The certificate is self-made and new; nothing secret is sent.
		Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}},
	}
	defer client.CloseIdleConnections()
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	for {
		if resp, err := client.Get(s.URL() + "/readyz"); err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-s.done:
			return errors.New("leat-apiserver ended while it was waited for")
		case <-ctx.Done():
			return fmt.Errorf("leat-apiserver was not ready in %s", startTimeout)
		case <-time.After(pollInterval):
		}
	}
}

// Kill ends the process as a power cut would, and returns when it is gone.
func (s *Server) Kill() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cmd != nil {
		_ = s.cmd.Process.Kill()
		<-s.done
	}
}

// Stop ends the process in order, or kills it if it does not end in time.
func (s *Server) Stop() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cmd == nil {
		return nil
	}
	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-s.done:
		return nil
	case <-time.After(stopTimeout):
		_ = s.cmd.Process.Kill()
		<-s.done
		return fmt.Errorf("leat-apiserver did not stop in %s\n%s", stopTimeout, s.log())
	}
}

// Ended is closed when the process that was started last has ended.
func (s *Server) Ended() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.done
}

// PID is the process's ID.
func (s *Server) PID() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.cmd.Process.Pid
}

// URL is where it serves, without kube-apiserver in between.
func (s *Server) URL() string { return fmt.Sprintf("https://127.0.0.1:%d", s.port) }

// Log is what the server has logged, in all its lives.
func (s *Server) Log() (string, error) {
	text, err := os.ReadFile(s.logFile())
	return string(text), err
}

// DataDir is where the server keeps its data.
func (s *Server) DataDir() string { return filepath.Join(s.dir, "data") }

func (s *Server) logFile() string { return filepath.Join(s.dir, "leat-apiserver.log") }

// log is the end of the server's log.
func (s *Server) log() []byte {
	text, err := os.ReadFile(s.logFile())
	if err != nil {
		return nil
	}
	return text[max(0, len(text)-logTail):]
}

// WaitRegistered waits until kube-apiserver passes requests on to the server.
func WaitRegistered(ctx context.Context, cluster *framework.Cluster) error {
	for _, version := range groupVersions {
		for _, condition := range []string{"create", "condition=Available"} {
			if _, _, err := cluster.Kubectl(ctx, "wait", "--for="+condition, "--timeout="+startTimeout.String(), "apiservice/"+version); err != nil {
				return err
			}
		}
	}
	return nil
}

// freePort returns a loopback port that nobody listens on now. It is not kept
// free; that nobody takes it until the server does is likely enough for a test.
func freePort() (int, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer listener.Close()
	return listener.Addr().(*net.TCPAddr).Port, nil
}
