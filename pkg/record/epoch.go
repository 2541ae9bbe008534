package record

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// Where the epoch is kept. It is a record like others, so that it moves with them
// wherever they are copied.
const (
	epochKind = "installation"
	epochUID  = "epoch"

	epochIDBytes = 8
)

// Epoch is the time from one restore of the store to the next. What was written
// down in an earlier one may be older than what it tells of: between the backup
// and the restore the world has gone on.
type Epoch struct {
	// ID names the epoch. It is empty in a store that was never restored.
	ID string `json:"id"`
	// Began is when the store was restored.
	Began time.Time `json:"began,omitzero"`
	// Origin says what it was restored from, for people.
	Origin string `json:"origin,omitempty"`
}

// Epoch returns the epoch of the store, the zero one if it was never restored.
func (s *Store) Epoch(ctx context.Context) (Epoch, error) {
	data, err := s.Get(ctx, epochKind, epochUID)
	if errors.Is(err, ErrNotFound) {
		return Epoch{}, nil
	}
	if err != nil {
		return Epoch{}, err
	}
	var e Epoch
	if err := json.Unmarshal(data, &e); err != nil {
		return Epoch{}, fmt.Errorf("record %s/%s: %w: %w", epochKind, epochUID, ErrCorrupt, err)
	}
	if e.ID == "" {
		return Epoch{}, fmt.Errorf("record %s/%s: %w: it names no epoch", epochKind, epochUID, ErrCorrupt)
	}
	return e, nil
}

// BeginEpoch says that the store was restored. No server may use it meanwhile:
// each reads the epoch when it starts.
func (s *Store) BeginEpoch(ctx context.Context, began time.Time, origin string) (Epoch, error) {
	id := make([]byte, epochIDBytes)
	if _, err := rand.Read(id); err != nil {
		return Epoch{}, fmt.Errorf("naming an epoch: %w", err)
	}
	e := Epoch{ID: hex.EncodeToString(id), Began: began.UTC().Truncate(time.Second), Origin: origin}
	data, err := json.Marshal(e)
	if err != nil {
		return Epoch{}, fmt.Errorf("encoding an epoch: %w", err)
	}
	return e, s.Put(ctx, epochKind, epochUID, data)
}
