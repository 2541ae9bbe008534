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
	p, ended, err := look(pid)
	if err == nil && ended {
		err = fmt.Errorf("looking at process %d: %w", pid, os.ErrProcessDone)
	}
	return p, err
}

// look is Lookup for a process that may be a zombie.
func look(pid int) (p Process, ended bool, err error) {
	start, ended, err := startTime(pid)
	if err != nil {
		return Process{}, false, err
	}
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return Process{}, false, fmt.Errorf("reading the boot id: %w", err)
	}
	return Process{PID: pid, StartTime: start, Boot: strings.TrimSpace(string(boot))}, ended, nil
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

// Alive says whether the process still runs.
func (p Process) Alive() bool {
	handle, ok := p.Open()
	if ok {
		_ = handle.Release()
	}
	return ok
}

// startTime reads field 22 of /proc/PID/stat, and from field 3 whether the
// process has ended and only waits to be reaped.
func startTime(pid int) (start uint64, ended bool, err error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, false, fmt.Errorf("reading the start time of process %d: %w", pid, err)
	}
	// The name of the program, in parentheses, may itself hold spaces and
	// parentheses: fields are counted from the last one.
	_, rest, ok := cutLast(stat, ')')
	fields := bytes.Fields(rest)
	const stateField, startField = 0, 19
	if !ok || len(fields) <= startField {
		return 0, false, fmt.Errorf("reading the start time of process %d: /proc/%d/stat has an unknown form", pid, pid)
	}
	state := string(fields[stateField])
	start, err = strconv.ParseUint(string(fields[startField]), 10, 64)
	return start, state == "Z" || state == "X", err
}

func cutLast(b []byte, sep byte) (before, after []byte, found bool) {
	i := bytes.LastIndexByte(b, sep)
	if i < 0 {
		return b, nil, false
	}
	return b[:i], b[i+1:], true
}
