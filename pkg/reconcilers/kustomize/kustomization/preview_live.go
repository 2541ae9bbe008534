package kustomization

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	kustomizev1 "github.com/leat-dev/leat/pkg/apis/kustomize/v1"
	leatv1alpha1 "github.com/leat-dev/leat/pkg/apis/leat/v1alpha1"
	"github.com/leat-dev/leat/pkg/apply"
	"github.com/leat-dev/leat/pkg/object"
	"github.com/leat-dev/leat/pkg/preview"
)

// liveLabel is what the cluster is called.
const liveLabel = "live"

// live is a diff of the cluster with a side.
type live struct {
	*glance
	side *rendered
	// objects finds those of the side by their keys, which may have a namespace
	// too many.
	objects map[object.Key]int
	// witnesses say what of live objects is secret; known, that they tell of what
	// is applied.
	witnesses map[object.Key][]preview.Witness
	known     bool
	// stored are the bodies that the server would store of what was rendered
	// another way than what would be applied.
	stored map[object.Key]preview.Body
}

// diffLive says what applying a side would change in the cluster.
func (g *glance) diffLive(ctx context.Context, s preview.Side) (*preview.Diff, error) {
	opened, err := g.open(ctx, s)
	if err != nil {
		return nil, err
	}
	if g.values, err = g.collect(ctx, true); err != nil {
		return nil, err
	}
	l := &live{glance: g, stored: map[object.Key]preview.Body{}}
	if l.side, err = g.renderSide(ctx, opened); err != nil {
		return nil, err
	}
	l.objects = make(map[object.Key]int, len(l.side.real))
	for i, o := range l.side.real {
		l.objects[o.Key()] = i
	}
	l.witnesses, l.known = g.witnesses(ctx, l.side)
	previewed, err := l.plan(ctx, l.applied(), l.wanted, l.prunes())
	if err != nil {
		return nil, err
	}
	shown, err := l.shown(ctx, previewed)
	if err != nil {
		return nil, err
	}
	if err := l.tryOthers(ctx, previewed, shown); err != nil {
		return nil, err
	}
	out := &preview.Diff{From: liveLabel, To: opened.label}
	for i := range previewed {
		p := &previewed[i]
		if !g.filter.Selects(p.Key, p.Ref.Version) {
			continue
		}
		d, err := l.object(p, shown[i])
		if err != nil {
			return nil, fmt.Errorf("comparing %s: %w", p.Key, err)
		}
		out.Objects = append(out.Objects, *d)
	}
	return out, nil
}

// applied are the objects that the dry-runs are made with. An object is tainted,
// so that errors do not quote it, if it holds what may not be shown; also if the
// live one does, which errors quote as well.
func (l *live) applied() []object.Object {
	out := make([]object.Object, len(l.side.real))
	for i, o := range l.side.real {
		out[i] = o
		out[i].Tainted = l.side.secretly(i) || l.foreign && o.Tainted || tells(l.witnesses[o.Key()])
		if l.foreign {
			out[i].Unstructured = &unstructured.Unstructured{Object: preview.Encode(o.Object)}
		}
	}
	return out
}

func (l *live) wanted(key object.Key) bool { return l.filter.Selects(key, "") }

// prunes says whether what would be deleted is shown.
func (g *glance) prunes() bool {
	if g.request.Prune != nil {
		return *g.request.Prune
	}
	return isTrue(g.obj.Spec.Prune)
}

// plan asks what an apply would do.
func (l *live) plan(ctx context.Context, objects []object.Object, only func(object.Key) bool, prune bool) ([]apply.Previewed, error) {
	previewed, err := l.Engine.Preview(ctx, apply.PreviewRequest{
		Request: apply.Request{
			Owner: owner(l.obj), Identity: l.identity, Objects: objects,
			Force: isTrue(l.obj.Spec.Force), Prune: prune, Exclude: partOfFlux,
		},
		Only: only,
	})
	switch {
	case errors.Is(err, apply.ErrEmptyBuild), errors.Is(err, apply.ErrPreviewTooLarge), errors.Is(err, apply.ErrTooManyObjects):
		return nil, l.invalid("spec.path", err.Error())
	case err != nil:
		return nil, err
	}
	return previewed, nil
}

// concurrentReviews bounds how many rights of a request are asked for at once.
const concurrentReviews = 8

// shown says which objects the caller and the object's identity may both get.
func (l *live) shown(ctx context.Context, previewed []apply.Previewed) ([]bool, error) {
	shown, errs := make([]bool, len(previewed)), make([]error, len(previewed))
	limit := make(chan struct{}, concurrentReviews)
	var asking sync.WaitGroup
	for i := range previewed {
		ref := previewed[i].Ref
		if ref.Resource.Resource == "" {
			continue // of an unknown kind, of which nothing was read
		}
		limit <- struct{}{}
		asking.Go(func() {
			shown[i], errs[i] = l.rights.mayGet(ctx, ref)
			<-limit
		})
	}
	asking.Wait()
	for _, err := range errs {
		if err != nil {
			return nil, err
		}
	}
	return shown, nil
}

// find returns the place of a live object in the side.
func (l *live) find(key object.Key) (int, bool) {
	if i, ok := l.objects[key]; ok || key.Namespace != "" {
		return i, ok
	}
	for rendered, i := range l.objects {
		if isOf(rendered, key) {
			return i, true
		}
	}
	return 0, false
}

// actions are the words for what an engine would do.
var actions = map[apply.Action]leatv1alpha1.DiffAction{
	apply.ActionCreated:    leatv1alpha1.DiffCreate,
	apply.ActionConfigured: leatv1alpha1.DiffUpdate,
	apply.ActionRecreated:  leatv1alpha1.DiffRecreate,
	apply.ActionDeleted:    leatv1alpha1.DiffDelete,
	apply.ActionUnchanged:  leatv1alpha1.DiffUnchanged,
	apply.ActionSkipped:    leatv1alpha1.DiffSkip,
}

// The messages of objects whose content is left out.
const (
	notYours   = "you, or the account that this object acts as, may not get it"
	notDeleted = "deleting it would be refused; the reason is not shown, since it may quote values of Secrets"
	notKnown   = "the content is left out: it may hold values of Secrets"
	unresolved = "not verified: values of Secrets are not resolved here, and the server does not take the text that stands for them"
)

// object tells of one object.
func (l *live) object(p *apply.Previewed, shown bool) (*preview.ObjectDiff, error) {
	d := &preview.ObjectDiff{DiffObject: leatv1alpha1.DiffObject{
		APIVersion: p.Ref.GroupVersion().String(), Kind: p.Kind, Namespace: p.Namespace, Name: p.Name,
		Action: actions[p.Action], File: p.File, Unverified: p.Unverified,
	}}
	if d.Action == "" {
		// It could not even be asked for. An apply would fail.
		d.Action, d.Unverified = leatv1alpha1.DiffUpdate, true
	}
	i, found := l.find(p.Key)
	if found && p.Ref.Resource.Resource == "" {
		d.APIVersion = l.side.public[i].GetAPIVersion()
	}
	// A live object that the identity may not read is not there for us.
	unread := p.Old == nil && (p.Action == apply.ActionConfigured || p.Action == apply.ActionRecreated || p.Action == apply.ActionDeleted)
	if (!shown || unread) && p.Ref.Resource.Resource != "" {
		d.Redacted = true
		d.Message = redactedMessage(p)
		return d, nil
	}
	d.Message = message(p)
	if p.Err != nil && p.Action == apply.ActionDeleted && tells(witnessesOf(l.witnesses, p.Key)) {
		d.Message = notDeleted
	}
	if l.foreign && found && isRefusal(p.Err) && l.side.public[i].Tainted {
		d.Unverified, d.Message = true, unresolved+": "+p.Err.Error()
	}
	before, after := l.before(p, found), l.after(p, i, found)
	if p.Old != nil && !before.Exists() {
		d.Message = notKnown
	}
	c, err := preview.Compare(before, after)
	if err != nil {
		return nil, err
	}
	d.Fields, d.Old, d.New = c.Fields, c.Old, c.New
	d.Message = withTruncation(d.Message, &c)
	if l.foreign && d.Action == leatv1alpha1.DiffUpdate && len(d.Fields) == 0 {
		// Only what is not resolved differs.
		d.Action, d.Unverified = leatv1alpha1.DiffUnchanged, p.Err != nil
	}
	if d.Action == leatv1alpha1.DiffUpdate && len(d.Fields) == 0 && d.Message == "" {
		d.Message = "no field changes; who manages them does"
	}
	return d, nil
}

// before is the live object as it may be shown.
func (l *live) before(p *apply.Previewed, inSet bool) preview.Body {
	if p.Old == nil {
		return preview.Body{}
	}
	fields := preview.Strip(p.Old)
	witnesses := witnessesOf(l.witnesses, p.Key)
	switch {
	case !l.values.secret:
	case !l.known && inSet:
		// What it was rendered from cannot be looked at. What is in the side is
		// public, and nothing else is known to be.
		i, _ := l.find(p.Key)
		return preview.Derive(fields, preview.Open(l.labelled(l.side.public[i].Unstructured)))
	case len(witnesses) > 0:
		return preview.Conceal(fields, l.foreign, witnesses...)
	case !inSet:
		// It was rendered from something that is not known any more.
		return preview.Body{}
	}
	return preview.Open(fields)
}

// after is what the object would become, as it may be shown.
func (l *live) after(p *apply.Previewed, i int, found bool) preview.Body {
	if p.New == nil {
		return preview.Body{}
	}
	fields, from := preview.Strip(p.New), l.before(p, found)
	if p.Unverified || p.Err != nil {
		fields = preview.Fill(fields, preview.Strip(p.Old))
	}
	if l.foreign {
		after, ok := l.stored[p.Key]
		if !ok {
			after = preview.Open(preview.Decode(fields))
		}
		return preview.Shade(after, preview.Strip(p.Old), from)
	}
	certain := l.known || !l.values.secret
	if certain && found && !l.side.secretly(i) && !tells(witnessesOf(l.witnesses, p.Key)) {
		return preview.Open(fields)
	}
	sources := []preview.Body{from, l.stored[p.Key]}
	if found {
		sources = append(sources, preview.Open(l.labelled(l.side.public[i].Unstructured)))
	}
	return preview.Derive(fields, sources...)
}

// labelled is a rendered object with the labels that an apply gives it.
func (l *live) labelled(u *unstructured.Unstructured) map[string]any {
	u = u.DeepCopy()
	labels := u.GetLabels()
	if labels == nil {
		labels = map[string]string{}
	}
	labels[kustomizev1.GroupName+"/name"], labels[kustomizev1.GroupName+"/namespace"] = l.obj.Name, l.obj.Namespace
	u.SetLabels(labels)
	return preview.Stored(preview.Strip(u))
}

// message says what there is to say of an object that may be shown.
func message(p *apply.Previewed) string {
	var parts []string
	if p.Reason != "" {
		parts = append(parts, p.Reason)
	}
	if p.Err != nil {
		parts = append(parts, "an apply would fail: "+p.Err.Error())
	}
	return strings.Join(parts, "; ")
}

// redactedMessage leaves out what a server says of values.
func redactedMessage(p *apply.Previewed) string {
	if p.Err != nil {
		return notYours + "; an apply would fail"
	}
	if p.Action == apply.ActionSkipped {
		return p.Reason
	}
	return notYours
}

// isRefusal says that the server does not take what it was sent.
func isRefusal(err error) bool {
	var st apierrors.APIStatus
	if !errors.As(err, &st) {
		return false
	}
	switch st.Status().Code {
	case http.StatusBadRequest, http.StatusUnprocessableEntity, http.StatusInternalServerError:
		return true
	}
	return false
}

// reversed is the diff the other way round.
func reversed(d *preview.Diff) (*preview.Diff, error) {
	swapped := map[leatv1alpha1.DiffAction]leatv1alpha1.DiffAction{
		leatv1alpha1.DiffCreate: leatv1alpha1.DiffDelete, leatv1alpha1.DiffDelete: leatv1alpha1.DiffCreate,
		leatv1alpha1.DiffRecreate: leatv1alpha1.DiffUpdate,
	}
	out := &preview.Diff{From: d.To, To: d.From, Objects: d.Objects}
	for i := range out.Objects {
		o := &out.Objects[i]
		if action, ok := swapped[o.Action]; ok {
			o.Action = action
		}
		o.Old, o.New = o.New, o.Old
		for j := range o.Fields {
			o.Fields[j].Old, o.Fields[j].New = o.Fields[j].New, o.Fields[j].Old
		}
	}
	return out, nil
}
