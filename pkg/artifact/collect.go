package artifact

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strings"
)

// Collected says what Collect removed.
type Collected struct {
	// Records, Archives and Segments count what is gone, Merged the segments
	// that were replaced by a denser one.
	Records, Archives, Segments, Merged int
	// Bytes is by how much the store shrank.
	Bytes int64
	// Held is the number of trees that are kept only because they are in memory,
	// in use or not yet seen to be out of use: there may be more to collect later
	// though nothing else happens.
	Held int
}

// A segment is rewritten when less than half of it is alive, and merged with
// others when there are too many, unless it is larger than mergeLimit.
const mergeLimit = 256 << 20

// Collect drops records that retention does not cover, then archives and
// content to which nothing refers: no record, no Tree in memory, no open
// Writer. It runs beside all other operations.
func (s *Store) Collect(ctx context.Context) (Collected, error) {
	s.collecting.Lock()
	defer s.collecting.Unlock()
	var c Collected
	for _, step := range []func(context.Context, *Collected) error{s.expire, s.collectArchives, s.collectSegments} {
		if err := step(ctx, &c); err != nil {
			return c, fmt.Errorf("collecting garbage of the artifact store: %w", err)
		}
	}
	return c, nil
}

// expire applies retention to every owner's records.
func (s *Store) expire(ctx context.Context, c *Collected) error {
	for _, kept := range s.records.all() {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, err := s.expireOwner(kept.Owner.ownerName())
		if err != nil {
			return err
		}
		c.Records += n
	}
	return nil
}

func (s *Store) expireOwner(name ownerName) (int, error) {
	writing := s.records.stripe(name)
	writing.Lock()
	defer writing.Unlock()
	old := s.records.get(name)
	if old == nil {
		return 0, nil
	}
	n := s.retained(old.Records)
	if n == len(old.Records) {
		return 0, nil
	}
	kept := &ownerRecords{Owner: old.Owner, Records: append([]Record(nil), old.Records[:n]...)}
	return len(old.Records) - n, s.storeRecords(name, kept)
}

// retained returns how many records are kept: the current one, and of the
// others the newest that were superseded a short time ago, so that who began
// to read one can go on.
func (s *Store) retained(list []Record) int {
	n := 1
	for n < len(list) && n < s.options.RetentionRecords && s.options.Clock.Since(list[n-1].UpdatedAt) <= s.options.RetentionTTL {
		n++
	}
	return n
}

// collectArchives removes the archives that no record refers to.
func (s *Store) collectArchives(_ context.Context, c *Collected) error {
	dir := filepath.Join(s.dir, archiveDir)
	files, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	a := &s.archives
	// Under the lock no archive gets a new user, and removing a name is quick.
	a.mu.Lock()
	defer a.mu.Unlock()
	live := map[string]bool{}
	for d := range a.using {
		live[d.Hex()] = true
	}
	for _, kept := range s.records.all() {
		for _, r := range kept.Records {
			live[r.Archive.Hex()] = true
		}
	}
	for _, f := range files {
		hex, ok := strings.CutSuffix(f.Name(), archiveType)
		if ok && live[hex] {
			continue
		}
		info, err := f.Info()
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		a.forget(Digest(digestPrefix + hex))
		if err := os.Remove(filepath.Join(dir, f.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		c.Archives++
		c.Bytes += info.Size()
	}
	return nil
}

// collectSegments removes and rewrites segments.
//
//	live part of a segment     what happens
//	nothing                    removed
//	less than half             rewritten without the rest
//	more                       left alone, unless there are too many segments:
//	                           then the smallest are merged
func (s *Store) collectSegments(ctx context.Context, c *Collected) error {
	live, err := s.mark(ctx)
	if err != nil {
		return err
	}
	victims, held := s.condemn(live)
	c.Held = held
	if len(victims) == 0 {
		return nil
	}
	merged, err := s.merge(ctx, victims)
	if err != nil {
		return err
	}
	if merged != nil {
		c.Bytes -= merged.size
		c.Merged++
	}
	for _, v := range victims {
		if err := v.retire(); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		c.Segments++
		c.Bytes += v.size
	}
	return nil
}

// mark returns all content that records and trees in memory refer to. What
// becomes referred to meanwhile is added by condemn.
func (s *Store) mark(ctx context.Context) (map[sum]struct{}, error) {
	live := map[sum]struct{}{}
	for _, kept := range s.records.all() {
		for _, r := range kept.Records {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			key, err := r.Tree.sum()
			if err != nil {
				continue // its content cannot be asked for either
			}
			if _, ok := live[key]; ok {
				continue
			}
			n, err := s.loadNode(key, s.options.Limits.Depth)
			switch {
			case err == nil:
				n.mark(live)
			case errors.Is(err, ErrClosed):
				return nil, err
			}
			// A tree that cannot be loaded is damaged; whoever uses it
			// next gets to know, and what is left of it is of no use.
		}
	}
	return live, nil
}

func (n *node) mark(live map[sum]struct{}) {
	if _, ok := live[n.sum]; ok {
		return
	}
	live[n.sum] = struct{}{}
	for i := range n.entries {
		if c := &n.entries[i]; c.dir != nil {
			c.dir.mark(live)
		} else {
			live[c.sum] = struct{}{}
		}
	}
}

// condemn chooses the segments to remove or rewrite and takes their dead
// content out of the index, so that it cannot come to life any more. It returns
// the trees too that only memory refers to.
func (s *Store) condemn(live map[sum]struct{}) (victims []*segment, held int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.recent.keep(live) // what is only cached goes with the next run
	for key, p := range s.trees {
		if _, recorded := live[key]; !recorded && p.Value() != nil {
			held++
		}
	}
	s.markOpen(live)
	alive := s.aliveBytes(live)
	victims = s.choose(alive)
	for _, v := range victims {
		for _, e := range v.entries {
			if _, ok := live[e.sum]; !ok && s.index[e.sum].seg == v {
				delete(s.index, e.sum)
			}
		}
	}
	return victims, held
}

// markOpen adds what trees in memory and open writers refer to. The caller
// holds mu.
func (s *Store) markOpen(live map[sum]struct{}) {
	for key, p := range s.trees {
		if t := p.Value(); t != nil {
			t.root.mark(live)
		} else {
			delete(s.trees, key)
		}
	}
	for key, p := range s.nodes {
		if p.Value() == nil {
			delete(s.nodes, key)
		}
	}
	for w := range s.writers {
		for key := range w.pins {
			live[key] = struct{}{}
		}
	}
}

func (s *Store) aliveBytes(live map[sum]struct{}) map[*segment]int64 {
	alive := make(map[*segment]int64, len(s.segments))
	for key, loc := range s.index {
		if _, ok := live[key]; ok {
			alive[loc.seg] += loc.length + footerEntry
		}
	}
	return alive
}

func (s *Store) choose(alive map[*segment]int64) []*segment {
	var victims, rest []*segment
	for _, seg := range s.segments {
		// What a segment costs even when it is all alive does not count.
		if live, overhead := alive[seg], int64(len(segmentMagic)+segmentTrailer); live == 0 || live*2 < seg.size-overhead {
			victims = append(victims, seg)
		} else if seg.size <= mergeLimit {
			rest = append(rest, seg)
		}
	}
	if surplus := len(s.segments) - len(victims) - s.options.MaxSegments; surplus > 0 {
		// Merging down to half leaves room for as many ingests again.
		surplus += s.options.MaxSegments / 2
		sort.Slice(rest, func(i, j int) bool { return rest[i].size < rest[j].size })
		victims = append(victims, rest[:min(surplus, len(rest))]...)
	}
	return victims
}

// merge copies the live content of the victims to a new segment and takes them
// out of the store's books. It returns nil if there is none.
func (s *Store) merge(ctx context.Context, victims []*segment) (*segment, error) {
	w, err := newSegmentWriter(s.temp())
	if err != nil {
		return nil, err
	}
	if err := s.copyLive(ctx, w, victims); err != nil {
		w.abort()
		return nil, err
	}
	var merged *segment
	if len(w.entries) == 0 {
		w.abort()
	} else if merged, err = s.publishSegment(w); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	gone := make(map[*segment]bool, len(victims))
	for _, v := range victims {
		delete(s.segments, v.seq)
		gone[v] = true
	}
	if merged == nil {
		return nil, nil
	}
	s.segments[merged.seq] = merged
	for _, e := range merged.entries {
		// Content may have been found corrupt, or ingested anew, meanwhile.
		if gone[s.index[e.sum].seg] {
			s.index[e.sum] = location{seg: merged, off: e.off, length: e.length}
		}
	}
	return merged, nil
}

func (s *Store) copyLive(ctx context.Context, w *segmentWriter, victims []*segment) error {
	buf := make([]byte, 1<<16)
	for _, v := range victims {
		for _, e := range v.entries {
			if err := ctx.Err(); err != nil {
				return err
			}
			s.mu.RLock()
			here := s.index[e.sum].seg == v
			s.mu.RUnlock()
			if !here {
				continue
			}
			n, err := s.copyTo(w.out, e.sum, buf)
			if corrupt := (*CorruptError)(nil); errors.As(err, &corrupt) {
				if err := w.rewind(); err != nil {
					return err
				}
				continue // it is out of the index: fetching again restores it
			}
			if err != nil {
				return err
			}
			w.commit(e.sum, n)
		}
	}
	return nil
}
