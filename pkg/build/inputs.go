package build

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/leat-dev/leat/pkg/artifact"
	"github.com/leat-dev/leat/pkg/build/protocol"
)

// Inputs is what a build read of its tree, also what it looked for and did not
// find. It is immutable and safe for concurrent use.
type Inputs struct {
	inputs []input // sorted by path and op
}

// input is one fact about the tree. What was asked decides what is compared:
//
//	op         state   compared
//	Stat       any     file, directory or absent
//	Content    File    the digest
//	Content    other   directory or absent
//	Manifests  Dir     the names of subdirectories and manifests
type input struct {
	op     protocol.Op
	path   string
	state  protocol.State
	digest artifact.Digest
	names  string // see appendName
}

// UnchangedIn says whether a build of t would read the same.
func (in *Inputs) UnchangedIn(t Tree) bool {
	for i := range in.inputs {
		if !in.inputs[i].unchangedIn(t) {
			return false
		}
	}
	return true
}

func (i *input) unchangedIn(t Tree) bool {
	if i.op == protocol.Manifests {
		entries, ok := t.ReadDir(i.path)
		return ok && namesMatch(i.names, entries)
	}
	entry, ok := t.Lookup(i.path)
	if stateOf(entry, ok) != i.state {
		return false
	}
	return i.op != protocol.Content || i.state != protocol.File || entry.Digest == i.digest
}

// Files returns the paths of the files that were read, sorted.
func (in *Inputs) Files() iter.Seq[string] {
	return func(yield func(string) bool) {
		for i := range in.inputs {
			if r := &in.inputs[i]; r.op == protocol.Content && r.state == protocol.File && !yield(r.path) {
				return
			}
		}
	}
}

// Len returns how many facts about the tree the build depends on.
func (in *Inputs) Len() int { return len(in.inputs) }

// Digest returns "sha256:" and the digest over all that was read.
func (in *Inputs) Digest() string {
	h := sha256.New()
	for i := range in.inputs {
		r := &in.inputs[i]
		fmt.Fprintf(h, "%d %d %q %q %q\n", r.op, r.state, r.path, r.digest, r.names)
	}
	return "sha256:" + hex.EncodeToString(h.Sum(nil))
}

func newInputs(seen map[protocol.Question]input) *Inputs {
	in := &Inputs{inputs: make([]input, 0, len(seen))}
	for q, i := range seen {
		// The contents of a path say also what is there.
		if _, read := seen[protocol.Question{Op: protocol.Content, Path: q.Path}]; read && q.Op == protocol.Stat {
			continue
		}
		in.inputs = append(in.inputs, i)
	}
	slices.SortFunc(in.inputs, func(a, b input) int {
		return cmp.Or(strings.Compare(a.path, b.path), cmp.Compare(a.op, b.op))
	})
	return in
}

func stateOf(entry artifact.Entry, found bool) protocol.State {
	switch {
	case !found:
		return protocol.Absent
	case entry.Dir:
		return protocol.Dir
	default:
		return protocol.File
	}
}

// manifest returns what a listing of manifests has of an entry.
func manifest(e artifact.Entry) (protocol.Name, bool) {
	name := e.Path[strings.LastIndexByte(e.Path, '/')+1:]
	if !e.Dir && !strings.HasSuffix(name, ".yaml") && !strings.HasSuffix(name, ".yml") {
		return protocol.Name{}, false
	}
	return protocol.Name{Name: name, Dir: e.Dir}, true
}

// appendName adds a name to a list. No file name holds a slash or a zero byte.
func appendName(names []byte, n protocol.Name) []byte {
	names = append(names, n.Name...)
	if n.Dir {
		names = append(names, '/')
	}
	return append(names, 0)
}

// namesMatch says whether entries, listed, are names.
func namesMatch(names string, entries []artifact.Entry) bool {
	for _, e := range entries {
		n, ok := manifest(e)
		if !ok {
			continue
		}
		if names, ok = strings.CutPrefix(names, n.Name); !ok {
			return false
		}
		if n.Dir {
			if names, ok = strings.CutPrefix(names, "/"); !ok {
				return false
			}
		}
		if names, ok = strings.CutPrefix(names, "\x00"); !ok {
			return false
		}
	}
	return names == ""
}
