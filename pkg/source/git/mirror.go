package git

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/object"
)

// mirror is the copy of a repository's objects: packs as Git has them, and a
// file that says what is complete. There are no references and no work tree.
//
// A commit that is there is there with its tree: packs appear as a whole, and
// a server leaves out only what it was told is there. The copy is a cache: it
// is not synced to disk, and thrown away when it turns out to be damaged.
type mirror struct {
	*packs
	dir   string
	state mirrorState
	// reused says that there was a copy before this fetch.
	reused bool
}

// mirrorState is the content of the state file.
type mirrorState struct {
	// URL is where the objects are from.
	URL string `json:"url"`
	// Packs are the checksums of the packs, oldest first.
	Packs []string `json:"packs"`
	// Tips are commits to start from when asking for more.
	Tips []commitID `json:"tips"`
	// Shallows are the commits whose parents are not there.
	Shallows []commitID `json:"shallows,omitempty"`
}

// commitID is in hex in the state file.
type commitID plumbing.Hash

// MarshalText implements encoding.TextMarshaler.
func (c commitID) MarshalText() ([]byte, error) { return []byte(plumbing.Hash(c).String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (c *commitID) UnmarshalText(text []byte) error {
	if !plumbing.IsHash(string(text)) {
		return fmt.Errorf("commit %.80q: want 40 hex digits", text)
	}
	*c = commitID(plumbing.NewHash(string(text)))
	return nil
}

func hashes(ids []commitID) []plumbing.Hash {
	list := make([]plumbing.Hash, len(ids))
	for i, id := range ids {
		list[i] = plumbing.Hash(id)
	}
	return list
}

const (
	stateFile = "state.json"
	// packsBelow is where Git has packs in its directory.
	packsBelow = "objects/pack"
	// maxTips bounds what a request has to name.
	maxTips = 32
)

// openMirror opens the copy in dir of the repository at url. A copy of another
// repository, or one that is not whole, is removed.
func openMirror(dir, url string) (*mirror, error) {
	m := &mirror{dir: dir, packs: &packs{}}
	data, err := os.ReadFile(filepath.Join(dir, stateFile))
	if err == nil {
		err = json.Unmarshal(data, &m.state)
	}
	if err == nil && m.state.URL == url && len(m.state.Packs) > 0 {
		if opened, err := openPacks(m.packDir(), m.state.Packs); err == nil {
			m.packs, m.reused = opened, true
			return m, nil
		}
	}
	m.state.URL = url
	return m, m.reset()
}

// reset empties the copy.
func (m *mirror) reset() (err error) {
	m.close()
	if err := os.RemoveAll(m.dir); err != nil {
		return fmt.Errorf("removing copy of repository: %w", err)
	}
	m.state = mirrorState{URL: m.state.URL}
	m.reused = false
	m.packs, err = openPacks(m.packDir(), nil)
	return err
}

func (m *mirror) packDir() string { return filepath.Join(m.dir, packsBelow) }

// received notes that a pack with the complete commits tips was stored. passing
// tips, those of something that is only looked at, are the first to be let go of:
// what a source follows would be downloaded as a whole again without its own.
func (m *mirror) received(id string, p *pack, tips []plumbing.Hash, passing bool) error {
	s := &m.state
	if !slices.Contains(s.Packs, id) { // an empty one can come twice
		s.Packs = append(s.Packs, id)
	}
	for _, tip := range tips {
		switch {
		case !passing:
			s.Tips = append(without(s.Tips, tip), commitID(tip))
		case !slices.Contains(s.Tips, commitID(tip)):
			s.Tips = slices.Insert(s.Tips, 0, commitID(tip))
		}
	}
	s.Tips = s.Tips[max(0, len(s.Tips)-maxTips):]
	for _, h := range p.unshallows {
		s.Shallows = without(s.Shallows, h)
	}
	for _, h := range p.shallows {
		s.Shallows = append(without(s.Shallows, h), commitID(h))
	}
	data, err := json.Marshal(s)
	if err != nil {
		return err
	}
	temp := filepath.Join(m.dir, stateFile+".new")
	if err := os.WriteFile(temp, data, 0o600); err != nil {
		return fmt.Errorf("writing state of copy: %w", err)
	}
	return os.Rename(temp, filepath.Join(m.dir, stateFile))
}

func without(ids []commitID, h plumbing.Hash) []commitID {
	return slices.DeleteFunc(ids, func(id commitID) bool { return id == commitID(h) })
}

// commit returns the commit with this ID, or the one that the annotated tag
// with this ID is on.
func (m *mirror) commit(id plumbing.Hash) (*object.Commit, error) {
	const maxTags = 8 // a tag can be on a tag
	for range maxTags {
		o, err := m.get(plumbing.AnyObject, id)
		if err != nil {
			return nil, err
		}
		switch o.Type() {
		case plumbing.CommitObject:
			return object.DecodeCommit(nil, o)
		case plumbing.TagObject:
			tag, err := object.DecodeTag(nil, o)
			if err != nil {
				return nil, err
			}
			id = tag.Target
		default:
			return nil, fmt.Errorf("%s is a %s, not a commit", id, o.Type())
		}
	}
	return nil, fmt.Errorf("more than %d tags on tags", maxTags)
}

// damageError says that the copy cannot be read: a new one may help.
type damageError struct{ err error }

func (e *damageError) Error() string { return fmt.Sprintf("reading copy of repository: %v", e.err) }

func (e *damageError) Unwrap() error { return e.err }
