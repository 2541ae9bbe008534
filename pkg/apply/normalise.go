package apply

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/leat-dev/leat/pkg/object"
	"github.com/leat-dev/leat/pkg/target"
)

// ErrTooManyObjects refuses a set that is larger than the engine's limit.
var ErrTooManyObjects = errors.New("too many objects")

// prepare makes items of the request's objects, in the order of apply. What is
// wrong with single ones is noted there.
func (e *Engine) prepare(ctx context.Context, r *Request) ([]*item, error) {
	if len(r.Objects) > e.opts.MaxObjects {
		return nil, fmt.Errorf("planning: %w: %d, the limit is %d", ErrTooManyObjects, len(r.Objects), e.opts.MaxObjects)
	}
	items := make([]*item, len(r.Objects))
	for i, o := range r.Objects {
		items[i] = &item{obj: o, after: noStage}
		if o.Unstructured != nil {
			items[i].key = o.Key()
			items[i].exclude(r)
		}
	}
	defs := definitions(items)
	scopes := scopes{e: e, defs: defs, known: map[schema.GroupVersionKind]scope{}}
	first := make(map[object.Key]*item, len(items))
	for _, it := range items {
		if it.err = e.normalise(ctx, r, it, &scopes); it.err != nil {
			continue
		}
		if twin := first[it.key]; twin != nil {
			it.err = fmt.Errorf("the set holds the object twice, also in %q", twin.obj.File)
		}
		first[it.key] = it
	}
	if err := context.Cause(ctx); err != nil {
		return nil, fmt.Errorf("planning: %w", err)
	}
	slices.SortFunc(items, func(a, b *item) int { return compareOrder(a.key, b.key, a.stage, b.stage) })
	return items, nil
}

// exclude takes the item out of the set if the request says so.
func (it *item) exclude(r *Request) {
	if r.Exclude == nil {
		return
	}
	if reason := r.Exclude(it.obj); reason != "" {
		it.skip(reason)
		it.excluded = true
	}
}

// normalise gives the item what the cluster is to get: the object in its
// namespace, with the owner labels, without what only the server may set. The
// rendered object is left as it is, since a build may be used again.
func (e *Engine) normalise(ctx context.Context, r *Request, it *item, s *scopes) error {
	if it.obj.Unstructured == nil || it.obj.Object == nil {
		return errors.New("the object is empty")
	}
	gvk := it.obj.GroupVersionKind()
	if gvk.Kind == "" || gvk.Version == "" {
		return errors.New("the object has no apiVersion or no kind")
	}
	if it.obj.IsList() {
		return errors.New("the object is a list; its items are to be given one by one")
	}
	sc, err := s.of(ctx, gvk)
	if err != nil {
		return err
	}
	it.crd, it.unserved = sc.crd, sc.unserved

	body := maps.Clone(it.obj.Object)
	delete(body, "status")
	meta, err := e.metadata(r, it, sc.Resource)
	if err != nil {
		return err
	}
	body["metadata"] = meta
	if it.key.Group == "" && it.key.Kind == "Secret" {
		if err := encodeStringData(body); err != nil {
			return err
		}
	}
	if it.body, err = json.Marshal(body); err != nil {
		return fmt.Errorf("encoding the object: %w", err)
	}
	if len(it.body) > e.opts.MaxObjectBytes {
		return fmt.Errorf("the object has %d bytes, the limit is %d", len(it.body), e.opts.MaxObjectBytes)
	}
	it.desired = e.target.Digest(it.body)
	it.stage = stageOf(it.key, sc.Namespaced)
	return nil
}

// metadata returns the metadata to apply and sets the item's key, reference and
// switches.
func (e *Engine) metadata(r *Request, it *item, res target.Resource) (map[string]any, error) {
	in, ok := it.obj.Object["metadata"].(map[string]any)
	if !ok {
		return nil, errors.New("the object has no metadata")
	}
	meta := maps.Clone(in)
	for _, k := range []string{"managedFields", "resourceVersion", "uid", "generation", "creationTimestamp", "deletionTimestamp", "selfLink"} {
		delete(meta, k)
	}
	labels, err := stringMap(meta, "labels")
	if err != nil {
		return nil, err
	}
	annotations, err := stringMap(meta, "annotations")
	if err != nil {
		return nil, err
	}
	setAnnotations(meta, annotations)
	it.switches = e.target.SwitchesOf(labels, annotations)
	owned := make(map[string]any, len(labels)+2)
	for k, v := range labels {
		owned[k] = v
	}
	owned[r.Owner.Group+"/name"], owned[r.Owner.Group+"/namespace"] = r.Owner.Name, r.Owner.Namespace
	meta["labels"] = owned

	it.key.Namespace, err = namespaceOf(meta, r, res)
	if err != nil {
		return nil, err
	}
	it.ref = target.Ref{Resource: res, Namespace: it.key.Namespace, Name: it.key.Name}
	if err := it.ref.Check(); err != nil {
		return nil, err
	}
	return meta, nil
}

// setAnnotations leaves out what kubectl's client-side apply has left in a
// manifest that was exported from a cluster. An empty map is left out too: it
// would be owned as a whole, with what others put into it.
func setAnnotations(meta map[string]any, annotations map[string]string) {
	delete(meta, "annotations")
	out := make(map[string]any, len(annotations))
	for k, v := range annotations {
		if k != target.LastApplied {
			out[k] = v
		}
	}
	if len(out) > 0 {
		meta["annotations"] = out
	}
}

// namespaceOf gives the metadata the namespace that the kind's scope asks for.
func namespaceOf(meta map[string]any, r *Request, res target.Resource) (string, error) {
	if !res.Namespaced {
		delete(meta, "namespace")
		return "", nil
	}
	ns, _ := meta["namespace"].(string)
	if ns == "" {
		ns = r.Namespace
	}
	if ns == "" {
		return "", errors.New("the object names no namespace, which its kind needs: set metadata.namespace or targetNamespace")
	}
	meta["namespace"] = ns
	return ns, nil
}

// stringMap reads labels or annotations.
func stringMap(meta map[string]any, name string) (map[string]string, error) {
	if meta[name] == nil {
		return nil, nil
	}
	m, ok, err := unstructured.NestedStringMap(meta, name)
	if err != nil || !ok {
		return nil, fmt.Errorf("metadata.%s must be a map of strings", name)
	}
	return m, nil
}

// encodeStringData moves a Secret's stringData into data, as the server would:
// applied as it is, it would be owned under a name that no live object has.
func encodeStringData(body map[string]any) error {
	in, ok := body["stringData"]
	if !ok {
		return nil
	}
	delete(body, "stringData")
	if in == nil {
		return nil
	}
	plain, ok := in.(map[string]any)
	if !ok {
		return errors.New("stringData must be a map of strings")
	}
	data := map[string]any{}
	if d, ok := body["data"].(map[string]any); ok {
		data = maps.Clone(d)
	}
	for k, v := range plain {
		s, ok := v.(string)
		if !ok {
			return errors.New("stringData must be a map of strings") // its keys may be secret too
		}
		data[k] = base64.StdEncoding.EncodeToString([]byte(s))
	}
	body["data"] = data
	return nil
}
