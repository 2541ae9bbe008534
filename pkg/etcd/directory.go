package etcd

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

const (
	lockName   = "lock"
	socketName = "client.sock"
	// maxSocketPath is how long the path of a unix socket may be: sun_path
	// has 108 bytes, the last of them zero.
	maxSocketPath = 107
)

// ErrInUse says that another server holds the directory.
var ErrInUse = errors.New("directory is in use by another server")

// ErrNotPersistent says that the directory would not survive a restart.
var ErrNotPersistent = errors.New("directory does not survive a restart")

// directory is the data directory, locked for this process.
type directory struct {
	path string
	lock *os.File
	// self is open as long as the socket may be reached through it.
	self *os.File
}

// openDirectory creates, checks and locks the directory at path.
func openDirectory(path string, ephemeral bool) (*directory, error) {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, fmt.Errorf("creating etcd directory: %w", err)
	}
	// MkdirAll leaves an existing directory as it is. Objects hold what their
	// authors put there, so nobody else on the host may read them.
	if err := os.Chmod(path, 0o700); err != nil {
		return nil, fmt.Errorf("making etcd directory private: %w", err)
	}
	if err := checkPersistent(path, ephemeral); err != nil {
		return nil, err
	}
	lock, err := lockFile(filepath.Join(path, lockName))
	if err != nil {
		return nil, fmt.Errorf("locking etcd directory %s: %w", path, err)
	}
	self, err := os.Open(path)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("opening etcd directory: %w", err), lock.Close())
	}
	return &directory{path: path, lock: lock, self: self}, nil
}

// socket returns the path of the client socket, one that can be bound and
// dialled by this process.
func (d *directory) socket() (string, error) {
	path := filepath.Join(d.path, socketName)
	if len(path) <= maxSocketPath && plainPath(path) {
		return path, nil
	}
	short := filepath.Join("/proc/self/fd", fmt.Sprint(d.self.Fd()), socketName)
	if _, err := os.Stat(filepath.Dir(short)); err != nil {
		return "", fmt.Errorf("etcd directory %s: the path of its socket has %d bytes (limit %d) or unusual characters, and %w",
			d.path, len(path), maxSocketPath, err)
	}
	return short, nil
}

// close gives the directory back. The lock goes last.
func (d *directory) close() error {
	return errors.Join(d.self.Close(), d.lock.Close())
}

// plainPath says whether path means the same to the file system, to a URL and
// to a gRPC target.
func plainPath(path string) bool {
	return strings.IndexFunc(path, func(r rune) bool {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9':
			return false
		}
		return !strings.ContainsRune("/._-", r)
	}) < 0
}

// lockFile takes the lock that lasts as long as the process does, and writes
// into it who has it.
func lockFile(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		holder := readHolder(f)
		_ = f.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, fmt.Errorf("%w%s", ErrInUse, holder)
		}
		return nil, err
	}
	if err := f.Truncate(0); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	if _, err := f.WriteAt(fmt.Appendf(nil, "%d\n", os.Getpid()), 0); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// readHolder returns " (process N)", or nothing where that cannot be told.
func readHolder(f *os.File) string {
	b, err := io.ReadAll(io.LimitReader(f, 20))
	if err != nil || len(b) < 2 {
		return ""
	}
	return " (process " + strings.TrimSpace(string(b)) + ")"
}
