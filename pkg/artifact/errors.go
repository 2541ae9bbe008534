package artifact

import (
	"errors"
	"fmt"
	"io/fs"

	"golang.org/x/sys/unix"
)

var (
	// ErrNotFound is wrapped by errors about content that the store does not
	// hold. It is also an fs.ErrNotExist.
	ErrNotFound = fmt.Errorf("not in the artifact store: %w", fs.ErrNotExist)
	// ErrLocked is wrapped by Open when another process has the store open.
	ErrLocked = errors.New("artifact store is in use by another process")
	// ErrClosed is returned for an operation on a closed store or a finished
	// writer.
	ErrClosed = errors.New("artifact store or writer is closed")

	errIsDirectory = errors.New("is a directory")
)

// NoRoom says whether err means that the disk takes no more: it is full, a quota
// is used up, or a file may not become as large. Nothing is wrong with what was to
// be written.
func NoRoom(err error) bool {
	return errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) || errors.Is(err, unix.EFBIG)
}

// CorruptError says that stored content does not have the digest that it is
// stored under. The store has forgotten the content by the time the error is
// returned: fetching the source again restores it.
type CorruptError struct {
	// What is "content" (of a blob or a directory), "directory", "archive",
	// "segment" or "record".
	What string
	// Name is the digest or the file that is damaged.
	Name string
	// Err says more, where there is more to say.
	Err error
}

func (e *CorruptError) Error() string {
	if e.Err == nil {
		return fmt.Sprintf("%s %s is corrupt: its content does not have this digest", e.What, e.Name)
	}
	return fmt.Sprintf("%s %s is corrupt: %v", e.What, e.Name, e.Err)
}

func (e *CorruptError) Unwrap() error { return e.Err }

// LimitError says that what was to be stored exceeds a limit.
type LimitError struct {
	// Limit is the name of the exceeded limit, Max its value.
	Limit string
	Max   int64
	// Path is the file or directory that exceeds it.
	Path string
}

func (e *LimitError) Error() string {
	return fmt.Sprintf("%q exceeds the limit on %s, which is %d", shorten(e.Path), e.Limit, e.Max)
}

// PathError says that a path cannot be stored.
type PathError struct {
	Path   string
	Reason string
}

func (e *PathError) Error() string { return fmt.Sprintf("path %q: %s", shorten(e.Path), e.Reason) }

// shorten keeps a hostile path from flooding a message.
func shorten(path string) string {
	const most = 256
	if len(path) <= most {
		return path
	}
	return path[:most] + "..."
}
