package instance

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// waitSlice is how long one wait in the kernel lasts; an end of ctx is seen
// after it.
const waitSlice = 200 * time.Millisecond

// Wait returns when the process has ended, at once when it already has, or
// with ctx's error when ctx ends first. The process need not be a child.
func (p Process) Wait(ctx context.Context) error {
	fd, err := unix.PidfdOpen(p.PID, 0)
	if errors.Is(err, unix.ESRCH) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("waiting for process %d: %w", p.PID, err)
	}
	defer func() { _ = unix.Close(fd) }()
	// A zombie is waited for, too: while other threads of it are ending, it
	// still holds its locks and ports.
	if now, _, err := look(p.PID); err != nil || now != p {
		return nil
	}
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, int(waitSlice.Milliseconds()))
		if err != nil && !errors.Is(err, unix.EINTR) {
			return fmt.Errorf("waiting for process %d: %w", p.PID, err)
		}
		if n > 0 {
			return nil
		}
	}
}
