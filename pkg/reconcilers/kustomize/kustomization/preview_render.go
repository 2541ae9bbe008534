package kustomization

import (
	"context"
	"errors"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/leat-dev/leat/pkg/artifact"
	"github.com/leat-dev/leat/pkg/build"
	"github.com/leat-dev/leat/pkg/object"
	"github.com/leat-dev/leat/pkg/preview"
)

// rendition is what was made of a tree.
type rendition struct{ objects []object.Object }

// buildKey names a rendition of a preview.
type buildKey struct {
	tree artifact.Digest
	way  way
}

// rendered is a side after the build.
type rendered struct {
	*side
	// real is what the reconciler would apply, public what of it may be shown:
	// the same objects in the same order. They are the same where nothing is
	// secret, and in foreign content, of which nothing but public is rendered.
	real, public []object.Object
}

// secretly says that the i-th object holds something that may not be shown.
func (r *rendered) secretly(i int) bool {
	return !equality.Semantic.DeepEqual(r.real[i].Object, r.public[i].Object)
}

// renderSide renders a side with and without what may not be shown.
//
// The public rendering comes first. Its errors quote no secret, since there was
// none in it; an error that only the real one has is told without its words.
func (g *glance) renderSide(ctx context.Context, s *side) (*rendered, error) {
	shown, err := g.render(ctx, s, public)
	if err != nil {
		return nil, err
	}
	if g.foreign || !g.values.secret {
		return &rendered{s, shown.objects, shown.objects}, nil
	}
	full, err := g.render(ctx, s, hidden)
	var e *build.Error
	if errors.As(err, &e) && e.Input() {
		return nil, g.invalid(e.File, "building with the values of Secrets that you may not get fails, so the reason is not shown here"+inObject(e))
	}
	if err != nil {
		return nil, g.buildStatus(err, s)
	}
	out := &rendered{s, full.objects, shown.objects}
	if !sameObjects(out.real, out.public) {
		return nil, errors.New("rendering with and without secret values gave other objects")
	}
	return out, nil
}

func inObject(e *build.Error) string {
	if e.Object == "" {
		return ""
	}
	return ": " + e.Object
}

func sameObjects(a, b []object.Object) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i].Key() != b[i].Key() {
			return false
		}
	}
	return true
}

// render builds a side once each way. Errors of the public one are API statuses,
// those of the others are as they are.
func (g *glance) render(ctx context.Context, s *side, w way) (*rendition, error) {
	key := buildKey{s.tree.Digest(), w}
	if known := g.builds[key]; known != nil {
		return known, nil
	}
	result, err := g.Builder.Build(ctx, build.Request{
		Tenant: g.obj.Namespace, Tree: s.tree, Options: buildOptions(&g.obj.Spec), Variables: g.values.by[w],
	})
	if err != nil {
		if w == public {
			err = g.buildStatus(err, s)
		}
		return nil, err
	}
	out := &rendition{result.Objects}
	if g.foreign {
		if err := out.hideEncrypted(s, result, w); err != nil {
			return nil, err
		}
		// Where it is decrypted, what is live is secret in these places.
		g.values.secret = g.values.secret || len(result.Encrypted) > 0
	}
	g.builds[key] = out
	return out, nil
}

func (g *glance) buildStatus(err error, s *side) error {
	return preview.BuildStatus(err, g.kind(), g.obj.Name, s.upload)
}

// hideEncrypted puts the names of files in the places of what is encrypted in
// them, or other texts where the rendition is not to be shown. In foreign content
// it is not decrypted, and its text tells nothing.
func (r *rendition) hideEncrypted(s *side, result *build.Result, w way) error {
	encrypted, err := preview.NewEncrypted(s.tree, result)
	if err != nil {
		return err
	}
	objects := make([]object.Object, len(r.objects))
	text := preview.EncryptedMarker
	if w == public {
		text = preview.EncryptedPlaceholder
	}
	for i, o := range r.objects {
		fields, changed := encrypted.Replace(o.Object, o.File, text)
		objects[i] = o
		objects[i].Unstructured = &unstructured.Unstructured{Object: fields}
		objects[i].Tainted = o.Tainted || changed
	}
	r.objects = objects
	return nil
}

// witnesses say, object by object, what of the live ones is secret. What is
// applied was rendered from the revision of the last success or, after a failure
// half way, from the current one; both are rendered twice. They know nothing of
// objects that left the set before, and of none where neither can be rendered.
func (g *glance) witnesses(ctx context.Context, looked *rendered) (map[object.Key][]preview.Witness, bool) {
	out := map[object.Key][]preview.Witness{}
	if !g.values.secret && !g.foreign {
		return out, false
	}
	var last *side
	if revision := g.obj.Status.LastAppliedRevision; revision != "" {
		last, _ = g.retained(revision)
	}
	current, _ := g.current()
	var sides []*side
	for _, s := range []*side{last, current} {
		if s == nil {
			continue
		}
		// In foreign previews this also finds out whether there is anything secret.
		if _, err := g.render(ctx, s, public); err == nil {
			sides = append(sides, s)
		}
	}
	if !g.values.secret {
		return out, false
	}
	known := false
	for _, s := range sides {
		shown, err := g.render(ctx, s, public)
		if err != nil {
			continue
		}
		full, err := g.render(ctx, s, hidden)
		if err != nil || !sameObjects(shown.objects, full.objects) {
			continue
		}
		known = true
		addWitnesses(out, full.objects, shown.objects)
	}
	if known && !g.foreign {
		addWitnesses(out, looked.real, looked.public)
	}
	return out, known
}

func addWitnesses(to map[object.Key][]preview.Witness, secret, public []object.Object) {
	for i := range secret {
		key := secret[i].Key()
		to[key] = append(to[key], preview.Witness{Real: preview.Stored(secret[i].Object), Public: preview.Stored(public[i].Object)})
	}
}

// witnessesOf finds those of a live object.
func witnessesOf(all map[object.Key][]preview.Witness, live object.Key) []preview.Witness {
	if found, ok := all[live]; ok || live.Namespace != "" {
		return found
	}
	for key, found := range all {
		if isOf(key, live) {
			return found
		}
	}
	return nil
}

// tells whether some witness has something secret.
func tells(witnesses []preview.Witness) bool {
	for _, w := range witnesses {
		if !equality.Semantic.DeepEqual(w.Real, w.Public) {
			return true
		}
	}
	return false
}

func copyOf(fields map[string]any) *unstructured.Unstructured {
	return (&unstructured.Unstructured{Object: fields}).DeepCopy()
}
