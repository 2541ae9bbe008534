package artifact

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// Writer is one ingest: it puts a tree together, storing what is new. It is
// for one goroutine; any number of writers may be open at once. Every Writer
// ends with Commit or Abort.
type Writer struct {
	ctx    context.Context
	store  *Store
	limits Limits
	done   bool

	root *draft
	// dirs finds a draft by its path.
	dirs  map[string]*draft
	files int
	bytes int64

	// segment holds what is new. It is nil until there is something.
	segment *segmentWriter
	written map[sum]int64 // content of segment, with its length
	// pins is what the tree refers to and the store had before. Collect keeps
	// it. The writer adds to it while it holds store.mu for reading, as it
	// looks into the index; Collect reads it while it holds store.mu alone.
	pins map[sum]struct{}

	buf bytes.Buffer
}

// draft is a directory of a tree that is being put together.
type draft struct {
	entries map[string]*draftEntry
}

type draftEntry struct {
	child
	draft *draft // of a directory that is still open to entries
}

// NewWriter starts an ingest. ctx bounds all of it.
func (s *Store) NewWriter(ctx context.Context) (*Writer, error) {
	root := &draft{entries: map[string]*draftEntry{}}
	w := &Writer{
		ctx: ctx, store: s, limits: s.options.Limits,
		root: root, dirs: map[string]*draft{rootPath: root},
		written: map[sum]int64{}, pins: map[sum]struct{}{},
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, ErrClosed
	}
	s.writers[w] = struct{}{}
	return w, nil
}

// File adds a file with the content of r and returns the content's digest.
func (w *Writer) File(path string, executable bool, r io.Reader) (Digest, error) {
	if err := w.usable(); err != nil {
		return "", err
	}
	add, err := w.place(path)
	if err != nil {
		return "", err
	}
	key, size, err := w.ingest(path, r)
	if err != nil {
		return "", err
	}
	if err := w.grow(path, 1, size); err != nil {
		return "", err
	}
	add(&draftEntry{child: child{kind: fileKind(executable), sum: key, size: size}})
	return key.digest(), nil
}

// Known adds a file whose content the store holds, without reading it. It
// fails with ErrNotFound if the store does not have it, or has something of
// another size; the caller adds it with File then.
func (w *Writer) Known(path string, executable bool, d Digest, size int64) error {
	if err := w.usable(); err != nil {
		return err
	}
	key, err := d.sum()
	if err != nil {
		return err
	}
	add, err := w.place(path)
	if err != nil {
		return err
	}
	if length, ok := w.pin(key); !ok || length != size {
		return fmt.Errorf("file %q, blob %s of %d bytes: %w", shorten(path), d, size, ErrNotFound)
	}
	if err := w.grow(path, 1, size); err != nil {
		return err
	}
	add(&draftEntry{child: child{kind: fileKind(executable), sum: key, size: size}})
	return nil
}

// KnownDir adds a whole directory that is part of a tree in the store. It
// fails with ErrNotFound if the store does not have all of it. Nothing can be
// added below the directory.
func (w *Writer) KnownDir(path string, d Digest) error {
	if err := w.usable(); err != nil {
		return err
	}
	key, err := d.sum()
	if err != nil {
		return err
	}
	add, err := w.place(path)
	if err != nil {
		return err
	}
	n, err := w.store.loadNode(key, w.limits.Depth)
	if err != nil {
		return err
	}
	if err := w.fits(path, n); err != nil {
		return err
	}
	if err := w.pinAll(n); err != nil {
		return fmt.Errorf("directory %q: %w", shorten(path), err)
	}
	if err := w.grow(path, n.files, n.bytes); err != nil {
		return err
	}
	add(&draftEntry{child: child{kind: kindDir, sum: key, size: n.bytes, dir: n}})
	return nil
}

func fileKind(executable bool) kind {
	if executable {
		return kindExecutable
	}
	return kindFile
}

func (w *Writer) usable() error {
	if w.done {
		return ErrClosed
	}
	return w.ctx.Err()
}

// place checks path and returns the function that adds an entry there.
func (w *Writer) place(path string) (func(*draftEntry), error) {
	if err := checkPath(path, w.limits); err != nil {
		return nil, err
	}
	parent, name := rootPath, path
	if i := strings.LastIndexByte(path, '/'); i >= 0 {
		parent, name = path[:i], path[i+1:]
	}
	d, err := w.draft(parent)
	if err != nil {
		return nil, err
	}
	if _, taken := d.entries[name]; taken {
		return nil, &PathError{path, "is there twice"}
	}
	return func(e *draftEntry) {
		e.name = name
		d.entries[name] = e
	}, nil
}

// draft returns the open directory at path, making it and its parents.
func (w *Writer) draft(path string) (*draft, error) {
	if d, ok := w.dirs[path]; ok {
		return d, nil
	}
	parent, name := rootPath, path
	if i := strings.LastIndexByte(path, '/'); i >= 0 {
		parent, name = path[:i], path[i+1:]
	}
	p, err := w.draft(parent)
	if err != nil {
		return nil, err
	}
	if _, taken := p.entries[name]; taken {
		return nil, &PathError{path, "is there twice, once as a directory"}
	}
	if len(w.dirs) > w.limits.Directories {
		return nil, &LimitError{Limit: "directories in a tree", Max: int64(w.limits.Directories), Path: path}
	}
	d := &draft{entries: map[string]*draftEntry{}}
	p.entries[name] = &draftEntry{child: child{name: name, kind: kindDir}, draft: d}
	w.dirs[path] = d
	return d, nil
}

// dropEmpty removes the directories without a file in them below d.
func (w *Writer) dropEmpty(d *draft) {
	for name, e := range d.entries {
		if e.draft == nil {
			continue
		}
		if w.dropEmpty(e.draft); len(e.draft.entries) == 0 {
			delete(d.entries, name)
		}
	}
}

// grow counts what was added.
func (w *Writer) grow(path string, files int, bytes int64) error {
	w.files += files
	w.bytes += bytes
	switch {
	case w.files > w.limits.Files:
		return &LimitError{Limit: "files in a tree", Max: int64(w.limits.Files), Path: path}
	case w.bytes > w.limits.TotalSize:
		return &LimitError{Limit: "bytes in a tree", Max: w.limits.TotalSize, Path: path}
	}
	return nil
}

// fits checks the paths below a directory that is added as a whole.
func (w *Writer) fits(path string, n *node) error {
	switch {
	case strings.Count(path, "/")+1+n.depth > w.limits.Depth:
		return &LimitError{Limit: "path depth", Max: int64(w.limits.Depth), Path: path}
	case len(path)+1+n.longest > w.limits.PathLength:
		return &LimitError{Limit: "path length", Max: int64(w.limits.PathLength), Path: path}
	}
	return nil
}

// pin returns the length of content that the store or this writer has, and
// keeps it from being collected.
func (w *Writer) pin(key sum) (int64, bool) {
	if length, ok := w.written[key]; ok {
		return length, true
	}
	w.store.mu.RLock()
	defer w.store.mu.RUnlock()
	loc, ok := w.store.index[key]
	if ok {
		w.pins[key] = struct{}{}
	}
	return loc.length, ok
}

func (w *Writer) pinAll(n *node) error {
	w.store.mu.RLock()
	defer w.store.mu.RUnlock()
	if err := w.store.checkPresence(n); err != nil {
		return err
	}
	w.pins[n.sum] = struct{}{}
	n.walk(rootPath, func(_ string, c *child) bool {
		w.pins[c.sum] = struct{}{}
		return true
	})
	return nil
}

// Commit completes the tree and makes its content durable, at the cost of two
// fsyncs whatever its size: none if nothing is new.
func (w *Writer) Commit() (*Tree, error) {
	if err := w.usable(); err != nil {
		return nil, err
	}
	root, err := w.seal(w.root)
	if err != nil {
		return nil, fmt.Errorf("committing a tree: %w", err)
	}
	seg, err := w.publish()
	if err != nil {
		return nil, fmt.Errorf("committing a tree: %w", err)
	}
	s := w.store
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		if seg != nil {
			seg.close()
		}
		return nil, ErrClosed
	}
	if seg != nil {
		s.addSegment(seg)
	}
	t, err := s.register(root)
	if err != nil {
		return nil, fmt.Errorf("committing a tree: %w", err)
	}
	w.finish()
	return t, nil
}

// publish makes what is new durable. It returns nil if nothing is.
func (w *Writer) publish() (*segment, error) {
	seg := w.segment
	w.segment = nil
	switch {
	case seg == nil:
		return nil, nil
	case len(seg.entries) == 0:
		seg.abort()
		return nil, nil
	}
	return w.store.publishSegment(seg)
}

// seal makes nodes of drafts, from the leaves up.
func (w *Writer) seal(d *draft) (*node, error) {
	entries := make([]child, 0, len(d.entries))
	for _, name := range slices.Sorted(maps.Keys(d.entries)) {
		e := d.entries[name]
		if e.draft != nil {
			n, err := w.seal(e.draft)
			if err != nil {
				return nil, err
			}
			e.sum, e.size, e.dir = n.sum, n.bytes, n
		}
		entries = append(entries, e.child)
	}
	manifest := encodeManifest(entries)
	n := &node{sum: sum(sha256.Sum256(manifest)), entries: entries}
	n.count()
	if err := w.content(n.sum, manifest); err != nil {
		return nil, err
	}
	w.store.mu.Lock()
	defer w.store.mu.Unlock()
	return w.store.shareNode(n), nil
}

// Abort gives the ingest up. It does nothing after Commit succeeded.
func (w *Writer) Abort() {
	if w.segment != nil {
		w.segment.abort()
		w.segment = nil
	}
	w.store.mu.Lock()
	defer w.store.mu.Unlock()
	w.finish()
}

// finish lets go of what the writer pinned. The caller holds store.mu.
func (w *Writer) finish() {
	w.done = true
	delete(w.store.writers, w)
}
