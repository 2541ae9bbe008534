package worker

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"path/filepath"
	"strings"

	"sigs.k8s.io/kustomize/kyaml/filesys"

	"github.com/leat-dev/leat/pkg/build/protocol"
)

// rootDir is the root of the tree.
const rootDir = "."

// mount is where kustomize finds the tree. It is no path that anybody uses, so
// that it can be taken out of messages, and it is not "/", so that a path that
// leads out of the tree is seen to do so.
const mount = "/.leat-tree"

// fileSystem is the tree as kustomize sees it: files and directories, no
// links, nothing to write, nothing outside of it.
type fileSystem struct {
	files *files
}

var _ filesys.FileSystem = fileSystem{}

var (
	errOutside     = errors.New("leads out of the tree")
	errIsDirectory = errors.New("is a directory")
	errReadOnly    = errors.New("the tree is read-only")
	errNotOffered  = errors.New("builds cannot list or open files")
)

// inTree returns the path in the tree of a path of kustomize.
func inTree(p string) (string, error) {
	if !path.IsAbs(p) {
		p = path.Join(mount, p)
	}
	p = path.Clean(p)
	if p == mount {
		return rootDir, nil
	}
	if rel, ok := strings.CutPrefix(p, mount+"/"); ok {
		return rel, nil
	}
	return "", &fs.PathError{Op: "open", Path: p, Err: errOutside}
}

func mounted(p string) string { return path.Join(mount, p) }

func (s fileSystem) ReadFile(p string) ([]byte, error) {
	rel, err := inTree(p)
	if err != nil {
		return nil, err
	}
	if err := s.files.fetch(rel); err != nil {
		return nil, err
	}
	k := s.files.known[rel]
	switch k.state {
	case protocol.File:
		return k.content, nil
	case protocol.Dir:
		return nil, &fs.PathError{Op: "read", Path: rel, Err: errIsDirectory}
	default:
		return nil, &fs.PathError{Op: "open", Path: rel, Err: fs.ErrNotExist}
	}
}

// CleanedAbs splits a path into a directory and the name of a file in it.
func (s fileSystem) CleanedAbs(p string) (filesys.ConfirmedDir, string, error) {
	rel, err := inTree(p)
	if err != nil {
		return "", "", err
	}
	if err := s.files.stat(rel); err != nil {
		return "", "", err
	}
	switch s.files.state(rel) {
	case protocol.Dir:
		return filesys.ConfirmedDir(mounted(rel)), "", nil
	case protocol.File:
		return filesys.ConfirmedDir(mounted(path.Dir(rel))), path.Base(rel), nil
	default:
		return "", "", &fs.PathError{Op: "open", Path: rel, Err: fs.ErrNotExist}
	}
}

func (s fileSystem) IsDir(p string) bool { return s.is(p, protocol.Dir) }

func (s fileSystem) Exists(p string) bool { return s.is(p, protocol.Dir) || s.is(p, protocol.File) }

func (s fileSystem) is(p string, state protocol.State) bool {
	rel, err := inTree(p)
	return err == nil && s.files.stat(rel) == nil && s.files.state(rel) == state
}

// What follows is part of the interface, but kustomize's builds do not use it.

func (fileSystem) Open(p string) (filesys.File, error) {
	return nil, unsupported("open", p, errNotOffered)
}
func (fileSystem) ReadDir(p string) ([]string, error) {
	return nil, unsupported("list", p, errNotOffered)
}
func (fileSystem) Glob(p string) ([]string, error) { return nil, unsupported("glob", p, errNotOffered) }
func (fileSystem) Walk(p string, _ filepath.WalkFunc) error {
	return unsupported("walk", p, errNotOffered)
}
func (fileSystem) Create(p string) (filesys.File, error) {
	return nil, unsupported("create", p, errReadOnly)
}
func (fileSystem) Mkdir(p string) error               { return unsupported("mkdir", p, errReadOnly) }
func (fileSystem) MkdirAll(p string) error            { return unsupported("mkdir", p, errReadOnly) }
func (fileSystem) RemoveAll(p string) error           { return unsupported("remove", p, errReadOnly) }
func (fileSystem) WriteFile(p string, _ []byte) error { return unsupported("write", p, errReadOnly) }

func unsupported(op, p string, err error) error { return fmt.Errorf("%s %s: %w", op, p, err) }
