package artifact

import (
	"archive/tar"
	"bufio"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"github.com/klauspost/compress/gzip"
)

// compressionLevel is where the time spent stops to pay off for manifests;
// see BenchmarkArchive. Changing it changes the digest of every archive.
const compressionLevel = 3

// The modes in an archive. There are no others in a tree.
const (
	modeFile       = 0o600
	modeExecutable = 0o700
	modeDir        = 0o750
)

// archives knows the tar.gz of every tree that has one.
type archives struct {
	mu sync.Mutex
	// ofTree is rebuilt from the records: an archive that none refers to is
	// garbage.
	ofTree map[Digest]archive
	// busy has a channel for each tree whose archive is being written. It is
	// closed when that ended, well or not.
	busy map[Digest]chan struct{}
	// using counts the runs of Publish that are about to refer to an archive.
	using map[Digest]int
	// verified holds the archives whose digest was checked, as they were.
	verified map[Digest]fs.FileInfo
}

// archive is the tar.gz of a tree.
type archive struct {
	digest Digest
	size   int64
}

func (s *Store) archivePath(d Digest) string {
	return filepath.Join(s.dir, archiveDir, d.Hex()+archiveType)
}

// OpenArchive opens the archive with this digest. The file is verified when it
// is opened first after a start or a change. The caller closes it.
func (s *Store) OpenArchive(d Digest) (*os.File, error) {
	if _, err := d.sum(); err != nil {
		return nil, err
	}
	f, err := os.Open(s.archivePath(d))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("opening archive %s: %w", d, ErrNotFound)
	}
	if err != nil {
		return nil, fmt.Errorf("opening archive %s: %w", d, err)
	}
	if err := s.verifyArchive(f, d); err != nil {
		_ = f.Close() // nothing was written to it
		return nil, fmt.Errorf("opening archive %s: %w", d, err)
	}
	return f, nil
}

func (s *Store) verifyArchive(f *os.File, d Digest) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	a := &s.archives
	a.mu.Lock()
	seen, ok := a.verified[d]
	a.mu.Unlock()
	if ok && os.SameFile(seen, info) && seen.Size() == info.Size() && seen.ModTime().Equal(info.ModTime()) {
		return nil
	}
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if sum(h.Sum(nil)).digest() == d {
		a.verified[d] = info
		_, err = f.Seek(0, io.SeekStart)
		return err
	}
	a.forget(d)
	corrupt := &CorruptError{What: "archive", Name: string(d)}
	if err := os.Remove(f.Name()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return errors.Join(corrupt, err)
	}
	return corrupt
}

// forget drops what is known of an archive. The caller holds mu.
func (a *archives) forget(d Digest) {
	delete(a.verified, d)
	for t, known := range a.ofTree {
		if known.digest == d {
			delete(a.ofTree, t)
		}
	}
}

// archive returns the tar.gz of t, writing it if there is none. It is kept
// until the returned function is called. Of several callers with the same tree
// one writes and the others wait.
func (s *Store) archive(ctx context.Context, t *Tree) (archive, func(), error) {
	a, tree := &s.archives, t.Digest()
	a.mu.Lock()
	defer a.mu.Unlock()
	for {
		if err := ctx.Err(); err != nil {
			return archive{}, nil, err
		}
		if known, ok := a.ofTree[tree]; ok && s.archiveThere(known) {
			a.use(known.digest, 1)
			return known, func() { a.release(known.digest) }, nil
		}
		other, ok := a.busy[tree]
		if !ok {
			break
		}
		a.mu.Unlock()
		select {
		case <-other:
		case <-ctx.Done():
		}
		a.mu.Lock()
	}
	done := make(chan struct{})
	a.busy[tree] = done
	defer func() {
		delete(a.busy, tree)
		close(done)
	}()
	written, err := s.makeArchive(ctx, t)
	if err != nil {
		return archive{}, nil, fmt.Errorf("archiving tree %s: %w", tree, err)
	}
	a.ofTree[tree] = written
	return written, func() { a.release(written.digest) }, nil
}

// makeArchive writes the archive of t and counts the caller as its user. The
// caller holds the lock of archives, which is not held while there is much to
// do.
func (s *Store) makeArchive(ctx context.Context, t *Tree) (archive, error) {
	a := &s.archives
	a.mu.Unlock()
	temp, written, err := s.writeArchive(ctx, t)
	a.mu.Lock()
	if err != nil {
		return archive{}, err
	}
	// It gets its name and its first user at once: Collect removes what has a
	// name and no user.
	name := s.archivePath(written.digest)
	if err := os.Rename(temp, name); err != nil {
		return archive{}, errors.Join(err, os.Remove(temp))
	}
	a.use(written.digest, 1)
	a.mu.Unlock()
	err = syncDir(filepath.Dir(name))
	info, statErr := os.Stat(name)
	a.mu.Lock()
	if err = errors.Join(err, statErr); err != nil {
		a.use(written.digest, -1)
		return archive{}, err
	}
	a.verified[written.digest] = info
	return written, nil
}

// archiveThere checks that the file was not taken away.
func (s *Store) archiveThere(known archive) bool {
	info, err := os.Stat(s.archivePath(known.digest))
	return err == nil && info.Size() == known.size
}

func (a *archives) release(d Digest) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.use(d, -1)
}

// use counts users of an archive. The caller holds mu.
func (a *archives) use(d Digest, n int) {
	if a.using[d] += n; a.using[d] == 0 {
		delete(a.using, d)
	}
}

// writeArchive writes the tar.gz of t to a temporary file and syncs it.
func (s *Store) writeArchive(ctx context.Context, t *Tree) (temp string, a archive, err error) {
	f, err := os.CreateTemp(s.temp(), "archive.*")
	if err != nil {
		return "", a, err
	}
	defer func() {
		if closeErr := f.Close(); err == nil {
			err = closeErr
		}
		if err != nil {
			_ = os.Remove(f.Name()) // it is swept at the next Open if this fails
		}
	}()
	h := sha256.New()
	out := bufio.NewWriterSize(io.MultiWriter(f, h), 1<<17)
	if err := s.compress(ctx, out, t); err != nil {
		return "", a, err
	}
	if err := out.Flush(); err != nil {
		return "", a, err
	}
	info, err := f.Stat()
	if err != nil {
		return "", a, err
	}
	return f.Name(), archive{digest: sum(h.Sum(nil)).digest(), size: info.Size()}, f.Sync()
}

// compress writes the tar.gz of t. The result depends on nothing but the tree,
// the level and the version of the compressor, which a golden test pins.
func (s *Store) compress(ctx context.Context, w io.Writer, t *Tree) error {
	zip, err := gzip.NewWriterLevel(w, compressionLevel)
	if err != nil {
		return err
	}
	out := tar.NewWriter(zip)
	buf := make([]byte, 1<<16)
	t.root.walk(rootPath, func(path string, c *child) bool {
		if err = ctx.Err(); err == nil {
			err = s.archiveEntry(out, path, c, buf)
		}
		return err == nil
	})
	if err != nil {
		return err
	}
	if err := out.Close(); err != nil {
		return err
	}
	return zip.Close()
}

func (s *Store) archiveEntry(out *tar.Writer, path string, c *child, buf []byte) error {
	header := &tar.Header{Typeflag: tar.TypeReg, Name: path, Size: c.size, Mode: modeFile}
	switch c.kind {
	case kindExecutable:
		header.Mode = modeExecutable
	case kindDir:
		header.Typeflag, header.Name, header.Size, header.Mode = tar.TypeDir, path+"/", 0, modeDir
	}
	if err := out.WriteHeader(header); err != nil {
		return fmt.Errorf("file %q: %w", shorten(path), err)
	}
	if c.kind == kindDir {
		return nil
	}
	if _, err := s.copyTo(out, c.sum, buf); err != nil {
		return fmt.Errorf("file %q: %w", shorten(path), err)
	}
	return nil
}
