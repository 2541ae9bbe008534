package framework_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/leat-dev/leat/test/framework"
)

// commandTimeout is far above what one command takes.
const commandTimeout = 2 * time.Minute

// devcluster is the command with a directory, as a person uses it.
type devcluster struct {
	t      *testing.T
	binary string
	dir    string
}

func newDevcluster(t *testing.T) *devcluster {
	t.Helper()
	binary, err := framework.Devcluster(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	d := &devcluster{t: t, binary: binary, dir: t.TempDir()}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), commandTimeout)
		defer cancel()
		if out, err := exec.CommandContext(ctx, binary, "down", "--wipe", "--dir", d.dir).CombinedOutput(); err != nil {
			t.Errorf("down: %v\n%s", err, out)
		}
	})
	return d
}

func (d *devcluster) run(args ...string) (stdout, stderr string, err error) {
	d.t.Helper()
	ctx, cancel := context.WithTimeout(d.t.Context(), commandTimeout)
	defer cancel()
	var out, errOut bytes.Buffer
	cmd := exec.CommandContext(ctx, d.binary, append(args, "--dir", d.dir)...)
	cmd.Stdout, cmd.Stderr = &out, &errOut
	err = cmd.Run()
	return out.String(), errOut.String(), err
}

func (d *devcluster) must(args ...string) string {
	d.t.Helper()
	out, errOut, err := d.run(args...)
	if err != nil {
		d.t.Fatalf("devcluster %s: %v\n%s", strings.Join(args, " "), err, errOut)
	}
	return out
}

func (d *devcluster) up(args ...string) string {
	d.t.Helper()
	return d.must(append([]string{"up", "--fast", "--nodes", "1", "--owner-pid", strconv.Itoa(os.Getpid())}, args...)...)
}

// kubectl is the same binary under another name.
func (d *devcluster) kubectl(args ...string) string {
	d.t.Helper()
	ctx, cancel := context.WithTimeout(d.t.Context(), commandTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, d.binary, append([]string{"kubectl"}, args...)...)
	cmd.Env = append(os.Environ(), "KUBECONFIG="+filepath.Join(d.dir, "kubeconfig"), "KUBECACHEDIR="+filepath.Join(d.dir, "cache"))
	out, err := cmd.CombinedOutput()
	if err != nil {
		d.t.Fatalf("kubectl %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

type status struct {
	Phase    string
	PID      int
	Programs []struct {
		Name, State, LastExit string
		PID, Restarts         int
	}
}

func (d *devcluster) status() (s status) {
	d.t.Helper()
	out, errOut, _ := d.run("status", "--output=json") // not ready is an error
	if err := json.Unmarshal([]byte(out), &s); err != nil {
		d.t.Fatalf("reading the status: %v\n%s%s", err, out, errOut)
	}
	return s
}

// ended says whether a process is gone, or dead and not reaped: in a container,
// nobody may do that for an orphan.
func ended(pid int) bool {
	stat, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	return err != nil || strings.Contains(string(stat), ") Z ")
}

func eventually(t *testing.T, what string, check func() bool) {
	t.Helper()
	for end := time.Now().Add(timeout); !check(); {
		if time.Now().After(end) {
			t.Fatalf("%s: not after %s", what, timeout)
		}
		time.Sleep(20 * time.Millisecond) // between looks, not instead of one
	}
}

func TestLifeOfACluster(t *testing.T) {
	t.Parallel()
	d := newDevcluster(t)
	if _, errOut, err := d.run("status"); err == nil || !strings.Contains(errOut, "not running") {
		t.Errorf("status before the start: %v, %q", err, errOut)
	}
	d.up()
	d.must("status")
	first := d.status()
	port := d.must("port", "kube-apiserver")
	d.kubectl("create", "configmap", "kept")

	if out := d.up(); !strings.Contains(out, "is running") || d.status().PID != first.PID {
		t.Errorf("second up: %q, pid %d became %d", out, first.PID, d.status().PID)
	}
	if _, errOut, err := d.run("up", "--nodes", "3"); err == nil || !strings.Contains(errOut, "--nodes=1") {
		t.Errorf("up with other flags: %v, %q", err, errOut)
	}

	d.must("down")
	if !ended(first.PID) {
		t.Errorf("process %d is there after down", first.PID)
	}
	d.must("down") // harmless

	kubeconfig := d.read("kubeconfig")
	d.up()
	d.kubectl("get", "configmap", "kept")
	if again := d.must("port", "kube-apiserver"); again != port {
		t.Errorf("port %s became %s", port, again)
	}
	if d.read("kubeconfig") != kubeconfig {
		t.Error("the kubeconfig changed")
	}

	// A killed cluster comes back with its data; nothing has to be cleaned up.
	if err := syscall.Kill(d.status().PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	eventually(t, "end of the killed cluster", func() bool { _, errOut, _ := d.run("status"); return strings.Contains(errOut, "not running") })
	d.up()
	d.kubectl("get", "configmap", "kept")

	d.must("down", "--wipe")
	for _, name := range []string{"etcd", "pki", "logs", "kubeconfig", "ports"} {
		if _, err := os.Stat(filepath.Join(d.dir, name)); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s is there after down --wipe", name)
		}
	}
}

func (d *devcluster) read(name string) string {
	d.t.Helper()
	data, err := os.ReadFile(filepath.Join(d.dir, name))
	if err != nil {
		d.t.Fatal(err)
	}
	return string(data)
}

const programs = `
- name: idle
  command: [sh, -c, 'echo "$A $KUBECONFIG"; exec sleep 1000']
  env: {A: "${DIR} ${PORT_extra}"}
- name: late
  command: [sh, -c, 'sleep 0.2; echo > "${DIR}/late"; exec sleep 1000']
  readyCommand: [test, -e, "${DIR}/late"]
`

func TestProgramsAreKeptRunning(t *testing.T) {
	t.Parallel()
	d := newDevcluster(t)
	file := filepath.Join(t.TempDir(), "programs.yaml")
	if err := os.WriteFile(file, []byte(programs), 0o600); err != nil {
		t.Fatal(err)
	}
	d.up("--run", file)
	before := d.status()
	if len(before.Programs) != 2 || before.Programs[0].State != "Ready" || before.Programs[1].State != "Ready" {
		t.Fatalf("status after up: %+v", before)
	}
	want := d.dir + " " + strings.TrimSpace(d.must("port", "extra")) + " " + filepath.Join(d.dir, "kubeconfig") + "\n"
	if got := d.read("logs/idle.log"); got != want {
		t.Errorf("log of the program: got %q, want %q", got, want)
	}

	if err := syscall.Kill(before.Programs[0].PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	eventually(t, "restart after kill -9", func() bool {
		p := d.status().Programs[0]
		return p.Restarts == 1 && p.State == "Ready" && p.PID != before.Programs[0].PID && p.LastExit == "signal: killed"
	})
	d.must("restart", "late")
	after := d.status()
	if after.Programs[1].PID == before.Programs[1].PID || after.PID != before.PID {
		t.Errorf("restart: %+v became %+v", before, after)
	}
	if _, _, err := d.run("restart", "nobody"); err == nil {
		t.Error("a program that does not exist was restarted")
	}
	// Without --run they are left alone, and so are they with the same file.
	d.up()
	d.up("--run", file)
	if now := d.status(); now.Programs[0].PID != after.Programs[0].PID || now.Programs[1].PID != after.Programs[1].PID {
		t.Errorf("up again: %+v became %+v", after, now)
	}
	// Killing the supervisor must not leave programs that nobody owns.
	if err := syscall.Kill(after.PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	for _, p := range after.Programs {
		eventually(t, "end of "+p.Name, func() bool { return ended(p.PID) })
	}
}

func TestFlagsReachTheAPIServer(t *testing.T) {
	t.Parallel()
	d := newDevcluster(t)
	_, errOut, err := d.run("up", "--fast", "--apiserver-arg=--no-such-flag")
	if err == nil || !strings.Contains(errOut, "no-such-flag") {
		t.Errorf("up with a bad flag: %v, %q, want an error that names it", err, errOut)
	}
	d.up("--apiserver-arg=--default-not-ready-toleration-seconds=123")
	d.kubectl("run", "pod", "--image=pod")
	path := `jsonpath={.spec.tolerations[?(@.key=="node.kubernetes.io/not-ready")].tolerationSeconds}`
	if got := d.kubectl("get", "pod", "pod", "-o", path); got != "123" {
		t.Errorf("toleration that the flag sets: got %q seconds, want 123", got)
	}
}
