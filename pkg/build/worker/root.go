package worker

import (
	"encoding/json"
	"path"
	"slices"
	"strings"

	"sigs.k8s.io/kustomize/api/konfig"
	"sigs.k8s.io/kustomize/api/types"
	"sigs.k8s.io/kustomize/kyaml/resid"

	"github.com/leat-dev/leat/pkg/build/protocol"
)

// root is the kustomization that is built.
type root struct {
	dir string
	// file is its path in the tree, where it may be generated.
	file string
	// written says that the tree has it.
	written bool
	*types.Kustomization
}

// name returns the path to name in errors: there is none of a generated file.
func (r *root) name() string {
	if r.written {
		return r.file
	}
	return ""
}

// openRoot reads or generates the kustomization of the options' path and
// merges the options in.
func openRoot(f *files, o *protocol.Options) (*root, error) {
	// Cleaning under a slash resolves ".." without leaving the root.
	dir := strings.TrimPrefix(path.Clean("/"+o.Path), "/")
	if dir == "" {
		dir = rootDir
	}
	candidates := kustomizationPaths(dir)
	if err := f.fetch(append(candidates, dir)...); err != nil {
		return nil, err
	}
	switch f.state(dir) {
	case protocol.Dir:
	case protocol.File:
		return nil, &fault{reason: reasonPathNotFound, file: dir, err: errNotDirectory}
	default:
		return nil, &fault{reason: reasonPathNotFound, file: dir, err: errNoDirectory}
	}
	file, err := f.kustomizationIn(dir)
	if err != nil {
		return nil, err
	}
	r := &root{dir: dir, file: file, written: file != ""}
	if r.written {
		r.Kustomization, err = parse(file, f.known[file].content)
	} else {
		r.file = path.Join(dir, konfig.DefaultKustomizationFileName())
		r.Kustomization, err = generate(f, dir)
	}
	if err != nil {
		return nil, err
	}
	return r, r.merge(f, o)
}

// merge adds the options to the kustomization.
func (r *root) merge(f *files, o *protocol.Options) error {
	for _, field := range []struct {
		field *string
		value string
	}{{&r.Namespace, o.TargetNamespace}, {&r.NamePrefix, o.NamePrefix}, {&r.NameSuffix, o.NameSuffix}} {
		if field.value != "" {
			*field.field = field.value
		}
	}
	for _, p := range o.Patches {
		r.Patches = append(r.Patches, types.Patch{Patch: p.Patch, Target: selector(p.Target)})
	}
	r.mergeImages(o.Images)
	for _, option := range o.BuildMetadata {
		if !slices.Contains(r.BuildMetadata, option) {
			r.BuildMetadata = append(r.BuildMetadata, option)
		}
	}
	return r.mergeComponents(f, o)
}

func selector(s *protocol.Selector) *types.Selector {
	if s == nil {
		return nil
	}
	return &types.Selector{
		ResId: resid.ResId{
			Gvk:  resid.Gvk{Group: s.Group, Version: s.Version, Kind: s.Kind},
			Name: s.Name, Namespace: s.Namespace,
		},
		LabelSelector: s.LabelSelector, AnnotationSelector: s.AnnotationSelector,
	}
}

// mergeImages replaces the entries of the same name and adds the others.
func (r *root) mergeImages(images []protocol.Image) {
	if len(images) == 0 {
		return
	}
	// An older name of the field, which kustomize appends to it.
	r.Images = append(r.Images, r.ImageTags...) //nolint:staticcheck // deprecated, but in use
	r.ImageTags = nil                           //nolint:staticcheck // deprecated, but in use
	for _, image := range images {
		merged := types.Image{Name: image.Name, NewName: image.NewName, NewTag: image.NewTag, Digest: image.Digest}
		i := slices.IndexFunc(r.Images, func(have types.Image) bool { return have.Name == image.Name })
		if i < 0 {
			r.Images = append(r.Images, merged)
			continue
		}
		r.Images[i] = merged
	}
}

func (r *root) mergeComponents(f *files, o *protocol.Options) error {
	var paths []string
	for _, component := range o.Components {
		p, ok := resolve(r.dir, component)
		if !ok || isRemote(component) || isRepository(component) {
			return refusal("", "components", &notLocalError{component})
		}
		paths = append(paths, p)
	}
	if o.IgnoreMissingComponents {
		if err := f.stat(paths...); err != nil {
			return err
		}
	}
	for i, component := range o.Components {
		if !o.IgnoreMissingComponents || f.state(paths[i]) != protocol.Absent {
			r.Components = append(r.Components, component)
		}
	}
	return nil
}

// notLocalError is about a component in the options.
type notLocalError struct{ component string }

func (e *notLocalError) Error() string {
	return redact(e.component) + " is not a relative path in the source"
}

// render writes the kustomization as kustomize is to read it. withOrigins adds
// what makes kustomize say where an object comes from.
func (r *root) render(withOrigins bool) ([]byte, error) {
	k := *r.Kustomization
	k.FixKustomization()
	if withOrigins && !slices.Contains(k.BuildMetadata, types.OriginAnnotations) {
		k.BuildMetadata = append(slices.Clip(k.BuildMetadata), types.OriginAnnotations)
	}
	// JSON is YAML, and cheaper to write.
	content, err := json.Marshal(&k)
	if err != nil {
		return nil, invalid(r.name(), "encoding the kustomization: %w", err)
	}
	return content, nil
}

// wantsOrigins says that the origin annotations are to stay in the objects.
func (r *root) wantsOrigins() bool { return slices.Contains(r.BuildMetadata, types.OriginAnnotations) }
