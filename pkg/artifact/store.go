package artifact

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"weak"

	"golang.org/x/sys/unix"
)

// The directories and files of a store. Everything in tempDir is what a crash
// left and is removed by Open; damagedDir holds what was found broken, for
// people to look at.
const (
	lockFile    = "LOCK"
	tempDir     = "tmp"
	segmentDir  = "segments"
	archiveDir  = "archives"
	recordDir   = "records"
	damagedDir  = "damaged"
	archiveType = ".tar.gz"
	recordType  = ".json"
)

// Store is a content-addressed store in a local directory. It is safe for
// concurrent use; only one process can have it open.
type Store struct {
	dir     string
	options Options
	lock    *os.File
	damaged []error
	// damage counts contents found corrupt. Trees remember the count at which
	// they were known to be whole.
	damage atomic.Uint64

	// mu guards what follows. It is never held during I/O.
	mu       sync.RWMutex
	closed   bool
	index    map[sum]location
	segments map[uint64]*segment
	nextSeq  uint64
	writers  map[*Writer]struct{}
	trees    map[sum]weak.Pointer[Tree]
	nodes    map[sum]weak.Pointer[node]
	recent   recentTrees

	records  records
	archives archives
	// collecting makes runs of Collect exclude each other.
	collecting sync.Mutex
}

// location is where content is.
type location struct {
	seg         *segment
	off, length int64
}

// Open opens the store in dir, creating it if there is none.
//
// What a crash left behind is removed. What is damaged is moved aside and
// reported by Damaged; the rest is served.
func Open(dir string, o Options) (*Store, error) {
	s := &Store{
		dir:      dir,
		options:  o.complete(),
		index:    map[sum]location{},
		segments: map[uint64]*segment{},
		writers:  map[*Writer]struct{}{},
		trees:    map[sum]weak.Pointer[Tree]{},
		nodes:    map[sum]weak.Pointer[node]{},
	}
	s.recent.most = s.options.CacheEntries
	if err := s.open(); err != nil {
		_ = s.Close()
		return nil, fmt.Errorf("opening artifact store %s: %w", dir, err)
	}
	return s, nil
}

func (s *Store) open() error {
	for _, sub := range []string{"", segmentDir, archiveDir, recordDir, damagedDir} {
		if err := os.MkdirAll(filepath.Join(s.dir, sub), 0o700); err != nil {
			return err
		}
	}
	if err := s.acquireLock(); err != nil {
		return err
	}
	if err := os.RemoveAll(s.temp()); err != nil {
		return err
	}
	if err := os.Mkdir(s.temp(), 0o700); err != nil {
		return err
	}
	if err := s.openSegments(); err != nil {
		return err
	}
	if err := s.openRecords(); err != nil {
		return err
	}
	return syncDir(s.dir)
}

func (s *Store) temp() string { return filepath.Join(s.dir, tempDir) }

// acquireLock takes the lock that the kernel drops when the process ends,
// however it ends.
func (s *Store) acquireLock() error {
	f, err := os.OpenFile(filepath.Join(s.dir, lockFile), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		_ = f.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return ErrLocked
		}
		return fmt.Errorf("locking %s: %w", f.Name(), err)
	}
	s.lock = f
	return nil
}

// openSegments builds the index from the footers. Where content is in several
// segments the newest wins: content that was found corrupt is ingested anew.
func (s *Store) openSegments() error {
	files, err := os.ReadDir(filepath.Join(s.dir, segmentDir))
	if err != nil {
		return err
	}
	var opened []*segment
	for _, f := range files {
		name := filepath.Join(s.dir, segmentDir, f.Name())
		seq, ok := parseSegmentName(f.Name())
		if !ok {
			if err := s.setAside(&CorruptError{What: "segment", Name: name, Err: errors.New("not the name of a segment")}); err != nil {
				return err
			}
			continue
		}
		s.nextSeq = max(s.nextSeq, seq+1)
		seg, err := openSegment(name, seq)
		if corrupt := (*CorruptError)(nil); errors.As(err, &corrupt) {
			err = s.setAside(corrupt)
		}
		if err != nil {
			return err
		}
		if seg != nil {
			opened = append(opened, seg)
		}
	}
	sort.Slice(opened, func(i, j int) bool { return opened[i].seq < opened[j].seq })
	for _, seg := range opened {
		s.addSegment(seg)
	}
	return nil
}

// setAside moves a damaged file out of the way and keeps note of it.
func (s *Store) setAside(damage *CorruptError) error {
	s.damaged = append(s.damaged, damage)
	return os.Rename(damage.Name, filepath.Join(s.dir, damagedDir, filepath.Base(damage.Name)))
}

func segmentName(seq uint64) string { return fmt.Sprintf("%016x%s", seq, segmentSuffix) }

func parseSegmentName(name string) (uint64, bool) {
	digits, ok := strings.CutSuffix(name, segmentSuffix)
	if !ok || len(digits) != 16 {
		return 0, false
	}
	seq, err := strconv.ParseUint(digits, 16, 63)
	return seq, err == nil
}

// addSegment puts the segment's content into the index. The caller holds mu,
// or is Open.
func (s *Store) addSegment(seg *segment) {
	s.segments[seg.seq] = seg
	for _, e := range seg.entries {
		s.index[e.sum] = location{seg: seg, off: e.off, length: e.length}
	}
}

// publishSegment makes the segment durable. Its content is not in the index
// yet.
func (s *Store) publishSegment(w *segmentWriter) (*segment, error) {
	s.mu.Lock()
	seq := s.nextSeq
	s.nextSeq++
	s.mu.Unlock()
	return w.publish(filepath.Join(s.dir, segmentDir, segmentName(seq)), seq)
}

// Damaged returns what Open found broken and set aside.
func (s *Store) Damaged() []error { return s.damaged }

// Close closes the files of the store and lets another process open it. Reads
// that are under way complete, and so does a run of Collect; writers fail. The
// caller sees to it that nothing publishes any more.
func (s *Store) Close() error {
	s.collecting.Lock()
	defer s.collecting.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	for _, seg := range s.segments {
		seg.close()
	}
	if s.lock == nil {
		return nil
	}
	return s.lock.Close()
}

// Has says whether the store holds a blob or directory with digest d.
func (s *Store) Has(d Digest) bool {
	key, err := d.sum()
	if err != nil {
		return false
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	_, ok := s.index[key]
	return ok
}

// Limits returns the limits on what one ingest may store.
func (s *Store) Limits() Limits { return s.options.Limits }
