package kustomize

import (
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/registry/rest"

	kustomizev1 "github.com/leat-dev/leat/pkg/apis/kustomize/v1"
	"github.com/leat-dev/leat/pkg/registry/generic"
	"github.com/leat-dev/leat/pkg/registry/kustomize/kustomization"
	"github.com/leat-dev/leat/pkg/registry/subresource"
)

// Group is the API group.
type Group struct {
	// Log is what the runs of the objects have recorded.
	Log subresource.Log

	// Previews makes what build and diff give.
	Previews *subresource.Previews

	// Trees makes what tree gives.
	Trees *subresource.Trees

	// Directory is shared with the other groups.
	Directory *subresource.Directory
}

// GroupVersions are the versions of the group, the preferred one first.
func (*Group) GroupVersions() []schema.GroupVersion {
	return []schema.GroupVersion{kustomizev1.SchemeGroupVersion}
}

// AddToScheme registers the types by their served version.
func (*Group) AddToScheme(scheme *runtime.Scheme) error { return kustomizev1.AddToScheme(scheme) }

// AddInternalToScheme registers the types by their internal version, and the
// fields that they are selected by.
func (*Group) AddInternalToScheme(scheme *runtime.Scheme) error {
	if err := kustomizev1.AddInternalToScheme(scheme); err != nil {
		return err
	}
	return kustomization.AddFieldLabels(scheme)
}

// NewStorage builds the storage of the group's resources.
func (g *Group) NewStorage(env generic.Environment) (map[string]map[string]rest.Storage, error) {
	v1 := map[string]rest.Storage{}
	if err := kustomization.Install(v1, env, g.Log, g.Previews, g.Trees, g.Directory); err != nil {
		return nil, err
	}
	return map[string]map[string]rest.Storage{kustomizev1.SchemeGroupVersion.Version: v1}, nil
}
