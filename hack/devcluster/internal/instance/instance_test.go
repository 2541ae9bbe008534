package instance

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

const patience = 20 * time.Second

// lockEnv makes the test binary take a lock, say so, and wait for its end.
const lockEnv = "TEST_LOCK_DIR"

func TestMain(m *testing.M) {
	if dir := os.Getenv(lockEnv); dir != "" {
		if _, err := Acquire(dir); err != nil {
			panic(err)
		}
		_, _ = os.Stdout.WriteString("locked\n")
		select {}
	}
	os.Exit(m.Run())
}

func TestLockSaysWhoHoldsIt(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	expectHolder := func(want int) {
		t.Helper()
		holder, running, err := Holder(dir)
		if err != nil || running != (want != 0) || holder.PID != want {
			t.Errorf("holder: got %+v, %t, %v, want pid %d", holder, running, err, want)
		}
	}
	expectHolder(0) // there is no file
	lock, err := Acquire(dir)
	if err != nil {
		t.Fatal(err)
	}
	expectHolder(os.Getpid())
	if _, err := Acquire(dir); !errors.Is(err, ErrRunning) {
		t.Errorf("second lock: got %v, want %v", err, ErrRunning)
	}
	if err := lock.Release(); err != nil {
		t.Fatal(err)
	}
	expectHolder(0) // the file still names this process, which lives
	again, err := Acquire(dir)
	if err != nil {
		t.Fatal(err)
	}
	_ = again.Release()
}

func TestLockEndsWithAKilledProcess(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), lockEnv+"="+dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := out.Read(make([]byte, 7)); err != nil {
		t.Fatal(err)
	}
	if holder, running, err := Holder(dir); err != nil || !running || holder.PID != cmd.Process.Pid {
		t.Errorf("holder: got %+v, %t, %v, want pid %d", holder, running, err, cmd.Process.Pid)
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait() // "signal: killed"
	if holder, running, err := Holder(dir); err != nil || running {
		t.Errorf("holder after kill -9: got %+v, %t, %v, want none", holder, running, err)
	}
}

// A lock that is held, but names a process that is not there, must not lead to
// a signal for whoever has the pid now.
func TestHolderThatIsSomebodyElse(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	lock, err := Acquire(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = lock.Release() }()
	self, err := Self()
	if err != nil {
		t.Fatal(err)
	}
	self.StartTime--
	data, err := json.Marshal(self)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, lockName), data, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, running, err := Holder(dir); err == nil || running {
		t.Errorf("got %t, %v, want an error", running, err)
	}
}

func TestProcessIsNotItsSuccessor(t *testing.T) {
	t.Parallel()
	self, err := Self()
	if err != nil {
		t.Fatal(err)
	}
	if !self.Alive() {
		t.Error("this process is not alive")
	}
	for name, change := range map[string]func(*Process){
		"another start time": func(p *Process) { p.StartTime++ },
		"another boot":       func(p *Process) { p.Boot = "x" },
		"no pid":             func(p *Process) { p.PID = 0 },
		"negative pid":       func(p *Process) { p.PID = -1 },
	} {
		other := self
		change(&other)
		if handle, ok := other.Open(); ok {
			_ = handle.Release()
			t.Errorf("%s: taken for this process", name)
		}
	}
}

func TestWait(t *testing.T) {
	t.Parallel()
	cmd := exec.Command("sleep", "1000")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p, err := Lookup(cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	short, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if err := p.Wait(short); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("while it runs: got %v, want %v", err, context.DeadlineExceeded)
	}
	_ = cmd.Process.Kill()
	long, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	// Not reaped yet: a zombie has ended, too.
	if err := p.Wait(long); err != nil {
		t.Errorf("after kill -9: %v", err)
	}
	if p.Alive() {
		t.Error("a zombie is alive")
	}
	_ = cmd.Wait()
	if err := p.Wait(long); err != nil {
		t.Errorf("after it was reaped: %v", err)
	}
}

// The name of a program may look like the fields that follow it.
func TestStartTimeOfAStrangeName(t *testing.T) {
	t.Parallel()
	sleep, err := exec.LookPath("sleep")
	if err != nil {
		t.Fatal(err)
	}
	strange := filepath.Join(t.TempDir(), "a) Z 1 (b")
	data, err := os.ReadFile(sleep)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(strange, data, 0o700); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(strange, "1000")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }()
	p, err := Lookup(cmd.Process.Pid)
	if err != nil || p.StartTime == 0 || !p.Alive() {
		t.Errorf("got %+v, %v", p, err)
	}
}

func TestPortsAreKept(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var wg sync.WaitGroup
	var mu sync.Mutex
	seen := map[string]map[int]bool{"a": {}, "b": {}}
	for range 10 {
		for name := range seen {
			wg.Go(func() {
				port, err := Port(dir, name)
				if err != nil {
					t.Error(err)
				}
				mu.Lock()
				defer mu.Unlock()
				seen[name][port] = true
			})
		}
	}
	wg.Wait()
	if len(seen["a"]) != 1 || len(seen["b"]) != 1 {
		t.Errorf("ports: got %v, want one for each name", seen)
	}
	for port := range seen["a"] {
		if seen["b"][port] || port < firstPort || port >= lastPort {
			t.Errorf("ports: got %v, want different ones from %d to %d", seen, firstPort, lastPort)
		}
	}
	for _, name := range []string{"", "a=b", "a\nb", "a b"} {
		if _, err := Port(dir, name); err == nil {
			t.Errorf("name %q was taken", name)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, portsName), []byte("a=70000\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Port(dir, "a"); err == nil || !strings.Contains(err.Error(), "name=port") {
		t.Errorf("broken file: got %v", err)
	}
}

func TestSocketInADirectoryWithALongPath(t *testing.T) {
	t.Parallel()
	long := filepath.Join(t.TempDir(), strings.Repeat("d", 200))
	if err := os.Mkdir(long, 0o700); err != nil {
		t.Fatal(err)
	}
	sockets, err := OpenSocketDir(long)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = sockets.Close() }()
	listener, err := net.Listen("unix", sockets.Path("s"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	other, err := OpenSocketDir(long) // as another process opens it
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = other.Close() }()
	conn, err := net.Dial("unix", other.Path("s"))
	if err != nil {
		t.Fatal(err)
	}
	_ = conn.Close()
}
