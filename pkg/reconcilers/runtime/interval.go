package runtime

import (
	"math/rand/v2"
	"time"
)

// The back-off of Flux's controllers, which people know from their logs.
const (
	defaultBackoffBase = 750 * time.Millisecond
	defaultBackoffMax  = 15 * time.Minute
)

// Backoff is a delay that doubles with each failure in a row.
type Backoff struct {
	// Base is the delay after the first failure.
	Base time.Duration
	// Max is the longest delay.
	Max time.Duration
}

func (b Backoff) orDefault() Backoff {
	if b.Base <= 0 {
		b.Base = defaultBackoffBase
	}
	if b.Max <= 0 {
		b.Max = defaultBackoffMax
	}
	return b
}

// After returns the delay after a failure that followed n others.
func (b Backoff) After(n int) time.Duration {
	d := b.Base
	for ; n > 0 && d < b.Max; n-- {
		d *= 2
	}
	return min(d, b.Max)
}

// minInterval is the shortest time between two regular runs of an object, or
// between two attempts: whatever a spec says, it must not keep a slot busy.
const minInterval = time.Second

// Period returns the time that an interval of a spec stands for: no interval
// means no regular runs.
func Period(d time.Duration) time.Duration {
	if d <= 0 {
		return 0
	}
	return max(d, minInterval)
}

// jitterFraction is how far an interval is moved at most, to either side: the
// objects of a repository that were created together must not stay together.
const jitterFraction = 0.05

// Jitter spreads intervals. The zero value draws from the process's source of
// randomness.
type Jitter struct {
	// Float64 returns a number in [0,1); a test sets it.
	Float64 func() float64
}

// Spread returns d moved by at most 5 % to either side.
func (j Jitter) Spread(d time.Duration) time.Duration {
	draw := j.Float64
	if draw == nil {
		draw = rand.Float64
	}
	return d + time.Duration((2*draw()-1)*jitterFraction*float64(d))
}
