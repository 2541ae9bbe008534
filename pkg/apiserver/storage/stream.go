package storage

import (
	"errors"
	"fmt"
	"io"
	"os"
)

// counter counts what passes through it.
type counter struct {
	to    io.Writer
	bytes int64
}

func (c *counter) Write(p []byte) (int, error) {
	n, err := c.to.Write(p)
	c.bytes += int64(n)
	return n, err
}

// spool writes what comes from r to a file in dir: a snapshot is looked at twice.
// The caller removes it.
func spool(r io.Reader, dir string) (file string, err error) {
	f, err := os.CreateTemp(dir, ".snapshot.*")
	if err != nil {
		return "", fmt.Errorf("storing the snapshot for a moment: %w", err)
	}
	_, err = io.Copy(f, r)
	if err = errors.Join(err, f.Close()); err != nil {
		return "", errors.Join(fmt.Errorf("storing the snapshot for a moment: %w", err), os.Remove(f.Name()))
	}
	return f.Name(), nil
}
