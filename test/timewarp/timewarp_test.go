package timewarp_test

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/leat-dev/leat/test/timewarp"
)

// clockArgument has the test binary tell the time instead: one line for each line
// that it reads.
const clockArgument = "tell-the-time"

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == clockArgument {
		begin := time.Now()
		for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
			now := time.Now()
			fmt.Println(now.Unix(), int64(now.Sub(begin).Seconds()))
		}
		return
	}
	os.Exit(m.Run())
}

func TestClocks(t *testing.T) {
	cmd := exec.Command(os.Args[0], clockArgument)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { in.Close(); cmd.Wait() })
	// tell returns how far the process's wall clock is ahead of ours, and how much
	// time it thinks has passed.
	tell := func() (ahead, passed time.Duration) {
		t.Helper()
		if _, err := fmt.Fprintln(in); err != nil {
			t.Fatal(err)
		}
		var wall, monotonic int64
		if _, err := fmt.Fscan(out, &wall, &monotonic); err != nil {
			t.Fatal(err)
		}
		return time.Until(time.Unix(wall, 0)), time.Duration(monotonic) * time.Second
	}
	if ahead, _ := tell(); ahead.Abs() > time.Minute {
		t.Fatalf("the clock is ahead by %s before anything was done", ahead)
	}
	clocks, err := timewarp.Of(cmd.Process.Pid)
	if errors.Is(err, timewarp.ErrUnsupported) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	const slack = time.Minute // for a machine that is busy
	for _, step := range []struct {
		move          func() error
		ahead, passed time.Duration
	}{
		{func() error { return clocks.Set(time.Hour) }, time.Hour, 0},
		{func() error { return clocks.Set(-2 * time.Hour) }, -time.Hour, 0},
		{func() error { return clocks.Pass(24 * time.Hour) }, 23 * time.Hour, 24 * time.Hour},
	} {
		if err := step.move(); err != nil {
			t.Fatal(err)
		}
		ahead, passed := tell()
		if (ahead-step.ahead).Abs() > slack || (passed-step.passed).Abs() > slack {
			t.Errorf("ahead by %s, %s have passed; want %s and %s", ahead, passed, step.ahead, step.passed)
		}
	}
}
