package artifact

import (
	"iter"
	"sort"
	"strings"
	"sync/atomic"
)

// Entry is a file or a directory of a tree.
type Entry struct {
	// Path is clean, relative and has slashes. The root's is ".".
	Path string
	// Dir says that the entry is a directory, Executable that it is a file
	// which may be run.
	Dir, Executable bool
	// Size is the length of a file, or of all files below a directory.
	Size int64
	// Digest is that of a file's content. A directory's covers the names,
	// modes and digests of everything below it.
	Digest Digest
}

// Tree is what a source held at a revision. It is immutable and safe for
// concurrent use. While a Tree is reachable, the store that it came from keeps
// its content.
type Tree struct {
	root *node
	// intact is the store's damage count when the presence of all content was
	// last checked; see Store.Tree.
	intact atomic.Uint64
}

// kind is the type of an entry as manifests spell it.
type kind byte

const (
	kindFile       kind = 'f'
	kindExecutable kind = 'x'
	kindDir        kind = 'd'
)

// node is a directory. Nodes are immutable and shared between trees.
type node struct {
	sum     sum
	entries []child // sorted by name
	// What is below, at any depth: the number of files and their bytes, the
	// most path elements and the longest path. Limits are checked with them.
	files, depth, longest int
	bytes                 int64
}

// child is an entry of a directory.
type child struct {
	name string
	kind kind
	sum  sum
	size int64
	dir  *node // of kindDir only
}

func (c *child) entry(path string) Entry {
	return Entry{Path: path, Dir: c.kind == kindDir, Executable: c.kind == kindExecutable, Size: c.size, Digest: c.sum.digest()}
}

// count fills in what is known once all entries are there.
func (n *node) count() {
	n.files, n.depth, n.longest, n.bytes = 0, 0, 0, 0
	for i := range n.entries {
		c := &n.entries[i]
		depth, longest := 1, len(c.name)
		if c.dir == nil {
			n.files++
		} else {
			n.files += c.dir.files
			depth += c.dir.depth
			longest += 1 + c.dir.longest
		}
		n.bytes += c.size
		n.depth, n.longest = max(n.depth, depth), max(n.longest, longest)
	}
}

func (n *node) find(name string) (*child, bool) {
	i := sort.Search(len(n.entries), func(i int) bool { return n.entries[i].name >= name })
	if i == len(n.entries) || n.entries[i].name != name {
		return nil, false
	}
	return &n.entries[i], true
}

// Digest returns the digest of the root directory: that of the whole tree.
func (t *Tree) Digest() Digest { return t.root.sum.digest() }

// Len returns the number of files.
func (t *Tree) Len() int { return t.root.files }

// Size returns the size of all files together.
func (t *Tree) Size() int64 { return t.root.bytes }

// Lookup returns the entry at path. A path that is not clean is not found.
func (t *Tree) Lookup(path string) (Entry, bool) {
	if path == rootPath {
		return Entry{Path: rootPath, Dir: true, Size: t.root.bytes, Digest: t.Digest()}, true
	}
	c, ok := t.child(path)
	if !ok {
		return Entry{}, false
	}
	return c.entry(path), true
}

func (t *Tree) child(path string) (*child, bool) {
	n := t.root
	for {
		name, rest, more := strings.Cut(path, "/")
		c, ok := n.find(name)
		if !ok || !more {
			return c, ok
		}
		if c.dir == nil {
			return nil, false
		}
		n, path = c.dir, rest
	}
}

func (t *Tree) dir(path string) (*node, bool) {
	if path == rootPath {
		return t.root, true
	}
	c, ok := t.child(path)
	if !ok || c.dir == nil {
		return nil, false
	}
	return c.dir, true
}

// ReadDir returns the entries of the directory at path, sorted by name. It
// returns false if there is no such directory.
func (t *Tree) ReadDir(path string) ([]Entry, bool) {
	n, ok := t.dir(path)
	if !ok {
		return nil, false
	}
	entries := make([]Entry, len(n.entries))
	for i := range n.entries {
		entries[i] = n.entries[i].entry(join(path, n.entries[i].name))
	}
	return entries, true
}

// Files returns all files in the order of a walk: sorted by path, element by
// element.
func (t *Tree) Files() iter.Seq[Entry] {
	return func(yield func(Entry) bool) {
		t.root.walk(rootPath, func(path string, c *child) bool {
			return c.kind == kindDir || yield(c.entry(path))
		})
	}
}

// walk calls f for everything below n, parents first, until it returns false.
func (n *node) walk(at string, f func(path string, c *child) bool) bool {
	for i := range n.entries {
		c := &n.entries[i]
		path := join(at, c.name)
		if !f(path, c) || c.dir != nil && !c.dir.walk(path, f) {
			return false
		}
	}
	return true
}
