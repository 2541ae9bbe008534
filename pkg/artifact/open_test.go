package artifact

import (
	"errors"
	"io"
	"strings"
	"testing"
)

func TestOpenFile(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir, Options{})
	large := strings.Repeat("0123456789abcdef", 1<<17)
	tree := ingest(t, s, file{"large", large, false})
	entry, _ := tree.Lookup("large")
	f, err := s.OpenFile(entry.Digest)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Seek(-4, io.SeekEnd); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(f); err != nil || string(got) != "cdef" {
		t.Errorf("the end is %q, %v", got, err)
	}
	// It can be read on while the store lets go of it.
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(f); err != nil || string(got) != large {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	for range 2 {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	}

	flip(t, dir, segmentDir+"/*", "0123456789abcdef0123456789abcdef")
	s = openStore(t, dir, Options{})
	_, err = s.OpenFile(entry.Digest)
	wantCorrupt(t, err)
	if _, err := s.OpenFile(entry.Digest); !errors.Is(err, ErrNotFound) {
		t.Errorf("opening it again: %v", err)
	}
}
