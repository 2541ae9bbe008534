package apply

import (
	"context"
	"errors"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/leat-dev/leat/pkg/object"
	"github.com/leat-dev/leat/pkg/target"
)

// validate has the server say what it would store. Other than a run it leaves
// no item out that a run could: what is wanted is the answers.
func (v *preview) validate(ctx context.Context) error {
	v.await()
	err := v.each(ctx, func(s *sight) bool { return s.stage == stageDefinitions && s.pending() }, v.check)
	if err != nil {
		return err
	}
	v.await()
	misfits := v.checkSchemas()
	if err := v.each(ctx, func(s *sight) bool { return s.pending() && !s.seen }, v.check); err != nil {
		return err
	}
	v.blame(misfits)
	return nil
}

// blame notes the errors of items.
func (v *preview) blame(err error) {
	var failed *Error
	if !errors.As(err, &failed) {
		return
	}
	misfits := make(map[object.Key]error, len(failed.Objects))
	for _, o := range failed.Objects {
		misfits[o.Key] = o.Err
	}
	for _, s := range v.all {
		if s.err == nil {
			s.err = misfits[s.key]
		}
	}
}

// check dry-runs one item.
//
//	what the server answers             what becomes of the item
//	what it would store                 that
//	that a field is immutable           it is re-created, or refused without force
//	anything else                       an error, unless the item has to wait for
//	                                    another one of the set: then it is not verified
func (v *preview) check(ctx context.Context, s *sight) error {
	s.seen = true
	if s.unserved || s.awaited.hopeless {
		return v.unverified(s, s.awaited.what)
	}
	w, err := v.request(ctx, s.item, true)
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	switch {
	case err == nil:
		s.checked = true
		if !s.pending() {
			return nil
		}
		return v.answered(ctx, s, w)
	case isImmutable(err):
		s.err = v.refused(s.item, err)
		if s.err != nil {
			s.err = s.public(s.err)
		}
		return v.recreated(ctx, s)
	case s.after != noStage:
		return v.unverified(s, s.awaited.what)
	}
	s.err = s.public(err)
	return v.rendered(s)
}

// answered takes in what the server would store.
func (v *preview) answered(ctx context.Context, s *sight, w target.Written) (err error) {
	v.learn(s.item, w)
	if !s.pending() {
		return nil
	}
	body := w.Body
	if s.takeover {
		if body, err = v.takenOver(ctx, s, body); err != nil {
			return err
		}
	}
	if s.new, err = v.decode(body); err != nil {
		return err
	}
	if s.after != noStage && s.crd != nil && s.crd.pending() {
		s.unverified, s.reason = true, "its CustomResourceDefinition changes in the same set: shown as the one of today has it"
	}
	return nil
}

// awaited is what an item has to wait for.
type awaited struct {
	what string
	// hopeless says that there is no point in asking the server before.
	hopeless bool
}

// await notes what each item has to wait for, as far as is known by now.
func (v *preview) await() {
	v.p.deferChecks()
	created := map[object.Key]bool{}
	for _, s := range v.all {
		if s.action == ActionCreated {
			created[s.key] = true
		}
	}
	for _, s := range v.all {
		s.awaited = s.awaits(created)
	}
}

func (it *item) awaits(created map[object.Key]bool) awaited {
	switch {
	case it.unserved:
		return awaited{"its CustomResourceDefinition is part of the set", true}
	case it.err != nil, it.after == noStage:
		return awaited{}
	}
	for _, k := range it.needs() {
		if created[k] {
			return awaited{"its " + k.Kind + " is part of the set", k == object.Key{Kind: kindNamespace, Name: it.key.Namespace}}
		}
	}
	return awaited{what: "its CustomResourceDefinition changes in the same set"}
}

func (v *preview) unverified(s *sight, reason string) error {
	s.unverified, s.reason = true, reason
	return v.rendered(s)
}

// rendered shows what was rendered, laid over what is there.
func (v *preview) rendered(s *sight) error {
	u, err := v.decode(s.body)
	if err != nil {
		return err
	}
	if s.old != nil {
		over, _ := overlay(s.old.Object, u.Object).(map[string]any)
		u = &unstructured.Unstructured{Object: over}
	}
	s.new = u
	return nil
}

// overlay returns a with what b has laid over it, which is what an apply comes
// to as far as that can be said without a schema: lists count as one value. It
// shares nothing with a.
func overlay(a, b any) any {
	am, ok := a.(map[string]any)
	bm, both := b.(map[string]any)
	if !ok || !both {
		return b
	}
	out := make(map[string]any, len(am))
	for k, v := range am {
		if over, ok := bm[k]; ok {
			out[k] = overlay(v, over)
		} else {
			out[k] = runtime.DeepCopyJSONValue(v)
		}
	}
	for k, v := range bm {
		if _, ok := am[k]; !ok {
			out[k] = v
		}
	}
	return out
}
