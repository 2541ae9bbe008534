package kustomization

import (
	kustomizev1 "github.com/leat-dev/leat/pkg/apis/kustomize/v1"
	"github.com/leat-dev/leat/pkg/build"
)

// buildOptions says what the spec asks of a build.
func buildOptions(spec *kustomizev1.KustomizationSpec) build.Options {
	o := build.Options{
		Path:                    text(spec.Path),
		TargetNamespace:         text(spec.TargetNamespace),
		NamePrefix:              text(spec.NamePrefix),
		NameSuffix:              text(spec.NameSuffix),
		Components:              spec.Components,
		IgnoreMissingComponents: isTrue(spec.IgnoreMissingComponents),
	}
	for _, p := range spec.Patches {
		o.Patches = append(o.Patches, build.Patch{Patch: p.Patch, Target: selector(p.Target)})
	}
	for _, i := range spec.Images {
		o.Images = append(o.Images, build.Image{
			Name: i.Name, NewName: text(i.NewName), NewTag: text(i.NewTag), Digest: text(i.Digest),
		})
	}
	for _, m := range spec.BuildMetadata {
		o.BuildMetadata = append(o.BuildMetadata, string(m))
	}
	if m := spec.CommonMetadata; m != nil {
		o.Labels, o.Annotations = m.Labels, m.Annotations
	}
	if b := spec.PostBuild; b != nil && b.SubstituteStrategy != nil {
		o.Substitute = build.Strategy(*b.SubstituteStrategy)
	}
	return o
}

func selector(s *kustomizev1.Selector) *build.Selector {
	if s == nil {
		return nil
	}
	return &build.Selector{
		Group: text(s.Group), Version: text(s.Version), Kind: text(s.Kind),
		Name: text(s.Name), Namespace: text(s.Namespace),
		LabelSelector: text(s.LabelSelector), AnnotationSelector: text(s.AnnotationSelector),
	}
}

func text[T ~string](s *T) string {
	if s == nil {
		return ""
	}
	return string(*s)
}

func isTrue(b *bool) bool { return b != nil && *b }
