package quickstart

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/leat-dev/leat/test/framework"
)

// patience is far above what anything here takes.
const patience = 3 * time.Minute

// place is a directory in which the project's scripts keep everything.
type place struct {
	t         *testing.T
	root, dir string
}

// newPlace makes a directory that looks like the project's root to somebody who
// types the README's commands, and stops at the end what was started in it.
func newPlace(t *testing.T) *place {
	t.Helper()
	root, err := framework.Root()
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "leat-quickstart-")
	if err != nil {
		t.Fatal(err)
	}
	p := &place{t: t, root: root, dir: dir}
	t.Cleanup(func() {
		if out, err := p.script(context.WithoutCancel(t.Context()), "down.sh", "--wipe"); err != nil {
			t.Errorf("stopping: %v\n%s", err, out)
		}
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return p
}

// script runs one of the scripts behind the Makefile's targets.
func (p *place) script(ctx context.Context, name string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, filepath.Join(p.root, "hack", name), args...)
	cmd.Env = append(os.Environ(), "LEAT_DEV_DIR="+filepath.Join(p.dir, ".dev"))
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// mustRun runs a script that must not fail.
func (p *place) mustRun(name string, args ...string) string {
	p.t.Helper()
	out, err := p.script(p.t.Context(), name, args...)
	if err != nil {
		p.t.Fatalf("%s: %v\n%s", name, err, out)
	}
	return out
}

// shell runs a line in the environment that .dev/env makes.
func (p *place) shell(line string) string {
	p.t.Helper()
	cmd := exec.CommandContext(p.t.Context(), "bash", "-c", "set -e; . .dev/env; "+line)
	cmd.Dir = p.dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		p.t.Fatalf("%s: %v\n%s", line, err, out)
	}
	return strings.TrimSpace(string(out))
}

func TestReadme(t *testing.T) {
	p := newPlace(t)
	text, err := os.ReadFile(filepath.Join(p.root, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	steps := Steps(string(text))
	if len(steps) < 10 {
		t.Fatalf("the README has %d commands, want 10 or more: is it still read right?", len(steps))
	}
	p.mustRun("up.sh")

	// One shell for all, as a person has: directories and variables stay.
	const mark = "----- end of step -----"
	var script bytes.Buffer
	script.WriteString("set -e\n")
	for _, s := range steps {
		fmt.Fprintf(&script, "%s\necho; echo '%s'\n", strings.TrimRight(s.Command, "\n"), mark)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, "bash", "-s")
	cmd.Dir, cmd.Stdin = p.dir, &script
	out, err := cmd.CombinedOutput()
	outputs := strings.Split(string(out), mark)
	if err != nil {
		t.Fatalf("step %d of %d failed: %v\n%s", len(outputs), len(steps), err, outputs[len(outputs)-1])
	}
	for i, s := range steps {
		if diff := cmp.Diff(Normalise(s.Output), Normalise(outputs[i])); diff != "" {
			t.Errorf("%s\nprints something else than the README says (-README +printed):\n%s", s.Command, diff)
		}
	}
}

// TestUpAndDown is the life of a local cluster: up twice, a server that dies, down
// and up again, and the end.
func TestUpAndDown(t *testing.T) {
	p := newPlace(t)
	p.mustRun("up.sh")
	const uid = "kubectl --namespace demo get kustomization demo -o jsonpath='{.metadata.uid} {.metadata.generation}'"
	first := p.shell(uid)

	p.mustRun("up.sh")
	if again := p.shell(uid); again != first {
		t.Errorf("after a second up the Kustomization is %s, was %s", again, first)
	}

	// The supervisor brings back a server that was killed.
	pid := p.pid("leat-apiserver")
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	p.waitGone(pid)
	p.shell(`devcluster_ready() { ` + p.root + `/bin/devcluster status --dir .dev >/dev/null; }
		for i in $(seq 600); do devcluster_ready && exit 0; sleep 0.1; done; exit 1`)
	if next := p.pid("leat-apiserver"); next == pid {
		t.Error("the server has the pid of the one that was killed")
	}

	p.mustRun("down.sh")
	if _, err := os.Stat(filepath.Join(p.dir, ".dev", "kubeconfig")); err != nil {
		t.Errorf("down without WIPE lost something: %v", err)
	}
	p.mustRun("up.sh")
	if again := p.shell(uid); again != first {
		t.Errorf("after down and up the Kustomization is %s, was %s", again, first)
	}
	p.mustRun("down.sh", "--wipe")
	if _, err := os.Stat(filepath.Join(p.dir, ".dev")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("after down --wipe .dev is still there: %v", err)
	}
	if out := p.mustRun("down.sh"); !strings.Contains(out, "nothing to stop") {
		t.Errorf("down without anything to stop says %q", out)
	}
}

// pid is the pid that `devcluster status` shows for a program.
func (p *place) pid(program string) int {
	p.t.Helper()
	out := p.shell(p.root + "/bin/devcluster status --dir .dev | awk '$1 == \"" + program + "\" {print $3}'")
	var pid int
	if _, err := fmt.Sscan(out, &pid); err != nil {
		p.t.Fatalf("pid of %s: %v: %q", program, err, out)
	}
	return pid
}

// waitGone waits until a process that was killed has ended.
func (p *place) waitGone(pid int) {
	p.t.Helper()
	deadline := time.Now().Add(patience)
	for syscall.Kill(pid, 0) == nil {
		if time.Now().After(deadline) {
			p.t.Fatalf("process %d did not end", pid)
		}
		time.Sleep(10 * time.Millisecond)
	}
}
