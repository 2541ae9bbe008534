package framework

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// buildTimeout is three times what a cold build takes on two cores.
const buildTimeout = 20 * time.Minute

// Root returns the root of the project, found upwards from the working
// directory, which for a test is that of its package.
func Root() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("finding the project's root: %w", err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "hack", "devcluster", "go.mod")); err == nil {
			return dir, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", errors.New("finding the project's root: no directory above holds hack/devcluster/go.mod")
		}
		dir = parent
	}
}

// Devcluster returns the path of bin/devcluster and builds it when it is not
// there. One that is out of date is the business of make.
func Devcluster(ctx context.Context) (string, error) {
	root, err := Root()
	if err != nil {
		return "", err
	}
	binary := filepath.Join(root, "bin", "devcluster")
	if _, err := os.Stat(binary); err == nil {
		return binary, nil
	}
	if err := os.MkdirAll(filepath.Dir(binary), 0o755); err != nil {
		return "", fmt.Errorf("building devcluster: %w", err)
	}
	unlock, err := lockFile(binary + ".lock")
	if err != nil {
		return "", fmt.Errorf("building devcluster: %w", err)
	}
	defer unlock()
	// go test runs the tests of several packages at once: one of them has
	// built it while this one waited.
	if _, err := os.Stat(binary); err == nil {
		return binary, nil
	}
	return binary, build(ctx, filepath.Join(root, "hack", "devcluster"), binary)
}

// build does what the Makefile's rule does: with other flags the packages that
// that rule has compiled would all be compiled again.
func build(ctx context.Context, module, binary string) error {
	fmt.Fprintf(os.Stderr, "building %s: Kubernetes from source (the first time: about 7 minutes on 2 cores)\n", binary)
	list := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Version}}", "k8s.io/kubernetes")
	list.Dir, list.Stderr = module, os.Stderr
	version, err := list.Output()
	if err != nil {
		return fmt.Errorf("building devcluster: finding the version of Kubernetes: %w", err)
	}
	ldflags := "-s -w -X k8s.io/component-base/version.gitVersion=" + string(bytes.TrimSpace(version))
	temporary := binary + ".new"
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags", ldflags, "-o", temporary, ".")
	cmd.Dir, cmd.Stdout, cmd.Stderr = module, os.Stderr, os.Stderr
	cmd.Env = append(os.Environ(), "CGO_ENABLED=1")
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("building devcluster: %w", err)
	}
	if err := os.Rename(temporary, binary); err != nil {
		return fmt.Errorf("building devcluster: %w", err)
	}
	return nil
}

// lockFile keeps other test binaries out until the function returned is called,
// or this process ends.
func lockFile(path string) (unlock func(), err error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(file.Fd()), unix.LOCK_EX); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return func() { file.Close() }, nil
}
