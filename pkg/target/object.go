package target

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"k8s.io/apimachinery/pkg/api/validate/content"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
)

// Ref names one object and how it is reached.
type Ref struct {
	Resource
	Namespace, Name string
}

// Check refuses names that would lead a request elsewhere.
func (r Ref) Check() error {
	if r.Name == "" {
		return errors.New("the object has no name")
	}
	for _, s := range []string{r.Namespace, r.Name} {
		if msgs := content.IsPathSegmentName(s); len(msgs) > 0 || strings.ContainsAny(s, ",=\\") {
			return fmt.Errorf("%q cannot be a name of an object", s)
		}
	}
	return nil
}

func (r Ref) namespacedName() types.NamespacedName {
	return types.NamespacedName{Namespace: r.Namespace, Name: r.Name}
}

// Written is what a write, or its dry-run, led to.
type Written struct {
	// Created says that the object did not exist before.
	Created bool
	Live    Live
	// Body is the whole object, in JSON, as the server stored it or, after a
	// dry-run, would store it. It may be a Secret: let go of it soon.
	Body []byte
}

// Apply applies body, the JSON of an apply configuration, server-side. Fields
// that others own are taken: what is in Git decides.
func (t *Target) Apply(ctx context.Context, id Identity, ref Ref, body []byte, dryRun bool) (Written, error) {
	q := url.Values{"fieldManager": {t.opts.FieldManager}, "force": {"true"}}
	r := request{id: id, method: http.MethodPatch, path: ref.path(ref.Namespace, ref.Name), query: q, contentType: typeApply, body: body}
	return t.write(ctx, ref, r, dryRun)
}

// Create creates the object; if there is one, the error is AlreadyExists.
func (t *Target) Create(ctx context.Context, id Identity, ref Ref, body []byte, dryRun bool) (Written, error) {
	q := url.Values{"fieldManager": {t.opts.FieldManager}}
	r := request{id: id, method: http.MethodPost, path: ref.path(ref.Namespace, ""), query: q, contentType: typeJSON, body: body}
	return t.write(ctx, ref, r, dryRun)
}

// Patch applies a JSON patch.
func (t *Target) Patch(ctx context.Context, id Identity, ref Ref, patch []byte) (Written, error) {
	return t.patch(ctx, id, ref, patch, false)
}

// TryPatch asks what Patch would lead to. It writes nothing.
func (t *Target) TryPatch(ctx context.Context, id Identity, ref Ref, patch []byte) (Written, error) {
	return t.patch(ctx, id, ref, patch, true)
}

func (t *Target) patch(ctx context.Context, id Identity, ref Ref, patch []byte, dryRun bool) (Written, error) {
	q := url.Values{"fieldManager": {t.opts.FieldManager}}
	r := request{id: id, method: http.MethodPatch, path: ref.path(ref.Namespace, ref.Name), query: q, contentType: typeJSONPatch, body: patch}
	return t.write(ctx, ref, r, dryRun)
}

func (t *Target) write(ctx context.Context, ref Ref, r request, dryRun bool) (Written, error) {
	var k *kind
	if dryRun {
		r.query.Set("dryRun", "All")
	} else {
		k = t.cache.begin(ref)
	}
	body, code, err := t.do(ctx, r)
	var o identified
	if err == nil {
		o, err = t.read(ref, body)
	}
	if err != nil {
		k.wrote(ref.namespacedName(), nil)
		return Written{}, err
	}
	k.wrote(ref.namespacedName(), &o)
	return Written{Created: code == http.StatusCreated, Live: o.Live, Body: body}, nil
}

// read reduces a response that holds one object.
func (t *Target) read(ref Ref, body []byte) (identified, error) {
	tp := t.cache.tapes.Get().(*tape)
	defer t.cache.tapes.Put(tp)
	if err := tp.reset(body); err != nil {
		return identified{}, fmt.Errorf("reading %s %s: %w", ref.Kind, ref.namespacedName(), err)
	}
	o, err := t.reduce(ref.GroupVersionKind(), tp, 0)
	if err != nil {
		return identified{}, fmt.Errorf("reading %s %s: %w", ref.Kind, ref.namespacedName(), err)
	}
	return o, nil
}

// Read reads what the cluster says of an object now, past the cache.
func (t *Target) Read(ctx context.Context, id Identity, ref Ref) (Live, error) {
	l, _, err := t.Fetch(ctx, id, ref)
	return l, err
}

// Fetch is Read with the whole object in JSON, which may be a Secret.
func (t *Target) Fetch(ctx context.Context, id Identity, ref Ref) (Live, []byte, error) {
	body, _, err := t.do(ctx, request{id: id, method: http.MethodGet, path: ref.path(ref.Namespace, ref.Name)})
	if err != nil {
		return Live{}, nil, err
	}
	o, err := t.read(ref, body)
	return o.Live, body, err
}

// Get reads the whole object.
func (t *Target) Get(ctx context.Context, id Identity, ref Ref) (*unstructured.Unstructured, error) {
	body, _, err := t.do(ctx, request{id: id, method: http.MethodGet, path: ref.path(ref.Namespace, ref.Name)})
	if err != nil {
		return nil, err
	}
	u := &unstructured.Unstructured{}
	if err := u.UnmarshalJSON(body); err != nil {
		return nil, fmt.Errorf("reading %s %s: %w", ref.Kind, ref.namespacedName(), err)
	}
	return u, nil
}

// Preconditions are what must still be so for a deletion to happen. Empty
// members are not checked.
type Preconditions struct {
	UID             types.UID
	ResourceVersion string
}

// Delete deletes the object, and in the background what it owns. It returns
// when the deletion is accepted.
func (t *Target) Delete(ctx context.Context, id Identity, ref Ref, p Preconditions) error {
	r, err := deletion(id, ref, p, false)
	if err != nil {
		return err
	}
	k := t.cache.begin(ref)
	if _, _, err = t.do(ctx, r); err != nil {
		k.wrote(ref.namespacedName(), nil)
		return err
	}
	k.deleted(ref.namespacedName())
	return nil
}

// TryDelete asks whether Delete would be accepted. It deletes nothing.
func (t *Target) TryDelete(ctx context.Context, id Identity, ref Ref, p Preconditions) error {
	r, err := deletion(id, ref, p, true)
	if err == nil {
		_, _, err = t.do(ctx, r)
	}
	return err
}

func deletion(id Identity, ref Ref, p Preconditions, dryRun bool) (request, error) {
	background := metav1.DeletePropagationBackground
	o := metav1.DeleteOptions{
		TypeMeta:          metav1.TypeMeta{APIVersion: "v1", Kind: "DeleteOptions"},
		PropagationPolicy: &background, Preconditions: &metav1.Preconditions{},
	}
	if p.UID != "" {
		o.Preconditions.UID = &p.UID
	}
	if p.ResourceVersion != "" {
		o.Preconditions.ResourceVersion = &p.ResourceVersion
	}
	r := request{
		id: id, method: http.MethodDelete, path: ref.path(ref.Namespace, ref.Name),
		contentType: typeJSON, accept: typeMeta,
	}
	if dryRun {
		// The body is what counts; the query is for those who read the audit log.
		o.DryRun = []string{metav1.DryRunAll}
		r.query = url.Values{"dryRun": {metav1.DryRunAll}}
	}
	var err error
	if r.body, err = json.Marshal(&o); err != nil {
		return r, fmt.Errorf("encoding the preconditions: %w", err)
	}
	return r, nil
}
