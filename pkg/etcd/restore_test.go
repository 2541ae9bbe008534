package etcd

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	testclock "k8s.io/utils/clock/testing"
)

func newClient(t *testing.T, s *Server) *clientv3.Client {
	t.Helper()
	client, err := s.NewClient()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	return client
}

// snapshotOf is a snapshot of a member that holds some keys, and its revision.
func snapshotOf(t *testing.T, keys int) (file string, s Snapshot) {
	t.Helper()
	server, err := Start(t.Context(), Config{Dir: t.TempDir(), Ephemeral: true})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	client, err := server.NewClient()
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	for i := range keys {
		if _, err := client.Put(t.Context(), fmt.Sprintf("/k/%d", i), "v"); err != nil {
			t.Fatal(err)
		}
	}
	file = filepath.Join(t.TempDir(), "leat.db")
	if s, err = WriteSnapshot(t.Context(), client, file); err != nil {
		t.Fatal(err)
	}
	return file, s
}

func TestSnapshotFile(t *testing.T) {
	file, s := snapshotOf(t, 3)
	if s.Keys != 3 || s.Revision != 4 {
		t.Errorf("snapshot: %+v, want three keys at revision 4", s)
	}
	info, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o600 || info.Size() != s.Bytes {
		t.Errorf("file of mode %o and %d bytes, want 600 and %d", info.Mode().Perm(), info.Size(), s.Bytes)
	}
	if entries, err := os.ReadDir(filepath.Dir(file)); err != nil || len(entries) != 1 {
		t.Errorf("beside the snapshot: %v, %v", entries, err)
	}
}

// TestSnapshotIsAllOrNothing lets the snapshot end in the middle: what was in its
// place stays, and nothing is left beside.
func TestSnapshotIsAllOrNothing(t *testing.T) {
	server := run(t.Context(), t, Config{Dir: t.TempDir(), Ephemeral: true})
	client := newClient(t, server)
	dir := t.TempDir()
	file := filepath.Join(dir, "leat.db")
	if err := os.WriteFile(file, []byte("yesterday's"), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := WriteSnapshot(ctx, client, file); err == nil {
		t.Fatal("a snapshot that was broken off is reported as a success")
	}
	if got, err := os.ReadFile(file); err != nil || string(got) != "yesterday's" {
		t.Errorf("file after a failure: %q, %v", got, err)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
		t.Errorf("left behind: %v, %v", entries, err)
	}
	if _, err := WriteSnapshot(t.Context(), client, filepath.Join(dir, "no", "such", "leat.db")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("into a directory that is not there: %v", err)
	}
}

// failAfter is a disk that becomes full.
type failAfter struct{ left int }

var errFull = errors.New("no space left on device")

func (f *failAfter) Write(p []byte) (int, error) {
	if f.left -= len(p); f.left < 0 {
		return 0, errFull
	}
	return len(p), nil
}

func TestSnapshotToAFullDisk(t *testing.T) {
	server := run(t.Context(), t, Config{Dir: t.TempDir(), Ephemeral: true})
	if err := SaveSnapshot(t.Context(), newClient(t, server), &failAfter{left: 4096}); !errors.Is(err, errFull) {
		t.Errorf("got %v, want %v", err, errFull)
	}
}

func TestDamagedSnapshots(t *testing.T) {
	file, s := snapshotOf(t, 100)
	whole, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	changed := func(at int64) []byte {
		b := bytes.Clone(whole)
		b[at] ^= 1
		return b
	}
	tests := map[string]struct {
		data []byte
		want string
	}{
		"empty":                        {nil, "0 bytes"},
		"something else":               {[]byte(strings.Repeat("kind: Secret\n", 8191)), "something else"},
		"an image of the right size":   {append(make([]byte, 64*sectorBytes), make([]byte, digestBytes)...), "SHA-256"},
		"cut off by a byte":            {whole[:s.Bytes-1], "cut off"},
		"cut off by a page":            {whole[:s.Bytes-4096], "cut off"},
		"without its digest":           {whole[:s.Bytes-digestBytes], "no digest"},
		"a bit changed at the front":   {changed(100), "SHA-256"},
		"a bit changed in the middle":  {changed(s.Bytes / 2), "SHA-256"},
		"a bit changed in the digest":  {changed(s.Bytes - 1), "SHA-256"},
		"something appended, a sector": {append(bytes.Clone(whole), make([]byte, sectorBytes)...), "SHA-256"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			bad := filepath.Join(t.TempDir(), "bad.db")
			if err := os.WriteFile(bad, tt.data, 0o600); err != nil {
				t.Fatal(err)
			}
			dir := filepath.Join(t.TempDir(), "etcd")
			_, err := Restore(t.Context(), RestoreOptions{File: bad, Dir: dir})
			if !errors.Is(err, ErrNotSnapshot) || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), bad) {
				t.Errorf("got %v, want ErrNotSnapshot with %q and the file", err, tt.want)
			}
			if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("the directory was touched: %v", err)
			}
		})
	}
}

// TestRestoreMovesRevisionAhead restores, and looks with the eyes of a client that
// has seen more than the snapshot knows.
func TestRestoreMovesRevisionAhead(t *testing.T) {
	file, s := snapshotOf(t, 10)
	dir := filepath.Join(t.TempDir(), "etcd")
	prepared := false
	restored, err := Restore(t.Context(), RestoreOptions{File: file, Dir: dir, Prepare: func(ctx context.Context, c *clientv3.Client) error {
		prepared = true
		_, err := c.Put(ctx, "/restored", "yes")
		return err
	}})
	if err != nil {
		t.Fatal(err)
	}
	if !prepared || restored.Replaced != "" || restored.Revision <= s.Revision+DefaultRevisionBump {
		t.Errorf("restored: %+v (prepared: %t), want a revision beyond %d", restored, prepared, s.Revision+DefaultRevisionBump)
	}
	server := run(t.Context(), t, Config{Dir: dir, Ephemeral: true})
	if got := get(t, server, "/k/9"); got != "v" {
		t.Errorf("a key of the snapshot is %q", got)
	}
	if got := get(t, server, "/restored"); got != "yes" {
		t.Errorf("what was prepared is %q", got)
	}
	client := newClient(t, server)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	resumed := <-client.Watch(ctx, "/k/", clientv3.WithPrefix(), clientv3.WithRev(s.Revision+5))
	if !errors.Is(resumed.Err(), rpctypes.ErrCompacted) {
		t.Errorf("a watch that resumes after the snapshot got %v, want to be told to begin anew", resumed.Err())
	}
	if entries, err := os.ReadDir(filepath.Join(dir, restoringDir)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("left behind: %v, %v", entries, err)
	}
}

func TestRestoreKeepsWhatIsThere(t *testing.T) {
	file, _ := snapshotOf(t, 1)
	dir := t.TempDir()
	server, err := Start(t.Context(), Config{Dir: dir, Ephemeral: true})
	if err != nil {
		t.Fatal(err)
	}
	put(t, server, "/today", "v")
	options := RestoreOptions{File: file, Dir: dir, Clock: testclock.NewFakePassiveClock(time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC))}
	if _, err := Restore(t.Context(), options); !errors.Is(err, ErrInUse) {
		t.Errorf("while a server runs: %v, want ErrInUse", err)
	}
	if err := server.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := Restore(t.Context(), options); !errors.Is(err, ErrNotEmpty) || !strings.Contains(err.Error(), dir) {
		t.Errorf("into data: %v, want ErrNotEmpty with the directory", err)
	}
	options.Replace = true
	refusal := errors.New("not what was wanted")
	options.Prepare = func(context.Context, *clientv3.Client) error { return refusal }
	if _, err := Restore(t.Context(), options); !errors.Is(err, refusal) {
		t.Errorf("got %v, want %v", err, refusal)
	}
	if access, err := Open(t.Context(), Config{Dir: dir}); err != nil {
		t.Fatalf("after restores that were refused: %v", err)
	} else if r, err := access.Client.Get(t.Context(), "/today"); err != nil || len(r.Kvs) != 1 || access.Running {
		t.Errorf("after restores that were refused: %v, %v (running: %t)", r, err, access.Running)
	} else if err := access.Close(); err != nil {
		t.Fatal(err)
	}
	options.Prepare = nil
	restored, err := Restore(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	if want := filepath.Join(dir, "member.replaced-20261121T100000Z"); restored.Replaced != want {
		t.Errorf("the old data are in %q, want %q", restored.Replaced, want)
	}
	if _, err := os.Stat(filepath.Join(restored.Replaced, "snap", "db")); err != nil {
		t.Errorf("the old data: %v", err)
	}
	after := run(t.Context(), t, Config{Dir: dir, Ephemeral: true})
	if yesterday, today := get(t, after, "/k/0"), get(t, after, "/today"); yesterday != "v" || today != "" {
		t.Errorf("after the restore: %q of the snapshot, %q of the replaced data", yesterday, today)
	}
}

// TestInterruptedRestore stops a restore between its two renames.
func TestInterruptedRestore(t *testing.T) {
	file, _ := snapshotOf(t, 1)
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, restoringDir, memberDir), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := Start(t.Context(), Config{Dir: dir, Ephemeral: true}); !errors.Is(err, ErrUnfinishedRestore) {
		t.Fatalf("got %v, want ErrUnfinishedRestore: the server would begin with an empty store", err)
	}
	if _, err := Restore(t.Context(), RestoreOptions{File: file, Dir: dir}); err != nil {
		t.Fatal(err)
	}
	if got := get(t, run(t.Context(), t, Config{Dir: dir, Ephemeral: true}), "/k/0"); got != "v" {
		t.Errorf("after a second restore: %q", got)
	}
}

// TestOpen looks at a directory that a server runs on, and at one where it was
// killed, whose last writes are in the log alone.
func TestOpen(t *testing.T) {
	for name, sub := range map[string]string{"plain": "etcd", "a path too long for a socket": strings.Repeat("long/", 30) + "etcd"} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), sub)
			if _, err := Open(t.Context(), Config{Dir: dir}); !errors.Is(err, ErrNoData) {
				t.Errorf("of nothing: %v, want ErrNoData", err)
			}
			if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("looking has made the directory: %v", err)
			}
			server := run(t.Context(), t, Config{Dir: dir, Ephemeral: true})
			put(t, server, "/k", "v")
			access, err := Open(t.Context(), Config{Dir: dir})
			if err != nil {
				t.Fatal(err)
			}
			if r, err := access.Client.Get(t.Context(), "/k"); err != nil || len(r.Kvs) != 1 || !access.Running {
				t.Errorf("beside a server: %v, %v (running: %t)", r, err, access.Running)
			}
			if _, _, err := Defragment(t.Context(), access.Client); err != nil {
				t.Error(err)
			}
			if err := access.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}
