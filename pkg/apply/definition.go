package apply

import (
	"context"
	"errors"
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/leat-dev/leat/pkg/object"
	"github.com/leat-dev/leat/pkg/target"
)

// definition is what a CustomResourceDefinition of the set says of one version
// of its kind.
type definition struct {
	item     *item
	resource target.Resource
	// schema is the version's openAPIV3Schema, nil if it has none.
	schema map[string]any
}

// definitions returns the kinds that the set itself defines. A definition that
// is excluded, or cannot be read, defines nothing; of the latter the server says
// what is wrong with it.
func definitions(items []*item) map[schema.GroupVersionKind]*definition {
	defs := map[schema.GroupVersionKind]*definition{}
	for _, it := range items {
		if isCRD(it.key) && !it.excluded {
			for _, d := range definedBy(it) {
				defs[d.resource.GroupVersionKind()] = d
			}
		}
	}
	return defs
}

func definedBy(it *item) []*definition {
	o := it.obj.Object
	group, _, _ := unstructured.NestedString(o, "spec", "group")
	kind, _, _ := unstructured.NestedString(o, "spec", "names", "kind")
	plural, _, _ := unstructured.NestedString(o, "spec", "names", "plural")
	scope, _, _ := unstructured.NestedString(o, "spec", "scope")
	versions, _, _ := unstructured.NestedFieldNoCopy(o, "spec", "versions")
	list, _ := versions.([]any)
	if group == "" || kind == "" || plural == "" {
		return nil
	}
	var defs []*definition
	for _, v := range list {
		m, _ := v.(map[string]any)
		name, _, _ := unstructured.NestedString(m, "name")
		served, _, _ := unstructured.NestedBool(m, "served")
		if name == "" || !served {
			continue
		}
		s, _, _ := unstructured.NestedFieldNoCopy(m, "schema", "openAPIV3Schema")
		sm, _ := s.(map[string]any)
		defs = append(defs, &definition{item: it, schema: sm, resource: target.Resource{
			GroupVersionResource: schema.GroupVersionResource{Group: group, Version: name, Resource: plural},
			Kind:                 kind, Namespaced: scope == "Namespaced", Watchable: true,
		}})
	}
	return defs
}

// scope is how a kind of the set is reached.
type scope struct {
	target.Resource
	// crd is the definition's item if the set holds it.
	crd      *item
	unserved bool
	err      error
}

// scopes remembers the kinds of one set.
type scopes struct {
	e     *Engine
	defs  map[schema.GroupVersionKind]*definition
	known map[schema.GroupVersionKind]scope
}

func (s *scopes) of(ctx context.Context, gvk schema.GroupVersionKind) (scope, error) {
	sc, ok := s.known[gvk]
	if !ok {
		sc = s.find(ctx, gvk)
		s.known[gvk] = sc
	}
	return sc, sc.err
}

func (s *scopes) find(ctx context.Context, gvk schema.GroupVersionKind) scope {
	var sc scope
	sc.Resource, sc.err = s.e.target.Resource(ctx, gvk)
	d := s.defs[gvk]
	if d == nil {
		return sc
	}
	sc.crd = d.item
	var unknown *target.UnknownKindError
	if errors.As(sc.err, &unknown) {
		sc.Resource, sc.unserved, sc.err = d.resource, true, nil
	}
	return sc
}

// resource returns how the object of an inventory's entry is reached: in the
// version that it was applied in, or, where that is no longer served, in any.
func (e *Engine) resource(ctx context.Context, en *Entry) (target.Resource, error) {
	r, err := e.target.Resource(ctx, en.GroupKind().WithVersion(en.Version))
	var unknown *target.UnknownKindError
	if errors.As(err, &unknown) && !unknown.Unavailable {
		return e.target.Resource(ctx, en.GroupKind().WithVersion(""))
	}
	return r, err
}

// deferChecks notes which items the server cannot validate yet, because what
// they are checked against is part of the set and not there, or is to change.
//
//	item                      waits for
//	custom resource           its CRD, if that is to be written
//	anything in a namespace   its Namespace, if that is to be created
//	(Cluster)RoleBinding      its (Cluster)Role, if that is to be created
//	Pod                       its ServiceAccount, if that is to be created
func (p *Plan) deferChecks() {
	created := map[object.Key]*item{}
	for _, it := range p.items {
		if it.action == ActionCreated {
			created[it.key] = it
		}
	}
	for _, it := range p.items {
		it.after = noStage
		if !it.pending() {
			continue
		}
		if it.crd != nil && it.crd.pending() {
			it.after = stageDefinitions
		}
		for _, k := range it.needs() {
			if n := created[k]; n != nil && n.stage < it.stage {
				it.after = max(it.after, n.stage)
			}
		}
	}
}

// needs returns the objects that the server looks up when it validates it.
func (it *item) needs() []object.Key {
	var keys []object.Key
	ns := it.key.Namespace
	if ns != "" {
		keys = append(keys, object.Key{Kind: kindNamespace, Name: ns})
	}
	o := it.obj.Object
	switch {
	case it.key.Group == groupRBAC && (it.key.Kind == "RoleBinding" || it.key.Kind == "ClusterRoleBinding"):
		kind, _, _ := unstructured.NestedString(o, "roleRef", "kind")
		name, _, _ := unstructured.NestedString(o, "roleRef", "name")
		if kind == "ClusterRole" {
			ns = ""
		}
		keys = append(keys, object.Key{Group: groupRBAC, Kind: kind, Namespace: ns, Name: name})
	case it.key.Group == "" && it.key.Kind == "Pod":
		name, _, _ := unstructured.NestedString(o, "spec", "serviceAccountName")
		keys = append(keys, object.Key{Kind: "ServiceAccount", Namespace: ns, Name: name})
	}
	return keys
}

// establish waits until the definitions that were written are in force, and
// tells the target of the kinds that they bring.
func (e *Engine) establish(ctx context.Context, p *Plan) error {
	var wait []HealthTarget
	fresh := map[*item]bool{}
	for _, it := range p.items {
		if it.stage != stageDefinitions || !it.pending() || !isCRD(it.key) && !isNamespace(it.key) {
			continue
		}
		wait = append(wait, HealthTarget{Key: it.key, Version: it.ref.Version})
		fresh[it] = true
	}
	if len(wait) == 0 {
		return nil
	}
	if err := e.Wait(ctx, HealthRequest{Identity: p.req.Identity, Objects: wait, Timeout: e.opts.StageTimeout}); err != nil {
		return fmt.Errorf("waiting for the definitions of the set: %w", err)
	}
	for it := range fresh {
		if isCRD(it.key) {
			for _, d := range definedBy(it) {
				e.target.Learn(d.resource)
			}
		}
	}
	for _, it := range p.items {
		if it.unserved && fresh[it.crd] {
			it.unserved = false
		}
	}
	e.retain(ctx, p)
	return nil
}
