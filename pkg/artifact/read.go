package artifact

import (
	"crypto/sha256"
	"fmt"
	"hash"
	"io"
)

// ReadFile returns the content of the blob with digest d. It fails if the blob
// is longer than limit bytes.
func (s *Store) ReadFile(d Digest, limit int64) ([]byte, error) {
	key, err := d.sum()
	if err != nil {
		return nil, err
	}
	content, err := s.read(key, limit)
	if err != nil {
		return nil, fmt.Errorf("reading blob %s: %w", d, err)
	}
	return content, nil
}

// read returns verified content.
func (s *Store) read(key sum, limit int64) ([]byte, error) {
	loc, err := s.acquire(key)
	if err != nil {
		return nil, err
	}
	defer loc.seg.release()
	if loc.length > limit {
		return nil, &LimitError{Limit: "bytes read", Max: limit, Path: string(key.digest())}
	}
	content := make([]byte, loc.length)
	if _, err := loc.seg.file.ReadAt(content, loc.off); err != nil {
		return nil, s.forgetCorrupt(key, loc, err)
	}
	if sha256.Sum256(content) != key {
		return nil, s.forgetCorrupt(key, loc, nil)
	}
	return content, nil
}

// copyTo writes the content with this digest to w in small pieces. What it
// wrote is to be thrown away if it fails.
func (s *Store) copyTo(w io.Writer, key sum, buf []byte) (int64, error) {
	loc, err := s.acquire(key)
	if err != nil {
		return 0, err
	}
	defer loc.seg.release()
	h := sha256.New()
	src := &hashedReader{from: io.NewSectionReader(loc.seg.file, loc.off, loc.length), hash: h}
	n, err := io.CopyBuffer(onlyWriter{w}, src, buf)
	switch {
	case src.err != nil:
		return n, s.forgetCorrupt(key, loc, src.err)
	case err != nil:
		return n, err
	case n != loc.length || sum(h.Sum(nil)) != key:
		return n, s.forgetCorrupt(key, loc, nil)
	}
	return n, nil
}

// hashedReader hashes what is read through it, and keeps a read error apart
// from the errors of the writer that is copied to.
type hashedReader struct {
	from io.Reader
	hash hash.Hash
	err  error
}

func (r *hashedReader) Read(p []byte) (int, error) {
	n, err := r.from.Read(p)
	r.hash.Write(p[:n])
	if err != nil && err != io.EOF {
		r.err = err
	}
	return n, err
}

// onlyWriter hides ReadFrom, so that io.CopyBuffer uses its buffer.
type onlyWriter struct{ io.Writer }

// acquire finds content and keeps its file open. The caller releases the
// location's segment.
func (s *Store) acquire(key sum) (location, error) {
	for {
		s.mu.RLock()
		loc, ok := s.index[key]
		closed := s.closed
		s.mu.RUnlock()
		switch {
		case closed:
			return location{}, ErrClosed
		case !ok:
			return location{}, ErrNotFound
		case loc.seg.acquire():
			return loc, nil
		}
		// The segment was retired after the index was read: it is in another
		// one now, or nowhere.
	}
}

// forgetCorrupt takes corrupt content out of the index, so that Has and Known
// deny it and the next ingest writes it anew.
func (s *Store) forgetCorrupt(key sum, loc location, cause error) error {
	s.mu.Lock()
	if s.index[key] == loc {
		delete(s.index, key)
	}
	s.damage.Add(1)
	s.mu.Unlock()
	return &CorruptError{What: "content", Name: string(key.digest()), Err: cause}
}
