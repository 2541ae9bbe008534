package artifact

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// flip changes each occurrence of text in the files that match a pattern.
func flip(t *testing.T, dir, pattern, text string) {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, pattern))
	if err != nil {
		t.Fatal(err)
	}
	found := false
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Contains(b, []byte(text)) {
			continue
		}
		found = true
		changed := bytes.ReplaceAll(b, []byte(text), []byte(strings.Repeat("#", len(text))))
		f, err := os.OpenFile(name, os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Write(changed); err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if !found {
		t.Fatalf("%q is in no file %s", text, pattern)
	}
}

func wantCorrupt(t *testing.T, err error) {
	t.Helper()
	var corrupt *CorruptError
	if !errors.As(err, &corrupt) {
		t.Fatalf("got %v, want a CorruptError", err)
	}
}

func TestCorruptBlob(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir, Options{})
	files := []file{{"a", "first content", false}, {"b", "second content", false}}
	tree := ingest(t, s, files...)
	owner := Owner{Name: "o"}
	flip(t, dir, segmentDir+"/*", "first content")

	_, err := s.Publish(t.Context(), owner, "r", tree, nil)
	wantCorrupt(t, err)
	if left, err := os.ReadDir(s.temp()); err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	entry, _ := tree.Lookup("a")
	if s.Has(entry.Digest) {
		t.Error("the store says that it has what is corrupt")
	}
	if _, err := s.View(tree).ReadFile("a"); !errors.Is(err, ErrNotFound) {
		t.Errorf("reading it again: %v", err)
	}
	if _, err := s.Tree(tree.Digest()); !errors.Is(err, ErrNotFound) {
		t.Errorf("its tree: %v", err)
	}
	if err := s.Check(Record{Tree: tree.Digest()}); !errors.Is(err, ErrNotFound) {
		t.Errorf("a record of it: %v", err)
	}
	if got, err := s.View(tree).ReadFile("b"); err != nil || string(got) != "second content" {
		t.Errorf("another file: %q, %v", got, err)
	}

	// Fetching again heals, also for the next process.
	digest := ingest(t, s, files...).Digest()
	for range 2 {
		tree, err := s.Tree(digest)
		if err != nil {
			t.Fatal(err)
		}
		contents(t, s, tree)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		s = openStore(t, dir, Options{})
	}
}

func TestCorruptBlobIsNotMerged(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir, Options{MaxSegments: 1})
	owner := Owner{Name: "o"}
	publish(t, s, owner, "r1", file{"a", "first content", false})
	record := publish(t, s, owner, "r2", file{"a", "first content", false}, file{"b", "second content", false})
	flip(t, dir, segmentDir+"/*", "first content")
	if c := collect(t, s); c.Merged != 1 {
		t.Fatalf("Collect() = %+v, want a merge", c)
	}
	if _, err := s.Tree(record.Tree); !errors.Is(err, ErrNotFound) {
		t.Errorf("tree with a corrupt blob: %v", err)
	}
	if s.Has(DigestOf([]byte("first content"))) || !s.Has(DigestOf([]byte("second content"))) {
		t.Error("the merge kept what is corrupt, or lost what is not")
	}
}

func TestCorruptDirectory(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir, Options{})
	digest := ingest(t, s, file{"somewhere/some-name", "content", false}).Digest()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	flip(t, dir, segmentDir+"/*", "some-name")
	s = openStore(t, dir, Options{})
	_, err := s.Tree(digest)
	wantCorrupt(t, err)
	if healed := ingest(t, s, file{"somewhere/some-name", "content", false}); healed.Digest() != digest {
		t.Errorf("ingested again it is %s, want %s", healed.Digest(), digest)
	}
	if _, err := s.Tree(digest); err != nil {
		t.Error(err)
	}
}

func TestCorruptArchive(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir, Options{})
	owner := Owner{Name: "o"}
	record := publish(t, s, owner, "r", sample...)
	readArchive(t, s, record.Archive)
	name := s.archivePath(record.Archive)
	good, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	for _, damage := range []func() error{
		func() error { return os.WriteFile(name, append([]byte("x"), good[1:]...), 0o600) },
		func() error { return os.Truncate(name, 10) },
		func() error { return os.Remove(name) },
	} {
		if err := damage(); err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		s = openStore(t, dir, Options{})
		f, err := s.OpenArchive(record.Archive)
		if err == nil {
			f.Close()
			t.Fatal("a damaged archive can be opened")
		}
		if !errors.Is(err, ErrNotFound) {
			wantCorrupt(t, err)
		}
		if err := s.Check(record); !errors.Is(err, ErrNotFound) {
			t.Errorf("Check() = %v, want ErrNotFound", err)
		}
		// Publishing what is published restores it.
		if again := publish(t, s, owner, "r", sample...); again.Archive != record.Archive {
			t.Errorf("published again it is %s, want %s", again.Archive, record.Archive)
		}
		if !bytes.Equal(readArchive(t, s, record.Archive), good) {
			t.Error("the archive is another one")
		}
		if err := s.Check(record); err != nil {
			t.Error(err)
		}
	}
}

func TestDamagedFiles(t *testing.T) {
	truncate := func(name string) error { return os.Truncate(name, 60) }
	tests := []struct {
		pattern string
		damage  func(name string) error
	}{
		{segmentDir + "/*", truncate},
		{segmentDir + "/*", func(name string) error { return os.WriteFile(name, nil, 0o600) }},
		{segmentDir + "/*", func(name string) error { return os.Rename(name, name+"x") }},
		{segmentDir + "/*", func(name string) error {
			b, err := os.ReadFile(name)
			if err != nil {
				return err
			}
			b[len(b)-segmentTrailer-3]++ // in the footer
			return os.WriteFile(name, b, 0o600)
		}},
		{recordDir + "/*", truncate},
		{recordDir + "/*", func(name string) error { return os.WriteFile(name, []byte("{}"), 0o600) }},
		{recordDir + "/*", func(name string) error { return os.Rename(name, name+"x") }},
	}
	for _, tt := range tests {
		dir := t.TempDir()
		s := openStore(t, dir, Options{})
		owner := Owner{Name: "o"}
		publish(t, s, owner, "r", sample...)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		names, err := filepath.Glob(filepath.Join(dir, tt.pattern))
		if err != nil || len(names) != 1 {
			t.Fatalf("%s: %v, %v", tt.pattern, names, err)
		}
		if err := tt.damage(names[0]); err != nil {
			t.Fatal(err)
		}
		s = openStore(t, dir, Options{})
		if len(s.Damaged()) != 1 {
			t.Errorf("%s: Damaged() = %v", tt.pattern, s.Damaged())
		}
		for _, err := range s.Damaged() {
			wantCorrupt(t, err)
		}
		if left, err := os.ReadDir(filepath.Join(dir, damagedDir)); err != nil || len(left) != 1 {
			t.Errorf("%s: set aside %v, %v", tt.pattern, left, err)
		}
		record := publish(t, s, owner, "r", sample...)
		tree, err := s.Tree(record.Tree)
		if err != nil {
			t.Fatal(err)
		}
		contents(t, s, tree)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if s = openStore(t, dir, Options{}); len(s.Damaged()) != 0 {
			t.Errorf("%s: still damaged: %v", tt.pattern, s.Damaged())
		}
	}
}

func TestCollectSurvivesDamage(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir, Options{})
	lost := publish(t, s, Owner{Name: "lost"}, "r", file{"some-dir/f", "lost", false})
	kept := publish(t, s, Owner{Name: "kept"}, "r", sample...)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	flip(t, dir, segmentDir+"/*", "some-dir")
	s = openStore(t, dir, Options{})
	settle(t, s)
	if _, err := s.Tree(lost.Tree); err == nil {
		t.Error("the damaged tree can be loaded")
	}
	tree, err := s.Tree(kept.Tree)
	if err != nil {
		t.Fatal(err)
	}
	contents(t, s, tree)
}
