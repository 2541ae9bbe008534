package instance

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
)

// Process identifies a process for as long as the machine runs: the kernel
// uses pids again, but never with the same start time.
type Process struct {
	PID int `json:"pid"`
	// StartTime is in clock ticks since boot, field 22 of /proc/PID/stat.
	StartTime uint64 `json:"startTime"`
	// Boot is the kernel's boot id; ticks of another boot mean nothing.
	Boot string `json:"boot"`
}

// Self identifies the calling process.
func Self() (Process, error) { return Lookup(os.Getpid()) }

// Lookup identifies the process that has the pid now.
func Lookup(pid int) (Process, error) {
	start, err := startTime(pid)
	if err != nil {
		return Process{}, err
	}
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return Process{}, fmt.Errorf("reading the boot id: %w", err)
	}
	return Process{PID: pid, StartTime: start, Boot: strings.TrimSpace(string(boot))}, nil
}

// Open returns a handle on the process, or false when it is gone. The handle
// stays on this very process: signals through it cannot reach a successor that
// got the same pid.
func (p Process) Open() (*os.Process, bool) {
	if p.PID <= 0 {
		return nil, false
	}
	handle, err := os.FindProcess(p.PID)
	if err != nil {
		return nil, false
	}
	// Compared after the handle is there: from here on the pid cannot change
	// hands without the handle noticing.
	if now, err := Lookup(p.PID); err != nil || now != p {
		_ = handle.Release()
		return nil, false
	}
	return handle, true
}

// Alive says whether the process still exists.
func (p Process) Alive() bool {
	handle, ok := p.Open()
	if ok {
		_ = handle.Release()
	}
	return ok
}

// startTime reads field 22 of /proc/PID/stat. A zombie counts as gone.
func startTime(pid int) (uint64, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, fmt.Errorf("reading the start time of process %d: %w", pid, err)
	}
	// The name of the program, in parentheses, may itself hold spaces and
	// parentheses: fields are counted from the last one.
	_, rest, ok := cutLast(stat, ')')
	fields := bytes.Fields(rest)
	const state, start = 0, 19
	if !ok || len(fields) <= start {
		return 0, fmt.Errorf("reading the start time of process %d: /proc/%d/stat has an unknown form", pid, pid)
	}
	if s := string(fields[state]); s == "Z" || s == "X" {
		return 0, fmt.Errorf("reading the start time of process %d: it has ended: %w", pid, os.ErrProcessDone)
	}
	return strconv.ParseUint(string(fields[start]), 10, 64)
}

func cutLast(b []byte, sep byte) (before, after []byte, found bool) {
	i := bytes.LastIndexByte(b, sep)
	if i < 0 {
		return b, nil, false
	}
	return b[:i], b[i+1:], true
}
