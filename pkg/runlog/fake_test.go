package runlog

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	clocktesting "k8s.io/utils/clock/testing"

	"github.com/leat-dev/leat/pkg/record"
)

// memory is a store that counts what it is asked for and can be out of order.
type memory struct {
	mu     sync.Mutex
	data   map[string][]byte
	puts   int
	broken bool
	// written gets a token for each put that was taken.
	written chan struct{}
}

func newMemory() *memory {
	return &memory{data: map[string][]byte{}, written: make(chan struct{}, 100_000)}
}

var errBroken = errors.New("the disk is full")

func (m *memory) Get(_ context.Context, kind, uid string) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	data, ok := m.data[kind+"/"+uid]
	switch {
	case m.broken:
		return nil, errBroken
	case !ok:
		return nil, record.ErrNotFound
	}
	return data, nil
}

func (m *memory) Put(_ context.Context, kind, uid string, data []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.broken {
		return errBroken
	}
	m.puts++
	m.data[kind+"/"+uid] = data
	m.written <- struct{}{}
	return nil
}

func (m *memory) Delete(_ context.Context, kind, uid string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.data, kind+"/"+uid)
	return nil
}

func (m *memory) List(context.Context, string) ([]string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var uids []string
	for key := range m.data {
		uids = append(uids, key[len(recordKind)+1:])
	}
	return uids, nil
}

func (m *memory) count() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.puts
}

func (m *memory) breakIt(broken bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.broken = broken
}

var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// newLog returns a log over a store in memory whose clock stands still.
func newLog(o Options) (*Log, *memory, *clocktesting.FakeClock) {
	clock := clocktesting.NewFakeClock(noon)
	store := newMemory()
	o.Clock = clock
	return New(store, o), store, clock
}

// all reads what a log holds of an object.
func all(t *testing.T, l *Log, uid string, q Query) []Record {
	t.Helper()
	r, err := l.Read(t.Context(), uid, q)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var records []Record
	for {
		more, err := r.Next(t.Context())
		if err != nil {
			return records
		}
		records = append(records, more...)
	}
}

func messages(records []Record) []string {
	texts := []string{}
	for _, r := range records {
		texts = append(texts, r.Message)
	}
	return texts
}

var everything = Query{Tail: -1}

func history(t *testing.T, l *Log, uid string) []Entry {
	t.Helper()
	entries, err := l.History(t.Context(), uid)
	if err != nil {
		t.Fatal(err)
	}
	return entries
}
