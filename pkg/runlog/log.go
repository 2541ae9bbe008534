package runlog

import (
	"container/list"
	"context"
	"errors"
	"sync"
	"time"

	"k8s.io/utils/clock"
)

// Store keeps documents; *record.Store does.
type Store interface {
	Get(ctx context.Context, kind, uid string) ([]byte, error)
	Put(ctx context.Context, kind, uid string, data []byte) error
	Delete(ctx context.Context, kind, uid string) error
	List(ctx context.Context, kind string) ([]string, error)
}

// Options are the limits of a Log. The zero value is usable.
type Options struct {
	// Records and Bytes bound what is kept in memory of one object. Defaults: 1000
	// and 256 KiB.
	Records, Bytes int
	// TotalBytes bounds what is kept in memory of all objects. Default 16 MiB.
	TotalBytes int
	// Entries is how many runs the history of an object holds. Default 50.
	Entries int
	// Readers bounds the readers that follow one object, TotalReaders those of all.
	// Defaults: 50 and 1000.
	Readers, TotalReaders int
	// WriteAfter is how long an entry waits for others before it is written, and
	// NoteAfter how long a note does, which most runs make needless. Defaults: 1 s
	// and 5 s.
	WriteAfter, NoteAfter time.Duration
	// Clock is for tests.
	Clock clock.WithTicker
}

func (o *Options) complete() {
	for _, d := range []struct {
		value *int
		or    int
	}{
		{&o.Records, 1000}, {&o.Bytes, 256 << 10}, {&o.TotalBytes, 16 << 20},
		{&o.Entries, 50}, {&o.Readers, 50}, {&o.TotalReaders, 1000},
	} {
		if *d.value <= 0 {
			*d.value = d.or
		}
	}
	if o.WriteAfter <= 0 {
		o.WriteAfter = time.Second
	}
	if o.NoteAfter <= 0 {
		o.NoteAfter = 5 * time.Second
	}
	if o.Clock == nil {
		o.Clock = clock.RealClock{}
	}
}

// Log is the log of all objects. It is safe for concurrent use.
type Log struct {
	o      Options
	writer *writer
	// stopping is closed when readers are to end.
	stopping chan struct{}

	mu      sync.Mutex
	stopped bool
	objects map[string]*object // by UID
	// used has the objects with records, the one that was written to longest ago
	// in front.
	used    *list.List
	bytes   int
	readers int
}

// object is what is in memory of one object.
type object struct {
	uid     string
	lines   []line // the oldest first
	next    uint64 // the number of the next line
	evicted uint64 // every line up to this number was dropped for lack of room
	bytes   int
	element *list.Element

	// run is the last run that wrote a line; idle says that it has ended and
	// found nothing to do.
	run  *Run
	idle bool
	// owed are the triggers of runs that were put off.
	owed []string
	// notes are those that no run has answered, for its first line.
	notes   []Note
	active  int // runs that have not ended
	readers map[*Reader]struct{}
	// gone says that the object was deleted: nothing is kept any more.
	gone bool
}

// line is a record with its place in the log, which begins at 1.
type line struct {
	number uint64
	run    *Run
	Record
}

// New returns a log that keeps histories in s. Nothing is written before Run.
func New(s Store, o Options) *Log {
	o.complete()
	return &Log{
		o: o, writer: newWriter(s, o), stopping: make(chan struct{}),
		objects: map[string]*object{}, used: list.New(),
	}
}

// Run writes histories until ctx ends, and then ends all readers. What runs hand
// over after that is written by Close.
func (l *Log) Run(ctx context.Context) {
	l.writer.run(ctx)
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.stopped {
		l.stopped = true
		close(l.stopping)
	}
}

// Close writes what is still to be written.
func (l *Log) Close(ctx context.Context) error { return l.writer.flush(ctx) }

// Note notes who changed the spec of an object or asked for a run of it. The run
// that answers it names the user.
func (l *Log) Note(uid string, n Note) {
	n.Request, n.User = cleanName(n.Request), cleanName(n.User)
	l.mu.Lock()
	defer l.mu.Unlock()
	o := l.object(uid)
	o.notes = addNote(o.notes, n, maxNotes)
	l.writer.note(uid, n)
}

// Forget drops all that is kept of an object that is gone, and ends its readers.
func (l *Log) Forget(uid string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.writer.forget(uid)
	o, ok := l.objects[uid]
	if !ok {
		return
	}
	// Readers go on with what there is; it does not count any more.
	o.gone = true
	l.bytes -= o.bytes
	if o.element != nil {
		l.used.Remove(o.element)
	}
	for r := range o.readers {
		r.wake()
	}
	delete(l.objects, uid)
}

// Sweep forgets the histories of objects that are gone. exist is asked after the
// histories were listed, so a history that is begun meanwhile is spared.
func (l *Log) Sweep(ctx context.Context, exist func(context.Context) (map[string]bool, error)) error {
	kept, err := l.writer.store.List(ctx, recordKind)
	if err != nil {
		return err
	}
	known, err := exist(ctx)
	if err != nil {
		return err
	}
	for _, uid := range kept {
		if !known[uid] {
			l.Forget(uid)
		}
	}
	return nil
}

// History returns the entries of an object, the latest first.
func (l *Log) History(ctx context.Context, uid string) ([]Entry, error) {
	return l.writer.history(ctx, uid)
}

// object returns what is in memory of an object.
func (l *Log) object(uid string) *object {
	o, ok := l.objects[uid]
	if !ok {
		o = &object{uid: uid, next: 1, readers: map[*Reader]struct{}{}}
		l.objects[uid] = o
	}
	return o
}

// release forgets an object of which nothing is left to know.
func (l *Log) release(o *object) {
	idle := o.active == 0 && len(o.readers) == 0
	if idle && len(o.lines) == 0 && len(o.notes) == 0 && len(o.owed) == 0 && l.objects[o.uid] == o {
		delete(l.objects, o.uid)
	}
}

// append adds a record to the log of an object and drops what there is no room for
// any more.
func (l *Log) append(o *object, run *Run, r Record) {
	if o.gone {
		return
	}
	size := r.size()
	o.lines = append(o.lines, line{number: o.next, run: run, Record: r})
	o.next++
	o.bytes += size
	l.bytes += size
	if o.element == nil {
		o.element = l.used.PushBack(o)
	} else {
		l.used.MoveToBack(o.element)
	}
	for len(o.lines) > l.o.Records || o.bytes > l.o.Bytes && len(o.lines) > 1 {
		l.evict(o)
	}
	for l.bytes > l.o.TotalBytes && l.used.Len() > 1 {
		l.evict(l.used.Front().Value.(*object))
	}
	for r := range o.readers {
		r.wake()
	}
}

// evict drops the oldest record of an object for lack of room.
func (l *Log) evict(o *object) {
	o.evicted = o.lines[0].number
	l.drop(o, 1)
}

// drop removes the first n lines of an object.
func (l *Log) drop(o *object, n int) {
	for i := range n {
		l.forgetSize(o, &o.lines[i])
		o.lines[i] = line{} // the array may live on
	}
	o.lines = o.lines[n:]
	l.unused(o)
}

// dropIdle removes the lines of a run that has found nothing to do, which are the
// last ones.
func (l *Log) dropIdle(o *object) {
	from := len(o.lines)
	for from > 0 && o.lines[from-1].run == o.run {
		from--
		l.forgetSize(o, &o.lines[from])
	}
	clear(o.lines[from:])
	o.lines = o.lines[:from]
	o.run, o.idle = nil, false
	l.unused(o)
}

func (l *Log) forgetSize(o *object, n *line) {
	o.bytes -= n.size()
	l.bytes -= n.size()
}

// unused takes an object without records out of the list.
func (l *Log) unused(o *object) {
	if len(o.lines) == 0 && o.element != nil {
		l.used.Remove(o.element)
		o.element, o.lines = nil, nil
	}
}

var (
	// ErrTooManyReaders says that no more readers may follow.
	ErrTooManyReaders = errors.New("too many follow the log already")
	// ErrTooSlow says that a reader was so slow that records it has not seen are
	// gone.
	ErrTooSlow = errors.New("the reader is too slow: records that it has not seen are gone")
	// ErrGone says that the object was deleted.
	ErrGone = errors.New("the object was deleted")
	// ErrStopping says that the server stops.
	ErrStopping = errors.New("the server is stopping")
)
