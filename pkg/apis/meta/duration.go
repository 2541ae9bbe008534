package meta

import (
	"fmt"
	"time"
)

// Duration is a length of time as a person wrote it, such as "60m".
//
// It is a string on purpose. A type that is parsed when it is decoded and
// printed again when it is encoded gives "1h0m0s" back: what is stored then
// differs from what was applied, and server-side apply would own a value that
// nobody wrote. The text is parsed where a number is needed.
type Duration string

// Parse gives the length of time. Admission refuses what does not parse, so
// an error means an object that never passed it.
func (d Duration) Parse() (time.Duration, error) {
	t, err := time.ParseDuration(string(d))
	if err != nil {
		return 0, fmt.Errorf("parsing duration %q: %w", string(d), err)
	}
	return t, nil
}

// Or gives the length of time, or def where none is set or it does not parse.
func (d *Duration) Or(def time.Duration) time.Duration {
	if d == nil || *d == "" {
		return def
	}
	t, err := d.Parse()
	if err != nil {
		return def
	}
	return t
}

// DurationOf spells a length of time.
func DurationOf(t time.Duration) Duration {
	return Duration(t.String())
}
