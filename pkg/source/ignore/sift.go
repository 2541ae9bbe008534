package ignore

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strings"

	"github.com/leat-dev/leat/pkg/artifact"
)

// RulesError says that the rules of a source cannot be read. It holds nothing
// but words of theirs.
type RulesError struct{ Err error }

func (e *RulesError) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *RulesError) Unwrap() error { return e.Err }

// Sift returns t without what is left out of a source with spec.ignore, nil if
// it is not set: what a source would have made of the same files. Nothing is
// stored but directories.
func Sift(ctx context.Context, store *artifact.Store, t *artifact.Tree, spec *string) (*artifact.Tree, error) {
	view := store.View(t)
	var files []File
	for e := range t.Files() {
		if path.Base(e.Path) != FileName {
			continue
		}
		if e.Size > MaxFileSize {
			return nil, &RulesError{fmt.Errorf("%q has %d bytes: limit is %d", e.Path, e.Size, MaxFileSize)}
		}
		if len(files) == MaxFiles {
			return nil, &RulesError{fmt.Errorf("more than %d files called %s", MaxFiles, FileName)}
		}
		content, err := view.ReadFile(e.Path)
		if err != nil {
			return nil, fmt.Errorf("reading %q: %w", e.Path, err)
		}
		files = append(files, File{Dir: path.Dir(e.Path), Content: content})
	}
	rules, err := New(files, spec)
	if err != nil {
		return nil, &RulesError{err}
	}
	w, err := store.NewWriter(ctx)
	if err != nil {
		return nil, err
	}
	defer w.Abort()
	s := sieve{rules: rules, tree: t, out: w}
	if err := s.dir(".", nil); err != nil {
		return nil, err
	}
	return w.Commit()
}

// sieve is a walk through a tree.
type sieve struct {
	rules *Matcher
	tree  *artifact.Tree
	out   *artifact.Writer
}

func (s *sieve) dir(name string, elements []string) error {
	entries, ok := s.tree.ReadDir(name)
	if !ok {
		return fmt.Errorf("directory %q: %w", name, errNoDirectory)
	}
	for _, e := range entries {
		below := append(elements[:len(elements):len(elements)], e.Path[strings.LastIndexByte(e.Path, '/')+1:])
		var err error
		switch {
		case e.Dir && s.rules.Prunes(below), !e.Dir && s.rules.Excludes(below, false):
		case e.Dir:
			err = s.dir(e.Path, below)
		default:
			err = s.out.Known(e.Path, e.Executable, e.Digest, e.Size)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

var errNoDirectory = errors.New("is not in the tree")
