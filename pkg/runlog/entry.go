package runlog

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Entry is one run in the history of an object.
type Entry struct {
	// ID of the run: the request that it answered, or one of its own.
	ID string
	// Revision is what the run worked on, Digest that of what was fetched or
	// rendered.
	Revision, Digest string
	StartedAt        time.Time
	Duration         time.Duration
	// Triggers are what made the object run.
	Triggers []string
	// User is who asked for the run, empty where nobody did.
	User    string
	Phase   Phase
	Message string
	// Created, Updated and Deleted are numbers of objects.
	Created, Updated, Deleted int
}

// The triggers that the log itself knows of; all are names of the API.
const (
	TriggerSpec     = "Spec"
	TriggerRequest  = "Request"
	TriggerInterval = "Interval"
	TriggerRetry    = "Retry"
	TriggerStart    = "Start"
)

// changed says that the run changed something.
func (e *Entry) changed() bool { return e.Created+e.Updated+e.Deleted > 0 }

// again says that the entry is of a run that tried again what failed before, asked
// for by nobody.
func (e *Entry) again() bool {
	return e.Phase == Failed && !e.changed() && e.User == "" && !slices.ContainsFunc(e.Triggers, func(t string) bool {
		return t != TriggerRetry && t != TriggerInterval && t != TriggerStart
	})
}

// same says that both runs failed in the same way.
func (e *Entry) same(o *Entry) bool {
	return e.Phase == o.Phase && e.Revision == o.Revision && e.Message == o.Message
}

// add puts an entry in front of a history, which is at most limit long. What is
// tried again and again and fails in the same way is kept twice: when it began,
// and the last time; a day of retries must not push out all that went before.
func add(history []Entry, e Entry, limit int) []Entry {
	if len(history) > 1 && e.again() && history[0].again() && e.same(&history[0]) && e.same(&history[1]) {
		history = history[1:]
	}
	history = slices.Insert(slices.Clone(history), 0, e)
	return history[:min(len(history), limit)]
}

// level is the schema that is written. A server reads its own level and those
// below.
const level = 1

// document is what is stored of an object. Names are short because most of a
// document would be names otherwise.
type document struct {
	Level   int           `json:"level"`
	Entries []storedEntry `json:"entries,omitempty"`
	Notes   []storedNote  `json:"notes,omitempty"`
	// Generation and Request are what the last run answered.
	Generation int64  `json:"g,omitempty"`
	Request    string `json:"t,omitempty"`
}

type storedEntry struct {
	ID       string   `json:"id"`
	Revision string   `json:"r,omitempty"`
	Digest   string   `json:"d,omitempty"`
	Started  int64    `json:"at"`   // milliseconds since 1970
	Took     int64    `json:"took"` // milliseconds
	Triggers []string `json:"by,omitempty"`
	User     string   `json:"u,omitempty"`
	Phase    Phase    `json:"p"`
	Message  string   `json:"m,omitempty"`
	Created  int      `json:"c,omitempty"`
	Updated  int      `json:"up,omitempty"`
	Deleted  int      `json:"del,omitempty"`
}

type storedNote struct {
	Generation int64  `json:"g,omitempty"`
	Request    string `json:"t,omitempty"`
	User       string `json:"u"`
}

// past is what is known of an object from before.
type past struct {
	entries []Entry // the latest first
	notes   []Note
	// answered is what the last run answered. A note on it came too late: who
	// made the change is told after the change is there, and a run can be fast.
	answered asked
}

// finished is a run that has ended.
type finished struct {
	Entry
	asked asked
}

// add takes in notes and then runs.
func (p *past) add(notes []Note, runs []finished, limit int) {
	for _, n := range notes {
		if !p.knows(n) {
			p.notes = addNote(p.notes, n, maxNotes+maxUnwritten)
		}
	}
	for _, r := range runs {
		e := r.Entry
		e.credit(r.asked, p.notes)
		p.notes = r.asked.left(p.notes)
		p.entries = add(p.entries, e, limit)
		p.answered = r.asked
	}
	p.notes = p.notes[max(0, len(p.notes)-maxNotes):]
}

// knows says that a run has answered already what the note is about.
func (p *past) knows(n Note) bool {
	if n.Generation != 0 {
		return n.Generation <= p.answered.generation
	}
	return n.Request == p.answered.request
}

func encode(p past) ([]byte, error) {
	doc := document{
		Level: level, Entries: make([]storedEntry, len(p.entries)), Notes: make([]storedNote, len(p.notes)),
		Generation: p.answered.generation, Request: p.answered.request,
	}
	for i, e := range p.entries {
		doc.Entries[i] = storedEntry{
			ID: e.ID, Revision: e.Revision, Digest: e.Digest, Started: e.StartedAt.UnixMilli(), Took: e.Duration.Milliseconds(),
			Triggers: e.Triggers, User: e.User, Phase: e.Phase, Message: e.Message,
			Created: e.Created, Updated: e.Updated, Deleted: e.Deleted,
		}
	}
	for i, n := range p.notes {
		doc.Notes[i] = storedNote(n)
	}
	return json.Marshal(doc)
}

func decode(data []byte) (past, error) {
	var doc document
	if err := json.Unmarshal(data, &doc); err != nil {
		return past{}, fmt.Errorf("decoding: %w", err)
	}
	if doc.Level < 1 || doc.Level > level {
		return past{}, fmt.Errorf("it has schema level %d, and this server reads up to %d: run the version that wrote it, or a later one", doc.Level, level)
	}
	p := past{
		entries: make([]Entry, len(doc.Entries)), notes: make([]Note, len(doc.Notes)),
		answered: asked{generation: doc.Generation, request: doc.Request},
	}
	for i, e := range doc.Entries {
		p.entries[i] = Entry{
			ID: e.ID, Revision: e.Revision, Digest: e.Digest, StartedAt: time.UnixMilli(e.Started).UTC(), Duration: time.Duration(e.Took) * time.Millisecond,
			Triggers: e.Triggers, User: e.User, Phase: e.Phase, Message: e.Message,
			Created: e.Created, Updated: e.Updated, Deleted: e.Deleted,
		}
	}
	for i, n := range doc.Notes {
		p.notes[i] = Note(n)
	}
	return p, nil
}

// Trigger is the triggers as one text.
func (e *Entry) Trigger() string { return strings.Join(e.Triggers, ",") }
