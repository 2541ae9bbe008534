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
	_ rest.Connecter                = (*DiffREST)(nil)
	_ rest.GroupVersionKindProvider = (*DiffREST)(nil)
	_ rest.StorageMetadata          = (*DiffREST)(nil)
	_ BodyDescriber                 = (*DiffREST)(nil)
)

// DiffREST shows what applying an object would change: between the cluster and
// what is configured or retained by GET, of another revision or of a tree that is
// sent by POST.
type DiffREST struct {
	previewREST
}

// NewDiff returns the subresource diff of a kind. timeout is how long a
// run of an object may take.
func NewDiff(parent Parent, env generic.Environment, previews *Previews, timeout func(runtime.Object) time.Duration) *DiffREST {
	return &DiffREST{newPreviewREST(parent, env, previews, timeout, previewForm{
		subresource: "diff",
		outputs: outputs{
			{asJSON, "application/json"}, {asYAML, "application/yaml"}, {asText, "text/plain"}, {asMarkdown, "text/markdown"},
		},
		question: func(options runtime.Object) (previewQuestion, error) {
			o, ok := options.(*leatv1alpha1.DiffOptions)
			if !ok {
				return nil, fmt.Errorf("serving a diff: got options of type %T", options)
			}
			return diffQuestion{o, parent.Served().Kind}, nil
		},
	})}
}

// New returns the type of the options. What a CONNECT is about are its options:
// admission converts them to the kind that this is of.
func (r *DiffREST) New() runtime.Object { return &leatv1alpha1.DiffOptions{} }

// NewConnectOptions implements rest.Connecter.
func (r *DiffREST) NewConnectOptions() (runtime.Object, bool, string) {
	return &leatv1alpha1.DiffOptions{}, false, ""
}

// GroupVersionKind implements rest.GroupVersionKindProvider: the type is of
// another group than the object.
func (r *DiffREST) GroupVersionKind(schema.GroupVersion) schema.GroupVersionKind {
	return leatv1alpha1.SchemeGroupVersion.WithKind(leatv1alpha1.DiffOptionsKind)
}

// ProducesMIMETypes implements rest.StorageMetadata. Those of a Connecter are not
// published.
func (r *DiffREST) ProducesMIMETypes(string) []string { return nil }

// ProducesObject implements rest.StorageMetadata.
func (r *DiffREST) ProducesObject(string) any { return leatv1alpha1.DiffResult{} }

// DescribeBody implements BodyDescriber.
func (r *DiffREST) DescribeBody(method string) (any, string) {
	if method != http.MethodPost {
		return nil, ""
	}
	return leatv1alpha1.DiffRequest{}, "What to compare with the cluster; or the tree to compare with it, as tar.gz."
}

// diffQuestion is what the query of a diff says.
type diffQuestion struct {
	*leatv1alpha1.DiffOptions
	kind string
}

func (q diffQuestion) output() string { return q.Output }
func (q diffQuestion) id() string     { return q.ID }

func (q diffQuestion) configured(req *preview.Request) error {
	from := q.From
	if from == "" {
		from = "live"
	}
	req.From, req.To = configuredSide(from), configuredSide(q.To)
	if req.From.Live && req.To.Live {
		return apierrors.NewBadRequest("query parameters from and to are both live: the cluster does not differ from itself")
	}
	req.Prune = q.Prune
	return nil
}

func (q diffQuestion) uploaded(req *preview.Request, tree *artifact.Tree) error {
	req.From, req.To, req.Prune = preview.Side{Live: true}, preview.Side{Upload: tree}, q.Prune
	return q.onlyOfGET()
}

func (q diffQuestion) body() (*requestBody, error) {
	asked := &leatv1alpha1.DiffRequest{}
	body := &requestBody{
		kind:   leatv1alpha1.DiffRequestKind,
		object: asked,
		ask: func(req *preview.Request) {
			foreign(req, asked.Spec.BuildRequestSpec)
			req.From, req.Prune = preview.Side{Live: true}, asked.Spec.Prune
		},
	}
	if q.Prune != nil {
		return nil, apierrors.NewBadRequest("query parameter prune is for trees that are sent: say it in spec.prune")
	}
	return body, q.onlyOfGET()
}

func (q diffQuestion) onlyOfGET() error {
	const instead = "a POST compares what it asks for with the cluster"
	if err := notOfPOST("from", q.From, instead); err != nil {
		return err
	}
	return notOfPOST("to", q.To, instead)
}

func (q diffQuestion) make(ctx context.Context, maker preview.Previewer, req preview.Request) (previewAnswer, error) {
	diff, err := maker.Diff(ctx, req)
	if err != nil {
		return nil, err
	}
	return newDiffAnswer(q.kind, req.Object, diff)
}
