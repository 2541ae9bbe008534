package kustomization

import (
	"fmt"
	"os"
	"testing"

	"github.com/leat-dev/leat/pkg/build"
	"github.com/leat-dev/leat/pkg/build/worker"
)

// workerArgument makes the test binary a build worker.
const workerArgument = "leat-build-worker"

// pool is the build pool of all tests: a real one.
var pool *build.Pool

func TestMain(m *testing.M) {
	if len(os.Args) == 2 && os.Args[1] == workerArgument {
		if err := worker.Serve(os.Stdin, os.Stdout); err != nil {
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(runTests(m))
}

func runTests(m *testing.M) int {
	var err error
	pool, err = build.NewPool(build.PoolOptions{Command: []string{os.Args[0], workerArgument}, Workers: 2})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = pool.Close() }()
	code := m.Run()
	if err := stopControl(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}
