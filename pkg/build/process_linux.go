package build

import "syscall"

// processAttributes makes workers die with this process, and keeps signals of
// a terminal from them: builds under way are finished when a server drains.
func processAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
}

// peakBytes returns the largest resident size. The kernel counts in KiB.
func peakBytes(usage *syscall.Rusage) int64 { return usage.Maxrss << 10 }
