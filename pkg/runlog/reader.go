package runlog

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// Query says which records are read.
type Query struct {
	// Tail is how many records from the end are read; negative for all.
	Tail int64
	// Since leaves out what was recorded before.
	Since time.Time
	// RequestID leaves out all runs but that one.
	RequestID string
	// Follow goes on with what is recorded from now on.
	Follow bool
}

// Reader reads the log of one object.
type Reader struct {
	log   *Log
	o     *object
	query Query
	// changed holds a token when there may be something new.
	changed chan struct{}

	// earlier are the records of what is not in memory any more, read first.
	earlier []Record
	after   uint64 // the number of the last line that was read
}

// Read reads the log of an object. The reader has to be closed.
func (l *Log) Read(ctx context.Context, uid string, q Query) (*Reader, error) {
	entries, err := l.History(ctx, uid)
	if err != nil {
		return nil, fmt.Errorf("reading the history: %w", err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	r := &Reader{log: l, query: q, changed: make(chan struct{}, 1)}
	if !q.Follow {
		if r.o = l.objects[uid]; r.o == nil {
			r.o = &object{uid: uid}
		}
		r.start(entries)
		return r, nil
	}
	o := l.object(uid)
	if len(o.readers) >= l.o.Readers || l.readers >= l.o.TotalReaders {
		err := fmt.Errorf("%w: %d readers of this object (limit %d), %d in all (limit %d)",
			ErrTooManyReaders, len(o.readers), l.o.Readers, l.readers, l.o.TotalReaders)
		l.release(o)
		return nil, err
	}
	r.o = o
	o.readers[r] = struct{}{}
	l.readers++
	r.start(entries)
	return r, nil
}

// start finds where the reader begins: what memory does not hold any more is told
// by one record a run, from the history.
func (r *Reader) start(entries []Entry) {
	r.after = r.o.evicted
	remembered := map[string]bool{}
	for i := range r.o.lines {
		remembered[r.o.lines[i].RequestID] = true
	}
	for _, e := range slices.Backward(entries) {
		if remembered[e.ID] || len(r.o.lines) > 0 && e.StartedAt.After(r.o.lines[0].Time) {
			continue
		}
		if rec := e.record(); r.wants(&rec) {
			r.earlier = append(r.earlier, rec)
		}
	}
	if r.query.Tail < 0 {
		return
	}
	skip := int64(len(r.earlier)) - r.query.Tail
	for i := range r.o.lines {
		if r.wants(&r.o.lines[i].Record) {
			skip++
		}
	}
	if skip <= 0 {
		return
	}
	n := min(skip, int64(len(r.earlier)))
	r.earlier, skip = r.earlier[n:], skip-n
	for i := 0; skip > 0; i++ {
		r.after = r.o.lines[i].number
		if r.wants(&r.o.lines[i].Record) {
			skip--
		}
	}
}

// record tells a run of the history in one line.
func (e *Entry) record() Record {
	r := Record{
		Time: e.StartedAt.Add(e.Duration), RequestID: e.ID, Revision: e.Revision, Level: Info,
		Message: e.Message, Duration: e.Duration, Phase: e.Phase,
	}
	if e.Phase == Failed {
		r.Level = Error
	}
	var counts []string
	for _, c := range []struct {
		n    int
		what string
	}{{e.Created, "created"}, {e.Updated, "configured"}, {e.Deleted, "deleted"}} {
		if c.n > 0 {
			counts = append(counts, fmt.Sprintf("%d %s", c.n, c.what))
		}
	}
	if len(counts) > 0 {
		r.Message += " (" + strings.Join(counts, ", ") + ")"
	}
	return r
}

func (r *Reader) wants(rec *Record) bool {
	return (r.query.RequestID == "" || rec.RequestID == r.query.RequestID) && !rec.Time.Before(r.query.Since)
}

// Next returns the next records. At the end it returns io.EOF, or waits for more if
// the reader follows. A reader that follows ends with ErrTooSlow, ErrGone,
// ErrStopping or the error of ctx.
func (r *Reader) Next(ctx context.Context) ([]Record, error) {
	for {
		records, err := r.take()
		if len(records) > 0 || err != nil {
			return records, err
		}
		select {
		case <-r.changed:
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-r.log.stopping:
			// What was recorded last comes first.
			if records, err := r.take(); len(records) > 0 || err != nil {
				return records, err
			}
			return nil, ErrStopping
		}
	}
}

// take returns what is there, and an error when nothing more will be.
func (r *Reader) take() ([]Record, error) {
	if len(r.earlier) > 0 {
		records := r.earlier
		r.earlier = nil
		return records, nil
	}
	r.log.mu.Lock()
	defer r.log.mu.Unlock()
	if r.query.Follow && r.after < r.o.evicted {
		return nil, ErrTooSlow
	}
	from, _ := slices.BinarySearchFunc(r.o.lines, r.after+1, func(l line, n uint64) int { return cmp.Compare(l.number, n) })
	var records []Record
	for i := from; i < len(r.o.lines); i++ {
		r.after = r.o.lines[i].number
		if r.wants(&r.o.lines[i].Record) {
			records = append(records, r.o.lines[i].Record)
		}
	}
	switch {
	case len(records) > 0:
		return records, nil
	case r.o.gone:
		return nil, ErrGone
	case !r.query.Follow:
		return nil, io.EOF
	}
	return nil, nil
}

// wake tells the reader that there is something new. The log's lock is held.
func (r *Reader) wake() {
	select {
	case r.changed <- struct{}{}:
	default:
	}
}

// Close ends the reader.
func (r *Reader) Close() {
	r.log.mu.Lock()
	defer r.log.mu.Unlock()
	if _, ok := r.o.readers[r]; ok {
		delete(r.o.readers, r)
		r.log.readers--
		r.log.release(r.o)
	}
}
