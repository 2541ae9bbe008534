package apply

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/leat-dev/leat/pkg/object"
	"github.com/leat-dev/leat/pkg/target"
)

// ErrPreviewTooLarge refuses a preview whose bodies exceed the engine's limit.
var ErrPreviewTooLarge = errors.New("the preview is too large")

// PreviewRequest asks what an apply of the same request would do.
type PreviewRequest struct {
	Request
	// Only says which objects are wanted; nil wants all. What the others are
	// needed for, such as definitions, is still asked of the target.
	Only func(object.Key) bool
}

// Previewed is what an apply would do with one object.
//
//	Action       Old         New
//	created      –           what the server would store
//	configured   live        what the server would store
//	recreated    live        what the server would store under the same name, with
//	                         another UID
//	deleted      live        –
//	unchanged    –           –
//	skipped      –           –; Reason says why
//
// New is only what was rendered, laid over Old where there is one, if
// Unverified or Err is set: without what a server defaults, and what webhooks
// change. Both are without managedFields. Old is nil also if Identity may not
// read the object.
type Previewed struct {
	object.Key
	// Ref is how the object is reached, to ask for a caller's right to see it.
	// It is zero for an object whose kind is unknown, which is an Err.
	Ref     target.Ref
	File    string
	Tainted bool
	// Action is empty for an object that cannot be planned at all, which is an
	// Err.
	Action Action
	// Reason says why an object is skipped, re-created or not verified.
	Reason string
	// Unverified says that the server could not be asked, since the object's
	// definition or namespace does not exist before the apply.
	Unverified bool
	Old, New   *unstructured.Unstructured
	// Err is what an apply would fail with on account of this object. It quotes
	// no values of an object that may hold secret ones.
	Err error
}

// Preview says what an apply of r would do, by the code that would do it,
// stopped before its first write. All that is wrong with single objects is in
// their Err; the error is about the set as a whole.
//
// It leaves no trace: not in the cluster, where every request is a read or a
// dry-run, and not in the engine. It may overlap runs and previews of the same
// owner. The order of the result is that of apply, then what would be pruned,
// then what is excluded.
//
// Bodies are read as r.Identity. Who shows them to somebody else asks for that
// one's rights (target.Reviewer) before. Secrets are in clear.
func (e *Engine) Preview(ctx context.Context, r PreviewRequest) ([]Previewed, error) {
	p, err := e.draft(ctx, r.Request)
	if err != nil {
		return nil, err
	}
	p.match()
	p.spare()
	v := &preview{run: run{e: e, p: p}, only: r.Only}
	for _, it := range p.items {
		v.all = append(v.all, &sight{item: it})
	}
	for _, step := range []func(context.Context) error{v.look, v.validate} {
		if err := step(ctx); err != nil {
			return nil, fmt.Errorf("previewing: %w", err)
		}
	}
	out := make([]Previewed, 0, len(v.all)+len(p.prune)+len(p.excluded))
	for _, s := range v.all {
		if v.wanted(s.item) {
			out = append(out, s.previewed())
		}
	}
	pruned, err := v.prune(ctx)
	if err != nil {
		return nil, fmt.Errorf("previewing: %w", err)
	}
	out = append(out, pruned...)
	for _, it := range p.excluded {
		if s := (sight{item: it}); v.wanted(it) {
			out = append(out, s.previewed())
		}
	}
	return out, nil
}

// spare keeps what a broken item may stand for from being taken for gone: its
// namespace may not be known.
func (p *Plan) spare() {
	broken := map[object.Key]bool{}
	for _, it := range p.items {
		if it.err != nil {
			broken[it.key] = true
		}
	}
	p.prune = slices.DeleteFunc(p.prune, func(en Entry) bool {
		anywhere := en.Key
		anywhere.Namespace = ""
		return broken[en.Key] || broken[anywhere]
	})
}

// preview is a run that only looks.
type preview struct {
	run
	only func(object.Key) bool
	all  []*sight
	// bytes counts the bodies that are held.
	bytes atomic.Int64
}

// sight is an item with what is seen of it.
type sight struct {
	*item
	old, new   *unstructured.Unstructured
	unverified bool
	// awaited is what of the set has to be there before the server can judge.
	awaited awaited
	// seen says that the server was asked, or could not be.
	seen bool
}

func (v *preview) wanted(it *item) bool { return v.only == nil || v.only(it.key) }

func (s *sight) previewed() Previewed {
	p := Previewed{
		Key: s.key, Ref: s.ref, File: s.obj.File, Tainted: s.obj.Tainted, Action: s.action, Reason: s.reason,
		Unverified: s.unverified, Old: s.old, New: s.new, Err: s.err,
	}
	if !s.pending() && s.action != ActionRecreated && s.err == nil {
		p.Old, p.New = nil, nil
	}
	return p
}

// each does f for those of the items that are chosen, in parallel. Its errors
// end the preview.
func (v *preview) each(ctx context.Context, choose func(*sight) bool, f func(context.Context, *sight) error) error {
	var chosen []*sight
	for _, s := range v.all {
		// Definitions are looked at in any case: others depend on them.
		if s.err == nil && (v.wanted(s.item) || s.stage == stageDefinitions) && choose(s) {
			chosen = append(chosen, s)
		}
	}
	errs := v.e.each(ctx, len(chosen), func(i int) error { return f(ctx, chosen[i]) })
	if err := context.Cause(ctx); err != nil {
		return err
	}
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// look reads the live objects and decides.
func (v *preview) look(ctx context.Context) error {
	return v.each(ctx, func(*sight) bool { return true }, func(ctx context.Context, s *sight) error {
		if err := v.read(ctx, s); err != nil {
			return err
		}
		if s.err == nil {
			s.decide(&v.p.req)
		}
		return nil
	})
}

// read reads an item's live object. What the cache says is enough for an object
// that is as the last apply left it; of no other is the cache asked, since its
// body is wanted and must not be older or younger than what is known of it.
func (v *preview) read(ctx context.Context, s *sight) (err error) {
	if s.unserved || s.switches.ReconcileDisabled || s.switches.SSA == target.SSAIgnore {
		return nil
	}
	live, cached := v.e.target.Cached(s.ref)
	s.live, s.found = live, cached
	if cached && s.repair() && s.same(&v.p.req.Owner) {
		return nil
	}
	now, body, err := v.e.target.Fetch(ctx, v.p.req.Identity, s.ref)
	switch {
	case err == nil:
		s.live, s.found = now, true
		s.old, err = v.decode(body)
		return err
	case apierrors.IsNotFound(err):
		s.live, s.found = target.Live{}, false
	case apierrors.IsForbidden(err):
		// It may still be allowed to be applied. The dry-run tells.
	default:
		s.err = err
	}
	return nil
}

// decode takes a body into the preview.
func (v *preview) decode(body []byte) (*unstructured.Unstructured, error) {
	u := &unstructured.Unstructured{}
	if err := u.UnmarshalJSON(body); err != nil {
		return nil, fmt.Errorf("reading an object: %w", err)
	}
	u.SetManagedFields(nil)
	if n := v.bytes.Add(weight(u.Object)); n > v.e.opts.MaxPreviewBytes {
		return nil, fmt.Errorf("%w: its objects take more memory than the limit of %d bytes; show fewer of them",
			ErrPreviewTooLarge, v.e.opts.MaxPreviewBytes)
	}
	return u, nil
}

// weight is about what a decoded value takes in memory. Most of it are maps,
// whose slots come by eights.
func weight(v any) int64 {
	const boxed, slot = 24, 16
	switch v := v.(type) {
	case string:
		return int64(len(v)) + boxed
	case map[string]any:
		n := int64(len(v)/8+1)*8*(2*slot+1) + 2*boxed
		for k, e := range v {
			n += int64(len(k)) + weight(e)
		}
		return n
	case []any:
		n := int64(boxed)
		for _, e := range v {
			n += slot + weight(e)
		}
		return n
	}
	return boxed
}

// prune judges what left the set, as a run would.
func (v *preview) prune(ctx context.Context) ([]Previewed, error) {
	var entries []*Entry
	for i := range v.p.prune {
		if en := &v.p.prune[i]; v.only == nil || v.only(en.Key) {
			entries = append(entries, en)
		}
	}
	out := make([]Previewed, len(entries))
	errs := v.e.each(ctx, len(entries), func(i int) (err error) {
		out[i], err = v.pruned(ctx, entries[i])
		return err
	})
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	for _, err := range errs {
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}

// pruned says what a run would do with the object of an entry.
func (v *preview) pruned(ctx context.Context, en *Entry) (Previewed, error) {
	p := Previewed{Key: en.Key, Action: ActionSkipped}
	t, id := v.e.target, v.p.req.Identity
	res, err := v.e.resource(ctx, en)
	var unknown *target.UnknownKindError
	if errors.As(err, &unknown) && !unknown.Unavailable {
		p.Reason = "its kind is no longer served"
		return p, nil
	}
	if err != nil {
		p.Err = err
		return p, nil
	}
	p.Ref = target.Ref{Resource: res, Namespace: en.Namespace, Name: en.Name}
	live, body, err := t.Fetch(ctx, id, p.Ref)
	found := err == nil
	if apierrors.IsForbidden(err) {
		// Whoever may not read it may still be allowed to delete it.
		if live, found = t.Cached(p.Ref); found {
			err = nil
		}
	}
	if err != nil && !apierrors.IsNotFound(err) {
		p.Err = err
		return p, nil
	}
	verdict := judge(&v.p.req.Owner, &live, found, v.e.claims.byOther(v.p.req.Owner.UID, en.Key))
	if !verdict.delete {
		p.Reason = verdict.reason
		return p, nil
	}
	p.Action = ActionDeleted
	err = t.TryDelete(ctx, id, p.Ref, target.Preconditions{UID: live.UID, ResourceVersion: live.ResourceVersion})
	if err != nil && !apierrors.IsNotFound(err) && !apierrors.IsConflict(err) {
		p.Err = err
	}
	if body != nil {
		p.Old, err = v.decode(body)
		return p, err
	}
	return p, nil
}
