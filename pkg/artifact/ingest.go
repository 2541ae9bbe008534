package artifact

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
)

// smallFile is the size up to which a file is hashed in memory before it is
// written, which saves writing what the store has.
const smallFile = 1 << 20

// ingest stores one file's content, unless it is there.
func (w *Writer) ingest(path string, r io.Reader) (sum, int64, error) {
	limit := min(w.limits.FileSize, w.limits.TotalSize-w.bytes)
	w.buf.Reset()
	n, err := io.Copy(&w.buf, io.LimitReader(r, smallFile+1))
	if err != nil {
		return sum{}, 0, fmt.Errorf("reading file %q: %w", shorten(path), err)
	}
	if n > limit {
		return sum{}, 0, w.tooLarge(path)
	}
	if n > smallFile {
		return w.storeLarge(path, io.MultiReader(bytes.NewReader(w.buf.Bytes()), r), limit)
	}
	key := sum(sha256.Sum256(w.buf.Bytes()))
	return key, n, w.content(key, w.buf.Bytes())
}

func (w *Writer) tooLarge(path string) error {
	if left := w.limits.TotalSize - w.bytes; left < w.limits.FileSize {
		return &LimitError{Limit: "bytes in a tree", Max: w.limits.TotalSize, Path: path}
	}
	return &LimitError{Limit: "file size", Max: w.limits.FileSize, Path: path}
}

// content stores content that is in memory, unless it is there.
func (w *Writer) content(key sum, b []byte) error {
	if _, ok := w.pin(key); ok {
		return nil
	}
	if err := w.openSegment(); err != nil {
		return err
	}
	if err := w.segment.append(key, b); err != nil {
		return fmt.Errorf("writing to the artifact store: %w", err)
	}
	w.written[key] = int64(len(b))
	return nil
}

func (w *Writer) openSegment() (err error) {
	if w.segment == nil {
		w.segment, err = newSegmentWriter(w.store.temp())
	}
	return err
}

// storeLarge writes content while it hashes it, and takes it back if the store
// has it.
func (w *Writer) storeLarge(path string, r io.Reader, limit int64) (sum, int64, error) {
	if err := w.openSegment(); err != nil {
		return sum{}, 0, err
	}
	h := sha256.New()
	src := &hashedReader{from: io.LimitReader(r, limit+1), hash: h}
	n, err := io.Copy(onlyWriter{w.segment.out}, src)
	switch {
	case src.err != nil:
		err = fmt.Errorf("reading file %q: %w", shorten(path), src.err)
	case err != nil:
		err = fmt.Errorf("writing to the artifact store: %w", err)
	case n > limit:
		err = w.tooLarge(path)
	}
	if err != nil {
		return sum{}, 0, errors.Join(err, w.segment.rewind())
	}
	key := sum(h.Sum(nil))
	if _, ok := w.pin(key); ok {
		return key, n, w.segment.rewind()
	}
	w.segment.commit(key, n)
	w.written[key] = n
	return key, n, nil
}
