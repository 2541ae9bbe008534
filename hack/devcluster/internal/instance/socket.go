package instance

import (
	"fmt"
	"os"
	"path/filepath"
)

// SocketDir is a directory through which Unix sockets are reached by a path
// that is always short: the kernel limits a socket's path to 108 bytes, and
// directories of tests are easily longer.
type SocketDir struct{ dir *os.File }

// OpenSocketDir opens the directory; sockets in it can be used by this process
// until Close.
func OpenSocketDir(path string) (*SocketDir, error) {
	dir, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("opening the directory of sockets: %w", err)
	}
	return &SocketDir{dir: dir}, nil
}

// Path is the path of a socket of that name, valid in this process only.
func (s *SocketDir) Path(name string) string {
	return filepath.Join("/proc/self/fd", fmt.Sprint(s.dir.Fd()), name)
}

// Close makes the paths invalid.
func (s *SocketDir) Close() error { return s.dir.Close() }
