package runlog

import (
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Stage is what a run is doing.
type Stage string

// The stages, in the order in which runs go through them.
const (
	Fetch    Stage = "fetch"
	Verify   Stage = "verify"
	Build    Stage = "build"
	Plan     Stage = "plan"
	Validate Stage = "validate"
	Apply    Stage = "apply"
	Prune    Stage = "prune"
	Health   Stage = "health"
	Notify   Stage = "notify"
)

// Level says how much a record matters.
type Level string

// The levels.
const (
	Info    Level = "info"
	Warning Level = "warning"
	Error   Level = "error"
)

// Phase is how a run ended.
type Phase string

// The phases.
const (
	Succeeded Phase = "Succeeded"
	Failed    Phase = "Failed"
)

// Record is one line of a log.
type Record struct {
	Time time.Time
	// RequestID is that of the run.
	RequestID string
	// Revision is what the run works on, once that is known.
	Revision string
	Stage    Stage
	Level    Level
	Message  string
	// Object is what the record is about, as Kind/namespace/name; empty for the
	// whole.
	Object string
	// Duration is how long what is told took; zero where that is not told.
	Duration time.Duration
	// Phase is set in the last record of a run only.
	Phase Phase
}

// recordOverhead is about what a record takes in memory besides its texts.
const recordOverhead = 256

// size is about what the record takes in memory. The ID and the revision are
// shared by the records of a run.
func (r *Record) size() int { return recordOverhead + len(r.Message) + len(r.Object) }

// maxMessage is how long the message of a record may be.
const maxMessage = 4 << 10

// maxName is how long the name of a user or an object, an ID or a revision may be.
const maxName = 768

// cleanName makes a name fit to be kept and shown: a message of one line.
func cleanName(name string) string {
	name = strings.Map(func(r rune) rune {
		if r == '\n' || r == '\t' {
			return utf8.RuneError
		}
		return r
	}, name)
	return clean(name, maxName)
}

// clean makes a message fit to be kept and shown: valid UTF-8 of at most limit
// bytes, without control characters, which a terminal would act on.
func clean(message string, limit int) string {
	message = strings.Map(func(r rune) rune {
		if r == '\n' || r == '\t' || !unicode.IsControl(r) && !isDirection(r) {
			return r
		}
		return utf8.RuneError
	}, message)
	if len(message) <= limit {
		return message
	}
	note := fmt.Sprintf(" … (cut at %d bytes)", limit)
	end := limit - len(note)
	for end > 0 && !utf8.RuneStart(message[end]) {
		end--
	}
	return message[:end] + note
}

// isDirection says that a character changes the direction of the text around it,
// which makes a line read as something else than it is.
func isDirection(r rune) bool {
	return r >= '\u202a' && r <= '\u202e' || r >= '\u2066' && r <= '\u2069'
}
