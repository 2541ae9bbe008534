package artifact

import (
	"bufio"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
)

// A segment is an append-only file that holds all new content of one ingest:
//
//	segment = magic *content footer trailer
//	footer  = *( sum offset length )        ; 32 + 8 + 8 bytes, big endian
//	trailer = count footerSum endMagic      ; 8 + 32 + 8 bytes
//
// It is written under another name, synced and renamed, so a segment without
// a valid trailer is never the result of a crash: it is damage.
const (
	segmentMagic   = "LEATSEG1"
	segmentEnd     = "1GESTAEL"
	segmentSuffix  = ".seg"
	footerEntry    = sha256.Size + 8 + 8
	segmentTrailer = 8 + sha256.Size + 8
)

// segmentEntry is where in a segment the content with a digest is.
type segmentEntry struct {
	sum         sum
	off, length int64
}

// segment is an open segment file. It may be retired, by compaction, while
// reads are under way: the file is closed when the last of them ends.
type segment struct {
	name    string // full path
	seq     uint64
	size    int64
	entries []segmentEntry

	mu      sync.Mutex
	file    *os.File
	readers int
	retired bool
}

// acquire keeps the file open until release. It returns false if the segment
// is retired: its live content is elsewhere by then.
func (s *segment) acquire() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.retired {
		return false
	}
	s.readers++
	return true
}

func (s *segment) release() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.readers--
	if s.retired && s.readers == 0 {
		_ = s.file.Close() // nothing was written through it
	}
}

// retire removes the file; reads that are under way complete.
func (s *segment) retire() error {
	s.close()
	return os.Remove(s.name)
}

func (s *segment) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.retired {
		return
	}
	s.retired = true
	if s.readers == 0 {
		_ = s.file.Close() // nothing was written through it
	}
}

// openSegment opens a complete segment and reads its footer.
func openSegment(name string, seq uint64) (*segment, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	s := &segment{name: name, seq: seq, file: f}
	if err := s.readFooter(); err != nil {
		_ = f.Close()
		return nil, &CorruptError{What: "segment", Name: name, Err: err}
	}
	return s, nil
}

func (s *segment) readFooter() error {
	info, err := s.file.Stat()
	if err != nil {
		return err
	}
	s.size = info.Size()
	end := s.size - segmentTrailer
	if end < int64(len(segmentMagic)) {
		return errTruncated
	}
	var trailer [segmentTrailer]byte
	if _, err := s.file.ReadAt(trailer[:], end); err != nil {
		return err
	}
	if string(trailer[8+sha256.Size:]) != segmentEnd {
		return errors.New("no trailer")
	}
	count := binary.BigEndian.Uint64(trailer[:8])
	if count > uint64(end)/footerEntry {
		return fmt.Errorf("footer of %d entries in %d bytes", count, s.size)
	}
	footer := make([]byte, count*footerEntry)
	start := end - int64(len(footer))
	if _, err := s.file.ReadAt(footer, start); err != nil {
		return err
	}
	if want := [sha256.Size]byte(trailer[8:]); sha256.Sum256(footer) != want {
		return errors.New("footer does not have its digest")
	}
	s.entries = make([]segmentEntry, count)
	for i := range s.entries {
		b := footer[i*footerEntry:]
		e := &s.entries[i]
		copy(e.sum[:], b)
		e.off = int64(binary.BigEndian.Uint64(b[sha256.Size:]))
		e.length = int64(binary.BigEndian.Uint64(b[sha256.Size+8:]))
		if e.off < int64(len(segmentMagic)) || e.length < 0 || e.off > start-e.length {
			return fmt.Errorf("entry %d lies outside of the segment", i)
		}
	}
	return nil
}

// segmentWriter writes a segment under a temporary name.
type segmentWriter struct {
	file    *os.File
	out     *bufio.Writer
	off     int64
	entries []segmentEntry
}

func newSegmentWriter(temp string) (*segmentWriter, error) {
	f, err := os.CreateTemp(temp, "segment.*")
	if err != nil {
		return nil, err
	}
	w := &segmentWriter{file: f, out: bufio.NewWriterSize(f, 1<<18), off: int64(len(segmentMagic))}
	if _, err := w.out.WriteString(segmentMagic); err != nil {
		w.abort()
		return nil, err
	}
	return w, nil
}

// append adds content that is in memory.
func (w *segmentWriter) append(s sum, content []byte) error {
	if _, err := w.out.Write(content); err != nil {
		return err
	}
	w.commit(s, int64(len(content)))
	return nil
}

// commit takes the n bytes that were written to out last for the content of s.
func (w *segmentWriter) commit(s sum, n int64) {
	w.entries = append(w.entries, segmentEntry{sum: s, off: w.off, length: n})
	w.off += n
}

// rewind forgets what was written to out after the last commit.
func (w *segmentWriter) rewind() error {
	if err := w.out.Flush(); err != nil {
		return err
	}
	if err := w.file.Truncate(w.off); err != nil {
		return err
	}
	_, err := w.file.Seek(w.off, io.SeekStart)
	return err
}

// publish completes the segment and makes it durable as name. The writer must
// not be used again.
func (w *segmentWriter) publish(name string, seq uint64) (*segment, error) {
	footer := make([]byte, 0, len(w.entries)*footerEntry+segmentTrailer)
	for i := range w.entries {
		e := &w.entries[i]
		footer = append(footer, e.sum[:]...)
		footer = binary.BigEndian.AppendUint64(footer, uint64(e.off))
		footer = binary.BigEndian.AppendUint64(footer, uint64(e.length))
	}
	check := sha256.Sum256(footer)
	footer = binary.BigEndian.AppendUint64(footer, uint64(len(w.entries)))
	footer = append(footer, check[:]...)
	footer = append(footer, segmentEnd...)
	_, err := w.out.Write(footer)
	if err == nil {
		err = w.out.Flush()
	}
	if err == nil {
		err = publishFile(w.file, name)
	}
	if err != nil {
		w.abort()
		return nil, fmt.Errorf("writing segment %s: %w", name, err)
	}
	return &segment{name: name, seq: seq, size: w.off + int64(len(footer)), entries: w.entries, file: w.file}, nil
}

func (w *segmentWriter) abort() {
	_ = w.file.Close()
	_ = os.Remove(w.file.Name()) // it is swept at the next Open if this fails
}
