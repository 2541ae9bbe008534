package etcd

import (
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"k8s.io/utils/clock"
)

const (
	// DefaultQuotaBytes is how large the database may grow before etcd takes
	// no more writes. etcd's own default of 2 GiB is meant for clusters whose
	// members copy the whole file to each other; 8 GiB is what it recommends
	// at most.
	DefaultQuotaBytes = 4 << 30
	// MinQuotaBytes keeps a mistyped quota from making a server that starts
	// and then takes no writes.
	MinQuotaBytes = 16 << 20
	// DefaultStartTimeout bounds the time from the start of the member to its
	// being leader of itself. Replaying the log takes most of it.
	DefaultStartTimeout = time.Minute
)

// Config is what an embedded etcd needs to start.
type Config struct {
	// Dir is the directory that holds the data. It is created where it does
	// not exist.
	Dir string
	// Ephemeral allows a directory that does not survive a restart, such as
	// one on tmpfs. The data is still fsynced and is never deleted.
	Ephemeral bool
	// QuotaBytes is the largest size of the database, DefaultQuotaBytes when
	// zero.
	QuotaBytes int64
	// StartTimeout is how long the member may take to become ready,
	// DefaultStartTimeout when zero.
	StartTimeout time.Duration
	// Clock drives the upkeep. It is the real clock when nil.
	Clock clock.WithTicker
}

// complete returns the configuration with its defaults, or says what is wrong
// with it.
func (c Config) complete() (Config, error) {
	if c.Dir == "" {
		return c, errors.New("embedded etcd: no directory given")
	}
	dir, err := filepath.Abs(c.Dir)
	if err != nil {
		return c, fmt.Errorf("embedded etcd: directory %q: %w", c.Dir, err)
	}
	c.Dir = dir
	if c.QuotaBytes == 0 {
		c.QuotaBytes = DefaultQuotaBytes
	}
	if c.QuotaBytes < MinQuotaBytes {
		return c, fmt.Errorf("embedded etcd: quota of %d bytes is under the least of %d", c.QuotaBytes, MinQuotaBytes)
	}
	if c.StartTimeout == 0 {
		c.StartTimeout = DefaultStartTimeout
	}
	if c.StartTimeout < 0 {
		return c, fmt.Errorf("embedded etcd: start timeout %s is negative", c.StartTimeout)
	}
	if c.Clock == nil {
		c.Clock = clock.RealClock{}
	}
	return c, nil
}
