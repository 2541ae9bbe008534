package git

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/filemode"
	"github.com/go-git/go-git/v5/plumbing/object"

	"github.com/leat-dev/leat/pkg/artifact"
	"github.com/leat-dev/leat/pkg/source/ignore"
)

// walk takes a commit's tree into the artifact store.
type walk struct {
	ctx     context.Context
	repo    repoID
	objects *packs
	memo    memo
	limits  artifact.Limits

	out   *artifact.Writer
	rules *ignore.Matcher
	// walked are the directories that were not known.
	walked []walkedDir
	// steps counts entries, also those that do not count as files: a tree may
	// hold another any number of times, and that one a third.
	steps int
}

type walkedDir struct {
	key  dirKey
	path string
}

// ingest returns the store's tree of a commit, without what spec.ignore, or
// the .sourceignore files in the tree, exclude.
func (f *Fetcher) ingest(ctx context.Context, m *mirror, repo repoID, root plumbing.Hash, spec *string) (*artifact.Tree, error) {
	w := &walk{ctx: ctx, repo: repo, objects: m.packs, memo: f.memo, limits: f.store.Limits()}
	if err := w.findRules(root, spec); err != nil {
		return nil, err
	}
	key := dirKey{repo, root, at(w.rules.ID(), ".")}
	if known, ok := recall[dir](w.memo, key); ok && known.digest != "" {
		if tree, err := f.store.Tree(known.digest); err == nil {
			return tree, nil
		}
	}
	out, err := f.store.NewWriter(ctx)
	if err != nil {
		return nil, err
	}
	defer out.Abort()
	w.out = out
	if err := w.entries(root, nil); err != nil {
		return nil, err
	}
	tree, err := out.Commit()
	if err != nil {
		return nil, &Error{Reason: ReasonArchiveOperationFailed, Err: err}
	}
	w.memo.Add(key, dir{tree.Digest()})
	for _, d := range w.walked {
		entry, _ := tree.Lookup(d.path) // none if nothing is left of it
		w.memo.Add(d.key, dir{entry.Digest})
	}
	return tree, nil
}

// step accounts for one entry.
func (w *walk) step(path string) error {
	// Ten entries that are left out for each file is more than any repository
	// has that people use.
	const entriesPerFile = 10
	if w.steps++; w.steps > w.limits.Files*entriesPerFile {
		return &artifact.LimitError{Limit: "entries in a Git tree", Max: int64(w.limits.Files * entriesPerFile), Path: path}
	}
	return w.ctx.Err()
}

// tree reads a Git tree.
func (w *walk) tree(id plumbing.Hash, path []string) (*object.Tree, error) {
	if len(path) >= w.limits.Depth {
		return nil, &artifact.LimitError{Limit: "path depth", Max: int64(w.limits.Depth), Path: strings.Join(path, "/")}
	}
	o, err := w.objects.get(plumbing.TreeObject, id)
	if err != nil {
		return nil, err
	}
	t, err := object.DecodeTree(nil, o)
	if err != nil {
		return nil, fmt.Errorf("tree %s: %w", id, err)
	}
	for i := range t.Entries {
		if err := checkName(t.Entries[i].Name); err != nil {
			return nil, &artifact.PathError{Path: strings.Join(append(slices.Clone(path), t.Entries[i].Name), "/"), Reason: err.Error()}
		}
	}
	return t, nil
}

// checkName refuses the names that Git refuses too, also where nothing below
// them gets into the store. Of all other names the store judges.
func checkName(name string) error {
	switch {
	case name == "." || name == ".." || strings.Contains(name, "/"):
		return errors.New("is not a name that Git allows in a tree")
	case strings.EqualFold(name, ".git"):
		return errors.New("is the name of Git's own directory")
	}
	return nil
}

// entries adds what is in the Git tree at path.
func (w *walk) entries(id plumbing.Hash, path []string) error {
	t, err := w.tree(id, path)
	if err != nil {
		return err
	}
	for i := range t.Entries {
		e := &t.Entries[i]
		below := append(slices.Clip(path), e.Name)
		if err := w.step(e.Name); err != nil {
			return err
		}
		switch e.Mode {
		case filemode.Dir:
			err = w.dir(e.Hash, below)
		case filemode.Regular, filemode.Deprecated, filemode.Executable:
			err = w.file(e.Hash, below, e.Mode == filemode.Executable)
		default:
			// A symbolic link could lead anywhere, and a submodule is
			// another repository's content.
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// dir adds a directory: as a whole if it is known, else entry by entry.
func (w *walk) dir(id plumbing.Hash, path []string) error {
	if w.rules.Prunes(path) {
		return nil
	}
	name := strings.Join(path, "/")
	key := dirKey{w.repo, id, at(w.rules.ID(), name)}
	if known, ok := recall[dir](w.memo, key); ok {
		if known.digest == "" {
			return nil
		}
		err := w.out.KnownDir(name, known.digest)
		if !errors.Is(err, artifact.ErrNotFound) && !isCorrupt(err) {
			return err
		}
	}
	if err := w.entries(id, path); err != nil {
		return err
	}
	w.walked = append(w.walked, walkedDir{key, name})
	return nil
}

func isCorrupt(err error) bool {
	var corrupt *artifact.CorruptError
	return errors.As(err, &corrupt)
}

// file adds a file, reading it only if the store does not have it.
func (w *walk) file(id plumbing.Hash, path []string, executable bool) error {
	if w.rules.Excludes(path, false) {
		return nil
	}
	name, key := strings.Join(path, "/"), blobKey{w.repo, id}
	if known, ok := recall[blob](w.memo, key); ok {
		err := w.out.Known(name, executable, known.digest, known.size)
		if !errors.Is(err, artifact.ErrNotFound) {
			return err
		}
	}
	size, err := w.objects.size(id)
	if err != nil {
		return fmt.Errorf("file %q: %w", name, err)
	}
	if size > w.limits.FileSize {
		return &artifact.LimitError{Limit: "file size", Max: w.limits.FileSize, Path: name}
	}
	o, err := w.objects.get(plumbing.BlobObject, id)
	if err != nil {
		return fmt.Errorf("file %q: %w", name, err)
	}
	r, err := o.Reader()
	if err != nil {
		return err
	}
	digest, err := w.out.File(name, executable, r)
	if closeErr := r.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return err
	}
	w.memo.Add(key, blob{digest, size})
	return nil
}

// ruleFile is a .sourceignore file: the directory that it is in, relative to
// the tree where it was found, and its content's ID.
type ruleFile struct {
	dir string
	id  plumbing.Hash
}

// findRules reads the ignore rules of the tree, which may be anywhere in it:
// one file with rules ends the default rules everywhere.
func (w *walk) findRules(root plumbing.Hash, spec *string) error {
	found, err := w.ruleFiles(root, nil)
	if err != nil {
		return err
	}
	files := make([]ignore.File, len(found))
	for i, f := range found {
		content, err := w.readRules(f.id)
		if err != nil {
			return fmt.Errorf("reading %s in %q: %w", ignore.FileName, f.dir, err)
		}
		files[i] = ignore.File{Dir: f.dir, Content: content}
	}
	if w.rules, err = ignore.New(files, spec); err != nil {
		return &Error{Reason: ReasonSourceIgnoreError, Err: &ignore.RulesError{Err: err}}
	}
	w.steps = 0
	return nil
}

func (w *walk) readRules(id plumbing.Hash) ([]byte, error) {
	o, err := w.objects.get(plumbing.BlobObject, id)
	if err != nil {
		return nil, err
	}
	r, err := o.Reader()
	if err != nil {
		return nil, err
	}
	content, err := io.ReadAll(io.LimitReader(r, ignore.MaxFileSize+1))
	if closeErr := r.Close(); err == nil {
		err = closeErr
	}
	return content, err
}

// ruleFiles returns the files with ignore rules in a Git tree. What it returns
// is the same wherever the tree is, so it is remembered for all places.
func (w *walk) ruleFiles(id plumbing.Hash, at []string) (ruleFiles, error) {
	key := rulesKey{w.repo, id}
	if known, ok := recall[ruleFiles](w.memo, key); ok {
		return known, nil
	}
	t, err := w.tree(id, at)
	if err != nil {
		return nil, err
	}
	var found ruleFiles
	for i := range t.Entries {
		e := &t.Entries[i]
		if err := w.step(e.Name); err != nil {
			return nil, err
		}
		switch {
		case e.Mode == filemode.Dir:
			below, err := w.ruleFiles(e.Hash, append(slices.Clip(at), e.Name))
			if err != nil {
				return nil, err
			}
			for _, f := range below {
				found = append(found, ruleFile{path.Join(e.Name, f.dir), f.id})
			}
		case e.Name == ignore.FileName && e.Mode != filemode.Symlink && e.Mode != filemode.Submodule:
			found = append(found, ruleFile{".", e.Hash})
		}
		if len(found) > ignore.MaxFiles {
			return nil, &Error{Reason: ReasonSourceIgnoreError,
				Err: &ignore.RulesError{Err: fmt.Errorf("more than %d files called %s", ignore.MaxFiles, ignore.FileName)}}
		}
	}
	w.memo.Add(key, found)
	return found, nil
}
