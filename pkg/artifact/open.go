package artifact

import (
	"crypto/sha256"
	"fmt"
	"io"
	"sync"
)

// OpenFile opens the blob with digest d for reading in any order. Its content
// is verified first, in small pieces: a reader that skips about could not. The
// caller closes it.
func (s *Store) OpenFile(d Digest) (io.ReadSeekCloser, error) {
	key, err := d.sum()
	if err != nil {
		return nil, err
	}
	loc, err := s.acquire(key)
	if err != nil {
		return nil, fmt.Errorf("opening blob %s: %w", d, err)
	}
	section := io.NewSectionReader(loc.seg.file, loc.off, loc.length)
	h := sha256.New()
	_, err = io.Copy(h, section)
	if err == nil && sum(h.Sum(nil)) != key {
		err = s.forgetCorrupt(key, loc, nil)
	}
	if err == nil {
		_, err = section.Seek(0, io.SeekStart)
	}
	if err != nil {
		loc.seg.release()
		return nil, fmt.Errorf("opening blob %s: %w", d, err)
	}
	return &openFile{SectionReader: section, release: sync.OnceFunc(loc.seg.release)}, nil
}

// openFile keeps the segment open that its content is in.
type openFile struct {
	*io.SectionReader
	release func()
}

// Close lets go of the segment. It can be called more than once.
func (f *openFile) Close() error {
	f.release()
	return nil
}
