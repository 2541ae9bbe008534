package preview

import (
	"context"

	"github.com/leat-dev/leat/pkg/artifact"
)

// Source fetches content of the sources of one kind for previews.
type Source interface {
	// Peek fetches what ref is in the repository of the source now: a branch, a
	// tag, a commit's ID or the full name of a reference. An empty ref is what
	// the source's spec says. Nothing is published, and what the source's own
	// next run does stays the same.
	//
	// It acts with the source's credentials and timeout, and refuses what the
	// source's reconciler refuses: verification that is asked for is never
	// passed by. Its errors are API statuses, safe to show to whoever may preview
	// a consumer of the source: they name the ref, and neither credentials nor
	// addresses.
	Peek(ctx context.Context, namespace, name, ref string) (*Peeked, error)
	// Sift leaves out of a tree that a caller sent what the source would have
	// left out of it. A build that takes all manifests of a directory would see
	// more than the source ever shows otherwise.
	Sift(ctx context.Context, namespace, name string, tree *artifact.Tree) (*artifact.Tree, error)
}

// Peeked is what was fetched for a preview.
type Peeked struct {
	// Revision is in the form of status.artifact.revision.
	Revision string
	// Tree is in the store for as long as somebody holds it: keep the Tree and
	// not its digest. What nobody holds any more is collected.
	Tree *artifact.Tree
}
