package kustomization

import (
	"context"
	"fmt"
	"slices"

	leatv1alpha1 "github.com/leat-dev/leat/pkg/apis/leat/v1alpha1"
	"github.com/leat-dev/leat/pkg/apply"
	"github.com/leat-dev/leat/pkg/object"
	"github.com/leat-dev/leat/pkg/preview"
	"github.com/leat-dev/leat/pkg/target"
)

// diffRendered compares what two sides are rendered to. The cluster is asked for
// nothing but the rights of the caller.
func (g *glance) diffRendered(ctx context.Context) (*preview.Diff, error) {
	from, err := g.open(ctx, g.request.From)
	if err != nil {
		return nil, err
	}
	to, err := g.open(ctx, g.request.To)
	if err != nil {
		return nil, err
	}
	if g.values, err = g.collect(ctx, true); err != nil {
		return nil, err
	}
	before, err := g.renderSide(ctx, from)
	if err != nil {
		return nil, err
	}
	after, err := g.renderSide(ctx, to)
	if err != nil {
		return nil, err
	}
	pairs, err := g.pairs(ctx, before, after)
	if err != nil {
		return nil, err
	}
	out := &preview.Diff{From: from.label, To: to.label}
	for i := range pairs {
		d, err := g.compare(ctx, &pairs[i])
		if err != nil {
			return nil, err
		}
		out.Objects = append(out.Objects, *d)
	}
	return out, nil
}

// twin is an object on two sides; nil where there is none.
type twin struct {
	key           object.Key
	ref           target.Ref
	before, after *version
}

// version is an object on one side.
type version struct{ real, public object.Object }

func (t *twin) either() *version {
	if t.after != nil {
		return t.after
	}
	return t.before
}

func (t *twin) version() string { return t.either().real.GroupVersionKind().Version }

// pairs matches the objects of two sides: those of the new one in the order of
// apply, then those that have gone, which would be deleted in the reverse order.
func (g *glance) pairs(ctx context.Context, before, after *rendered) ([]twin, error) {
	old := make(map[object.Key]*version, len(before.real))
	for i, o := range before.real {
		old[o.Key()] = &version{o, before.public[i]}
	}
	var kept, gone []twin
	for i, o := range after.real {
		key := o.Key()
		kept = append(kept, twin{key: key, before: old[key], after: &version{o, after.public[i]}})
		delete(old, key)
	}
	if g.prunes() {
		for key, v := range old {
			gone = append(gone, twin{key: key, before: v})
		}
	}
	order := func(a, b twin) int {
		return apply.Compare(a.key, b.key, a.ref.Namespaced, b.ref.Namespaced)
	}
	for _, list := range []*[]twin{&kept, &gone} {
		*list = slices.DeleteFunc(*list, func(t twin) bool { return !g.filter.Selects(t.key, t.version()) })
		for i := range *list {
			t := &(*list)[i]
			var err error
			if t.ref, err = g.refOf(ctx, t.key, t.version()); err != nil {
				return nil, err
			}
		}
		slices.SortStableFunc(*list, order)
	}
	slices.Reverse(gone)
	return append(kept, gone...), nil
}

// compare tells of one object.
func (g *glance) compare(ctx context.Context, t *twin) (*preview.ObjectDiff, error) {
	v := t.either()
	d := &preview.ObjectDiff{DiffObject: leatv1alpha1.DiffObject{
		APIVersion: v.real.GetAPIVersion(), Kind: t.key.Kind, Namespace: t.key.Namespace, Name: t.key.Name,
	}}
	if t.after != nil {
		d.File = v.real.File
		if reason := partOfFlux(v.real); reason != "" {
			d.Action, d.Message = leatv1alpha1.DiffSkip, reason
			return d, nil
		}
	}
	c, err := preview.Compare(body(t.before), body(t.after))
	if err != nil {
		return nil, fmt.Errorf("comparing %s: %w", t.key, err)
	}
	switch {
	case t.before == nil:
		d.Action = leatv1alpha1.DiffCreate
	case t.after == nil:
		d.Action = leatv1alpha1.DiffDelete
	case len(c.Fields) > 0:
		d.Action = leatv1alpha1.DiffUpdate
	default:
		d.Action = leatv1alpha1.DiffUnchanged
	}
	allowed, err := g.rights.mayGet(ctx, t.ref)
	if err != nil {
		return nil, err
	}
	if !allowed {
		d.Redacted, d.Message = true, notYours
		return d, nil
	}
	d.Fields, d.Message = c.Fields, withTruncation("", &c)
	if d.Action != leatv1alpha1.DiffUnchanged {
		d.Old, d.New = c.Old, c.New
	}
	return d, nil
}

// body is an object as it may be shown.
func body(v *version) preview.Body {
	if v == nil {
		return preview.Body{}
	}
	return preview.Reveal(preview.Strip(v.real.Unstructured), preview.Strip(v.public.Unstructured))
}

// withTruncation adds to a message that there are more fields than are told.
func withTruncation(message string, c *preview.Comparison) string {
	if !c.Truncated {
		return message
	}
	if message != "" {
		message += "; "
	}
	return message + fmt.Sprintf("only the first %d fields that differ are listed", len(c.Fields))
}
