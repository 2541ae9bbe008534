package build

import (
	"fmt"
	"io/fs"
	"iter"
	"maps"
	"os"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/leat-dev/leat/pkg/artifact"
	"github.com/leat-dev/leat/pkg/build/worker"
)

// workerArgument makes the test binary a worker: there is nothing to build
// first, and -race covers the worker too.
const workerArgument = "leat-build-worker"

func TestMain(m *testing.M) {
	if len(os.Args) == 2 && os.Args[1] == workerArgument {
		stderr := os.Stderr
		if err := worker.Serve(os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(stderr, "worker:", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	if len(os.Args) == 2 && os.Args[1] == hostArgument {
		if err := hostPool(); err != nil {
			fmt.Fprintln(os.Stderr, "host:", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func workerCommand() []string { return []string{os.Args[0], workerArgument} }

// newPool starts a pool that is closed with the test.
func newPool(tb testing.TB, o PoolOptions) *Pool {
	tb.Helper()
	o.Command = workerCommand()
	setDefault(&o.Workers, 2)
	p, err := NewPool(o)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := p.Close(); err != nil {
			tb.Error(err)
		}
	})
	return p
}

// mapTree is a Tree of files by path.
type mapTree map[string]string

func (t mapTree) Lookup(p string) (artifact.Entry, bool) {
	if content, ok := t[p]; ok {
		return artifact.Entry{Path: p, Size: int64(len(content)), Digest: artifact.DigestOf([]byte(content))}, true
	}
	for file := range t {
		if p == "." || strings.HasPrefix(file, p+"/") {
			return artifact.Entry{Path: p, Dir: true}, true
		}
	}
	return artifact.Entry{}, false
}

func (t mapTree) ReadDir(p string) ([]artifact.Entry, bool) {
	if e, ok := t.Lookup(p); !ok || !e.Dir {
		return nil, false
	}
	children := make(map[string]bool)
	for file := range t {
		rest, ok := strings.CutPrefix(path.Join("/", file), path.Join("/", p, "x")[:len(path.Join("/", p, "x"))-1])
		if ok {
			name, _, _ := strings.Cut(rest, "/")
			children[path.Join(p, name)] = true
		}
	}
	var entries []artifact.Entry
	for _, child := range slices.Sorted(maps.Keys(children)) {
		e, _ := t.Lookup(child)
		entries = append(entries, e)
	}
	return entries, true
}

func (t mapTree) ReadFile(p string) ([]byte, error) {
	content, ok := t[p]
	if !ok {
		return nil, &fs.PathError{Op: "read", Path: p, Err: fs.ErrNotExist}
	}
	return []byte(content), nil
}

func (t mapTree) paths() iter.Seq[string] { return maps.Keys(t) }

// indexedTree is a mapTree with its entries made beforehand, as a store's are.
type indexedTree struct {
	mapTree
	entries map[string]artifact.Entry
}

func indexed(t mapTree) indexedTree {
	entries := make(map[string]artifact.Entry)
	for file := range t {
		for p := file; ; p = path.Dir(p) {
			entries[p], _ = t.Lookup(p)
			if p == "." {
				break
			}
		}
	}
	return indexedTree{t, entries}
}

func (t indexedTree) Lookup(p string) (artifact.Entry, bool) {
	e, ok := t.entries[p]
	return e, ok
}
