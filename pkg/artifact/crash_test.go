package artifact

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"
)

const (
	crashDir  = "LEAT_TEST_CRASH_DIR"
	crashSeed = "LEAT_TEST_CRASH_SEED"
)

// crashFiles is what an owner has at a revision: some of it is new in each,
// some in none, and some comes and goes.
func crashFiles(owner, revision int) []file {
	files := []file{
		{"same", "the same for all", false},
		{"own", fmt.Sprint("of owner ", owner), true},
		{"dir/new", strings.Repeat(fmt.Sprint(owner, "/", revision, " "), 2000), false},
	}
	for i := range revision % 5 {
		files = append(files, file{fmt.Sprint("dir/sub/f", i), strings.Repeat("x", 1000*i+owner), false})
	}
	return files
}

// TestCrashHelper is the process that gets killed.
func TestCrashHelper(t *testing.T) {
	dir := os.Getenv(crashDir)
	if dir == "" {
		t.Skip("runs as a helper of TestCrash")
	}
	var seed uint64
	if _, err := fmt.Sscan(os.Getenv(crashSeed), &seed); err != nil {
		t.Fatal(err)
	}
	random := rand.New(rand.NewPCG(seed, seed))
	s, err := Open(dir, Options{RetentionTTL: time.Nanosecond, MaxSegments: 4})
	if err != nil {
		t.Fatal(err)
	}
	for {
		owner := random.IntN(3)
		o := Owner{Kind: "K", Name: fmt.Sprint(owner)}
		revision := 1
		if list := s.Records(o); len(list) > 0 {
			if _, err := fmt.Sscanf(list[0].Revision, "r%d", &revision); err != nil {
				t.Fatal(err)
			}
			revision++
		}
		publish(t, s, o, fmt.Sprint("r", revision), crashFiles(owner, revision)...)
		fmt.Printf("\nACK %d %d\n", owner, revision)
		if random.IntN(3) == 0 {
			if _, err := s.Collect(context.Background()); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// A process that is killed at any moment leaves the old or the new state,
// whole, and nothing that it acknowledged is lost.
func TestCrash(t *testing.T) {
	dir := t.TempDir()
	acknowledged := map[int]int{}
	rounds := 25
	if testing.Short() {
		rounds = 5
	}
	for round := range rounds {
		random := rand.New(rand.NewPCG(uint64(round), 1))
		crash(t, dir, round, 1+random.IntN(12), time.Duration(random.IntN(4000))*time.Microsecond, acknowledged)
		checkCrashed(t, dir, acknowledged)
		if t.Failed() {
			t.Fatalf("in round %d", round)
		}
	}
}

// crash runs the helper and kills it some time after a number of revisions.
func crash(t *testing.T, dir string, round, revisions int, after time.Duration, acknowledged map[int]int) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestCrashHelper$")
	cmd.Env = append(os.Environ(), crashDir+"="+dir, fmt.Sprint(crashSeed, "=", round))
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	seen := 0
	for lines := bufio.NewScanner(out); lines.Scan(); {
		var owner, revision int
		if n, err := fmt.Sscanf(lines.Text(), "ACK %d %d", &owner, &revision); n != 2 || err != nil {
			if strings.Contains(lines.Text(), "_test.go") {
				t.Error(lines.Text())
			}
			continue
		}
		acknowledged[owner] = revision
		if seen++; seen == revisions {
			// Not to wait for anything, but to hit other moments too.
			time.AfterFunc(after, func() { _ = cmd.Process.Kill() })
		}
	}
	if err := cmd.Wait(); err == nil || cmd.ProcessState.ExitCode() != -1 {
		t.Fatalf("the helper ended by itself: %v", err)
	}
}

func checkCrashed(t *testing.T, dir string, acknowledged map[int]int) {
	t.Helper()
	s, err := Open(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	if damaged := s.Damaged(); len(damaged) > 0 {
		t.Errorf("damaged: %v", damaged)
	}
	for owner, last := range acknowledged {
		list := s.Records(Owner{Kind: "K", Name: fmt.Sprint(owner)})
		if len(list) == 0 {
			t.Errorf("owner %d has no record, revision %d was acknowledged", owner, last)
			continue
		}
		for i, r := range list {
			var revision int
			if _, err := fmt.Sscanf(r.Revision, "r%d", &revision); err != nil {
				t.Fatal(err)
			}
			if i == 0 && revision != last && revision != last+1 {
				t.Errorf("owner %d has revision %d, %d was acknowledged", owner, revision, last)
			}
			checkRecord(t, s, r, crashFiles(owner, revision))
		}
	}
}

// checkRecord reads all that a record refers to.
func checkRecord(t *testing.T, s *Store, r Record, want []file) {
	t.Helper()
	tree, err := s.Tree(r.Tree)
	if err != nil {
		t.Errorf("%s: %v", r.Revision, err)
		return
	}
	slices.SortFunc(want, func(a, b file) int {
		return slices.Compare(strings.Split(a.path, "/"), strings.Split(b.path, "/"))
	})
	if got := contents(t, s, tree); !slices.Equal(got, want) {
		t.Errorf("%s: other files", r.Revision)
	}
	if got := untar(t, readArchive(t, s, r.Archive)); !slices.Equal(got, want) {
		t.Errorf("%s: other files in the archive", r.Revision)
	}
}
