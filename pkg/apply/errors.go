package apply

import (
	"errors"
	"fmt"
	"strings"

	"github.com/leat-dev/leat/pkg/object"
)

// ErrEmptyBuild refuses a set without objects for an owner that has some: far
// more often a mistake in a path than the wish to delete all.
var ErrEmptyBuild = errors.New("the build rendered no objects, but the inventory holds some")

// maxListed bounds how many objects an error's text names.
const maxListed = 20

// ObjectError is what is wrong with one object.
type ObjectError struct {
	object.Key
	// File declared the object; it may be empty.
	File string
	Err  error
}

func (e ObjectError) Error() string {
	if e.File == "" {
		return fmt.Sprintf("%s: %v", e.Key, e.Err)
	}
	return fmt.Sprintf("%s (%s): %v", e.Key, e.File, e.Err)
}

// Unwrap returns the cause.
func (e ObjectError) Unwrap() error { return e.Err }

// Error says at which step a run failed and with which objects, all of them at
// once.
type Error struct {
	// Op is what was attempted: "planning", "validating", "applying" or
	// "pruning".
	Op string
	// Written says whether anything was, or may have been, written to the target.
	Written bool
	Objects []ObjectError
}

func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s failed for %d object(s)", e.Op, len(e.Objects))
	if !e.Written {
		b.WriteString(", nothing was written")
	}
	for i, o := range e.Objects {
		if i == maxListed {
			fmt.Fprintf(&b, "; and %d more", len(e.Objects)-i)
			break
		}
		sep := "; "
		if i == 0 {
			sep = ": "
		}
		b.WriteString(sep)
		b.WriteString(o.Error())
	}
	return b.String()
}

// Unwrap returns the objects' errors.
func (e *Error) Unwrap() []error {
	errs := make([]error, len(e.Objects))
	for i := range e.Objects {
		errs[i] = e.Objects[i]
	}
	return errs
}

// Unhealthy is one object that was not ready.
type Unhealthy struct {
	object.Key
	// Status is kstatus's: InProgress, Failed, Terminating, NotFound or Unknown.
	Status  string
	Message string
}

// HealthError says which objects did not become ready.
type HealthError struct {
	// Failed says that the wait ended early because an object reached a failed
	// state; otherwise it timed out.
	Failed  bool
	Timeout string
	Objects []Unhealthy
}

func (e *HealthError) Error() string {
	var b strings.Builder
	if e.Failed {
		b.WriteString("health check failed: ")
	} else {
		fmt.Fprintf(&b, "timeout after %s waiting for: ", e.Timeout)
	}
	for i, o := range e.Objects {
		if i == maxListed {
			fmt.Fprintf(&b, "; and %d more", len(e.Objects)-i)
			break
		}
		if i > 0 {
			b.WriteString("; ")
		}
		fmt.Fprintf(&b, "%s is %s", o.Key, o.Status)
		if o.Message != "" {
			fmt.Fprintf(&b, " (%s)", o.Message)
		}
	}
	return b.String()
}
