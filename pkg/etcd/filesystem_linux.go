package etcd

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// checkPersistent refuses a directory on a file system that lives in memory.
//
// The writable layer of a container (overlay) is let through: it cannot be told
// from the root of a machine that runs on overlay for good.
func checkPersistent(path string, ephemeral bool) error {
	if ephemeral {
		return nil
	}
	var st unix.Statfs_t
	if err := unix.Statfs(path, &st); err != nil {
		return fmt.Errorf("looking up the file system of %s: %w", path, err)
	}
	name := volatileFilesystem(uint64(uint32(st.Type)))
	if name == "" {
		return nil
	}
	return fmt.Errorf("etcd directory %s is on %s: %w; put it on a disk, or use --etcd-ephemeral where losing every object is acceptable",
		path, name, ErrNotPersistent)
}

// diskFree returns what may still be written to the file system of path.
func diskFree(path string) (int64, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(path, &st); err != nil {
		return 0, fmt.Errorf("looking up the file system of %s: %w", path, err)
	}
	return int64(st.Bavail) * st.Bsize, nil
}

// volatileFilesystem names the file system with that magic number if it lives
// in memory.
func volatileFilesystem(magic uint64) string {
	switch magic {
	case unix.TMPFS_MAGIC:
		return "tmpfs"
	case unix.RAMFS_MAGIC:
		return "ramfs"
	}
	return ""
}
