package runtimetest

import (
	"bufio"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/leat-dev/leat/pkg/reconcilers/runtime"
)

// CheckFields compares the fields that a reconciler acts on with the facts of
// the API, one line a field, in test/parity: each leaf of the spec has to be
// among them or among refused, and not in both.
func CheckFields(t *testing.T, fields runtime.Fields, facts string, refused []string) {
	t.Helper()
	leaves := specLeaves(t, facts)
	if len(leaves) < 10 {
		t.Fatalf("%s has %d leaves of a spec, which cannot be all", facts, len(leaves))
	}
	for _, leaf := range leaves {
		acted, not := fields.ActsOn(leaf), slices.Contains(refused, leaf)
		switch {
		case !acted && !not:
			t.Errorf("%s is served, but neither acted on nor refused", leaf)
		case acted && not:
			t.Errorf("%s is both acted on and refused", leaf)
		}
	}
	for _, path := range append(fields.Paths(), refused...) {
		if !slices.Contains(leaves, path) {
			t.Errorf("%s is no field of the API", path)
		}
	}
}

// specLeaves reads the paths that have none below them.
func specLeaves(t *testing.T, facts string) []string {
	t.Helper()
	root, err := moduleRoot()
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(filepath.Join(root, "test", "parity", "testdata", facts))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var paths []string
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		path, _, _ := strings.Cut(lines.Text(), "\t")
		if strings.HasPrefix(path, "spec.") {
			paths = append(paths, path)
		}
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return slices.DeleteFunc(slices.Clone(paths), func(p string) bool {
		return slices.ContainsFunc(paths, func(q string) bool {
			rest, below := strings.CutPrefix(q, p)
			return below && rest != "" && strings.ContainsRune(".[{", rune(rest[0]))
		})
	})
}

func moduleRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", os.ErrNotExist
		}
		dir = parent
	}
}
