package source

import (
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/registry/rest"

	sourcev1 "github.com/leat-dev/leat/pkg/apis/source/v1"
	"github.com/leat-dev/leat/pkg/registry/generic"
	"github.com/leat-dev/leat/pkg/registry/source/gitrepository"
	"github.com/leat-dev/leat/pkg/registry/subresource"
)

// Group is the API group.
type Group struct {
	// Artifacts is where the artifacts of the sources are.
	Artifacts subresource.Artifacts

	// Log is what the runs of the sources have recorded.
	Log subresource.Log

	// Directory is shared with the other groups.
	Directory *subresource.Directory
}

// GroupVersions are the versions of the group, the preferred one first.
func (*Group) GroupVersions() []schema.GroupVersion {
	return []schema.GroupVersion{sourcev1.SchemeGroupVersion}
}

// AddToScheme registers the types by their served version.
func (*Group) AddToScheme(scheme *runtime.Scheme) error { return sourcev1.AddToScheme(scheme) }

// AddInternalToScheme registers the types by their internal version, and the
// fields that they are selected by.
func (*Group) AddInternalToScheme(scheme *runtime.Scheme) error {
	if err := sourcev1.AddInternalToScheme(scheme); err != nil {
		return err
	}
	return gitrepository.AddFieldLabels(scheme)
}

// NewStorage builds the storage of the group's resources.
func (g *Group) NewStorage(env generic.Environment) (map[string]map[string]rest.Storage, error) {
	v1 := map[string]rest.Storage{}
	if err := gitrepository.Install(v1, env, g.Artifacts, g.Log, g.Directory); err != nil {
		return nil, err
	}
	return map[string]map[string]rest.Storage{sourcev1.SchemeGroupVersion.Version: v1}, nil
}
