package tree

import (
	"context"
	"fmt"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/leat-dev/leat/pkg/object"
	"github.com/leat-dev/leat/pkg/target"
)

// The kinds that controllers of Kubernetes make objects from, and of.
var (
	cronJobs     = schema.GroupKind{Group: "batch", Kind: "CronJob"}
	jobs         = schema.GroupKind{Group: "batch", Kind: "Job"}
	deployments  = schema.GroupKind{Group: "apps", Kind: "Deployment"}
	statefulSets = schema.GroupKind{Group: "apps", Kind: "StatefulSet"}
	daemonSets   = schema.GroupKind{Group: "apps", Kind: "DaemonSet"}
	replicaSets  = schema.GroupKind{Group: "apps", Kind: "ReplicaSet"}
	controllers  = schema.GroupKind{Kind: "ReplicationController"}
	pods         = schema.GroupKind{Kind: "Pod"}
	claims       = schema.GroupKind{Kind: "PersistentVolumeClaim"}
)

// made are the kinds that are looked for, an owner always before what it owns.
func made() []schema.GroupKind {
	return []schema.GroupKind{cronJobs, deployments, statefulSets, daemonSets, replicaSets, jobs, claims, pods}
}

// makes says which kinds may come to be below an object of a kind.
//
//	kind                                     below it
//	CronJob                                  Job, Pod
//	Deployment                               ReplicaSet, Pod
//	StatefulSet                              PersistentVolumeClaim, Pod
//	ReplicaSet, DaemonSet, Job, …            Pod
//	any other of Kubernetes, or of Leat      nothing
//	any other, on which an operator may act  all of these
func makes(kind schema.GroupKind) []schema.GroupKind {
	switch kind {
	case cronJobs:
		return []schema.GroupKind{jobs, pods}
	case deployments:
		return []schema.GroupKind{replicaSets, pods}
	case statefulSets:
		return []schema.GroupKind{claims, pods}
	case replicaSets, daemonSets, jobs, controllers:
		return []schema.GroupKind{pods}
	}
	if !strings.Contains(kind.Group, ".") || strings.HasSuffix(kind.Group, ".k8s.io") || strings.HasSuffix(kind.Group, ".fluxcd.io") {
		return nil
	}
	return made()
}

// place is where things are looked for, and in whose name.
type place struct {
	account   types.NamespacedName
	namespace string
}

// followOwners adds what controllers made of the objects of the inventories.
func (g *growth) followOwners(ctx context.Context) error {
	wanted := map[place]map[schema.GroupKind][]*node{}
	var order []place
	for _, m := range g.makers {
		if m.Namespace == "" {
			continue // what it makes may be anywhere
		}
		p := place{m.identity.ServiceAccount, m.Namespace}
		for _, kind := range makes(m.GroupKind()) {
			if wanted[p] == nil {
				wanted[p] = map[schema.GroupKind][]*node{}
				order = append(order, p)
			}
			wanted[p][kind] = append(wanted[p][kind], m)
		}
	}
	for _, p := range order {
		for _, kind := range made() {
			if makers := wanted[p][kind]; len(makers) > 0 {
				if err := g.list(ctx, p, kind, makers); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// list adds the objects of a kind in a namespace to their owners. makers are told
// what is left out.
func (g *growth) list(ctx context.Context, p place, kind schema.GroupKind, makers []*node) error {
	tell := func(why string) {
		for _, m := range makers {
			m.note(why)
		}
	}
	if g.lists >= g.o.Lists || g.listed >= g.o.Listed {
		tell(fmt.Sprintf("not all that it made is shown: a tree takes at most %d listings and looks at %d objects", g.o.Lists, g.o.Listed))
		return nil
	}
	g.lists++
	res, err := g.target.Resource(ctx, kind.WithVersion("v1"))
	if err != nil {
		return err
	}
	identity := target.Identity{ServiceAccount: p.account}
	denied := fmt.Sprintf("%s are not shown: listing them in namespace %s is not allowed", res.Resource, p.namespace)
	allowed, err := g.may(identity, func(r *target.Reviewer) (bool, error) { return r.MayList(ctx, res, p.namespace) })
	if err != nil {
		return err
	}
	if !allowed {
		tell(denied)
		return nil
	}
	owners := map[*node]bool{}
	err = g.target.List(ctx, identity, res, p.namespace, func(obj *unstructured.Unstructured) bool {
		g.listed++
		if owner := g.adopt(obj); owner != nil {
			owners[owner] = true
		}
		return g.listed < g.o.Listed
	})
	switch {
	case apierrors.IsForbidden(err):
		tell(denied)
	case err != nil:
		return fmt.Errorf("listing %s in namespace %s: %w", res.Resource, p.namespace, err)
	}
	for owner := range owners {
		slices.SortFunc(owner.children, func(a, b *node) int { return a.Compare(b.Key) })
	}
	return nil
}

// adopt adds an object below its owner, if that is in the tree and the object is
// not, and returns the owner.
func (g *growth) adopt(obj *unstructured.Unstructured) *node {
	if g.byUID[obj.GetUID()] != nil || isSpent(obj) {
		return nil
	}
	var owner *node
	for _, ref := range obj.GetOwnerReferences() {
		if o := g.byUID[ref.UID]; o != nil && (owner == nil || ref.Controller != nil && *ref.Controller) {
			owner = o
		}
	}
	if owner == nil {
		return nil
	}
	if !g.room() {
		owner.note(fmt.Sprintf("not all that it made is shown: a tree has at most %d nodes", g.o.Nodes))
		return nil
	}
	n := &node{Key: object.KeyOf(obj), version: obj.GroupVersionKind().Version, uid: obj.GetUID(), identity: owner.identity}
	n.judge(target.HealthOf(obj))
	n.cause = causeOf(obj)
	owner.children = append(owner.children, n)
	g.byUID[n.uid] = n
	return owner
}

// isSpent says that an object is only kept to go back to: a Deployment's ReplicaSet
// of an earlier revision.
func isSpent(obj *unstructured.Unstructured) bool {
	if obj.GroupVersionKind().GroupKind() != replicaSets {
		return false
	}
	wanted, set, _ := unstructured.NestedInt64(obj.Object, "spec", "replicas")
	there, _, _ := unstructured.NestedInt64(obj.Object, "status", "replicas")
	return set && wanted == 0 && there == 0
}
