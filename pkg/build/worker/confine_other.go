//go:build !linux

package worker

import (
	"errors"
	"runtime/debug"
)

// confine bounds the memory as far as the collector can. There is no
// confinement by other kernels.
func confine(memoryLimit uint64) error {
	debug.SetMemoryLimit(int64(memoryLimit))
	return errors.New("only Linux confines build workers")
}
