package supervisor

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// patience is far above what anything here takes.
const patience = 20 * time.Second

// superviseEnv makes the test binary supervise a program and wait for its end.
const superviseEnv = "TEST_SUPERVISE_IN"

func TestMain(m *testing.M) {
	if dir := os.Getenv(superviseEnv); dir != "" {
		s := New(Options{LogDir: dir})
		if err := s.Apply([]Program{shell("p", "echo $$; exec sleep 1000")}); err != nil {
			panic(err)
		}
		s.Start()
		select {}
	}
	os.Exit(m.Run())
}

func shell(name, script string) Program {
	return Program{Name: name, Command: []string{"sh", "-c", script}}
}

func launch(t *testing.T, p Program) (_ process, log func() string) {
	t.Helper()
	dir := t.TempDir()
	started, err := newForker(dir).launch(p)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { started.stop(0) })
	return started, func() string {
		data, err := os.ReadFile(filepath.Join(dir, p.Name+".log"))
		if err != nil {
			t.Error(err)
		}
		return string(data)
	}
}

func eventually(t *testing.T, what string, check func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !check(); {
		if time.Now().After(end) {
			t.Fatalf("%s: not after %s", what, patience)
		}
		time.Sleep(10 * time.Millisecond) // between looks, not instead of one
	}
}

func waitEnd(t *testing.T, p process) {
	t.Helper()
	select {
	case <-p.done():
	case <-time.After(patience):
		t.Fatalf("process %d has not ended after %s", p.pid(), patience)
	}
}

func TestKilledProgramIsStartedAgain(t *testing.T) {
	t.Parallel()
	s := New(Options{LogDir: t.TempDir()})
	if err := s.Apply([]Program{shell("p", "exec sleep 1000")}); err != nil {
		t.Fatal(err)
	}
	s.Start()
	defer s.Stop()
	eventually(t, "first start", func() bool { return s.Status()[0].State == Ready })
	first := s.Status()[0].PID
	if err := syscall.Kill(first, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	eventually(t, "second start", func() bool { return s.Status()[0].Restarts == 1 && s.Status()[0].State == Ready })
	if got := s.Status()[0]; got.PID == first || got.LastExit != "signal: killed" {
		t.Errorf("status after kill -9 of %d: %+v", first, got)
	}
}

func TestStopAsksBeforeItKills(t *testing.T) {
	t.Parallel()
	polite, log := launch(t, shell("polite", `trap 'echo bye; exit 0' TERM; echo up; while :; do sleep 0.01; done`))
	eventually(t, "start", func() bool { return log() == "up\n" })
	polite.stop(patience)
	if got := polite.exit() + " " + log(); got != "exit status 0 up\nbye\n" {
		t.Errorf("polite program: got %q", got)
	}
	deaf, log := launch(t, shell("deaf", `trap '' TERM; echo up; while :; do sleep 0.01; done`))
	eventually(t, "start", func() bool { return log() == "up\n" })
	deaf.stop(10 * time.Millisecond)
	if got := deaf.exit(); got != "signal: killed" {
		t.Errorf("program that does not listen: got %q", got)
	}
}

// What a program leaves behind would hold its ports and files when it is
// started again.
func TestChildrenEndWithTheProgram(t *testing.T) {
	t.Parallel()
	p, log := launch(t, shell("parent", `sleep 1000 & echo $!; kill -9 $$`))
	waitEnd(t, p)
	child, err := strconv.Atoi(strings.TrimSpace(log()))
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "end of the child", func() bool { return ended(child) })
}

func TestProgramsEndWhenTheSupervisorIsKilled(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	supervisor := exec.Command(os.Args[0])
	supervisor.Env = append(os.Environ(), superviseEnv+"="+dir)
	if err := supervisor.Start(); err != nil {
		t.Fatal(err)
	}
	var pid int
	eventually(t, "start", func() bool {
		file, err := os.Open(filepath.Join(dir, "p.log"))
		if err != nil {
			return false
		}
		defer func() { _ = file.Close() }()
		line, err := bufio.NewReader(file).ReadString('\n')
		if err != nil {
			return false
		}
		pid, err = strconv.Atoi(strings.TrimSpace(line))
		return err == nil
	})
	if err := supervisor.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = supervisor.Wait() // "signal: killed"
	eventually(t, "end of the program", func() bool { return ended(pid) })
}

// ended says whether a process is gone, or dead and not reaped: who inherits an
// orphan may never do that.
func ended(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err != nil || strings.Contains(string(stat), ") Z ")
}

func TestReadiness(t *testing.T) {
	t.Parallel()
	var asked atomic.Int32
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if asked.Add(1) < 3 {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	defer server.Close()
	marker := filepath.Join(t.TempDir(), "marker")

	byURL := shell("url", "exec sleep 1000")
	byURL.ReadyURL = server.URL
	byCommand := shell("command", "sleep 0.3; touch $MARKER; exec sleep 1000")
	byCommand.ReadyCommand = []string{"sh", "-c", "test -e $MARKER"}
	byCommand.Env = map[string]string{"MARKER": marker}
	never := shell("never", "sleep 0.1")
	never.ReadyCommand = []string{"false"}

	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	p, _ := launch(t, byURL)
	if err := p.ready(ctx); err != nil || asked.Load() != 3 {
		t.Errorf("by URL: %v after %d answers, want 3", err, asked.Load())
	}
	p, _ = launch(t, byCommand)
	if err := p.ready(ctx); err != nil {
		t.Errorf("by command: %v", err)
	}
	if _, err := os.Stat(marker); err != nil {
		t.Errorf("by command: it was called ready before it was: %v", err)
	}
	p, _ = launch(t, never)
	if err := p.ready(ctx); err == nil {
		t.Error("a program that ended was called ready")
	}
}

func TestLargeLogIsMovedAside(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "p.log")
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := file.Truncate(maxLog + 1); err != nil {
		t.Fatal(err)
	}
	_ = file.Close()
	p, err := newForker(dir).launch(shell("p", "echo new"))
	if err != nil {
		t.Fatal(err)
	}
	waitEnd(t, p)
	if data, err := os.ReadFile(path); err != nil || string(data) != "new\n" {
		t.Errorf("log: got %q, %v", data, err)
	}
	if info, err := os.Stat(path + ".1"); err != nil || info.Size() != maxLog+1 {
		t.Errorf("log moved aside: got %v, %v", info, err)
	}
}
