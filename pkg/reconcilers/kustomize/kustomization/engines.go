package kustomization

import (
	"context"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/leat-dev/leat/pkg/apply"
	"github.com/leat-dev/leat/pkg/artifact"
	"github.com/leat-dev/leat/pkg/build"
)

// Builder renders a directory of a tree; *build.Pool is one.
type Builder interface {
	Build(ctx context.Context, r build.Request) (*build.Result, error)
	// InputDigest is a keyed digest of all that decides a result; without
	// inputs, of options and variables alone.
	InputDigest(in *build.Inputs, o build.Options, v []build.Variable) string
}

// Engine brings rendered objects to a cluster; *apply.Engine is one.
type Engine interface {
	Plan(ctx context.Context, r apply.Request) (*apply.Plan, error)
	Apply(ctx context.Context, p *apply.Plan) (*apply.Result, error)
	Wait(ctx context.Context, r apply.HealthRequest) error
	Delete(ctx context.Context, r apply.DeleteRequest) (*apply.Result, error)
	// Confirmed says whether the inventory of an owner is newer than the last
	// restore of the store.
	Confirmed(ctx context.Context, uid string) (bool, error)
}

// Artifacts is where sources keep what they fetched; *artifact.Store is one.
type Artifacts interface {
	Records(owner artifact.Owner) []artifact.Record
	Tree(d artifact.Digest) (*artifact.Tree, error)
	View(t *artifact.Tree) *artifact.View
}

// Events tells people what happened; *runtime.EventWriter does.
type Events interface {
	Normal(obj metav1.Object, reason, message string, metadata map[string]string)
	Warning(obj metav1.Object, reason, message string, metadata map[string]string)
	// NamespaceWarning tells bad news about a namespace, outside of it: one that
	// is being deleted takes no events any more.
	NamespaceWarning(namespace, reason, message string)
}

var (
	_ Builder   = (*build.Pool)(nil)
	_ Engine    = (*apply.Engine)(nil)
	_ Artifacts = (*artifact.Store)(nil)
)
