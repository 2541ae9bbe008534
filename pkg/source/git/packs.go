package git

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/cache"
	"github.com/go-git/go-git/v5/plumbing/format/idxfile"
	"github.com/go-git/go-git/v5/plumbing/format/packfile"
)

// packs are the objects of a copy: some packs, each with its index, and each
// complete in itself. It is for one fetch and one goroutine.
//
// go-git's own object storage would do, but reads the indexes in pieces of
// four bytes, and again after each fetch.
type packs struct {
	dir   string
	list  []*openPack
	cache cache.Object
}

// openPack is a pack whose index is in memory. The file is opened when it is
// needed.
type openPack struct {
	name   string
	index  *idxfile.MemoryIndex
	file   *os.File
	reader *packfile.Packfile
}

// objectCacheSize is for the bases of deltas, while a fetch goes on.
const objectCacheSize = 32 * cache.MiByte

func packName(dir, id string) string { return filepath.Join(dir, "pack-"+id+".pack") }

func indexName(dir, id string) string { return filepath.Join(dir, "pack-"+id+".idx") }

// openPacks opens the packs with these checksums, all of which must be there.
func openPacks(dir string, ids []string) (*packs, error) {
	p := &packs{dir: dir, cache: cache.NewObjectLRU(objectCacheSize)}
	for _, id := range ids {
		data, err := os.ReadFile(indexName(dir, id))
		if err != nil {
			return nil, &damageError{err}
		}
		if _, err := os.Stat(packName(dir, id)); err != nil {
			return nil, &damageError{err}
		}
		index := idxfile.NewMemoryIndex()
		if err := idxfile.NewDecoder(bytes.NewReader(data)).Decode(index); err != nil {
			return nil, &damageError{fmt.Errorf("index of pack %s: %w", id, err)}
		}
		p.add(id, index)
	}
	return p, nil
}

// add takes in a pack that was stored.
func (p *packs) add(id string, index *idxfile.MemoryIndex) {
	p.list = append(p.list, &openPack{name: packName(p.dir, id), index: index})
}

// close lets go of open files.
func (p *packs) close() {
	for _, pack := range p.list {
		if pack.file != nil {
			_ = pack.file.Close() // nothing was written to it
			pack.file, pack.reader = nil, nil
		}
	}
}

// find returns the pack that has an object and where, or nil. What came last
// is wanted most.
func (p *packs) find(id plumbing.Hash) (*openPack, int64, error) {
	for i := len(p.list) - 1; i >= 0; i-- {
		offset, err := p.list[i].index.FindOffset(id)
		if err == nil {
			return p.list[i], offset, nil
		}
		if !errors.Is(err, plumbing.ErrObjectNotFound) {
			return nil, 0, &damageError{err}
		}
	}
	return nil, 0, nil
}

// has says whether an object is there.
func (p *packs) has(id plumbing.Hash) (bool, error) {
	pack, _, err := p.find(id)
	return pack != nil, err
}

// get returns an object of a type, or of any. That it is not there is damage
// too: only objects are asked for that must be.
func (p *packs) get(kind plumbing.ObjectType, id plumbing.Hash) (plumbing.EncodedObject, error) {
	pack, _, err := p.locate(id)
	if err != nil {
		return nil, err
	}
	o, err := pack.reader.Get(id)
	if err != nil {
		return nil, &damageError{fmt.Errorf("object %s: %w", id, err)}
	}
	if kind != plumbing.AnyObject && o.Type() != kind {
		return nil, fmt.Errorf("object %s is a %s, not a %s", id, o.Type(), kind)
	}
	return o, nil
}

// size returns the size of an object.
func (p *packs) size(id plumbing.Hash) (int64, error) {
	pack, offset, err := p.locate(id)
	if err != nil {
		return 0, err
	}
	size, err := pack.reader.GetSizeByOffset(offset)
	if err != nil {
		return 0, &damageError{fmt.Errorf("object %s: %w", id, err)}
	}
	return size, nil
}

func (p *packs) locate(id plumbing.Hash) (*openPack, int64, error) {
	pack, offset, err := p.find(id)
	if err == nil && pack == nil {
		err = &damageError{fmt.Errorf("object %s: %w", id, fs.ErrNotExist)}
	}
	if err != nil {
		return nil, 0, err
	}
	if pack.reader == nil {
		if pack.file, err = os.Open(pack.name); err != nil {
			return nil, 0, &damageError{err}
		}
		// Without a file system of go-git it gives objects in memory.
		pack.reader = packfile.NewPackfileWithCache(pack.index, nil, &packFile{pack.file}, p.cache, 0)
	}
	return pack, offset, nil
}

// packFile is a file as go-git wants it. Nobody locks it.
type packFile struct{ *os.File }

// Lock does nothing.
func (*packFile) Lock() error { return nil }

// Unlock does nothing.
func (*packFile) Unlock() error { return nil }
