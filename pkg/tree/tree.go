package tree

import (
	"context"
	"errors"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	leatv1alpha1 "github.com/leat-dev/leat/pkg/apis/leat/v1alpha1"
	"github.com/leat-dev/leat/pkg/target"
)

// ErrBusy says that as many trees grow as may at once.
var ErrBusy = errors.New("too many trees are asked for at once")

// Options are limits. The zero value is usable.
type Options struct {
	// DefaultServiceAccount is the identity of objects that name none; empty for
	// Leat's own.
	DefaultServiceAccount string
	// Nodes bounds a tree. Default 5000.
	Nodes int
	// Depth bounds how deep inventories are nested. Default 8.
	Depth int
	// Lists bounds the listings for one tree, Listed the objects that they look
	// at. Defaults: 100 and 50000.
	Lists, Listed int
	// AtOnce bounds the trees that grow at the same time. Default 4.
	AtOnce int
	// Timeout bounds one tree. Default 25 s: kube-apiserver cuts off requests that
	// take 60 s.
	Timeout time.Duration
}

// Engine grows trees of objects in one cluster. It is safe for concurrent use.
type Engine struct {
	target  *target.Target
	o       Options
	growing chan struct{}
}

// NewEngine returns an engine that reads from t.
func NewEngine(t *target.Target, o Options) *Engine {
	for _, d := range []struct {
		value *int
		or    int
	}{{&o.Nodes, 5000}, {&o.Depth, 8}, {&o.Lists, 100}, {&o.Listed, 50_000}, {&o.AtOnce, 4}} {
		if *d.value <= 0 {
			*d.value = d.or
		}
	}
	if o.Timeout <= 0 {
		o.Timeout = 25 * time.Second
	}
	return &Engine{target: t, o: o, growing: make(chan struct{}, o.AtOnce)}
}

// Request asks for a tree.
type Request struct {
	// Object is the root, as it is stored.
	Object *unstructured.Unstructured
	// Caller is who asks.
	Caller target.User
	// Own returns an object of a kind that this server itself keeps; served is
	// false for other kinds, and the object nil where there is none.
	Own func(ctx context.Context, kind schema.GroupKind, namespace, name string) (obj *unstructured.Unstructured, served bool, err error)
}

// Grow returns the tree of an object.
func (e *Engine) Grow(ctx context.Context, r Request) (*leatv1alpha1.TreeNode, error) {
	select {
	case e.growing <- struct{}{}:
		defer func() { <-e.growing }()
	default:
		return nil, fmt.Errorf("%w: %d", ErrBusy, e.o.AtOnce)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, e.o.Timeout, fmt.Errorf("it took longer than %s: %w", e.o.Timeout, context.DeadlineExceeded))
	defer cancel()
	g := &growth{
		Engine: e, request: r, caller: e.target.Reviewer(r.Caller),
		accounts: map[types.NamespacedName]*target.Reviewer{},
		byUID:    map[types.UID]*node{}, opened: map[types.UID]bool{},
	}
	root, err := g.plant(ctx, r.Object)
	if err == nil {
		err = g.followOwners(ctx)
	}
	if err != nil {
		if cause := context.Cause(ctx); cause != nil {
			err = cause
		}
		return nil, fmt.Errorf("growing the tree: %w", err)
	}
	root.bubble()
	shown := root.show()
	return &shown, nil
}

// growth is one tree on its way.
type growth struct {
	*Engine
	request Request
	caller  *target.Reviewer
	// accounts are the rights of service accounts, by name.
	accounts map[types.NamespacedName]*target.Reviewer

	nodes int
	// byUID are the nodes whose objects can own others.
	byUID map[types.UID]*node
	// opened are the objects whose inventories are in the tree already.
	opened map[types.UID]bool
	// makers are the nodes of the inventories whose objects may make others.
	makers        []*node
	lists, listed int
}

// room says whether one more node fits, and counts it.
func (g *growth) room() bool {
	if g.nodes >= g.o.Nodes {
		return false
	}
	g.nodes++
	return true
}
