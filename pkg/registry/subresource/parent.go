package subresource

import (
	"fmt"
	"maps"
	"slices"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/registry/rest"

	"github.com/leat-dev/leat/pkg/registry/generic"
)

// Parent is the storage of the kind that a subresource belongs to.
type Parent interface {
	rest.Getter
	rest.Updater
	rest.Watcher

	Served() schema.GroupVersionKind
	Resource() schema.GroupResource
	Summarize(runtime.Object) generic.Summary
	SetSuspended(obj runtime.Object, suspended bool)
}

var _ Parent = (*generic.REST)(nil)

// Reference names an object of a kind in a group of this server.
type Reference struct {
	Kind      schema.GroupKind
	Namespace string
	Name      string
}

func (r Reference) String() string {
	return fmt.Sprintf("%s %s/%s", r.Kind.Kind, r.Namespace, r.Name)
}

// Directory finds the storage of kinds that refer to each other across groups.
// It is filled while the server is built and only read afterwards.
type Directory struct {
	parents map[schema.GroupKind]Parent
}

// NewDirectory returns an empty directory.
func NewDirectory() *Directory { return &Directory{parents: map[schema.GroupKind]Parent{}} }

// Add makes a kind known.
func (d *Directory) Add(parent Parent) { d.parents[parent.Served().GroupKind()] = parent }

// Find returns the storage of a kind, if it has been added.
func (d *Directory) Find(kind schema.GroupKind) (Parent, bool) {
	parent, ok := d.parents[kind]
	return parent, ok
}

// All returns the storage of all kinds.
func (d *Directory) All() []Parent { return slices.Collect(maps.Values(d.parents)) }
