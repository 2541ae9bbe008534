package kustomization

import (
	"context"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/leat-dev/leat/pkg/apply"
	"github.com/leat-dev/leat/pkg/object"
	"github.com/leat-dev/leat/pkg/preview"
)

// tryOthers has the server say what it would store of objects that are rendered
// without secret values.
//
//	content      objects                                   for
//	configured   shown, and with something secret in them  what the server adds, such as defaults, which may then be shown
//	foreign      refused, and with placeholders in them    what would become of them otherwise
//
// A server refuses a placeholder where it wants a number. So a number stands
// there, if there is one in the same place of what is applied or live. What is
// refused all the same is done without.
func (l *live) tryOthers(ctx context.Context, previewed []apply.Previewed, shown []bool) error {
	places := map[object.Key]int{}
	objects := make([]object.Object, len(l.side.public))
	for i, o := range l.side.public {
		objects[i] = o
		objects[i].Tainted = true
		objects[i].Unstructured = &unstructured.Unstructured{Object: preview.Encode(o.Object)}
	}
	for i := range previewed {
		p := &previewed[i]
		n, ok := l.find(p.Key)
		if !ok || !shown[i] || !l.worthAnother(p, n) {
			continue
		}
		places[p.Key] = i
		typed := l.side.real[n].Object
		if l.foreign {
			typed = preview.Strip(p.Old)
		}
		objects[n].Unstructured = &unstructured.Unstructured{Object: preview.StandIn(objects[n].Object, typed)}
	}
	if len(places) == 0 {
		return nil
	}
	again, err := l.plan(ctx, objects, func(key object.Key) bool { _, ok := places[key]; return ok }, false)
	if err != nil {
		return err
	}
	for i := range again {
		p := &again[i]
		place, ok := places[p.Key]
		n, found := l.find(p.Key)
		if !ok || !found || p.Err != nil || p.Unverified {
			continue
		}
		if p.New != nil {
			// The placeholder is shown, and not what stood in its place.
			l.stored[p.Key] = preview.Conceal(preview.Decode(preview.Strip(p.New)), true,
				preview.Witness{Real: preview.Stored(preview.Decode(objects[n].Object)), Public: preview.Stored(l.side.public[n].Object)})
		}
		if l.foreign {
			previewed[place] = *p
		}
	}
	return nil
}

// worthAnother says that something can be learnt of trying the n-th object of the
// side another way.
func (l *live) worthAnother(p *apply.Previewed, n int) bool {
	if l.foreign {
		return isRefusal(p.Err) && l.side.public[n].Tainted
	}
	return p.New != nil && p.Err == nil && !p.Unverified && l.side.secretly(n)
}
