package runlog

import (
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/types"
)

// Note says who gave an object a generation, or asked for a run of it. Exactly one
// of the two is set.
type Note struct {
	Generation int64
	Request    string
	User       string
}

const (
	// maxNotes is how many notes of one object wait for a run, the latest ones.
	maxNotes = 8
	// maxUnwritten is how many of them wait to be written, which may be for runs
	// that have ended meanwhile.
	maxUnwritten = 64
)

// WroteSpec notes who gave an object its generation.
func (l *Log) WroteSpec(uid types.UID, generation int64, user string) {
	l.Note(string(uid), Note{Generation: generation, User: user})
}

// Requested notes who asked for a run of an object.
func (l *Log) Requested(uid types.UID, request, user string) {
	l.Note(string(uid), Note{Request: request, User: user})
}

// addNote adds a note to those of an object, in place of one on the same thing.
func addNote(notes []Note, n Note, limit int) []Note {
	notes = slices.DeleteFunc(notes, func(o Note) bool { return o.Generation == n.Generation && o.Request == n.Request })
	notes = append(notes, n)
	return notes[max(0, len(notes)-limit):]
}

// asked is what a run answers: the spec of this generation and, unless it is
// empty, this request.
type asked struct {
	generation int64
	request    string
}

// answers says for each note whether the run answers it. With a generation it
// answers those before it, which no run has seen, and with a request those that
// were made before it.
func (a asked) answers(notes []Note) []bool {
	answered := make([]bool, len(notes))
	request := a.request != "" && slices.ContainsFunc(notes, func(n Note) bool { return n.Request == a.request })
	for i, n := range notes {
		switch {
		case n.Generation != 0:
			answered[i] = n.Generation <= a.generation
		case request:
			answered[i] = true
			request = n.Request != a.request
		}
	}
	return answered
}

// by names who has asked for what a run answers: users, and what they did.
func (a asked) by(notes []Note) (users, triggers []string) {
	for i, answered := range a.answers(notes) {
		if !answered {
			continue
		}
		trigger := TriggerRequest
		if notes[i].Generation != 0 {
			trigger = TriggerSpec
		}
		if !slices.Contains(triggers, trigger) {
			triggers = append(triggers, trigger)
		}
		if !slices.Contains(users, notes[i].User) {
			users = append(users, notes[i].User)
		}
	}
	return users, triggers
}

// left are the notes that a run has not answered.
func (a asked) left(notes []Note) []Note {
	var left []Note
	for i, answered := range a.answers(notes) {
		if !answered {
			left = append(left, notes[i])
		}
	}
	return left
}

// credit names in an entry who asked for the run.
func (e *Entry) credit(a asked, notes []Note) {
	users, triggers := a.by(notes)
	if len(users) == 0 {
		return
	}
	e.User = strings.Join(users, ",")
	e.Triggers = union(triggers, e.Triggers)
}

// union is a followed by what b has besides.
func union(a, b []string) []string {
	all := slices.Clone(a)
	for _, t := range b {
		if !slices.Contains(all, t) {
			all = append(all, t)
		}
	}
	return all
}
