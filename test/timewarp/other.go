//go:build !linux || !amd64

package timewarp

// Of returns ErrUnsupported here.
func Of(int) (*Clocks, error) { return nil, ErrUnsupported }

func (c *Clocks) write() error { return ErrUnsupported }
