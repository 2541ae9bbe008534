package worker

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"runtime/debug"
	"strconv"

	"golang.org/x/sys/unix"
)

// confine gives up what a warm worker does not need any more, and bounds its
// memory. The limits of resources are inherited by nobody, since there are no
// more processes from here. The error says what the kernel refused; limits that
// could be set are set.
func confine(memoryLimit uint64) error {
	held, err := dataSize()
	if err != nil {
		return err
	}
	// The collector works harder as the limit comes near; the kernel stops the
	// process when it is passed. What counts is writable memory: Go reserves far
	// more addresses than it uses, so a limit on those would say nothing.
	debug.SetMemoryLimit(int64(memoryLimit))
	limits := []struct {
		name     string
		resource int
		value    uint64
	}{
		{"data size", unix.RLIMIT_DATA, held + memoryLimit},
		{"core size", unix.RLIMIT_CORE, 0},
	}
	for _, l := range limits {
		if err := unix.Setrlimit(l.resource, &unix.Rlimit{Cur: l.value, Max: l.value}); err != nil {
			return fmt.Errorf("limiting the %s: %w", l.name, err)
		}
	}
	// When the container runs out of memory, a build shall go before the
	// server. Where the file is hidden, the limits have to do.
	_ = os.WriteFile("/proc/self/oom_score_adj", []byte("1000"), 0)
	// Nobody reads a worker's memory but a privileged debugger.
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return fmt.Errorf("making the process not dumpable: %w", err)
	}
	return filterSystemCalls()
}

// dataSize returns how much writable private memory the process has.
func dataSize() (uint64, error) {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0, fmt.Errorf("reading the size of the process: %w", err)
	}
	lines := bufio.NewScanner(bytes.NewReader(status))
	for lines.Scan() {
		value, ok := bytes.CutPrefix(lines.Bytes(), []byte("VmData:"))
		if !ok {
			continue
		}
		kib, err := strconv.ParseUint(string(bytes.TrimSpace(bytes.TrimSuffix(value, []byte("kB")))), 10, 64)
		if err != nil {
			return 0, fmt.Errorf("reading the size of the process: %w", err)
		}
		return kib << 10, nil
	}
	return 0, fmt.Errorf("reading the size of the process: no VmData in /proc/self/status")
}
