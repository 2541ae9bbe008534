package apply

import (
	"context"
	"fmt"
	"time"

	"k8s.io/utils/clock"

	"github.com/leat-dev/leat/pkg/target"
)

// Engine applies the sets of many owners to one target. It is safe for
// concurrent use; runs of the same owner must not overlap, which the caller's
// queue sees to.
type Engine struct {
	target *target.Target
	store  InventoryStore
	opts   EngineOptions
	claims *claims
}

// NewEngine returns an engine that acts on t and keeps its inventories in s.
func NewEngine(t *target.Target, s InventoryStore, o EngineOptions) *Engine {
	if o.Concurrency <= 0 {
		o.Concurrency = 8
	}
	if o.StageTimeout <= 0 {
		o.StageTimeout = time.Minute
	}
	if o.RecreateTimeout <= 0 {
		o.RecreateTimeout = time.Minute
	}
	if o.MaxObjects <= 0 {
		o.MaxObjects = 20000
	}
	if o.MaxObjectBytes <= 0 {
		o.MaxObjectBytes = 3 << 20
	}
	if o.MaxPreviewBytes <= 0 {
		o.MaxPreviewBytes = 64 << 20
	}
	if o.Clock == nil {
		o.Clock = clock.RealClock{}
	}
	return &Engine{target: t, store: s, opts: o, claims: newClaims()}
}

// Confirmed says whether the inventory of an owner can be trusted. One that comes
// from a backup cannot, until a run has succeeded: see Inventory.
func (e *Engine) Confirmed(ctx context.Context, uid string) (bool, error) {
	inv, err := e.store.Load(ctx, uid)
	if err != nil {
		return false, fmt.Errorf("loading the inventory: %w", err)
	}
	return !inv.Unconfirmed, nil
}
