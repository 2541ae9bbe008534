package instance

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

const (
	lockName    = "lock"
	changeName  = "lock.change"
	maxLockSize = 4096

	// settleTime is far above what the end or the start of a process takes.
	settleTime     = 5 * time.Second
	settleInterval = 10 * time.Millisecond
)

// LockNames are the names of the files that this package locks in a directory.
func LockNames() []string { return []string{lockName, changeName} }

// ErrRunning says that another process runs the cluster of the directory.
var ErrRunning = errors.New("another process runs the cluster of this directory")

// Lock is held by the process that runs a cluster until that process ends.
type Lock struct{ file *os.File }

// Acquire takes the lock of a cluster's directory and writes down who holds
// it. It returns an error that is ErrRunning when another process has it.
func Acquire(dir string) (*Lock, error) {
	file, err := os.OpenFile(filepath.Join(dir, lockName), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("opening the lock of %s: %w", dir, err)
	}
	if err := acquire(file); err != nil {
		return nil, errors.Join(fmt.Errorf("locking %s: %w", dir, err), file.Close())
	}
	return &Lock{file: file}, nil
}

func acquire(file *os.File) error {
	whole := unix.Flock_t{Type: unix.F_WRLCK}
	err := unix.FcntlFlock(file.Fd(), unix.F_OFD_SETLK, &whole)
	if errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EACCES) {
		return ErrRunning
	}
	if err != nil {
		return err
	}
	self, err := Self()
	if err != nil {
		return err
	}
	data, err := json.Marshal(self)
	if err != nil {
		return err
	}
	if err := file.Truncate(0); err != nil {
		return err
	}
	_, err = file.WriteAt(append(data, '\n'), 0)
	return err
}

// Release gives the lock back. The file stays: removing it would let two
// processes hold locks on two files of the same name.
func (l *Lock) Release() error { return l.file.Close() }

// Holder returns the process that runs the cluster of the directory, false
// when there is none. What the file says counts only while the lock is held
// and the process that it names is the one that wrote it.
func Holder(dir string) (Process, bool, error) {
	file, err := os.Open(filepath.Join(dir, lockName))
	if errors.Is(err, os.ErrNotExist) {
		return Process{}, false, nil
	}
	if err != nil {
		return Process{}, false, fmt.Errorf("reading the lock of %s: %w", dir, err)
	}
	defer func() { _ = file.Close() }()

	// A process that was just killed holds its lock until the last of its
	// threads has ended, and one that has just begun has not written its name.
	for end := time.Now().Add(settleTime); ; {
		holder, running, err := readHolder(file)
		if err == nil {
			return holder, running, nil
		}
		if time.Now().After(end) {
			return Process{}, false, fmt.Errorf("reading the lock of %s: %w", dir, err)
		}
		time.Sleep(settleInterval)
	}
}

func readHolder(file *os.File) (Process, bool, error) {
	// Asked about, not taken: a lock taken here for a moment would make a
	// cluster that starts in that moment believe that another one runs.
	test := unix.Flock_t{Type: unix.F_RDLCK}
	if err := unix.FcntlFlock(file.Fd(), unix.F_OFD_GETLK, &test); err != nil {
		return Process{}, false, err
	}
	if test.Type == unix.F_UNLCK {
		return Process{}, false, nil
	}
	data, err := io.ReadAll(io.NewSectionReader(file, 0, maxLockSize))
	if err != nil {
		return Process{}, false, err
	}
	var holder Process
	if err := json.Unmarshal(data, &holder); err != nil {
		return Process{}, false, fmt.Errorf("it is held by a process that has not written its name: %w", err)
	}
	if !holder.Alive() {
		return Process{}, false, fmt.Errorf("it is held, but not by process %d that it names", holder.PID)
	}
	return holder, true, nil
}

// WaitChange takes the lock that a command holds while it starts or stops the
// cluster of the directory, and waits for it when another command has it.
func WaitChange(dir string) (*Lock, error) {
	file, err := os.OpenFile(filepath.Join(dir, changeName), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("opening the lock of changes to %s: %w", dir, err)
	}
	if err := unix.Flock(int(file.Fd()), unix.LOCK_EX); err != nil {
		return nil, errors.Join(fmt.Errorf("locking changes to %s: %w", dir, err), file.Close())
	}
	return &Lock{file: file}, nil
}
