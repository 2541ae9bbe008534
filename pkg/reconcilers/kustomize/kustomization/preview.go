package kustomization

import (
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/metadata"

	kustomizev1 "github.com/leat-dev/leat/pkg/apis/kustomize/v1"
	"github.com/leat-dev/leat/pkg/apply"
	"github.com/leat-dev/leat/pkg/preview"
	"github.com/leat-dev/leat/pkg/target"
)

// PreviewEngine says what an apply would do; *apply.Engine is one.
type PreviewEngine interface {
	Preview(ctx context.Context, r apply.PreviewRequest) ([]apply.Previewed, error)
}

// Rights say what one user may read in the cluster; *target.Reviewer does. It is
// made for one request, and remembers the answers.
type Rights interface {
	MayGet(ctx context.Context, ref target.Ref) (bool, error)
	MayGetSecret(ctx context.Context, namespace, name string) (bool, error)
}

var (
	_ PreviewEngine = (*apply.Engine)(nil)
	_ Rights        = (*target.Reviewer)(nil)
)

// PreviewConfig is what a Previewer works with, beside what the reconciler has.
type PreviewConfig struct {
	Engine PreviewEngine
	// Sources fetch what a source does not have yet, by the kind of the source.
	Sources map[string]preview.Source
	// Rights begin to ask for those of a user.
	Rights func(target.User) Rights
	// Resource says how a kind of the cluster is reached.
	Resource func(context.Context, schema.GroupVersionKind) (target.Resource, error)
	// Metadata reads that of Secrets whose values are not wanted.
	Metadata metadata.Interface
}

// Previewer makes previews of Kustomizations: it is the reconciler, stopped
// after the build or after the plan. It writes nothing, and answers for one
// caller, who may not be allowed to see all that the reconciler works with:
//
//	content            values of Secrets        what of them is shown
//	configured         used, as in a run        those of Secrets that the caller may get
//	foreign            not read                 none
//
// Where one side of a diff is foreign, both are treated so: otherwise each value
// would differ from its placeholder.
type Previewer struct {
	*Reconciler
	PreviewConfig
}

var _ preview.Previewer = (*Previewer)(nil)

// NewPreviewer returns a Previewer that builds and plans as r does.
func NewPreviewer(r *Reconciler, c PreviewConfig) *Previewer {
	return &Previewer{Reconciler: r, PreviewConfig: c}
}

// glance is one preview on its way.
type glance struct {
	*Previewer
	obj     *kustomizev1.Kustomization
	request *preview.Request
	filter  preview.Filter
	// foreign says that no value of a Secret is read.
	foreign bool
	// identity is who reads and dry-runs, caller who is to see it.
	identity target.Identity
	rights   rights
	values   values
	// builds are those of this preview by tree and variables.
	builds map[buildKey]*rendition
}

func (p *Previewer) glance(r *preview.Request) (*glance, error) {
	obj, ok := r.Object.(*kustomizev1.Kustomization)
	if !ok {
		return nil, fmt.Errorf("previewing a %T as a Kustomization", r.Object)
	}
	g := &glance{
		Previewer: p, obj: obj, request: r, filter: preview.Filter(r.Show), builds: map[buildKey]*rendition{},
		foreign: r.From.Foreign() || r.To.Foreign(),
	}
	if err := g.refuse(); err != nil {
		return nil, err
	}
	caller := &target.User{Name: r.Caller.Name, UID: r.Caller.UID, Groups: r.Caller.Groups, Extra: r.Caller.Extra}
	g.identity = p.Reconciler.identity(obj)
	if g.foreign && g.identity == (target.Identity{}) {
		// Without an account of its own the object acts as Leat, which may do
		// more than whoever sends content.
		g.identity = target.Identity{User: caller}
	}
	g.rights = p.rightsOf(caller, g.identity)
	return g, nil
}

// refuse refuses what the reconciler refuses. Encrypted files are none of that
// where nothing is decrypted anyway.
func (g *glance) refuse() error {
	obj := g.obj
	if g.foreign && obj.Spec.Decryption != nil {
		obj = obj.DeepCopy()
		obj.Spec.Decryption = nil
	}
	return g.explain(g.admit(obj))
}

// Build renders a side.
func (p *Previewer) Build(ctx context.Context, r preview.Request) (*preview.Manifests, error) {
	r.From = preview.Side{}
	out, err := p.build(ctx, &r)
	return out, preview.Status(ctx, err)
}

func (p *Previewer) build(ctx context.Context, r *preview.Request) (*preview.Manifests, error) {
	if r.To.Live {
		return nil, badRequest("a build is made of a revision, and live is none")
	}
	g, err := p.glance(r)
	if err != nil {
		return nil, err
	}
	side, err := g.open(ctx, r.To)
	if err != nil {
		return nil, err
	}
	if g.values, err = g.collect(ctx, false); err != nil {
		return nil, err
	}
	b, err := g.render(ctx, side, public)
	if err != nil {
		return nil, err
	}
	out := &preview.Manifests{Revision: side.label}
	for _, o := range b.objects {
		if !g.filter.Selects(o.Key(), o.GroupVersionKind().Version) {
			continue
		}
		fields, err := preview.HideSecret(o.Object, func(namespace, name string) (bool, error) {
			return g.rights.caller.MayGetSecret(ctx, namespace, name)
		})
		if err != nil {
			return nil, err
		}
		out.Objects = append(out.Objects, preview.Manifest{Object: copyOf(fields), File: o.File})
	}
	return out, nil
}

// Diff compares two sides.
func (p *Previewer) Diff(ctx context.Context, r preview.Request) (*preview.Diff, error) {
	out, err := p.diff(ctx, &r)
	return out, preview.Status(ctx, err)
}

func (p *Previewer) diff(ctx context.Context, r *preview.Request) (*preview.Diff, error) {
	if r.From.Live && r.To.Live {
		return nil, badRequest("both sides of the diff are live, and nothing can differ")
	}
	g, err := p.glance(r)
	if err != nil {
		return nil, err
	}
	switch {
	case r.From.Live:
		return g.diffLive(ctx, r.To)
	case r.To.Live:
		d, err := g.diffLive(ctx, r.From)
		if err != nil {
			return nil, err
		}
		return reversed(d)
	}
	return g.diffRendered(ctx)
}
