package timewarp

import (
	"bufio"
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// function is the one that Go's runtime calls.
	function = "__vdso_clock_gettime"
	// stopTimeout is how long the process may take to stop; it takes microseconds.
	stopTimeout = 10 * time.Second
	pointerSize = 8
	// alignment of what is put behind the vDSO.
	alignment = 16
)

// code asks the kernel for a clock and adds the offset of it, if it is the wall
// clock (0) or the monotonic one (1). The offsets follow the code.
//
//	mov  eax, 228          ; clock_gettime(edi, rsi)
//	syscall
//	cmp  edi, 1
//	ja   done
//	lea  rcx, [rip+13]     ; the offsets
//	mov  edx, edi
//	mov  rcx, [rcx+rdx*8]
//	add  [rsi], rcx        ; to the seconds
//	done: ret
//	nop
var code = [...]byte{
	0xb8, 0xe4, 0x00, 0x00, 0x00,
	0x0f, 0x05,
	0x83, 0xff, 0x01,
	0x77, 0x10,
	0x48, 0x8d, 0x0d, 0x0d, 0x00, 0x00, 0x00,
	0x89, 0xfa,
	0x48, 0x8b, 0x0c, 0xd1,
	0x48, 0x01, 0x0e,
	0xc3,
	0x90, 0x90, 0x90,
}

// mapping is a line of /proc/PID/maps.
type mapping struct {
	from, to   uint64
	rights     string
	name       string
	executable bool // it is of the program itself, or follows it
}

// Of takes over the clocks of a Go program that runs. Each process is taken over
// once.
func Of(pid int) (*Clocks, error) {
	c := &Clocks{pid: pid}
	if err := c.takeOver(); err != nil {
		return nil, fmt.Errorf("taking over the clocks of process %d: %w", pid, err)
	}
	return c, nil
}

func (c *Clocks) takeOver() error {
	maps, err := c.maps()
	if err != nil {
		return err
	}
	resume, err := c.stop()
	if err != nil {
		return err
	}
	defer resume()
	memory, err := os.OpenFile(c.path("mem"), os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer memory.Close()

	at, old, err := place(memory, maps)
	if err != nil {
		return err
	}
	pointers, err := find(memory, maps, old)
	if err != nil {
		return err
	}
	c.offsets = at + uint64(len(code))
	if _, err := memory.WriteAt(append(code[:], make([]byte, 2*pointerSize)...), int64(at)); err != nil {
		return fmt.Errorf("writing behind the vDSO: %w", err)
	}
	for _, p := range pointers {
		if _, err := memory.WriteAt(binary.LittleEndian.AppendUint64(nil, at), int64(p)); err != nil {
			return fmt.Errorf("writing the runtime's pointer: %w", err)
		}
	}
	return nil
}

// place finds room for the code, and the function that it replaces.
func place(memory *os.File, maps []mapping) (at, old uint64, err error) {
	for _, m := range maps {
		if m.name != "[vdso]" {
			continue
		}
		image := make([]byte, m.to-m.from)
		if _, err := memory.ReadAt(image, int64(m.from)); err != nil {
			return 0, 0, fmt.Errorf("reading the vDSO: %w", err)
		}
		file, err := elf.NewFile(bytes.NewReader(image))
		if err != nil {
			return 0, 0, fmt.Errorf("reading the vDSO: %w", err)
		}
		symbols, err := file.DynamicSymbols()
		if err != nil {
			return 0, 0, fmt.Errorf("reading the vDSO: %w", err)
		}
		for _, s := range symbols {
			if s.Name == function {
				old = m.from + s.Value
			}
		}
		used := uint64(len(bytes.TrimRight(image, "\x00")))
		at = (m.from + used + 2*alignment) &^ (alignment - 1)
		if old == 0 || at+uint64(len(code))+2*pointerSize > m.to {
			return 0, 0, fmt.Errorf("the vDSO has no %s, or no room behind its %d bytes", function, used)
		}
		return at, old, nil
	}
	return 0, 0, errors.New("the process has no vDSO")
}

// find finds the pointers to a function in the variables of the program.
func find(memory *os.File, maps []mapping, function uint64) (found []uint64, err error) {
	for _, m := range maps {
		if !m.executable || !strings.HasPrefix(m.rights, "rw") {
			continue
		}
		content := make([]byte, m.to-m.from)
		if _, err := memory.ReadAt(content, int64(m.from)); err != nil {
			return nil, fmt.Errorf("reading the program's variables: %w", err)
		}
		for i := 0; i+pointerSize <= len(content); i += pointerSize {
			if binary.LittleEndian.Uint64(content[i:]) == function {
				found = append(found, m.from+uint64(i))
			}
		}
	}
	if len(found) == 0 {
		return nil, errors.New("it is not a Go program, or has been taken over before")
	}
	return found, nil
}

func (c *Clocks) path(name string) string { return filepath.Join("/proc", fmt.Sprint(c.pid), name) }

// maps reads the mappings of the process. What has no name and follows those of
// the program is the part of its variables that begins as zero.
func (c *Clocks) maps() ([]mapping, error) {
	program, err := os.Readlink(c.path("exe"))
	if err != nil {
		return nil, err
	}
	file, err := os.Open(c.path("maps"))
	if err != nil {
		return nil, err
	}
	defer file.Close()
	var all []mapping
	for lines := bufio.NewScanner(file); lines.Scan(); {
		var m mapping
		var offset, device, inode string
		// The name is missing where there is none.
		if n, err := fmt.Sscanf(lines.Text(), "%x-%x %s %s %s %s %s", &m.from, &m.to, &m.rights, &offset, &device, &inode, &m.name); n < 6 {
			return nil, fmt.Errorf("reading %s: %w", file.Name(), err)
		}
		follows := m.name == "" && len(all) > 0 && all[len(all)-1].executable && all[len(all)-1].to == m.from
		m.executable = m.name == program || follows
		all = append(all, m)
	}
	return all, nil
}

// stop holds all threads of the process until the returned function is called.
func (c *Clocks) stop() (resume func(), err error) {
	if err := unix.Kill(c.pid, unix.SIGSTOP); err != nil {
		return nil, fmt.Errorf("stopping it: %w", err)
	}
	resume = func() { _ = unix.Kill(c.pid, unix.SIGCONT) }
	for deadline := time.Now().Add(stopTimeout); ; time.Sleep(time.Millisecond) {
		stopped, err := c.stopped()
		if err == nil && !stopped && time.Now().After(deadline) {
			err = fmt.Errorf("it did not stop in %s", stopTimeout)
		}
		if err != nil {
			resume()
			return nil, err
		}
		if stopped {
			return resume, nil
		}
	}
}

func (c *Clocks) stopped() (bool, error) {
	threads, err := filepath.Glob(c.path("task/*/stat"))
	if err != nil || len(threads) == 0 {
		return false, errors.Join(err, errors.New("it has ended"))
	}
	for _, thread := range threads {
		stat, err := os.ReadFile(thread)
		if errors.Is(err, os.ErrNotExist) {
			continue // the thread has ended
		}
		if err != nil {
			return false, err
		}
		if !bytes.Contains(stat, []byte(") T ")) {
			return false, nil
		}
	}
	return true, nil
}

// write has the process read the offsets from now on.
func (c *Clocks) write() error {
	resume, err := c.stop()
	if err != nil {
		return fmt.Errorf("moving the clocks of process %d: %w", c.pid, err)
	}
	defer resume()
	memory, err := os.OpenFile(c.path("mem"), os.O_RDWR, 0)
	if err != nil {
		return fmt.Errorf("moving the clocks of process %d: %w", c.pid, err)
	}
	defer memory.Close()
	var offsets []byte
	for _, d := range []time.Duration{c.wall, c.monotonic} {
		offsets = binary.LittleEndian.AppendUint64(offsets, uint64(int64(d/time.Second)))
	}
	if _, err := memory.WriteAt(offsets, int64(c.offsets)); err != nil {
		return fmt.Errorf("moving the clocks of process %d: %w", c.pid, err)
	}
	return nil
}
