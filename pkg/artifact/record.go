package artifact

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"
)

// Owner is who keeps a revision: an object of the API.
type Owner struct {
	Kind      string `json:"kind"`
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	// UID tells an owner from an earlier one of the same name, whose records
	// the first Publish of its successor drops.
	UID string `json:"uid,omitempty"`
}

func (o Owner) String() string { return o.Kind + "/" + o.Namespace + "/" + o.Name }

// Record says that an owner had a tree at a revision.
type Record struct {
	Owner    Owner  `json:"-"`
	Revision string `json:"revision"`
	// Tree is the digest of the tree, Archive that of its tar.gz, and Size the
	// length of the latter.
	Tree    Digest `json:"tree"`
	Archive Digest `json:"archive"`
	Size    int64  `json:"size"`
	// UpdatedAt is when the record was made.
	UpdatedAt time.Time         `json:"updatedAt"`
	Metadata  map[string]string `json:"metadata,omitempty"`
}

func (r *Record) clone() Record {
	c := *r
	c.Metadata = maps.Clone(r.Metadata)
	return c
}

// ownerName is an Owner without its UID: no two owners have one at a time.
type ownerName struct{ kind, namespace, name string }

func (o Owner) ownerName() ownerName { return ownerName{o.Kind, o.Namespace, o.Name} }

// file is the name of the owner's record file. The parts of a name are other
// people's choice, so none of them becomes a part of a path.
func (n ownerName) file() string {
	h := sha256.Sum256([]byte(strings.Join([]string{n.kind, n.namespace, n.name}, "\x00")))
	return hex.EncodeToString(h[:]) + recordType
}

// ownerRecords is the content of a record file. It is not changed once it is
// in the map.
type ownerRecords struct {
	Owner   Owner    `json:"owner"`
	Records []Record `json:"records"` // newest first
}

type records struct {
	mu      sync.Mutex
	byOwner map[ownerName]*ownerRecords
	// writing serialises changes of one owner's file, and does not make
	// others wait, but for the few that share its stripe.
	writing [64]sync.Mutex
}

func (r *records) stripe(n ownerName) *sync.Mutex {
	h := sha256.Sum256([]byte(n.file()))
	return &r.writing[int(h[0])%len(r.writing)]
}

// get returns the owner's records, or nil.
func (r *records) get(n ownerName) *ownerRecords {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.byOwner[n]
}

func (r *records) all() []*ownerRecords {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Collect(maps.Values(r.byOwner))
}

// Publish makes t the current revision of owner, writing its tar.gz if there
// is none yet. When it returns, record and archive are durable. Publishing
// what is current already changes nothing.
func (s *Store) Publish(ctx context.Context, owner Owner, revision string, t *Tree, metadata map[string]string) (Record, error) {
	// The record keeps the content from being collected; until it is there,
	// t does.
	defer runtime.KeepAlive(t)
	a, done, err := s.archive(ctx, t)
	if err != nil {
		return Record{}, fmt.Errorf("publishing %s of %s: %w", revision, owner, err)
	}
	defer done()
	record := Record{
		Owner: owner, Revision: revision, Tree: t.Digest(), Archive: a.digest, Size: a.size,
		// Whole seconds are what a status holds.
		UpdatedAt: s.options.Clock.Now().UTC().Truncate(time.Second), Metadata: maps.Clone(metadata),
	}
	name := owner.ownerName()
	writing := s.records.stripe(name)
	writing.Lock()
	defer writing.Unlock()
	kept := &ownerRecords{Owner: owner, Records: []Record{record}}
	if old := s.records.get(name); old != nil && old.Owner == owner {
		if now := &old.Records[0]; now.same(&record) {
			return now.clone(), nil
		}
		kept.Records = append(kept.Records, old.Records...)
		kept.Records = kept.Records[:s.retained(kept.Records)]
	}
	if err := s.storeRecords(name, kept); err != nil {
		return Record{}, fmt.Errorf("publishing %s of %s: %w", revision, owner, err)
	}
	return record.clone(), nil
}

// same says whether r and o differ in time only.
func (r *Record) same(o *Record) bool {
	return r.Revision == o.Revision && r.Tree == o.Tree && r.Archive == o.Archive && maps.Equal(r.Metadata, o.Metadata)
}

// storeRecords makes the owner's records durable, and then visible. The caller
// holds the owner's stripe.
func (s *Store) storeRecords(name ownerName, kept *ownerRecords) error {
	body, err := json.Marshal(kept)
	if err != nil {
		return err
	}
	data := append([]byte(DigestOf(body)+"\n"), body...)
	if err := replaceFile(s.temp(), filepath.Join(s.dir, recordDir, name.file()), data); err != nil {
		return fmt.Errorf("storing records of %s: %w", kept.Owner, err)
	}
	s.records.mu.Lock()
	defer s.records.mu.Unlock()
	s.records.byOwner[name] = kept
	return nil
}

// Records returns what is kept of owner, newest first.
func (s *Store) Records(owner Owner) []Record {
	kept := s.records.get(owner.ownerName())
	if kept == nil || kept.Owner != owner {
		return nil
	}
	list := make([]Record, len(kept.Records))
	for i := range kept.Records {
		list[i] = kept.Records[i].clone()
	}
	return list
}

// Check says whether all that r refers to is there. It reads directories and
// looks for the rest; content is verified when it is read.
func (s *Store) Check(r Record) error {
	if _, err := s.Tree(r.Tree); err != nil {
		return err
	}
	if !s.archiveThere(archive{digest: r.Archive, size: r.Size}) {
		return fmt.Errorf("archive %s: %w", r.Archive, ErrNotFound)
	}
	return nil
}

// Owners returns everyone that has records, so that those can be dropped that
// do not exist any more.
func (s *Store) Owners() []Owner {
	all := s.records.all()
	owners := make([]Owner, len(all))
	for i, kept := range all {
		owners[i] = kept.Owner
	}
	return owners
}

// Forget drops all records of owner. The content goes with the next Collect,
// if no other owner refers to it. Forgetting who has no records does nothing.
func (s *Store) Forget(owner Owner) error {
	name := owner.ownerName()
	writing := s.records.stripe(name)
	writing.Lock()
	defer writing.Unlock()
	if kept := s.records.get(name); kept == nil || kept.Owner != owner {
		return nil
	}
	dir := filepath.Join(s.dir, recordDir)
	if err := os.Remove(filepath.Join(dir, name.file())); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("forgetting %s: %w", owner, err)
	}
	s.records.mu.Lock()
	delete(s.records.byOwner, name)
	s.records.mu.Unlock()
	return syncDir(dir)
}

// openRecords reads all records.
func (s *Store) openRecords() error {
	s.records.byOwner = map[ownerName]*ownerRecords{}
	s.archives.ofTree, s.archives.busy = map[Digest]archive{}, map[Digest]chan struct{}{}
	s.archives.using, s.archives.verified = map[Digest]int{}, map[Digest]fs.FileInfo{}
	dir := filepath.Join(s.dir, recordDir)
	files, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, f := range files {
		name := filepath.Join(dir, f.Name())
		data, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		kept, err := decodeRecords(data)
		if err == nil && kept.Owner.ownerName().file() != f.Name() {
			err = errors.New("not the file of its owner")
		}
		if err != nil {
			if err := s.setAside(&CorruptError{What: "record", Name: name, Err: err}); err != nil {
				return err
			}
			continue
		}
		s.records.byOwner[kept.Owner.ownerName()] = kept
		for _, r := range kept.Records {
			s.archives.ofTree[r.Tree] = archive{digest: r.Archive, size: r.Size}
		}
	}
	return nil
}

func decodeRecords(data []byte) (*ownerRecords, error) {
	check, body, ok := bytes.Cut(data, []byte("\n"))
	if !ok || DigestOf(body) != Digest(check) {
		return nil, errors.New("content does not have its digest")
	}
	kept := &ownerRecords{}
	if err := json.Unmarshal(body, kept); err != nil {
		return nil, err
	}
	if len(kept.Records) == 0 {
		return nil, errors.New("no record in it")
	}
	for i := range kept.Records {
		kept.Records[i].Owner = kept.Owner
	}
	return kept, nil
}
