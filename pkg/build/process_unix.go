//go:build unix && !linux

package build

import "syscall"

// processAttributes keeps signals of a terminal from workers. They end with
// this process because their input does.
func processAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true}
}

// peakBytes returns the largest resident size.
func peakBytes(usage *syscall.Rusage) int64 { return usage.Maxrss }
