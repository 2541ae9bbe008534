package subresource

import (
	"context"
	"fmt"
	"net/http"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/registry/rest"

	leatv1alpha1 "github.com/leat-dev/leat/pkg/apis/leat/v1alpha1"
	"github.com/leat-dev/leat/pkg/artifact"
	"github.com/leat-dev/leat/pkg/preview"
	"github.com/leat-dev/leat/pkg/registry/generic"
)

var (
	_ rest.Connecter                = (*BuildREST)(nil)
	_ rest.GroupVersionKindProvider = (*BuildREST)(nil)
	_ BodyDescriber                 = (*BuildREST)(nil)
)

// BuildREST shows what an object is rendered to: from the current or a retained
// revision by GET, from another one or from a tree that is sent by POST.
type BuildREST struct {
	previewREST
}

// NewBuild returns the subresource build of a kind. timeout is how long a
// run of an object may take.
func NewBuild(parent Parent, env generic.Environment, previews *Previews, timeout func(runtime.Object) time.Duration) *BuildREST {
	return &BuildREST{newPreviewREST(parent, env, previews, timeout, previewForm{
		subresource: "build",
		outputs:     outputs{{asYAML, "application/yaml"}, {asJSON, "application/json"}},
		question: func(options runtime.Object) (previewQuestion, error) {
			o, ok := options.(*leatv1alpha1.BuildOptions)
			if !ok {
				return nil, fmt.Errorf("serving a build: got options of type %T", options)
			}
			return buildQuestion{o}, nil
		},
	})}
}

// New returns the type of the options. What a CONNECT is about are its options:
// admission converts them to the kind that this is of.
func (r *BuildREST) New() runtime.Object { return &leatv1alpha1.BuildOptions{} }

// NewConnectOptions implements rest.Connecter.
func (r *BuildREST) NewConnectOptions() (runtime.Object, bool, string) {
	return &leatv1alpha1.BuildOptions{}, false, ""
}

// GroupVersionKind implements rest.GroupVersionKindProvider: the type is of
// another group than the object.
func (r *BuildREST) GroupVersionKind(schema.GroupVersion) schema.GroupVersionKind {
	return leatv1alpha1.SchemeGroupVersion.WithKind(leatv1alpha1.BuildOptionsKind)
}

// DescribeBody implements BodyDescriber.
func (r *BuildREST) DescribeBody(method string) (any, string) {
	if method != http.MethodPost {
		return nil, ""
	}
	return leatv1alpha1.BuildRequest{}, "What to build; or the tree to build, as tar.gz."
}

// buildQuestion is what the query of a build says.
type buildQuestion struct {
	*leatv1alpha1.BuildOptions
}

func (q buildQuestion) output() string { return q.Output }
func (q buildQuestion) id() string     { return q.ID }

func (q buildQuestion) configured(req *preview.Request) error {
	side := configuredSide(q.Revision)
	if side.Live {
		return apierrors.NewBadRequest("query parameter revision: the cluster cannot be built: name a retained revision, or leave it out for the current one")
	}
	req.To = side
	return nil
}

func (q buildQuestion) uploaded(req *preview.Request, tree *artifact.Tree) error {
	req.To = preview.Side{Upload: tree}
	return q.onlyOfGET()
}

func (q buildQuestion) body() (*requestBody, error) {
	asked := &leatv1alpha1.BuildRequest{}
	return &requestBody{
		kind:   leatv1alpha1.BuildRequestKind,
		object: asked,
		ask:    func(req *preview.Request) { foreign(req, asked.Spec) },
	}, q.onlyOfGET()
}

func (q buildQuestion) onlyOfGET() error {
	return notOfPOST("revision", q.Revision, "say it in spec.revision")
}

func (q buildQuestion) make(ctx context.Context, maker preview.Previewer, req preview.Request) (previewAnswer, error) {
	manifests, err := maker.Build(ctx, req)
	if err != nil {
		return nil, err
	}
	return buildAnswer{manifests}, nil
}

// configuredSide is what a query parameter of a GET names.
func configuredSide(value string) preview.Side {
	switch value {
	case "", "current":
		return preview.Side{}
	case "live":
		return preview.Side{Live: true}
	}
	return preview.Side{Retained: value}
}

// foreign asks for content that the object's source has not approved.
func foreign(req *preview.Request, spec leatv1alpha1.BuildRequestSpec) {
	req.To = preview.Side{Ref: spec.Revision, Latest: spec.Revision == ""}
	req.Show = spec.Show
}

// notOfPOST refuses a query parameter that only a GET has: ignored, the answer
// would be one to another question.
func notOfPOST(parameter, value, instead string) error {
	if value == "" {
		return nil
	}
	return apierrors.NewBadRequest(fmt.Sprintf("query parameter %s is one of GET: %s", parameter, instead))
}
