//go:build amd64 || arm64

package worker

import (
	"fmt"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// systemCalls returns what the Go runtime needs to compute, to allocate, to
// start threads, and to read and write open files. There is nothing in it that
// opens a file or a socket, starts a program or touches another process.
func systemCalls() []uint32 {
	return append([]uint32{
		unix.SYS_READ, unix.SYS_WRITE, unix.SYS_CLOSE, unix.SYS_FCNTL, unix.SYS_FSTAT,
		unix.SYS_MMAP, unix.SYS_MUNMAP, unix.SYS_MPROTECT, unix.SYS_MADVISE, unix.SYS_MINCORE, unix.SYS_MREMAP, unix.SYS_BRK,
		unix.SYS_FUTEX, unix.SYS_SCHED_YIELD, unix.SYS_SCHED_GETAFFINITY, unix.SYS_MEMBARRIER, unix.SYS_RSEQ,
		unix.SYS_SET_ROBUST_LIST, unix.SYS_GETTID, unix.SYS_GETPID, unix.SYS_GETRANDOM,
		unix.SYS_NANOSLEEP, unix.SYS_CLOCK_NANOSLEEP, unix.SYS_CLOCK_GETTIME, unix.SYS_GETTIMEOFDAY,
		unix.SYS_EPOLL_CREATE1, unix.SYS_EPOLL_CTL, unix.SYS_EPOLL_PWAIT, unix.SYS_EVENTFD2, unix.SYS_PIPE2, unix.SYS_PPOLL,
		unix.SYS_RT_SIGACTION, unix.SYS_RT_SIGPROCMASK, unix.SYS_RT_SIGRETURN, unix.SYS_SIGALTSTACK, unix.SYS_TGKILL,
		unix.SYS_RESTART_SYSCALL, unix.SYS_EXIT, unix.SYS_EXIT_GROUP,
	}, systemCallsOfArchitecture()...)
}

// What becomes of a system call.
const (
	allow   = unix.SECCOMP_RET_ALLOW
	refuse  = unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM)
	unknown = unix.SECCOMP_RET_ERRNO | uint32(unix.ENOSYS)
)

// Offsets in the kernel's struct seccomp_data. An argument has 64 bits; both
// architectures are little-endian, so this is its lower half.
const (
	offsetNumber       = 0
	offsetArchitecture = 4
	offsetArgument0    = 16
)

// filterSystemCalls installs the filter in all threads, for good.
func filterSystemCalls() error {
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("giving up new privileges: %w", err)
	}
	filter := systemCallFilter()
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	_, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_TSYNC, uintptr(unsafe.Pointer(&program)))
	runtime.KeepAlive(filter)
	if errno != 0 {
		return fmt.Errorf("filtering system calls: %w", errno)
	}
	return nil
}

// systemCallFilter returns the program that the kernel runs on each system
// call:
//
//	other architecture       refuse (the same numbers mean something else)
//	clone of a thread        allow
//	clone of a process       refuse
//	clone3                   unknown: libc then falls back to clone, whose
//	                         flags a filter can see
//	one of systemCalls       allow
//	any other                refuse, as for want of rights
func systemCallFilter() []unix.SockFilter {
	filter := []unix.SockFilter{
		load(offsetArchitecture),
		jump(unix.BPF_JEQ, architecture, 1, 0),
		end(refuse),
		load(offsetNumber),
		jump(unix.BPF_JEQ, unix.SYS_CLONE, 0, 4),
		load(offsetArgument0),
		jump(unix.BPF_JSET, unix.CLONE_THREAD, 0, 1),
		end(allow),
		end(refuse),
		jump(unix.BPF_JEQ, unix.SYS_CLONE3, 0, 1),
		end(unknown),
	}
	for _, number := range systemCalls() {
		filter = append(filter, jump(unix.BPF_JEQ, number, 0, 1), end(allow))
	}
	return append(filter, end(refuse))
}

func load(offset uint32) unix.SockFilter {
	return unix.SockFilter{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: offset}
}

// jump skips as many instructions as the outcome of the comparison says.
func jump(comparison uint16, value uint32, ifTrue, ifFalse uint8) unix.SockFilter {
	return unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_K | comparison, K: value, Jt: ifTrue, Jf: ifFalse}
}

func end(action uint32) unix.SockFilter {
	return unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: action}
}
