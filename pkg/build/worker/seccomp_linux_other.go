//go:build linux && !amd64 && !arm64

package worker

import (
	"fmt"
	"runtime"
)

// filterSystemCalls has no filter for other architectures.
func filterSystemCalls() error {
	return fmt.Errorf("there is no filter of system calls for %s", runtime.GOARCH)
}
