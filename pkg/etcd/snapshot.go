package etcd

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"

	clientv3 "go.etcd.io/etcd/client/v3"
	etcdutl "go.etcd.io/etcd/etcdutl/v3/snapshot"
	"go.uber.org/zap"
)

// A snapshot is the database of one server as it was at one moment, followed by
// the SHA-256 of it. The database is made of pages, so its size is a multiple of
// that of a sector, and what is left over tells that the digest is there.
const (
	sectorBytes = 512
	digestBytes = sha256.Size
	// minSnapshotBytes is the least that a database can have: its two meta pages,
	// a free list and a leaf, of 4 KiB each.
	minSnapshotBytes = 4 * 4096
)

// ErrNotSnapshot says that a file is no snapshot, or not a whole one.
var ErrNotSnapshot = errors.New("not an intact snapshot of etcd")

// Snapshot describes a snapshot.
type Snapshot struct {
	// Bytes is the size of the file, Keys how many keys are in it, of all
	// applications that use the etcd, and Revision that of the last change.
	Bytes, Revision int64
	Keys            int
	// Digest is the SHA-256 of the database, which the file ends with.
	Digest string
}

// SaveSnapshot writes what a server holds at this moment to w. The server goes on
// meanwhile. What arrives is checked against the digest that it ends with, so
// that an error of the wire is found before the snapshot is needed.
func SaveSnapshot(ctx context.Context, client *clientv3.Client, w io.Writer) error {
	stream, err := client.SnapshotWithVersion(ctx)
	if err != nil {
		return fmt.Errorf("asking etcd for a snapshot: %w", err)
	}
	defer stream.Snapshot.Close()
	check := &trailer{digest: sha256.New()}
	if _, err := io.Copy(io.MultiWriter(w, check), stream.Snapshot); err != nil {
		return fmt.Errorf("receiving the snapshot: %w", err)
	}
	if err := check.verify(); err != nil {
		return fmt.Errorf("receiving the snapshot: %w", err)
	}
	return nil
}

// trailer computes the digest of all but the last bytes that are written to it,
// which are the digest themselves.
type trailer struct {
	digest hash.Hash
	tail   []byte
	size   int64
}

func (t *trailer) Write(p []byte) (int, error) {
	t.size += int64(len(p))
	t.tail = append(t.tail, p...)
	if extra := len(t.tail) - digestBytes; extra > 0 {
		t.digest.Write(t.tail[:extra]) // a hash never fails
		t.tail = append(t.tail[:0], t.tail[extra:]...)
	}
	return len(p), nil
}

func (t *trailer) verify() error {
	switch {
	case t.size < minSnapshotBytes+digestBytes:
		return fmt.Errorf("%w: %d bytes, the least is %d", ErrNotSnapshot, t.size, minSnapshotBytes+digestBytes)
	case t.size%sectorBytes == 0:
		return fmt.Errorf("%w: it has %d bytes and no digest at the end: a database that was copied as a file may be torn", ErrNotSnapshot, t.size)
	case t.size%sectorBytes != digestBytes:
		return fmt.Errorf("%w: %d bytes are not a whole number of pages and a digest: the file was cut off, or is something else", ErrNotSnapshot, t.size)
	case !bytes.Equal(t.digest.Sum(nil), t.tail):
		return fmt.Errorf("%w: the SHA-256 of its %d bytes is not the one that it ends with: the file was damaged or cut off", ErrNotSnapshot, t.size)
	}
	return nil
}

// CheckSnapshot reads the file from end to end and says what is in it.
func CheckSnapshot(path string) (Snapshot, error) {
	s, err := checkSnapshot(path)
	if err != nil {
		return s, fmt.Errorf("checking %s: %w", path, err)
	}
	return s, nil
}

func checkSnapshot(path string) (Snapshot, error) {
	f, err := os.Open(path)
	if err != nil {
		return Snapshot{}, err
	}
	defer f.Close()
	check := &trailer{digest: sha256.New()}
	if _, err := io.Copy(check, f); err != nil {
		return Snapshot{}, err
	}
	if err := check.verify(); err != nil {
		return Snapshot{}, err
	}
	// The bytes are those that etcd sent; now whether they are a database.
	status, err := etcdutl.NewV3(zap.NewNop()).Status(path)
	if err != nil {
		return Snapshot{}, fmt.Errorf("%w: %w", ErrNotSnapshot, err)
	}
	return Snapshot{Bytes: check.size, Revision: status.Revision, Keys: status.TotalKey, Digest: hex.EncodeToString(check.tail)}, nil
}

// WriteSnapshot saves a snapshot as a file that only its owner can read. Either
// the whole file is there afterwards, on the disk, and was read back and found
// intact, or what was there before.
func WriteSnapshot(ctx context.Context, client *clientv3.Client, path string) (s Snapshot, err error) {
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, "."+filepath.Base(path)+".*")
	if err != nil {
		return s, fmt.Errorf("writing a snapshot: %w", err)
	}
	defer func() {
		if err != nil {
			_ = os.Remove(f.Name())
		}
	}()
	err = SaveSnapshot(ctx, client, f)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return s, fmt.Errorf("writing a snapshot to %s: %w", path, err)
	}
	if s, err = checkSnapshot(f.Name()); err != nil {
		return s, fmt.Errorf("reading back the snapshot for %s: %w", path, err)
	}
	if err = os.Rename(f.Name(), path); err != nil {
		return s, fmt.Errorf("writing a snapshot: %w", err)
	}
	return s, syncPath(dir)
}

// syncPath makes a file, or the names in a directory, durable.
func syncPath(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("syncing: %w", err)
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("syncing %s: %w", path, err)
	}
	return nil
}
