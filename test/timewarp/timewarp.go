package timewarp

import (
	"errors"
	"time"
)

// ErrUnsupported says that clocks cannot be moved on this machine.
var ErrUnsupported = errors.New("the clocks of another process can be moved only on Linux on amd64")

// Clocks are those of one process.
type Clocks struct {
	pid int
	// offsets is where the process reads them: the seconds that are added to the
	// wall clock and to the monotonic one.
	offsets         uint64
	wall, monotonic time.Duration
}

// Set moves the wall clock alone, by whole seconds: it jumps, and no time passes.
func (c *Clocks) Set(by time.Duration) error { return c.move(by, 0) }

// Pass lets time pass, in whole seconds.
func (c *Clocks) Pass(d time.Duration) error { return c.move(d, d) }

func (c *Clocks) move(wall, monotonic time.Duration) error {
	c.wall += wall.Truncate(time.Second)
	c.monotonic += monotonic.Truncate(time.Second)
	return c.write()
}
