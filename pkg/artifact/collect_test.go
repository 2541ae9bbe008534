package artifact

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func collect(t testing.TB, s *Store) Collected {
	t.Helper()
	runtime.GC() // trees that nobody holds any more are known as such after it
	c, err := s.Collect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// settle collects until there is nothing left to do.
func settle(t testing.TB, s *Store) {
	t.Helper()
	for range 4 {
		collect(t, s)
	}
}

func publish(t testing.TB, s *Store, owner Owner, revision string, files ...file) Record {
	t.Helper()
	r, err := s.Publish(t.Context(), owner, revision, ingest(t, s, files...), nil)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func revisions(s *Store, o Owner) []string {
	var list []string
	for _, r := range s.Records(o) {
		list = append(list, r.Revision)
	}
	return list
}

func TestRetention(t *testing.T) {
	owner := Owner{"GitRepository", "demo", "app", "1"}
	tests := []struct {
		name    string
		options Options
		apart   time.Duration // between revisions
		after   time.Duration // from the last revision
		want    []string
	}{
		{"defaults, at once", Options{}, time.Second, 0, []string{"r3", "r2"}},
		{"defaults, later", Options{}, time.Second, 61 * time.Second, []string{"r3"}},
		{"the time counts from when a newer one came", Options{}, time.Hour, 60 * time.Second, []string{"r3", "r2"}},
		{"more records", Options{RetentionRecords: 5, RetentionTTL: time.Hour}, time.Minute, time.Minute, []string{"r3", "r2", "r1", "r0"}},
		{"one record", Options{RetentionRecords: 1}, time.Second, 0, []string{"r3"}},
		{"the current one stays", Options{}, time.Second, 1000 * time.Hour, []string{"r3"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			clock := fakeClock()
			tt.options.Clock = clock
			dir := t.TempDir()
			s := openStore(t, dir, tt.options)
			digests := map[string]Record{}
			for i := range 4 {
				if i > 0 {
					clock.SetTime(clock.Now().Add(tt.apart))
				}
				r := publish(t, s, owner, fmt.Sprint("r", i), file{"f", fmt.Sprint("content ", i), false})
				digests[r.Revision] = r
			}
			clock.SetTime(clock.Now().Add(tt.after))
			settle(t, s)
			if diff := cmp.Diff(tt.want, revisions(s, owner)); diff != "" {
				t.Errorf("records (-want +got):\n%s", diff)
			}
			kept := map[string]bool{}
			for _, r := range tt.want {
				kept[r] = true
			}
			for revision, r := range digests {
				_, archiveErr := s.OpenArchive(r.Archive)
				_, treeErr := s.Tree(r.Tree)
				if kept[revision] != (archiveErr == nil) || kept[revision] != (treeErr == nil) {
					t.Errorf("%s: kept %v, archive %v, tree %v", revision, kept[revision], archiveErr, treeErr)
				}
				if archiveErr != nil && !errors.Is(archiveErr, ErrNotFound) {
					t.Errorf("%s: %v, want ErrNotFound", revision, archiveErr)
				}
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			s = openStore(t, dir, tt.options)
			if diff := cmp.Diff(tt.want, revisions(s, owner)); diff != "" {
				t.Errorf("records after reopening (-want +got):\n%s", diff)
			}
		})
	}
}

func segmentBytes(t testing.TB, s *Store) (files int, bytes int64) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(s.dir, segmentDir))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			t.Fatal(err)
		}
		files, bytes = files+1, bytes+info.Size()
	}
	return files, bytes
}

func TestForgottenContentGoes(t *testing.T) {
	s := openStore(t, t.TempDir(), Options{})
	a, b := Owner{Kind: "K", Name: "a"}, Owner{Kind: "K", Name: "b"}
	large := strings.Repeat("large", 10_000)
	shared := publish(t, s, a, "r", sample...)
	publish(t, s, b, "r", append([]file{{"more", large, false}}, sample...)...)
	if err := s.Forget(b); err != nil {
		t.Fatal(err)
	}
	settle(t, s)
	if _, bytes := segmentBytes(t, s); bytes > 4096 {
		t.Errorf("%d bytes are left of a small tree", bytes)
	}
	tree, err := s.Tree(shared.Tree)
	if err != nil {
		t.Fatal(err)
	}
	contents(t, s, tree)
	tree = nil
	if err := s.Forget(a); err != nil {
		t.Fatal(err)
	}
	settle(t, s)
	if files, bytes := segmentBytes(t, s); files != 0 {
		t.Errorf("%d files with %d bytes are left of nothing", files, bytes)
	}
	if left, err := os.ReadDir(filepath.Join(s.dir, archiveDir)); err != nil || len(left) != 0 {
		t.Errorf("archives left: %v, %v", left, err)
	}
	runtime.KeepAlive(tree)
}

// What somebody holds in memory, or a writer refers to, is not collected.
func TestHeldContentStays(t *testing.T) {
	s := openStore(t, t.TempDir(), Options{})
	held := ingest(t, s, sample...)
	dropped := ingest(t, s, file{"dropped", strings.Repeat("d", 1000), false}, file{"pinned", "pinned content", false})
	w, err := s.NewWriter(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer w.Abort()
	pinned, _ := dropped.Lookup("pinned")
	if err := w.Known("pinned", false, pinned.Digest, pinned.Size); err != nil {
		t.Fatal(err)
	}
	gone, _ := dropped.Lookup("dropped")
	dropped = nil
	settle(t, s)
	if s.Has(gone.Digest) {
		t.Error("content that nobody refers to is still there")
	}
	contents(t, s, held)
	tree, err := w.Commit()
	if err != nil {
		t.Fatal(err)
	}
	contents(t, s, tree)
	settle(t, s)
	contents(t, s, tree)
	contents(t, s, held)
}

func TestMerge(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir, Options{MaxSegments: 8})
	owner := Owner{Kind: "K", Name: "a"}
	var all []file
	var last Record
	for i := range 40 {
		all = append(all, file{fmt.Sprint("f", i), strings.Repeat(fmt.Sprint(i), 100), false})
		last = publish(t, s, owner, fmt.Sprint("r", i), all...)
		if i%10 == 9 {
			collect(t, s)
			if files, _ := segmentBytes(t, s); files > 8 {
				t.Errorf("%d segments, limit is 8", files)
			}
		}
	}
	digest := last.Tree
	for range 2 {
		tree, err := s.Tree(digest)
		if err != nil {
			t.Fatal(err)
		}
		if got := len(contents(t, s, tree)); got != 40 {
			t.Errorf("%d files", got)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		s = openStore(t, dir, Options{MaxSegments: 8})
	}
	// A store that is settled is left alone.
	settle(t, s)
	if c := collect(t, s); c != (Collected{}) {
		t.Errorf("collecting again did %+v", c)
	}
}

func TestCollectIsCanceled(t *testing.T) {
	s := openStore(t, t.TempDir(), Options{})
	publish(t, s, Owner{Name: "a"}, "r", sample...)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Collect(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Collect() = %v", err)
	}
}

// Everything at once: what is published can be read, whatever is collected
// meanwhile.
func TestConcurrentUse(t *testing.T) {
	s := openStore(t, t.TempDir(), Options{RetentionTTL: time.Nanosecond, RetentionRecords: 1, MaxSegments: 4})
	ctx, cancel := context.WithCancel(t.Context())
	var collector, workers sync.WaitGroup
	collector.Go(func() {
		for ctx.Err() == nil {
			if _, err := s.Collect(ctx); err != nil && ctx.Err() == nil {
				t.Error(err)
			}
			runtime.GC()
		}
	})
	for n := range 4 {
		workers.Go(func() {
			owner := Owner{Kind: "K", Name: fmt.Sprint(n)}
			for i := range 15 {
				if err := useStore(ctx, s, owner, n, i); err != nil {
					t.Error(err)
				}
			}
		})
	}
	workers.Wait()
	cancel()
	collector.Wait()
	for _, o := range s.Owners() {
		if got := revisions(s, o); len(got) == 0 || got[0] != "r14" {
			t.Errorf("%s has %v", o, got)
		}
	}
}

func useStore(ctx context.Context, s *Store, owner Owner, n, i int) error {
	w, err := s.NewWriter(ctx)
	if err != nil {
		return err
	}
	defer w.Abort()
	want := map[string]string{"same": "same for all", "own": fmt.Sprint("own of ", n), "new": fmt.Sprint(n, i)}
	for path, content := range want {
		known := w.Known("d/"+path, false, DigestOf([]byte(content)), int64(len(content)))
		if errors.Is(known, ErrNotFound) {
			_, known = w.File("d/"+path, false, strings.NewReader(content))
		}
		if known != nil {
			return known
		}
	}
	tree, err := w.Commit()
	if err != nil {
		return err
	}
	record, err := s.Publish(ctx, owner, fmt.Sprint("r", i), tree, nil)
	if err != nil {
		return err
	}
	if tree, err = s.Tree(record.Tree); err != nil {
		return err
	}
	for path, content := range want {
		got, err := s.View(tree).ReadFile("d/" + path)
		if err != nil || string(got) != content {
			return fmt.Errorf("%s: %q, %w", path, got, err)
		}
	}
	f, err := s.OpenArchive(record.Archive)
	if err != nil {
		return err
	}
	return f.Close()
}
