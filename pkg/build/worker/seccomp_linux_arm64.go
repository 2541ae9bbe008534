package worker

import "golang.org/x/sys/unix"

const architecture = unix.AUDIT_ARCH_AARCH64

// systemCallsOfArchitecture returns what only this architecture has.
func systemCallsOfArchitecture() []uint32 { return nil }
