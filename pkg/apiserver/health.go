package apiserver

import (
	"fmt"
	"net/http"
	"os"

	"k8s.io/apiserver/pkg/server/healthz"
)

// DirectoryWritable is a health check that fails when no file can be written in
// a directory: the disk is full, or gone, or was mounted read-only after an error.
func DirectoryWritable(name, dir string) healthz.HealthChecker {
	return healthz.NamedCheck(name, func(*http.Request) error { return writable(dir) })
}

func writable(dir string) error {
	f, err := os.CreateTemp(dir, ".writable-*")
	if err != nil {
		return fmt.Errorf("creating a file: %w", err)
	}
	_, err = f.WriteString("ok")
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if removeErr := os.Remove(f.Name()); err == nil {
		err = removeErr
	}
	if err != nil {
		return fmt.Errorf("writing a file: %w", err)
	}
	return nil
}
