package build

import (
	"errors"
	"strings"

	"github.com/leat-dev/leat/pkg/build/protocol"
)

// Reason says what kind of fault a build has.
type Reason = protocol.Reason

// The first group of reasons is about what was to be built: the same build
// fails again until the tree, the options or the variables change. The second
// is about the build as a process: it may succeed when it is done again, though
// one that takes too much time or memory is not likely to.
const (
	// ReasonInvalid says that kustomize refuses what is in the tree.
	ReasonInvalid = protocol.ReasonInvalid
	// ReasonPathNotFound says that Options.Path is not a directory of the tree.
	ReasonPathNotFound = protocol.ReasonPathNotFound
	// ReasonRemote says that a kustomization refers to something outside of
	// the tree: a URL, a Helm chart, an absolute path, or one that leads out.
	ReasonRemote = protocol.ReasonRemote
	// ReasonSubstitution says that variables cannot be substituted.
	ReasonSubstitution = protocol.ReasonSubstitution
	// ReasonLimit says that a limit on what a build reads or renders was hit.
	ReasonLimit = protocol.ReasonLimit

	// ReasonDeadline says that the worker was stopped because it took too long.
	ReasonDeadline Reason = "Deadline"
	// ReasonMemory says that the worker ran out of the memory allowed to it.
	ReasonMemory Reason = "Memory"
	// ReasonCrashed says that the worker died, or broke the protocol.
	ReasonCrashed Reason = "Crashed"
	// ReasonStore says that the tree could not be read.
	ReasonStore Reason = "Store"
	// ReasonUnavailable says that there is no worker to build with.
	ReasonUnavailable Reason = "Unavailable"
	// ReasonBusy says that all workers build for others, and will for a while.
	ReasonBusy Reason = "Busy"
)

// Error is why a build has no result. Errors of the caller's context are
// returned as they are.
type Error struct {
	Reason Reason
	// File is the path in the tree of the file at fault, if one is.
	File string
	// Object names the object at fault, if one is.
	Object string
	Err    error
}

func (e *Error) Error() string {
	var b strings.Builder
	for _, place := range []string{e.File, e.Object} {
		if place != "" {
			b.WriteString(place)
			b.WriteString(": ")
		}
	}
	b.WriteString(e.Err.Error())
	return b.String()
}

func (e *Error) Unwrap() error { return e.Err }

// Input says whether the fault lies in what was to be built, so that only a
// change of it can help.
func (e *Error) Input() bool {
	switch e.Reason {
	case ReasonInvalid, ReasonPathNotFound, ReasonRemote, ReasonSubstitution, ReasonLimit:
		return true
	default:
		return false
	}
}

// Repeats says that the same build is expected to fail again: because of what
// was to be built, or because that takes more time or memory than a build may
// have. To try such a build again soon costs much and helps nobody.
func (e *Error) Repeats() bool {
	return e.Input() || e.Reason == ReasonDeadline || e.Reason == ReasonMemory
}

// ReasonOf returns the reason of err, or nothing if err is not an *Error.
func ReasonOf(err error) Reason {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Reason
	}
	return ""
}
