package worker

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/leat-dev/leat/pkg/build/protocol"
)

// probeArgument makes the test binary a process that confines itself and then
// tries what a worker must not be able to do.
const probeArgument = "probe-confinement"

func TestMain(m *testing.M) {
	if len(os.Args) == 3 && os.Args[1] == probeArgument {
		probe(os.Args[2])
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// attempts are what a confined process tries. The argument is the path of a
// file that there is.
func attempts(file string) []struct {
	name string
	try  func() error
} {
	return []struct {
		name string
		try  func() error
	}{
		{"read a file", func() error { _, err := os.ReadFile(file); return err }},
		{"write a file", func() error { return os.WriteFile(file+".new", nil, 0o600) }},
		{"remove a file", func() error { return os.Remove(file) }},
		{"read the environment of a process", func() error { _, err := os.ReadFile("/proc/self/environ"); return err }},
		{"list a directory", func() error { _, err := os.ReadDir("/"); return err }},
		{"dial", func() error { _, err := net.Dial("tcp", "127.0.0.1:1"); return err }},
		{"listen", func() error { _, err := net.Listen("tcp", "127.0.0.1:0"); return err }},
		{"open a unix socket", func() error { _, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM, 0); return err }},
		{"start a program", func() error { return exec.Command("/bin/true").Run() }},
		{"fork", func() error {
			pid, _, errno := syscall.RawSyscall(syscall.SYS_CLONE, uintptr(syscall.SIGCHLD), 0, 0)
			if errno == 0 && pid == 0 {
				unix.Exit(0)
			}
			return errnoOrNil(errno)
		}},
		{"signal another process", func() error { return syscall.Kill(os.Getppid(), 0) }},
		{"trace a process", func() error { return syscall.PtraceAttach(os.Getppid()) }},
		{"raise a limit", func() error {
			return unix.Setrlimit(unix.RLIMIT_DATA, &unix.Rlimit{Cur: unix.RLIM_INFINITY, Max: unix.RLIM_INFINITY})
		}},
	}
}

func errnoOrNil(errno syscall.Errno) error {
	if errno == 0 {
		return nil
	}
	return errno
}

func probe(file string) {
	if err := confine(64 << 20); err != nil {
		fmt.Printf("confine: %v\n", err)
		return
	}
	for _, a := range attempts(file) {
		if err := a.try(); err == nil {
			fmt.Printf("%s: possible\n", a.name)
		} else {
			fmt.Printf("%s: refused\n", a.name)
		}
	}
	// What it is for still works.
	var group []chan int
	for i := range 8 {
		c := make(chan int)
		group = append(group, c)
		go func() { c <- len(bytes.Repeat([]byte{'x'}, 1<<20)) + i }()
	}
	for _, c := range group {
		<-c
	}
	fmt.Println("compute: possible")
}

func TestConfinement(t *testing.T) {
	file := t.TempDir() + "/file"
	if err := os.WriteFile(file, []byte("content"), 0o600); err != nil {
		t.Fatal(err)
	}
	// Each must be possible outside, or its refusal would say nothing. The last
	// ones depend on who runs the test.
	for _, a := range attempts(file) {
		if slices.Contains([]string{"remove a file", "dial", "trace a process", "raise a limit"}, a.name) {
			continue
		}
		if err := a.try(); err != nil {
			t.Errorf("%s does not work even unconfined: %v", a.name, err)
		}
	}
	out, err := exec.Command(os.Args[0], probeArgument, file).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	if want := len(attempts(file)) + 1; len(lines) != want {
		t.Fatalf("got %d lines, want %d:\n%s", len(lines), want, out)
	}
	for _, line := range lines {
		if line != "compute: possible" && !strings.HasSuffix(line, ": refused") {
			t.Error(line)
		}
	}
	if _, err := os.Stat(file); err != nil {
		t.Error(err)
	}
}

func TestServeRefusesAnotherVersion(t *testing.T) {
	var in, out bytes.Buffer
	if err := protocol.NewConn(nil, &in, protocol.MaxFrame).Send(&protocol.Hello{Version: protocol.Version + 1}); err != nil {
		t.Fatal(err)
	}
	if err := Serve(&in, &out); err != nil {
		t.Fatal(err)
	}
	m, err := protocol.NewConn(&out, io.Discard, protocol.MaxFrame).Receive()
	if err != nil {
		t.Fatal(err)
	}
	if ready, ok := m.(*protocol.Ready); !ok || ready.Version != protocol.Version {
		t.Errorf("answered %#v", m)
	}
}

func TestNoTransport(t *testing.T) {
	client := http.Client{Transport: noTransport{}}
	_, err := client.Get("http://user:hunter2@127.0.0.1/?q=hunter2")
	if err == nil || !strings.Contains(err.Error(), "builds do not fetch anything") {
		t.Errorf("got %v", err)
	}
}
