package git

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/format/idxfile"
	"github.com/go-git/go-git/v5/plumbing/format/packfile"
)

// tempPack is the pattern of the names of packs that are not complete.
const tempPack = "tmp_pack_*"

// receive stores a pack and its index, and returns its checksum. A pack that is
// not whole, or exceeds a limit, leaves nothing behind.
//
// go-git's own way holds objects in memory whatever size they say they have.
// Here the sizes are checked while the pack arrives, before anything is put
// together from it.
func (p *packs) receive(ctx context.Context, r io.Reader, l Limits) (id string, err error) {
	if err := os.MkdirAll(p.dir, 0o700); err != nil {
		return "", err
	}
	f, err := os.CreateTemp(p.dir, tempPack)
	if err != nil {
		return "", err
	}
	defer func() {
		if closeErr := f.Close(); err == nil {
			err = closeErr
		}
		if err != nil {
			_ = os.Remove(f.Name()) // it goes with the copy if this fails
		}
	}()
	count, bases, err := savePack(f, r, l)
	if err != nil {
		return "", fmt.Errorf("receiving objects: %w", err)
	}
	if len(bases) > 0 {
		if err := p.complete(f, count, bases); err != nil {
			return "", fmt.Errorf("completing received objects: %w", err)
		}
	}
	index, checksum, err := indexPack(ctx, f)
	if err != nil {
		// What the server took for being there may be lost.
		return "", &damageError{fmt.Errorf("indexing received objects: %w", err)}
	}
	id = checksum.String()
	if err := writeIndex(indexName(p.dir, id), index); err != nil {
		return "", err
	}
	if err := os.Rename(f.Name(), packName(p.dir, id)); err != nil {
		return "", err
	}
	p.add(id, index)
	return id, nil
}

// savePack copies a pack to f and checks the sizes in it on the way. It returns
// the number of objects, and those that objects in the pack are deltas against
// and that may not be in it.
func savePack(f *os.File, r io.Reader, l Limits) (count uint32, bases []plumbing.Hash, err error) {
	out := bufio.NewWriterSize(f, 1<<18)
	s := packfile.NewScanner(io.TeeReader(r, out))
	if _, count, err = s.Header(); err != nil {
		return 0, nil, err
	}
	if int64(count) > int64(l.Objects) {
		return 0, nil, overLimit("pack of %d objects: limit is %d", count, l.Objects)
	}
	seen := map[plumbing.Hash]bool{}
	for range count {
		header, err := checkObject(s, l.ObjectSize)
		if err != nil {
			return 0, nil, err
		}
		if header.Type == plumbing.REFDeltaObject && !seen[header.Reference] {
			seen[header.Reference] = true
			bases = append(bases, header.Reference)
		}
	}
	if _, err := s.Checksum(); err != nil {
		return 0, nil, err
	}
	// What follows the pack in its stream must be read for the connection to
	// be of further use, but is not part of it.
	if _, err := io.Copy(io.Discard, r); err != nil {
		return 0, nil, err
	}
	return count, bases, out.Flush()
}

// checkObject reads one object and checks the size that it has, or will have
// once it is put together.
func checkObject(s *packfile.Scanner, limit int64) (*packfile.ObjectHeader, error) {
	header, err := s.NextObjectHeader()
	if err != nil {
		return nil, err
	}
	size := header.Length
	content := &prefix{}
	if size <= limit {
		if _, _, err := s.NextObject(content); err != nil {
			return nil, err
		}
		if header.Type.IsDelta() {
			size = content.deltaSize()
		}
	}
	switch {
	case size > limit:
		return nil, overLimit("object of %d bytes: limit is %d", size, limit)
	case size < 0:
		return nil, errors.New("object of unknown size: its delta is malformed")
	}
	return header, nil
}

// prefix keeps the first bytes of what is written to it.
type prefix struct {
	bytes [2 * binary.MaxVarintLen64]byte
	n     int
}

func (p *prefix) Write(b []byte) (int, error) {
	p.n += copy(p.bytes[p.n:], b)
	return len(b), nil
}

// deltaSize returns the size of what a delta makes: the second of the two
// numbers that it begins with. It is negative if there is none.
func (p *prefix) deltaSize() int64 {
	b := p.bytes[:p.n]
	_, n := binary.Uvarint(b)
	if n <= 0 {
		return -1
	}
	size, n := binary.Uvarint(b[n:])
	if n <= 0 {
		return -1
	}
	return int64(size)
}

// indexPack computes the identities of all objects of a pack.
func indexPack(ctx context.Context, f *os.File) (*idxfile.MemoryIndex, plumbing.Hash, error) {
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return nil, plumbing.ZeroHash, err
	}
	writer := &idxfile.Writer{}
	parser, err := packfile.NewParser(packfile.NewScanner(&contextFile{ctx, f}), writer)
	if err != nil {
		return nil, plumbing.ZeroHash, err
	}
	id, err := parser.Parse()
	if err != nil {
		return nil, plumbing.ZeroHash, err
	}
	index, err := writer.Index()
	return index, id, err
}

// contextFile ends the work on a file with its context; go-git's parser knows
// of none.
type contextFile struct {
	ctx context.Context
	*os.File
}

func (f *contextFile) Read(p []byte) (int, error) {
	if err := f.ctx.Err(); err != nil {
		return 0, err
	}
	return f.File.Read(p)
}

func writeIndex(name string, index *idxfile.MemoryIndex) (err error) {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	defer func() {
		if closeErr := f.Close(); err == nil {
			err = closeErr
		}
	}()
	out := bufio.NewWriter(f)
	if _, err := idxfile.NewEncoder(out).Encode(index); err != nil {
		return fmt.Errorf("writing pack index: %w", err)
	}
	return out.Flush()
}
