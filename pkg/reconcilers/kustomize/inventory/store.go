package inventory

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/leat-dev/leat/pkg/apply"
	"github.com/leat-dev/leat/pkg/record"
)

// kind is that of the records.
const kind = "inventory"

// level is the schema level that is written. A process reads its own level and
// the one before; a higher one was written by a newer Leat, and what it means
// must not be guessed at: an entry overlooked is an object orphaned.
const level = 1

// stored is the form of a record.
type stored struct {
	Level     int              `json:"level"`
	Inventory *apply.Inventory `json:"inventory"`
}

// Store keeps inventories.
type Store struct {
	records *record.Store
}

var _ apply.InventoryStore = (*Store)(nil)

// NewStore returns a store in records.
func NewStore(records *record.Store) *Store { return &Store{records: records} }

// Load returns the inventory of an owner, an empty one if there is none.
func (s *Store) Load(ctx context.Context, uid string) (*apply.Inventory, error) {
	data, err := s.records.Get(ctx, kind, uid)
	if errors.Is(err, record.ErrNotFound) {
		return &apply.Inventory{}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("loading inventory %s: %w", uid, err)
	}
	var r stored
	if err := json.Unmarshal(data, &r); err != nil {
		return nil, fmt.Errorf("decoding inventory %s: %w", uid, err)
	}
	if r.Level != level || r.Inventory == nil {
		return nil, fmt.Errorf("inventory %s has schema level %d, this version of Leat reads level %d: run the version that wrote it, or a newer one", uid, r.Level, level)
	}
	return r.Inventory, nil
}

// Save replaces the inventory of an owner. It is durable when Save returns.
func (s *Store) Save(ctx context.Context, uid string, inv *apply.Inventory) error {
	data, err := json.Marshal(stored{Level: level, Inventory: inv})
	if err != nil {
		return fmt.Errorf("encoding inventory %s: %w", uid, err)
	}
	if err := s.records.Put(ctx, kind, uid, data); err != nil {
		return fmt.Errorf("saving inventory %s: %w", uid, err)
	}
	return nil
}

// Delete forgets the inventory of an owner.
func (s *Store) Delete(ctx context.Context, uid string) error {
	if err := s.records.Delete(ctx, kind, uid); err != nil {
		return fmt.Errorf("deleting inventory %s: %w", uid, err)
	}
	return nil
}
