package kustomization

import (
	"context"
	"fmt"
	"sync"

	"k8s.io/apimachinery/pkg/types"
	testingclock "k8s.io/utils/clock/testing"

	"github.com/leat-dev/leat/pkg/apply"
	"github.com/leat-dev/leat/pkg/build"
	"github.com/leat-dev/leat/pkg/object"
)

// cluster stands in for the apply engine and the cluster behind it: it keeps
// what was applied, and objects are as healthy as the test says.
type cluster struct {
	clock *testingclock.FakeClock

	mu        sync.Mutex
	plans     map[*apply.Plan]apply.Request
	live      map[object.Key]string
	inventory map[string]*apply.Inventory
	sick      map[string]bool
	healed    chan struct{}
	applyErr  error
	// failed is what an apply that fails did until then.
	failed *apply.Result
	seen   counts
	// claims are what the owners asked for last, pruned counts deletions.
	claims    map[object.Key]string
	pruned    int
	deletions []apply.DeleteRequest
	requests  []apply.Request
	// restored says that the inventories come from a backup, spared what an apply
	// tells of them.
	restored bool
	spared   []apply.Change
}

// counts is what a cluster was asked for.
type counts struct{ Plans, Applies, Waits int }

func newCluster(c *testingclock.FakeClock) *cluster {
	return &cluster{
		clock: c, plans: map[*apply.Plan]apply.Request{}, live: map[object.Key]string{},
		inventory: map[string]*apply.Inventory{}, sick: map[string]bool{}, claims: map[object.Key]string{}, healed: make(chan struct{}),
	}
}

func (c *cluster) counts() counts {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.seen
}

func (c *cluster) take() counts {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := c.seen
	c.seen = counts{}
	return n
}

func (c *cluster) fail(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.applyErr = err
}

// health says whether the objects of a name are healthy.
func (c *cluster) health(name string, healthy bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sick[name] = !healthy
	close(c.healed)
	c.healed = make(chan struct{})
}

func (c *cluster) Plan(_ context.Context, r apply.Request) (*apply.Plan, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.seen.Plans++
	c.requests = append(c.requests, r)
	if len(r.Objects) == 0 && c.inventory[r.Owner.UID] != nil {
		return nil, apply.ErrEmptyBuild
	}
	p := &apply.Plan{}
	c.plans[p] = r
	for k, uid := range c.claims {
		if uid == r.Owner.UID {
			delete(c.claims, k)
		}
	}
	for _, o := range r.Objects {
		c.claims[o.Key()] = r.Owner.UID
	}
	if old := c.inventory[r.Owner.UID]; old != nil {
		for _, e := range old.Entries {
			if c.claims[e.Key] != r.Owner.UID {
				p.Changes = append(p.Changes, apply.Change{Key: e.Key, Action: apply.ActionDeleted})
			}
		}
	}
	return p, nil
}

func (c *cluster) Apply(_ context.Context, p *apply.Plan) (*apply.Result, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.seen.Applies++
	if c.applyErr != nil {
		return c.failed, c.applyErr
	}
	r := c.plans[p]
	result := &apply.Result{Inventory: &apply.Inventory{}, Spared: c.spared}
	for _, o := range r.Objects {
		if reason := r.Exclude(o); reason != "" {
			result.Changes = append(result.Changes, apply.Change{Key: o.Key(), Action: apply.ActionSkipped, Reason: reason, Excluded: true})
			continue
		}
		data, err := o.MarshalJSON()
		if err != nil {
			return nil, err
		}
		action := apply.ActionConfigured
		switch was, ok := c.live[o.Key()]; {
		case !ok:
			action = apply.ActionCreated
		case was == string(data):
			action = apply.ActionUnchanged
		}
		c.live[o.Key()] = string(data)
		result.Changes = append(result.Changes, apply.Change{Key: o.Key(), Version: "v1", Action: action, File: o.File})
		result.Inventory.Entries = append(result.Inventory.Entries, apply.Entry{Key: o.Key(), Version: "v1", UID: types.UID("u")})
		result.Health = append(result.Health, apply.HealthTarget{Key: o.Key(), Version: "v1"})
	}
	if old := c.inventory[r.Owner.UID]; old != nil && r.Prune {
		for _, e := range old.Entries {
			// What another owner asks for has moved.
			if c.claims[e.Key] == "" {
				c.pruned++
				delete(c.live, e.Key)
				result.Changes = append(result.Changes, apply.Change{Key: e.Key, Action: apply.ActionDeleted})
			}
		}
	}
	c.inventory[r.Owner.UID] = result.Inventory
	return result, nil
}

func (c *cluster) Wait(ctx context.Context, r apply.HealthRequest) error {
	timer := c.clock.NewTimer(r.Timeout)
	defer timer.Stop()
	c.mu.Lock()
	c.seen.Waits++
	c.mu.Unlock()
	for {
		c.mu.Lock()
		var sick []apply.Unhealthy
		for _, o := range r.Objects {
			if c.sick[o.Name] {
				sick = append(sick, apply.Unhealthy{Key: o.Key, Status: "InProgress"})
			}
		}
		healed := c.healed
		c.mu.Unlock()
		if len(sick) == 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for health: %w", context.Cause(ctx))
		case <-timer.C():
			return &apply.HealthError{Timeout: r.Timeout.String(), Objects: sick}
		case <-healed:
		}
	}
}

func (c *cluster) Delete(_ context.Context, r apply.DeleteRequest) (*apply.Result, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.deletions = append(c.deletions, r)
	if c.applyErr != nil {
		return nil, c.applyErr
	}
	result := &apply.Result{}
	if r.Policy != apply.DeletionOrphan && c.inventory[r.Owner.UID] != nil {
		for _, e := range c.inventory[r.Owner.UID].Entries {
			delete(c.live, e.Key)
			result.Changes = append(result.Changes, apply.Change{Key: e.Key, Action: apply.ActionDeleted})
		}
	}
	delete(c.inventory, r.Owner.UID)
	return result, nil
}

// panickingBuilder crashes for objects without a name prefix.
type panickingBuilder struct{ Builder }

func (b panickingBuilder) Build(ctx context.Context, r build.Request) (*build.Result, error) {
	if r.Options.NamePrefix == "" {
		panic("boom")
	}
	return b.Builder.Build(ctx, r)
}

// Confirmed says whether an apply has succeeded since the store was restored.
func (c *cluster) Confirmed(context.Context, string) (bool, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return !c.restored || c.seen.Applies > 0, nil
}
