package inventory

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"

	"k8s.io/apimachinery/pkg/types"

	"github.com/leat-dev/leat/pkg/apply"
	"github.com/leat-dev/leat/pkg/object"
	"github.com/leat-dev/leat/pkg/record"
)

// kind of the records.
const kind = "inventory"

// level is the schema that is written. A server reads its own level and those
// below; a level from the future is refused rather than half understood, since
// what is not understood would be pruned.
const level = 1

var _ apply.InventoryStore = (*Store)(nil)

// Store is an apply.InventoryStore over records. Its errors name the record and
// leave it to the caller to say what it was read or written for.
type Store struct {
	records *record.Store

	mu sync.Mutex
	// epoch is that of the records, nil until it has been read.
	epoch *record.Epoch
}

// New returns a store over records.
func New(records *record.Store) *Store { return &Store{records: records} }

// document is what is stored. Names are short because there are thousands of
// them.
type document struct {
	Level int `json:"level"`
	// Epoch is the one in which the inventory was confirmed last. A version that
	// does not know it drops it, and the inventory is then confirmed anew, which
	// is safe.
	Epoch   string  `json:"epoch,omitempty"`
	Entries []entry `json:"entries"`
}

type entry struct {
	Group     string    `json:"g,omitempty"`
	Version   string    `json:"v"`
	Kind      string    `json:"k"`
	Namespace string    `json:"ns,omitempty"`
	Name      string    `json:"n"`
	UID       types.UID `json:"uid,omitempty"`
	Desired   string    `json:"d,omitempty"`
	Live      string    `json:"l,omitempty"`
}

// currentEpoch returns the epoch of the store. It is read once: nobody restores a
// store that a server uses.
func (s *Store) currentEpoch(ctx context.Context) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.epoch == nil {
		epoch, err := s.records.Epoch(ctx)
		if err != nil {
			return "", err
		}
		s.epoch = &epoch
	}
	return s.epoch.ID, nil
}

// Load returns the inventory, an empty one when there is none. One that was saved
// before the store was restored is unconfirmed; so is one that is not there, of an
// owner that may have had one since the backup.
func (s *Store) Load(ctx context.Context, uid string) (*apply.Inventory, error) {
	epoch, err := s.currentEpoch(ctx)
	if err != nil {
		return nil, err
	}
	data, err := s.records.Get(ctx, kind, uid)
	if errors.Is(err, record.ErrNotFound) {
		return &apply.Inventory{Unconfirmed: epoch != ""}, nil
	}
	if err != nil {
		return nil, err // it names the record; the engine says what for
	}
	inv, of, err := decode(data)
	if err != nil {
		return nil, fmt.Errorf("record %s/%s: %w", kind, uid, err)
	}
	inv.Unconfirmed = of != epoch
	return inv, nil
}

// Save replaces the inventory; it is durable when Save returns.
func (s *Store) Save(ctx context.Context, uid string, inv *apply.Inventory) error {
	epoch, err := s.currentEpoch(ctx)
	if err != nil {
		return err
	}
	if inv.Unconfirmed {
		epoch = "" // only a store that was restored holds unconfirmed ones
	}
	data, err := encode(inv, epoch)
	if err != nil {
		return fmt.Errorf("encoding record %s/%s: %w", kind, uid, err)
	}
	return s.records.Put(ctx, kind, uid, data)
}

// Delete forgets the inventory.
func (s *Store) Delete(ctx context.Context, uid string) error {
	return s.records.Delete(ctx, kind, uid)
}

func encode(inv *apply.Inventory, epoch string) ([]byte, error) {
	doc := document{Level: level, Epoch: epoch, Entries: make([]entry, 0, len(inv.Entries))}
	for _, e := range inv.Entries {
		doc.Entries = append(doc.Entries, entry{
			Group: e.Group, Version: e.Version, Kind: e.Kind, Namespace: e.Namespace, Name: e.Name,
			UID: e.UID, Desired: e.Desired, Live: e.Live,
		})
	}
	return json.Marshal(doc)
}

func decode(data []byte) (inv *apply.Inventory, epoch string, err error) {
	var doc document
	if err := json.Unmarshal(data, &doc); err != nil {
		return nil, "", fmt.Errorf("decoding: %w", err)
	}
	if doc.Level < 1 || doc.Level > level {
		return nil, "", fmt.Errorf("it has schema level %d, and this server reads up to %d: run the version that wrote it, or a later one", doc.Level, level)
	}
	inv = &apply.Inventory{Entries: make([]apply.Entry, 0, len(doc.Entries))}
	for _, e := range doc.Entries {
		inv.Entries = append(inv.Entries, apply.Entry{
			Key:     object.Key{Group: e.Group, Kind: e.Kind, Namespace: e.Namespace, Name: e.Name},
			Version: e.Version, UID: e.UID, Desired: e.Desired, Live: e.Live,
		})
	}
	slices.SortFunc(inv.Entries, func(a, b apply.Entry) int { return a.Compare(b.Key) })
	return inv, doc.Epoch, nil
}
