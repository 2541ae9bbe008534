package artifact

import (
	"fmt"
	"os"
	"path/filepath"
)

// syncDir makes what was created, renamed or removed in dir durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	err = d.Sync()
	if closeErr := d.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return fmt.Errorf("syncing directory %s: %w", dir, err)
	}
	return nil
}

// publishFile makes the content of f durable and then lets it appear as name:
// at any moment, also after a crash, name is either as it was or complete. f
// stays open.
func publishFile(f *os.File, name string) error {
	if err := f.Sync(); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), name); err != nil {
		return err
	}
	return syncDir(filepath.Dir(name))
}

// replaceFile atomically and durably makes data the content of name. temp is a
// directory on the same file system.
func replaceFile(temp, name string, data []byte) error {
	f, err := os.CreateTemp(temp, filepath.Base(name)+".*")
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		err = publishFile(f, name)
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		_ = os.Remove(f.Name()) // it is swept at the next Open if this fails
	}
	return err
}
