package record

import (
	"errors"
	"fmt"
	"strings"
)

const (
	// InlineLimit is the size up to which a record is written in one
	// transaction. It is also the size of a chunk: a third of what etcd takes
	// in one request, so that one large record does not hold up the log that
	// everybody's writes go through for long.
	InlineLimit = 512 << 10
	// MaxValueBytes is the largest record.
	MaxValueBytes = 64 << 20
	// maxNameBytes is the longest kind, UID and prefix.
	maxNameBytes = 253
)

var (
	// ErrNotFound says that there is no such record.
	ErrNotFound = errors.New("record not found")
	// ErrTooLarge says that a value is over MaxValueBytes.
	ErrTooLarge = errors.New("record is too large")
	// ErrCorrupt says that what is stored is not what was written.
	ErrCorrupt = errors.New("record is corrupt")
	// ErrContended says that a large value could not be written because its
	// chunks were collected, or its record deleted, each time while it was
	// written.
	ErrContended = errors.New("record was deleted while it was written")
)

// checkNames refuses names that would not be one segment of a key.
func checkNames(kind, uid string) error {
	if err := checkName("kind", kind); err != nil {
		return err
	}
	return checkName("uid", uid)
}

func checkName(what, name string) error {
	switch {
	case name == "":
		return fmt.Errorf("record: empty %s", what)
	case len(name) > maxNameBytes:
		return fmt.Errorf("record: %s has %d bytes, over the limit of %d", what, len(name), maxNameBytes)
	}
	if i := strings.IndexFunc(name, outsideName); i >= 0 {
		return fmt.Errorf("record: %s %q has %q at byte %d; letters, digits, '.', '_' and '-' are allowed", what, name, name[i], i)
	}
	return nil
}

func outsideName(r rune) bool {
	switch {
	case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '.', r == '_', r == '-':
		return false
	}
	return true
}
