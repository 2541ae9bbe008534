package artifact

import (
	"fmt"
	"io/fs"
)

// View is a tree whose files can be read.
type View struct {
	*Tree
	store *Store
}

// View returns a view of t, which is from this store.
func (s *Store) View(t *Tree) *View { return &View{Tree: t, store: s} }

// ReadFile returns the content of the file at path.
func (v *View) ReadFile(path string) ([]byte, error) {
	c, ok := v.child(path)
	if !ok {
		return nil, &fs.PathError{Op: "read", Path: path, Err: fs.ErrNotExist}
	}
	if c.kind == kindDir {
		return nil, &fs.PathError{Op: "read", Path: path, Err: errIsDirectory}
	}
	content, err := v.store.read(c.sum, c.size)
	if err != nil {
		return nil, fmt.Errorf("reading %s of tree %s: %w", path, v.Digest(), err)
	}
	return content, nil
}
