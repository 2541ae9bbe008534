package runlog

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	"k8s.io/klog/v2"

	"github.com/leat-dev/leat/pkg/record"
)

const (
	// recordKind is the kind of the records in the store.
	recordKind = "history"
	// writesAtOnce is how many documents are written at the same time: runs, which
	// wait for their writes, go first.
	writesAtOnce = 4
	// rewriteAfter is how long after a failure a document is written again.
	rewriteAfter = 5 * time.Second
)

// errForeign says that a document is there that this server cannot read. It is
// left as it is.
var errForeign = errors.New("the history cannot be read")

// writer writes histories behind the runs.
type writer struct {
	store Store
	o     Options
	// earlier is told that something is due earlier than what was waited for.
	earlier chan struct{}

	mu      sync.Mutex
	waiting map[string]*behind
	next    time.Time
}

// behind is what has not been written of an object.
type behind struct {
	due    time.Time
	notes  []Note
	runs   []finished
	forget bool
}

func newWriter(s Store, o Options) *writer {
	return &writer{store: s, o: o, earlier: make(chan struct{}, 1), waiting: map[string]*behind{}}
}

func (w *writer) note(uid string, n Note) {
	w.later(uid, w.o.NoteAfter, func(b *behind) { b.notes = addNote(b.notes, n, maxUnwritten) })
}

func (w *writer) ended(uid string, r finished) {
	w.later(uid, w.o.WriteAfter, func(b *behind) {
		b.runs = append(b.runs, r)
		b.runs = b.runs[max(0, len(b.runs)-w.o.Entries):]
	})
}

func (w *writer) forget(uid string) {
	w.later(uid, w.o.WriteAfter, func(b *behind) { b.notes, b.runs, b.forget = nil, nil, true })
}

// later notes what is to be written of an object after d.
func (w *writer) later(uid string, d time.Duration, change func(*behind)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	due := w.o.Clock.Now().Add(d)
	b, ok := w.waiting[uid]
	if !ok {
		b = &behind{due: due}
		w.waiting[uid] = b
	}
	if due.Before(b.due) {
		b.due = due
	}
	change(b)
	if w.next.IsZero() || b.due.Before(w.next) {
		select {
		case w.earlier <- struct{}{}:
		default:
		}
	}
}

// run writes what is due until ctx ends.
func (w *writer) run(ctx context.Context) {
	for ctx.Err() == nil {
		due, next := w.due(w.o.Clock.Now())
		if len(due) > 0 {
			if err := w.write(ctx, due); err != nil && ctx.Err() == nil {
				klog.FromContext(ctx).Error(err, "Writing histories failed", "again", rewriteAfter)
			}
			continue
		}
		if next.IsZero() {
			select {
			case <-w.earlier:
			case <-ctx.Done():
			}
			continue
		}
		timer := w.o.Clock.NewTimer(next.Sub(w.o.Clock.Now()))
		select {
		case <-timer.C():
		case <-w.earlier:
		case <-ctx.Done():
		}
		timer.Stop()
	}
}

// due returns the objects to write now, or when the next one is due.
func (w *writer) due(now time.Time) (due []string, next time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.next = time.Time{}
	for uid, b := range w.waiting {
		switch {
		case !b.due.After(now):
			due = append(due, uid)
		case w.next.IsZero() || b.due.Before(w.next):
			w.next = b.due
		}
	}
	return due, w.next
}

// flush writes all that waits, due or not.
func (w *writer) flush(ctx context.Context) error {
	w.mu.Lock()
	var all []string
	for uid := range w.waiting {
		all = append(all, uid)
	}
	w.mu.Unlock()
	return w.write(ctx, all)
}

// write writes the documents of objects.
func (w *writer) write(ctx context.Context, uids []string) error {
	var mu sync.Mutex
	var errs []error
	group := errgroup.Group{}
	group.SetLimit(writesAtOnce)
	for _, uid := range uids {
		group.Go(func() error {
			if err := w.writeOne(ctx, uid); err != nil {
				mu.Lock()
				defer mu.Unlock()
				errs = append(errs, err)
			}
			return nil
		})
	}
	_ = group.Wait() // the errors are all in errs
	if len(errs) > 1 {
		return fmt.Errorf("%w (and %d more)", errs[0], len(errs)-1)
	}
	return errors.Join(errs...)
}

// writeOne writes the document of one object. What arrives meanwhile is left to
// the next time.
func (w *writer) writeOne(ctx context.Context, uid string) error {
	b := w.snapshot(uid)
	err := w.put(ctx, uid, b)
	w.mu.Lock()
	defer w.mu.Unlock()
	now, ok := w.waiting[uid]
	if !ok {
		return err // a flush that overtook it has written the same
	}
	if err != nil && !errors.Is(err, errForeign) {
		now.due = w.o.Clock.Now().Add(rewriteAfter)
		return err
	}
	if now.forget == b.forget {
		now.notes = slices.DeleteFunc(now.notes, func(n Note) bool { return slices.Contains(b.notes, n) })
		now.runs = slices.DeleteFunc(now.runs, func(r finished) bool {
			return slices.ContainsFunc(b.runs, func(s finished) bool { return s.is(&r.Entry) })
		})
		if len(now.notes) == 0 && len(now.runs) == 0 {
			delete(w.waiting, uid)
		}
	}
	return err
}

// is says that two entries are of the same run.
func (e *Entry) is(o *Entry) bool {
	return e.ID == o.ID && e.StartedAt.UnixMilli() == o.StartedAt.UnixMilli()
}

// snapshot is what waits of an object, as it is now.
func (w *writer) snapshot(uid string) behind {
	w.mu.Lock()
	defer w.mu.Unlock()
	b, ok := w.waiting[uid]
	if !ok {
		return behind{}
	}
	return behind{notes: slices.Clone(b.notes), runs: slices.Clone(b.runs), forget: b.forget}
}

func (w *writer) put(ctx context.Context, uid string, b behind) error {
	if b.forget {
		return w.store.Delete(ctx, recordKind, uid)
	}
	p, err := w.load(ctx, uid)
	if err != nil {
		return err
	}
	p.add(b.notes, b.runs, w.o.Entries)
	data, err := encode(p)
	if err != nil {
		return fmt.Errorf("encoding the history of %s: %w", uid, err)
	}
	return w.store.Put(ctx, recordKind, uid, data)
}

func (w *writer) load(ctx context.Context, uid string) (past, error) {
	data, err := w.store.Get(ctx, recordKind, uid)
	switch {
	case errors.Is(err, record.ErrNotFound):
		return past{}, nil
	case errors.Is(err, record.ErrCorrupt):
		return past{}, fmt.Errorf("%w: %w", errForeign, err)
	case err != nil:
		return past{}, err // it names the record
	}
	p, err := decode(data)
	if err != nil {
		return past{}, fmt.Errorf("%w: record %s/%s: %w", errForeign, recordKind, uid, err)
	}
	return p, nil
}

// history returns the entries of an object, those that are not written yet first.
func (w *writer) history(ctx context.Context, uid string) ([]Entry, error) {
	// In this order what is written meanwhile is seen twice rather than not at all.
	b := w.snapshot(uid)
	if b.forget {
		return nil, nil
	}
	p, err := w.load(ctx, uid)
	if err != nil {
		return nil, err
	}
	b.runs = slices.DeleteFunc(b.runs, func(r finished) bool {
		return slices.ContainsFunc(p.entries, func(e Entry) bool { return e.is(&r.Entry) })
	})
	p.add(b.notes, b.runs, w.o.Entries)
	return p.entries, nil
}
