package build

import "syscall"

// processAttributes makes workers die with this process, and keeps signals of
// a terminal from them: builds under way are finished when a server drains.
func processAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
}
