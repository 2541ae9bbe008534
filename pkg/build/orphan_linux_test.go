package build

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// hostArgument makes the test binary a process with a pool: it prints the
// workers' process ids and then waits for its end, one worker within a build.
const hostArgument = "host-a-pool"

func hostPool() error {
	p, err := NewPool(PoolOptions{Command: workerCommand(), Workers: 2})
	if err != nil {
		return err
	}
	busy := p.warmest()
	inside := make(chan struct{})
	tree := &hookTree{mapTree: small(), path: "app/sa.yaml", hook: func() { close(inside); select {} }}
	go func() {
		_, _ = p.Build(testContext{}, Request{Tree: tree, Options: Options{Path: "app"}})
	}()
	<-inside
	idle, err := p.acquire(testContext{}, "idle", nil)
	if err != nil {
		return err
	}
	fmt.Println(busy.pid(), idle.pid())
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

// testContext is a context without end: there is no test in a helper process.
type testContext struct{}

func (testContext) Deadline() (time.Time, bool) { return time.Time{}, false }
func (testContext) Done() <-chan struct{}       { return nil }
func (testContext) Err() error                  { return nil }
func (testContext) Value(any) any               { return nil }

// However the server ends, its workers end with it.
func TestWorkersDieWithTheServer(t *testing.T) {
	host := exec.Command(os.Args[0], hostArgument)
	stdin, err := host.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer stdin.Close()
	stdout, err := host.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := host.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = host.Wait() }()
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	var ends []unix.PollFd
	for _, field := range strings.Fields(line) {
		pid, err := strconv.Atoi(field)
		if err != nil {
			t.Fatal(err)
		}
		fd, err := unix.PidfdOpen(pid, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Close(fd)
		ends = append(ends, unix.PollFd{Fd: int32(fd), Events: unix.POLLIN})
	}
	if len(ends) != 2 {
		t.Fatalf("got the processes %q", line)
	}
	if n, err := unix.Poll(ends, 0); err != nil || n != 0 {
		t.Fatalf("%d workers have ended before, %v", n, err)
	}
	if err := host.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	for i := range ends {
		if n, err := unix.Poll(ends[i:i+1], 10_000); err != nil || n != 1 {
			t.Errorf("a worker outlives its server: %v", err)
		}
	}
}
