package record

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestEpoch(t *testing.T) {
	s, _ := newStore(t)
	if e, err := s.Epoch(t.Context()); err != nil || e.ID != "" {
		t.Fatalf("epoch of a new store: %+v, %v", e, err)
	}
	began := time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC)
	first, err := s.BeginEpoch(t.Context(), began, "yesterday.db")
	if err != nil {
		t.Fatal(err)
	}
	got, err := s.Epoch(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(first, got); diff != "" {
		t.Errorf("the epoch that is read differs from the one begun (-begun +read):\n%s", diff)
	}
	if got.Origin != "yesterday.db" || !got.Began.Equal(began) {
		t.Errorf("epoch: %+v", got)
	}
	second, err := s.BeginEpoch(t.Context(), began, "yesterday.db")
	if err != nil {
		t.Fatal(err)
	}
	if second.ID == first.ID {
		t.Error("the same backup restored twice is one epoch, want two")
	}
}

func TestEpochThatCannotBeRead(t *testing.T) {
	s, _ := newStore(t)
	for _, data := range []string{"{", `{"id":""}`} {
		if err := s.Put(t.Context(), epochKind, epochUID, []byte(data)); err != nil {
			t.Fatal(err)
		}
		// That it is unknown must not read as "never restored".
		if e, err := s.Epoch(t.Context()); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: got %+v, %v, want ErrCorrupt", data, e, err)
		}
	}
}
