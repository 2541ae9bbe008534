package git

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/go-git/go-billy/v5/osfs"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/cache"
	"github.com/go-git/go-git/v5/plumbing/object"
	"github.com/go-git/go-git/v5/plumbing/storer"
	"github.com/go-git/go-git/v5/storage/filesystem"
)

// mirror is the copy of a repository's objects: packs as Git has them, and a
// file that says what is complete. There are no references and no work tree.
//
// A commit that is there is there with its tree: packs appear as a whole, and
// a server leaves out only what it was told is there. The copy is a cache: it
// is not synced to disk, and thrown away when it turns out to be damaged.
type mirror struct {
	dir   string
	state mirrorState
	// reused says that there was a copy before this fetch.
	reused  bool
	objects *filesystem.Storage
}

// mirrorState is the content of the state file.
type mirrorState struct {
	// URL is where the objects are from.
	URL string `json:"url"`
	// Fetches counts packs.
	Fetches int `json:"fetches"`
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
	// maxTips bounds what a request has to name.
	maxTips = 32
	// objectCacheSize is for the bases of deltas, while a fetch goes on.
	objectCacheSize = 32 * cache.MiByte
)

// openMirror opens the copy in dir of the repository at url. A copy of another
// repository, or one that was not completed, is removed.
func openMirror(dir, url string) (*mirror, error) {
	m := &mirror{dir: dir}
	data, err := os.ReadFile(filepath.Join(dir, stateFile))
	if err == nil {
		err = json.Unmarshal(data, &m.state)
	}
	if err == nil && m.state.URL == url && m.state.Fetches > 0 {
		m.reused = true
		m.open()
		return m, nil
	}
	m.state.URL = url
	return m, m.reset()
}

func (m *mirror) open() {
	// Not with ExclusiveAccess: HasEncodedObject does not find anything in a
	// pack with it.
	m.objects = filesystem.NewStorageWithOptions(osfs.New(m.dir), cache.NewObjectLRU(objectCacheSize),
		filesystem.Options{KeepDescriptors: true})
}

// close lets go of open files.
func (m *mirror) close() {
	if m.objects != nil {
		_ = m.objects.Close() // nothing was written through them
		m.objects = nil
	}
}

// reset empties the copy.
func (m *mirror) reset() error {
	m.close()
	if err := os.RemoveAll(m.dir); err != nil {
		return fmt.Errorf("removing copy of repository: %w", err)
	}
	m.state = mirrorState{URL: m.state.URL}
	m.reused = false
	m.open()
	return nil
}

func (m *mirror) packDir() string { return filepath.Join(m.dir, "objects", "pack") }

// received notes that a pack with the complete commits tips came in.
func (m *mirror) received(p *pack, tips []plumbing.Hash) error {
	// Open files and indexes are of before.
	m.close()
	m.open()
	s := &m.state
	s.Fetches++
	for _, tip := range tips {
		s.Tips = append(without(s.Tips, tip), commitID(tip))
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

// has says whether the commit is there.
func (m *mirror) has(commit plumbing.Hash) (bool, error) {
	err := m.objects.HasEncodedObject(commit)
	switch {
	case err == nil:
		return true, nil
	case errors.Is(err, plumbing.ErrObjectNotFound), errors.Is(err, fs.ErrNotExist):
		return false, nil
	}
	return false, &damageError{err}
}

// commit returns the commit with this ID, or the one that the annotated tag
// with this ID is on.
func (m *mirror) commit(id plumbing.Hash) (*object.Commit, error) {
	const maxTags = 8 // a tag can be on a tag
	for range maxTags {
		o, err := m.objects.EncodedObject(plumbing.AnyObject, id)
		if err != nil {
			return nil, &damageError{err}
		}
		switch o.Type() {
		case plumbing.CommitObject:
			return object.DecodeCommit(m.objects, o)
		case plumbing.TagObject:
			tag, err := object.DecodeTag(m.objects, o)
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

func (m *mirror) storer() storer.EncodedObjectStorer { return m.objects }

// damageError says that the copy cannot be read: a new one may help.
type damageError struct{ err error }

func (e *damageError) Error() string { return fmt.Sprintf("reading copy of repository: %v", e.err) }

func (e *damageError) Unwrap() error { return e.err }
