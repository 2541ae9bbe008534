package preview

import (
	"context"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	leatv1alpha1 "github.com/leat-dev/leat/pkg/apis/leat/v1alpha1"
	"github.com/leat-dev/leat/pkg/artifact"
)

// Previewer makes the previews of one kind. Its errors are API statuses where
// the caller can do something about them.
type Previewer interface {
	// Build renders one side, which must not be Live.
	Build(context.Context, Request) (*Manifests, error)
	// Diff compares two sides.
	Diff(context.Context, Request) (*Diff, error)
}

// Caller is who asked for a preview. Content is shown as far as both the caller
// and the object's identity may read it.
type Caller struct {
	Name, UID string
	Groups    []string
	Extra     map[string][]string
}

// Request asks for a preview of an object.
type Request struct {
	// Object is the object as it is stored. It is not changed.
	Object runtime.Object
	Caller Caller
	// To is what is built, or the new side of a diff; From its old side.
	From, To Side
	// Prune says whether a diff shows what would be deleted; nil leaves that to
	// the object.
	Prune *bool
	// Show selects objects; empty selects all.
	Show []leatv1alpha1.ObjectFilter
}

// Side is what is shown or compared. The zero value is the current artifact of
// the object's source.
type Side struct {
	// Live is the cluster.
	Live bool
	// Retained is a revision that the store still has, in the form of
	// status.artifact.revision.
	Retained string
	// Ref is fetched for this preview: a branch, a tag, a commit's ID or the name
	// of a reference. A source that is fetched as its spec says has Latest set
	// instead.
	Ref    string
	Latest bool
	// Upload is a tree that the caller sent.
	Upload *artifact.Tree
}

// Foreign says that the content was not approved by the object's own source: no
// secret is resolved in it.
func (s Side) Foreign() bool { return s.Ref != "" || s.Latest || s.Upload != nil }

// Manifests is what an object is rendered to.
type Manifests struct {
	Revision string
	Objects  []Manifest
}

// Manifest is one rendered object. Values that the caller may not see are
// masked.
type Manifest struct {
	Object *unstructured.Unstructured
	// File declares the object, empty for what is generated.
	File string
}

// Diff is what would change. The objects are in the order of apply, then what
// would be deleted.
type Diff struct {
	From, To string
	Objects  []ObjectDiff
}

// ObjectDiff says what would change in one object.
type ObjectDiff struct {
	leatv1alpha1.DiffObject
	// Old and New are the bodies that were compared, without what a cluster adds
	// to every object, and masked like Fields. One is nil where the object is
	// created or deleted, both where the caller may not read it.
	Old, New *unstructured.Unstructured
}
