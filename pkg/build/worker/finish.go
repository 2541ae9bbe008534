package worker

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"path"

	"sigs.k8s.io/kustomize/api/resource"

	"github.com/leat-dev/leat/pkg/build/protocol"
)

// originAnnotation is where kustomize says what an object comes from.
const originAnnotation = "config.kubernetes.io/origin"

// finish makes objects of what kustomize rendered.
func (b *builder) finish(r *rendered) ([]protocol.Object, error) {
	limits, options := &b.request.Limits, &b.request.Options
	resources := r.resources.Resources()
	if uint64(len(resources)) > limits.Objects {
		return nil, &fault{reason: reasonLimit, err: fmt.Errorf("the build renders %d objects, more than the limit of %d", len(resources), limits.Objects)}
	}
	substitute, err := newSubstituter(options.Substitute, b.request.Variables)
	if err != nil {
		return nil, err
	}
	objects := make([]protocol.Object, 0, len(resources))
	var size uint64
	for i, res := range resources {
		o := protocol.Object{}
		if r.origins != nil {
			o.File = originOf(r.dir, r.origins.Resources()[i])
		}
		if err := b.object(&o, res, r.keepOrigins, substitute); err != nil {
			return nil, err
		}
		if size += uint64(len(o.JSON)); size > limits.ResultBytes {
			return nil, &fault{reason: reasonLimit, err: fmt.Errorf("the build renders more than %d bytes", limits.ResultBytes)}
		}
		objects = append(objects, o)
	}
	return objects, nil
}

// object fills in o from res.
func (b *builder) object(o *protocol.Object, res *resource.Resource, keepOrigin bool, substitute *substituter) error {
	fields, err := res.Map()
	if err != nil {
		return invalid(o.File, "reading a rendered %s: %w", res.GetKind(), err)
	}
	if !keepOrigin {
		removeOrigin(fields)
	}
	text, err := encode(fields)
	if err != nil {
		return &fault{reason: reasonInvalid, file: o.File, object: nameOf(fields), err: fmt.Errorf("encoding the object: %w", err)}
	}
	if substitute.wants(text, fields) {
		if fields, err = substitute.object(o, text, fields); err != nil {
			return err
		}
		text = nil
	}
	labelled := setMetadata(fields, "labels", b.request.Options.Labels)
	annotated := setMetadata(fields, "annotations", b.request.Options.Annotations)
	if labelled || annotated {
		text = nil
	}
	if text == nil {
		if text, err = encode(fields); err != nil {
			return &fault{reason: reasonInvalid, file: o.File, object: nameOf(fields), err: fmt.Errorf("encoding the object: %w", err)}
		}
	}
	o.JSON = text
	return nil
}

// encode returns compact JSON with sorted keys.
func encode(fields map[string]any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(fields); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// originOf returns the path in the tree of the file that declared res, which
// was built in dir.
func originOf(dir string, res *resource.Resource) string {
	origin, err := res.GetOrigin()
	if err != nil || origin == nil {
		return ""
	}
	// What is generated is declared where its generator is configured.
	file := origin.Path
	if origin.ConfiguredIn != "" {
		file = origin.ConfiguredIn
	}
	if file == "" {
		return ""
	}
	return path.Join(dir, file)
}

func removeOrigin(fields map[string]any) {
	metadata, _ := fields["metadata"].(map[string]any)
	annotations, ok := metadata["annotations"].(map[string]any)
	if !ok {
		return
	}
	delete(annotations, originAnnotation)
	if len(annotations) == 0 {
		delete(metadata, "annotations")
	}
}

// setMetadata sets labels or annotations over those that an object has.
func setMetadata(fields map[string]any, field string, values map[string]string) bool {
	if len(values) == 0 {
		return false
	}
	metadata, ok := fields["metadata"].(map[string]any)
	if !ok {
		metadata = make(map[string]any)
		fields["metadata"] = metadata
	}
	have, ok := metadata[field].(map[string]any)
	if !ok {
		have = make(map[string]any, len(values))
		metadata[field] = have
	}
	for name, value := range maps.All(values) {
		have[name] = value
	}
	return true
}

// nameOf names an object for people.
func nameOf(fields map[string]any) string {
	metadata, _ := fields["metadata"].(map[string]any)
	kind, _ := fields["kind"].(string)
	name, _ := metadata["name"].(string)
	if namespace, _ := metadata["namespace"].(string); namespace != "" {
		return kind + "/" + namespace + "/" + name
	}
	return kind + "/" + name
}
