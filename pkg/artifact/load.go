package artifact

import (
	"errors"
	"fmt"
	"slices"
	"weak"
)

// Tree returns the tree whose root directory has digest d, if the store holds
// all of its content.
func (s *Store) Tree(d Digest) (*Tree, error) {
	key, err := d.sum()
	if err != nil {
		return nil, err
	}
	t, err := s.tree(key)
	if err != nil {
		return nil, fmt.Errorf("loading tree %s: %w", d, err)
	}
	return t, nil
}

func (s *Store) tree(key sum) (*Tree, error) {
	s.mu.RLock()
	t, closed := s.trees[key].Value(), s.closed
	s.mu.RUnlock()
	if closed {
		return nil, ErrClosed
	}
	var root *node
	if t != nil {
		root = t.root
	}
	if root == nil {
		var err error
		if root, err = s.loadNode(key, s.options.Limits.Depth); err != nil {
			return nil, err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.register(root)
}

// register returns the Tree with this root after checking that all its content
// is there: from then on Collect keeps the content for as long as the Tree is
// reachable. The caller holds mu.
func (s *Store) register(root *node) (*Tree, error) {
	t := s.trees[root.sum].Value()
	if t == nil {
		t = &Tree{root: root}
		t.intact.Store(^uint64(0))
	}
	if damage := s.damage.Load(); t.intact.Load() != damage {
		if err := s.checkPresence(root); err != nil {
			return nil, err
		}
		t.intact.Store(damage)
		s.trees[root.sum] = weak.Make(t)
	}
	s.recent.add(t)
	return t, nil
}

func (s *Store) checkPresence(n *node) error {
	if _, ok := s.index[n.sum]; !ok {
		return fmt.Errorf("directory %s: %w", n.sum.digest(), ErrNotFound)
	}
	for i := range n.entries {
		c := &n.entries[i]
		if c.dir != nil {
			if err := s.checkPresence(c.dir); err != nil {
				return err
			}
		} else if _, ok := s.index[c.sum]; !ok {
			return fmt.Errorf("file %q, blob %s: %w", c.name, c.sum.digest(), ErrNotFound)
		}
	}
	return nil
}

// loadNode returns a directory and all below it, from memory as far as
// possible. Nothing that was stored under the limits is deeper than depth.
func (s *Store) loadNode(key sum, depth int) (*node, error) {
	s.mu.RLock()
	n := s.nodes[key].Value()
	s.mu.RUnlock()
	if n != nil {
		return n, nil
	}
	if depth < 0 {
		return nil, &LimitError{Limit: "path depth", Max: int64(s.options.Limits.Depth), Path: string(key.digest())}
	}
	n, err := s.parseNode(key, depth)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.shareNode(n), nil
}

// maxManifest is more than any directory under the limits needs.
const maxManifest = 256 << 20

func (s *Store) parseNode(key sum, depth int) (*node, error) {
	b, err := s.read(key, maxManifest)
	if err != nil {
		return nil, fmt.Errorf("directory %s: %w", key.digest(), err)
	}
	entries, err := decodeManifest(b)
	if err != nil {
		return nil, &CorruptError{What: "directory", Name: string(key.digest()), Err: err}
	}
	n := &node{sum: key, entries: entries}
	for i := range entries {
		c := &entries[i]
		if c.kind != kindDir {
			continue
		}
		if c.dir, err = s.loadNode(c.sum, depth-1); err != nil {
			return nil, err
		}
		if c.dir.bytes != c.size {
			return nil, &CorruptError{What: "directory", Name: string(key.digest()), Err: errors.New("size of a directory does not add up")}
		}
	}
	n.count()
	return n, nil
}

// shareNode returns the node in memory that equals n: n itself if there is no
// other. The caller holds mu.
func (s *Store) shareNode(n *node) *node {
	if known := s.nodes[n.sum].Value(); known != nil {
		return known
	}
	s.nodes[n.sum] = weak.Make(n)
	return n
}

// recentTrees keeps the trees used last in memory, as many as fit: consumers
// of a revision come one after another, and each would load it again.
type recentTrees struct {
	most, entries int
	trees         []*Tree // the last is the most recent
}

func (r *recentTrees) add(t *Tree) {
	if i := slices.Index(r.trees, t); i >= 0 {
		r.trees = append(slices.Delete(r.trees, i, i+1), t)
		return
	}
	r.trees = append(r.trees, t)
	r.entries += weight(t)
	for len(r.trees) > 1 && r.entries > r.most {
		r.entries -= weight(r.trees[0])
		r.trees = slices.Delete(r.trees, 0, 1)
	}
}

// keep lets go of all trees but those with these digests.
func (r *recentTrees) keep(live map[sum]struct{}) {
	r.trees = slices.DeleteFunc(r.trees, func(t *Tree) bool {
		_, ok := live[t.root.sum]
		if !ok {
			r.entries -= weight(t)
		}
		return !ok
	})
}

// weight counts a small tree as a middling one, which bounds the number of
// trees too.
func weight(t *Tree) int { return t.root.files + 256 }
