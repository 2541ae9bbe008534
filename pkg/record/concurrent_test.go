package record

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	clientv3 "go.etcd.io/etcd/client/v3"
	"golang.org/x/sync/errgroup"
)

// numbered is a value that says in every block of 1 KiB which number it is, so
// that a mix of two is seen whatever the digest says.
func numbered(number uint32, size int) []byte {
	b := make([]byte, size)
	for i := 0; i+4 <= size; i += 1024 {
		binary.BigEndian.PutUint32(b[i:], number)
	}
	return b
}

func checkNumbered(b []byte) error {
	for i := 0; i+4 <= len(b); i += 1024 {
		if !bytes.Equal(b[:4], b[i:i+4]) {
			return fmt.Errorf("block %d is of value %x, the first of %x", i/1024, b[i:i+4], b[:4])
		}
	}
	return nil
}

// TestConcurrentWritersAndReaders has several writers of values of all sizes on
// one record, a collector that never rests, and readers.
func TestConcurrentWritersAndReaders(t *testing.T) {
	s, _ := newStore(t)
	sizes := []int{4 << 10, 3 * InlineLimit, InlineLimit, 6*InlineLimit + 5}
	if err := s.Put(t.Context(), "inventory", "shared", numbered(0, sizes[1])); err != nil {
		t.Fatal(err)
	}
	var numbers atomic.Uint32
	var reads atomic.Int64
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var background errgroup.Group
	for range 3 {
		background.Go(func() error {
			for ctx.Err() == nil {
				data, err := s.Get(t.Context(), "inventory", "shared")
				if err == nil {
					err = checkNumbered(data)
				}
				if err != nil {
					return fmt.Errorf("reading: %w", err)
				}
				reads.Add(1)
			}
			return nil
		})
	}
	background.Go(func() error {
		for ctx.Err() == nil {
			if _, err := s.Collect(ctx); err != nil && ctx.Err() == nil {
				return err
			}
		}
		return nil
	})
	var writers errgroup.Group
	for w := range 4 {
		writers.Go(func() error {
			for i := range 10 {
				err := s.Put(t.Context(), "inventory", "shared", numbered(numbers.Add(1), sizes[(w+i)%len(sizes)]))
				// A collector this eager may win every time; that must be
				// said, and nothing else may go wrong.
				if err != nil && !errors.Is(err, ErrContended) {
					return err
				}
			}
			return nil
		})
	}
	if err := writers.Wait(); err != nil {
		t.Errorf("writing: %v", err)
	}
	stop()
	if err := background.Wait(); err != nil {
		t.Error(err)
	}
	if reads.Load() == 0 {
		t.Error("nothing was read")
	}
	// In peace again: the last word is taken, and nothing is left of the others.
	if err := s.Put(t.Context(), "inventory", "shared", numbered(numbers.Add(1), 3*InlineLimit)); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Collect(t.Context()); err != nil {
		t.Fatal(err)
	}
	if heads, chunks := keys(t, s); heads != 1 || chunks != 3 {
		t.Errorf("%d heads and %d chunks are stored, want 1 and 3", heads, chunks)
	}
}

// TestConcurrentLargeWriters proves that writers of large values alone never hinder
// each other.
func TestConcurrentLargeWriters(t *testing.T) {
	s, _ := newStore(t)
	var writers errgroup.Group
	for w := range 4 {
		writers.Go(func() error {
			for i := range 5 {
				if err := s.Put(t.Context(), "k", "u", numbered(uint32(10*w+i), 4*InlineLimit)); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err := writers.Wait(); err != nil {
		t.Fatal(err)
	}
	if data, err := s.Get(t.Context(), "k", "u"); err != nil || checkNumbered(data) != nil {
		t.Errorf("reading: %v, %v", err, checkNumbered(data))
	}
	if heads, chunks := keys(t, s); heads != 1 || chunks != 4 {
		t.Errorf("%d heads and %d chunks are stored, want 1 and 4", heads, chunks)
	}
}

var errCrash = errors.New("crashed")

// TestCrashAtEveryRequest ends a writer before each of its requests in turn, the
// ones with which it would clean up included, and looks at what is left.
func TestCrashAtEveryRequest(t *testing.T) {
	tests := map[string]struct{ before, after int }{
		"small to large": {100, 5 * InlineLimit},
		"large to large": {3 * InlineLimit, 5 * InlineLimit},
		"large to small": {3 * InlineLimit, 100},
		"none to large":  {-1, 3 * InlineLimit},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			for crashAt := int64(1); ; crashAt++ {
				if !crash(t, crashAt, tt.before, tt.after) {
					if crashAt < 2 {
						t.Error("the writer never crashed")
					}
					return
				}
			}
		})
	}
}

// crash replaces a value by another with a writer that dies before its request
// number crashAt. It says whether the writer got that far.
func crash(t *testing.T, crashAt int64, before, after int) bool {
	t.Helper()
	healthy, _ := newStore(t)
	oldValue, newValue := numbered(1, max(before, 0)), numbered(2, after)
	if err := healthy.Delete(t.Context(), "k", "u"); err != nil {
		t.Fatal(err)
	}
	if before >= 0 {
		if err := healthy.Put(t.Context(), "k", "u", oldValue); err != nil {
			t.Fatal(err)
		}
	}
	dying, w := newStore(t)
	var sent atomic.Int64
	w.before = func(string) error {
		if sent.Add(1) >= crashAt {
			return errCrash
		}
		return nil
	}
	putErr := dying.Put(t.Context(), "k", "u", newValue)

	got, err := healthy.Get(t.Context(), "k", "u")
	switch {
	case errors.Is(err, ErrNotFound) && before < 0 && putErr != nil:
	case err != nil:
		t.Fatalf("crash at request %d: reading: %v", crashAt, err)
	case putErr == nil && !bytes.Equal(got, newValue):
		t.Fatalf("crash at request %d: the write was acknowledged and is not there", crashAt)
	case !bytes.Equal(got, newValue) && !bytes.Equal(got, oldValue):
		t.Fatalf("crash at request %d: neither the old nor the new value is there", crashAt)
	}
	if _, err := healthy.Collect(t.Context()); err != nil {
		t.Fatalf("crash at request %d: Collect: %v", crashAt, err)
	}
	again, err := healthy.Get(t.Context(), "k", "u")
	if !errors.Is(err, ErrNotFound) && (err != nil || !bytes.Equal(got, again)) {
		t.Fatalf("crash at request %d: Collect changed what is read: %v", crashAt, err)
	}
	wantChunks := (len(again) + InlineLimit - 1) / InlineLimit
	if len(again) <= InlineLimit {
		wantChunks = 0
	}
	if _, chunks := keys(t, healthy); chunks != wantChunks {
		t.Fatalf("crash at request %d: %d chunks are left after Collect, want %d", crashAt, chunks, wantChunks)
	}
	return sent.Load() >= crashAt
}

// TestChunksVanish deletes the chunks of a Put under way: once, and every time.
func TestChunksVanish(t *testing.T) {
	tests := map[string]struct {
		times int
		want  error
	}{
		"once":   {1, nil},
		"always": {1000, ErrContended},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s, w := newStore(t)
			other, _ := newStore(t)
			var txns atomic.Int64
			var deleted int
			w.before = func(method string) error {
				// An attempt is four: two chunks, the head, the removal.
				if strings.HasSuffix(method, "Txn") && txns.Add(1)%4 == 2 && deleted < tt.times {
					deleted++
					return other.Delete(t.Context(), "k", "u")
				}
				return nil
			}
			want := numbered(1, 2*InlineLimit)
			if err := s.Put(t.Context(), "k", "u", want); !errors.Is(err, tt.want) {
				t.Fatalf("got %v, want %v", err, tt.want)
			}
			if tt.want != nil {
				return
			}
			if got, err := other.Get(t.Context(), "k", "u"); err != nil || !bytes.Equal(got, want) {
				t.Errorf("reading: %v", err)
			}
		})
	}
}

// TestReadAcrossReplacement replaces the value, and compacts what was, while it is
// being read: first the old value at its revision, then, when that is gone, the new.
func TestReadAcrossReplacement(t *testing.T) {
	for _, compact := range []bool{false, true} {
		t.Run(fmt.Sprintf("compact=%t", compact), func(t *testing.T) {
			s, w := newStore(t)
			other, _ := newStore(t)
			size := 2 * readPage * InlineLimit
			oldValue, newValue := numbered(1, size), numbered(2, size)
			if err := other.Put(t.Context(), "k", "u", oldValue); err != nil {
				t.Fatal(err)
			}
			var reads int
			var once sync.Once
			w.before = func(string) error {
				if reads++; reads < 3 { // the head, the first page
					return nil
				}
				var err error
				once.Do(func() { err = replace(t.Context(), other, newValue, compact) })
				return err
			}
			got, err := s.Get(t.Context(), "k", "u")
			if err != nil {
				t.Fatal(err)
			}
			want := oldValue
			if compact {
				want = newValue
			}
			if !bytes.Equal(got, want) {
				t.Errorf("read value %d", got[3])
			}
		})
	}
}

func replace(ctx context.Context, s *Store, data []byte, compact bool) error {
	if err := s.Put(ctx, "k", "u", data); err != nil || !compact {
		return err
	}
	response, err := s.kv.Get(ctx, "/")
	if err != nil {
		return err
	}
	_, err = s.kv.Compact(ctx, response.Header.Revision, clientv3.WithCompactPhysical())
	return err
}

// TestCollectSparesHeadWrittenMeanwhile runs a collection in the middle of a Put, between the
// reading of the head and the deletion of what it does not name.
func TestCollectSparesHeadWrittenMeanwhile(t *testing.T) {
	s, w := newStore(t)
	writer, writerWire := newStore(t)
	want := numbered(1, 2*InlineLimit)
	headDue, proceed := make(chan struct{}), make(chan struct{})
	var writes atomic.Int64
	writerWire.before = func(string) error {
		if writes.Add(1) == 3 { // two chunks, then the head
			close(headDue)
			<-proceed
		}
		return nil
	}
	done := make(chan error, 1)
	go func() { done <- writer.Put(t.Context(), "k", "u", want) }()
	<-headDue
	w.before = func(method string) error {
		if !strings.HasSuffix(method, "Txn") {
			return nil
		}
		w.before = nil
		close(proceed)
		return <-done
	}
	collected, err := s.Collect(t.Context())
	if err != nil || collected != (Collected{}) {
		t.Errorf("Collect: %+v, %v", collected, err)
	}
	if got, err := s.Get(t.Context(), "k", "u"); err != nil || !bytes.Equal(got, want) {
		t.Errorf("the new value was collected: %v", err)
	}
}

func TestContextEndsRequests(t *testing.T) {
	s, _ := newStore(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for name, err := range map[string]error{
		"put":       s.Put(ctx, "k", "u", nil),
		"large put": s.Put(ctx, "k", "u", make([]byte, InlineLimit+1)),
		"delete":    s.Delete(ctx, "k", "u"),
	} {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := s.Get(ctx, "k", "u"); !errors.Is(err, context.Canceled) {
		t.Errorf("get: %v", err)
	}
	if _, err := s.List(ctx, "k"); !errors.Is(err, context.Canceled) {
		t.Errorf("list: %v", err)
	}
}
