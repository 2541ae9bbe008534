package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// clockTicks is USER_HZ, the unit of the times in /proc/<pid>/stat. Linux has it
// at 100 on every architecture (proc(5)).
const clockTicks = 100

// process is what /proc says about one process.
type process struct {
	pid, parent int
	name        string
	cpu         time.Duration // its own and that of children that it has waited for
}

// readProcess reads /proc/<pid>/stat. The name in it may hold blanks and
// brackets, so fields are counted from the last closing bracket.
func readProcess(pid int) (process, error) {
	data, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		return process{}, err
	}
	open, end := bytes.IndexByte(data, '('), bytes.LastIndexByte(data, ')')
	if open < 0 || end < open {
		return process{}, fmt.Errorf("process %d: no name in its stat file", pid)
	}
	fields := strings.Fields(string(data[end+1:]))
	const parentField, firstTimeField, timeFields = 1, 11, 4
	if len(fields) < firstTimeField+timeFields {
		return process{}, fmt.Errorf("process %d: %d fields in its stat file", pid, len(fields))
	}
	p := process{pid: pid, name: string(data[open+1 : end])}
	if p.parent, err = strconv.Atoi(fields[parentField]); err != nil {
		return process{}, err
	}
	var ticks int64
	for _, f := range fields[firstTimeField : firstTimeField+timeFields] {
		n, err := strconv.ParseInt(f, 10, 64)
		if err != nil {
			return process{}, err
		}
		ticks += n
	}
	p.cpu = time.Duration(ticks) * time.Second / clockTicks
	return p, nil
}

// family returns the given processes and all their descendants.
func family(roots ...int) ([]process, error) {
	names, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return nil, err
	}
	all := map[int]process{}
	children := map[int][]int{}
	for _, name := range names {
		pid, err := strconv.Atoi(filepath.Base(name))
		if err != nil {
			continue
		}
		p, err := readProcess(pid)
		if err != nil {
			continue // it ended since the listing
		}
		all[pid] = p
		children[p.parent] = append(children[p.parent], pid)
	}
	var found []process
	seen := map[int]bool{}
	for len(roots) > 0 {
		pid := roots[0]
		roots = append(roots[1:], children[pid]...)
		if p, ok := all[pid]; ok && !seen[pid] {
			seen[pid] = true
			found = append(found, p)
		}
	}
	return found, nil
}

// cpuSeconds is the CPU time that the given processes and their descendants
// have taken so far, in seconds.
func cpuSeconds(roots ...int) (float64, error) {
	processes, err := family(roots...)
	if err != nil {
		return 0, err
	}
	var sum time.Duration
	for _, p := range processes {
		sum += p.cpu
	}
	return sum.Seconds(), nil
}

// anonymousMiB is the anonymous resident memory of the given processes and their
// descendants: what they allocated, without the pages of their binaries and of
// mapped files, which the kernel can drop.
func anonymousMiB(roots ...int) (float64, error) {
	processes, err := family(roots...)
	if err != nil {
		return 0, err
	}
	var kib int64
	for _, p := range processes {
		data, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(p.pid), "status"))
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(data)) {
			if rest, ok := strings.CutPrefix(line, "RssAnon:"); ok {
				n, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64)
				if err != nil {
					return 0, fmt.Errorf("process %d: %w", p.pid, err)
				}
				kib += n
			}
		}
	}
	return float64(kib) / 1024, nil
}
