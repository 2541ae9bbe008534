package runlog

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// RunOptions say which run begins.
type RunOptions struct {
	// UID is that of the object.
	UID string
	// ID names the run unless it answers a request.
	ID string
	// Triggers are what makes the object run, Generation that of its spec.
	Triggers   []string
	Generation int64
	// Observe is told how long each stage took. It may be nil.
	Observe func(Stage, time.Duration)
}

// Run is a run that is recorded. A nil *Run records nothing. It is safe for
// concurrent use.
type Run struct {
	log     *Log
	o       *object
	observe func(Stage, time.Duration)
	started time.Time

	// What follows is guarded by the log's lock.
	id, revision string
	work         Work
	triggers     []string
	asked        asked
	stage        Stage
	begun, ended bool
}

// Begin begins a run. Nothing is recorded before its first stage or message.
func (l *Log) Begin(o RunOptions) *Run {
	if l == nil || o.UID == "" {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	obj := l.object(o.UID)
	obj.active++
	return &Run{
		log: l, o: obj, observe: o.Observe, started: l.o.Clock.Now(),
		id: cleanName(o.ID), triggers: o.Triggers, asked: asked{generation: o.Generation},
	}
}

type contextKey struct{}

// NewContext returns a context that carries a run.
func NewContext(ctx context.Context, r *Run) context.Context {
	return context.WithValue(ctx, contextKey{}, r)
}

// FromContext returns the run that ctx carries, or nil.
func FromContext(ctx context.Context) *Run {
	r, _ := ctx.Value(contextKey{}).(*Run)
	return r
}

// Answers says what the run answers: the spec of this generation and, unless it is
// empty, a request, which is the run's ID from now on.
func (r *Run) Answers(generation int64, request string) {
	if r == nil {
		return
	}
	r.log.mu.Lock()
	defer r.log.mu.Unlock()
	r.asked = asked{generation: generation, request: cleanName(request)}
	if request != "" {
		r.id = r.asked.request
		r.triggers = union([]string{TriggerRequest}, r.triggers)
	}
}

// On says which revision the run works on.
func (r *Run) On(revision string) {
	if r == nil {
		return
	}
	r.log.mu.Lock()
	defer r.log.mu.Unlock()
	r.revision = cleanName(revision)
}

// Work is what a run has done.
type Work struct {
	// Digest is that of what was fetched or rendered.
	Digest string
	// Created, Updated and Deleted are numbers of objects.
	Created, Updated, Deleted int
}

// Did says what the run has done so far.
func (r *Run) Did(w Work) {
	if r == nil {
		return
	}
	r.log.mu.Lock()
	defer r.log.mu.Unlock()
	w.Digest = cleanName(w.Digest)
	r.work = w
}

// Info records what the run does.
func (r *Run) Info(message string) { r.write(Record{Level: Info, Message: message}) }

// Warn records what somebody should look at.
func (r *Run) Warn(message string) { r.write(Record{Level: Warning, Message: message}) }

// Object records what happened to one object.
func (r *Run) Object(level Level, object fmt.Stringer, message string) {
	if r != nil {
		r.write(Record{Level: level, Object: object.String(), Message: message})
	}
}

// write records r under the current stage.
func (r *Run) write(record Record) {
	if r == nil {
		return
	}
	r.log.mu.Lock()
	defer r.log.mu.Unlock()
	r.writeLocked(record)
}

func (r *Run) writeLocked(record Record) {
	if r.ended {
		return
	}
	r.begin()
	r.append(record)
}

// begin writes the first line of the run, which says why it runs.
func (r *Run) begin() {
	if r.begun {
		return
	}
	r.begun = true
	if r.o.idle {
		r.log.dropIdle(r.o)
	}
	r.o.run, r.o.idle = r, false
	e := r.entry()
	e.credit(r.asked, r.o.notes)
	message := "run started"
	if trigger := e.Trigger(); trigger != "" {
		message += ": " + trigger
	}
	if e.User != "" {
		message += " by " + e.User
	}
	stage := r.stage
	r.stage = ""
	r.append(Record{Time: r.started, Level: Info, Message: message})
	r.stage = stage
}

func (r *Run) append(record Record) {
	if record.Time.IsZero() {
		record.Time = r.log.o.Clock.Now()
	}
	record.RequestID, record.Revision = r.id, r.revision
	if record.Stage == "" {
		record.Stage = r.stage
	}
	record.Message, record.Object = clean(record.Message, maxMessage), cleanName(record.Object)
	r.log.append(r.o, r, record)
}

// entry is what is known of the run so far.
func (r *Run) entry() Entry {
	return Entry{
		ID: r.id, Revision: r.revision, StartedAt: r.started, Triggers: union(r.o.owed, r.triggers),
		Digest: r.work.Digest, Created: r.work.Created, Updated: r.work.Updated, Deleted: r.work.Deleted,
	}
}

// Timing is a stage that has begun.
type Timing struct {
	run   *Run
	stage Stage
	began time.Time
}

// Stage begins a stage. A message tells what is about to happen; stages that are
// short begin without one. What is recorded until the stage ends belongs to it.
func (r *Run) Stage(stage Stage, message string) *Timing {
	if r == nil {
		return nil
	}
	r.log.mu.Lock()
	defer r.log.mu.Unlock()
	r.stage = stage
	if message != "" {
		r.writeLocked(Record{Level: Info, Message: message})
	}
	return &Timing{run: r, stage: stage, began: r.log.o.Clock.Now()}
}

// End ends a stage. The message says what came of it. With an error it only says
// that the stage failed: the end of the run says why.
func (t *Timing) End(err error, message string) {
	if t == nil {
		return
	}
	r := t.run
	took := r.log.o.Clock.Since(t.began)
	if r.observe != nil {
		r.observe(t.stage, took)
	}
	record := Record{Level: Info, Stage: t.stage, Message: message, Duration: took}
	if err != nil {
		record.Level, record.Message = Error, string(t.stage)+" failed"
	}
	r.log.mu.Lock()
	defer r.log.mu.Unlock()
	r.writeLocked(record)
	if r.stage == t.stage {
		r.stage = ""
	}
}

// Outcome is how a run ended.
type Outcome struct {
	Phase   Phase
	Message string
	// News says that the run failed, was asked for, or made a difference: it becomes
	// part of the history, as does every run that has changed objects. Without it
	// the run is forgotten when the next begins.
	News bool
	// Postponed says that the run could not do yet what it was to do, unless it has
	// changed objects. The run that can is told to run for the same reasons.
	Postponed bool
}

// End ends the run. A run that has recorded nothing, and has no news, leaves no
// trace. Ending it again does nothing.
func (r *Run) End(o Outcome) {
	if r == nil {
		return
	}
	l := r.log
	l.mu.Lock()
	defer l.mu.Unlock()
	if r.ended {
		return
	}
	e := r.entry()
	e.Duration = l.o.Clock.Since(r.started)
	e.Phase = o.Phase
	if e.changed() {
		o.News, o.Postponed = true, false
	}
	r.stage = ""
	if o.News || r.begun || o.Postponed && o.Message != "" {
		final := Record{Level: Info, Message: o.Message, Phase: o.Phase, Duration: e.Duration}
		if o.Phase == Failed {
			final.Level = Error
		}
		if o.Postponed {
			final.Level, final.Phase = Info, ""
		}
		r.writeLocked(final)
	}
	r.ended = true
	r.o.active--
	r.o.owed, r.o.idle = nil, !o.News && r.o.run == r
	switch {
	case o.Postponed:
		r.o.owed = lasting(e.Triggers)
	case o.News:
		r.o.notes = r.asked.left(r.o.notes)
		e.Message = clean(o.Message, maxEntryMessage)
		if !r.o.gone {
			l.writer.ended(r.o.uid, finished{Entry: e, asked: r.asked})
		}
	}
	l.release(r.o)
}

// lasting are the triggers that still count when a later run does the work: not
// that a time had come.
func lasting(triggers []string) []string {
	return slices.DeleteFunc(triggers, func(t string) bool { return t == TriggerRetry || t == TriggerInterval })
}

// maxEntryMessage is how much of a message is kept in a history.
const maxEntryMessage = 1 << 10
