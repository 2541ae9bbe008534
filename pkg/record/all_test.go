package record

import (
	"bytes"
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestAll(t *testing.T) {
	s, _ := newStore(t)
	want := map[string][]byte{}
	for i := range listPage + 3 { // more than a page
		uid := fmt.Sprintf("u%d", i)
		want[uid] = []byte(uid + " value")
		if _, err := s.Create(t.Context(), "small", uid, want[uid]); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Put(t.Context(), "smaller", "other", []byte("of another kind")); err != nil {
		t.Fatal(err)
	}
	got, err := s.All(t.Context(), "small")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("all records (-want +got):\n%s", diff)
	}
	if err := s.Put(t.Context(), "small", "large", bytes.Repeat([]byte("x"), InlineLimit+1)); err != nil {
		t.Fatal(err)
	}
	if _, err := s.All(t.Context(), "small"); !errors.Is(err, ErrTooLarge) {
		t.Errorf("with a record in chunks: %v", err)
	}
}
