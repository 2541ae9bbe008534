package tree

import (
	"context"
	"errors"
	"fmt"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	"golang.org/x/sync/errgroup"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/leat-dev/leat/pkg/object"
	"github.com/leat-dev/leat/pkg/target"
)

// requestsAtOnce is how many requests for one tree are under way.
const requestsAtOnce = 8

// opened is a node whose object has an inventory.
type opened struct {
	node *node
	obj  *unstructured.Unstructured
}

// plant makes the root and grows inventories from it, level by level.
func (g *growth) plant(ctx context.Context, obj *unstructured.Unstructured) (*node, error) {
	root := &node{Key: object.KeyOf(obj), version: obj.GroupVersionKind().Version}
	g.nodes++
	res, err := g.target.Resource(ctx, obj.GroupVersionKind())
	if err != nil {
		return nil, err
	}
	may, err := g.caller.MayGet(ctx, target.Ref{Resource: res, Namespace: root.Namespace, Name: root.Name})
	if err != nil {
		return nil, err
	}
	if root.redacted = !may; may {
		root.describe(obj)
	}
	level := []opened{{root, obj}}
	for depth := 0; len(level) > 0; depth++ {
		var next []opened
		for _, o := range level {
			if depth >= g.o.Depth {
				o.node.note(fmt.Sprintf("what it manages is not shown: inventories are followed %d deep", g.o.Depth))
				continue
			}
			more, err := g.open(ctx, o)
			if err != nil {
				return nil, err
			}
			next = append(next, more...)
		}
		level = next
	}
	return root, nil
}

// open adds the objects of an inventory to a node, and returns those among them
// that have inventories themselves.
func (g *growth) open(ctx context.Context, o opened) ([]opened, error) {
	if g.opened[o.obj.GetUID()] {
		return nil, nil // it manages itself, or is in two inventories
	}
	g.opened[o.obj.GetUID()] = true
	identity := g.identityOf(o.obj)
	entries := inventory(o.obj)
	for i, e := range entries {
		if !g.room() {
			o.node.note(fmt.Sprintf("%d of its objects are not shown: a tree has at most %d nodes", len(entries)-i, g.o.Nodes))
			break
		}
		o.node.children = append(o.node.children, &node{Key: e.Key, version: e.version, identity: identity})
	}
	own := make([]*unstructured.Unstructured, len(o.node.children))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(requestsAtOnce)
	for i, c := range o.node.children {
		group.Go(func() (err error) {
			own[i], err = g.look(ctx, c)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	var more []opened
	for i, c := range o.node.children {
		if c.uid != "" {
			g.byUID[c.uid] = c
			g.makers = append(g.makers, c)
		}
		if own[i] != nil && len(inventory(own[i])) > 0 {
			more = append(more, opened{c, own[i]})
		}
	}
	return more, nil
}

// identityOf is whom an object acts as.
func (g *growth) identityOf(obj *unstructured.Unstructured) target.Identity {
	name, _, _ := unstructured.NestedString(obj.Object, "spec", "serviceAccountName")
	if name == "" {
		name = g.o.DefaultServiceAccount
	}
	if name == "" {
		return target.Identity{}
	}
	account := types.NamespacedName{Namespace: obj.GetNamespace(), Name: name}
	identity := target.Identity{ServiceAccount: account}
	if g.accounts[account] == nil {
		// What an authenticator says of an account.
		g.accounts[account] = g.target.Reviewer(target.User{Name: identity.Username(), Groups: []string{
			"system:serviceaccounts", "system:serviceaccounts:" + account.Namespace, "system:authenticated",
		}})
	}
	return identity
}

// may asks for a right of both the caller and the identity.
func (g *growth) may(id target.Identity, ask func(*target.Reviewer) (bool, error)) (bool, error) {
	allowed, err := ask(g.caller)
	if !allowed || err != nil || id.ServiceAccount.Name == "" {
		return allowed, err
	}
	return ask(g.accounts[id.ServiceAccount])
}

// look finds out how an object of an inventory is. It returns the object itself if
// this server keeps it.
func (g *growth) look(ctx context.Context, n *node) (*unstructured.Unstructured, error) {
	res, err := g.target.Resource(ctx, schema.GroupVersionKind{Group: n.Group, Version: n.version, Kind: n.Kind})
	var unknown *target.UnknownKindError
	switch {
	case errors.As(err, &unknown):
		n.status, n.message = string(status.UnknownStatus), err.Error()
		return nil, nil
	case err != nil:
		return nil, err
	}
	ref := target.Ref{Resource: res, Namespace: n.Namespace, Name: n.Name}
	if err := ref.Check(); err != nil {
		return nil, err
	}
	allowed, err := g.may(n.identity, func(r *target.Reviewer) (bool, error) { return r.MayGet(ctx, ref) })
	if err != nil {
		return nil, err
	}
	if !allowed {
		n.redacted = true
		return nil, nil
	}
	obj, served, err := g.request.Own(ctx, n.GroupKind(), n.Namespace, n.Name)
	switch {
	case err != nil:
		return nil, err
	case served && obj == nil:
		n.missing()
		return nil, nil
	case served:
		n.describe(obj)
		return obj, nil
	}
	return nil, g.lookIntoCluster(ctx, n, ref)
}

func (n *node) missing() { n.status, n.message = string(status.NotFoundStatus), "it does not exist" }

// lookIntoCluster finds out how an object is that the cluster keeps.
func (g *growth) lookIntoCluster(ctx context.Context, n *node, ref target.Ref) error {
	live, found, known := g.target.Known(ref)
	if !known || !found {
		var err error
		live, err = g.target.Read(ctx, n.identity, ref)
		switch {
		case apierrors.IsNotFound(err):
			n.missing()
			return nil
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case err != nil:
			// One object that cannot be read must not hide all others.
			n.status, n.message = string(status.UnknownStatus), err.Error()
			return nil
		}
	}
	n.uid = live.UID
	n.judge(live.Health)
	return nil
}

// describe tells how an object of a kind of this server is.
func (n *node) describe(obj *unstructured.Unstructured) {
	n.uid = obj.GetUID()
	n.judge(target.HealthOf(obj))
	conditions, _, _ := unstructured.NestedSlice(obj.Object, "status", "conditions")
	for _, c := range conditions {
		if m, ok := c.(map[string]any); ok && m["type"] == "Ready" {
			if text, ok := m["message"].(string); ok {
				n.message = text
			}
		}
	}
	if stopped, _, _ := unstructured.NestedBool(obj.Object, "spec", "suspend"); stopped {
		n.status = suspended
	}
	for _, path := range [][]string{{"status", "lastAppliedRevision"}, {"status", "artifact", "revision"}} {
		if revision, ok, _ := unstructured.NestedString(obj.Object, path...); ok {
			n.revision = revision
		}
	}
}

// entry is an object of an inventory.
type entry struct {
	object.Key
	version string
}

// inventory is what an object manages. Entries that name nothing are left out:
// nobody but this server writes them.
func inventory(obj *unstructured.Unstructured) []entry {
	list, _, _ := unstructured.NestedSlice(obj.Object, "status", "inventory", "entries")
	var entries []entry
	for _, item := range list {
		m, ok := item.(map[string]any)
		if !ok {
			continue
		}
		id, _ := m["id"].(string)
		version, _ := m["v"].(string)
		if key, err := object.ParseID(id); err == nil {
			entries = append(entries, entry{key, version})
		}
	}
	return entries
}
