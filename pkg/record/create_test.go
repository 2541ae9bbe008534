package record

import (
	"bytes"
	"errors"
	"sync"
	"testing"
)

func TestCreateHasOneWinner(t *testing.T) {
	s, _ := newStore(t)
	const creators = 16
	var (
		wg      sync.WaitGroup
		results [creators][]byte
	)
	for i := range creators {
		wg.Go(func() {
			got, err := s.Create(t.Context(), "installation", "key", []byte{byte(i)})
			if err != nil {
				t.Error(err)
			}
			results[i] = got
		})
	}
	wg.Wait()
	stored, err := s.Get(t.Context(), "installation", "key")
	if err != nil {
		t.Fatal(err)
	}
	for i, got := range results {
		if !bytes.Equal(got, stored) {
			t.Errorf("creator %d was told %v, stored is %v", i, got, stored)
		}
	}
}

func TestCreateRefusesLarge(t *testing.T) {
	s, _ := newStore(t)
	if _, err := s.Create(t.Context(), "installation", "key", make([]byte, InlineLimit+1)); !errors.Is(err, ErrTooLarge) {
		t.Errorf("error is %v, want %v", err, ErrTooLarge)
	}
	if _, err := s.Get(t.Context(), "installation", "key"); !errors.Is(err, ErrNotFound) {
		t.Errorf("after a refusal Get returns %v, want %v", err, ErrNotFound)
	}
}
