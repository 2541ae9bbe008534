package subresource

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/endpoints/request"
	"k8s.io/apiserver/pkg/registry/rest"
	"k8s.io/utils/clock"

	leatv1alpha1 "github.com/leat-dev/leat/pkg/apis/leat/v1alpha1"
	"github.com/leat-dev/leat/pkg/artifact"
	"github.com/leat-dev/leat/pkg/preview"
	"github.com/leat-dev/leat/pkg/registry/generic"
)

// previewREST is what the subresources build and diff share: from a request to
// the answer, which they write.
type previewREST struct {
	parent   Parent
	previews *Previews
	// timeout is how long a run of an object may take; its previews may as well.
	timeout func(runtime.Object) time.Duration
	scheme  *runtime.Scheme
	schema  generic.Schema
	clock   clock.PassiveClock
	form    previewForm
}

// previewForm sets a subresource apart from the other.
type previewForm struct {
	subresource string
	outputs     outputs
	// question reads the query.
	question func(runtime.Object) (previewQuestion, error)
}

// previewQuestion is what a request asks, as far as its query says.
type previewQuestion interface {
	// output and id are what the parameters of these names say.
	output() string
	id() string

	// configured asks for what a GET shows: what is configured or retained.
	configured(*preview.Request) error
	// uploaded asks for what a POST of a tree shows.
	uploaded(*preview.Request, *artifact.Tree) error
	// body is what a POST reads that is not a tree.
	body() (*requestBody, error)

	// make has the preview made.
	make(context.Context, preview.Previewer, preview.Request) (previewAnswer, error)
}

func newPreviewREST(parent Parent, env generic.Environment, previews *Previews, timeout func(runtime.Object) time.Duration, form previewForm) previewREST {
	return previewREST{parent: parent, previews: previews, timeout: timeout, scheme: env.Scheme, schema: env.Schema, clock: env.Clock, form: form}
}

// Destroy does nothing: the storage belongs to the parent.
func (r *previewREST) Destroy() {}

// ConnectMethods implements rest.Connecter. They are the verbs get and create to
// RBAC. There is no HEAD: it would cost as much as a GET and say nothing.
func (r *previewREST) ConnectMethods() []string { return []string{http.MethodGet, http.MethodPost} }

// Connect implements rest.Connecter.
func (r *previewREST) Connect(ctx context.Context, name string, options runtime.Object, responder rest.Responder) (http.Handler, error) {
	arrived := r.clock.Now()
	question, err := r.form.question(options)
	if err != nil {
		return nil, err
	}
	obj, err := r.parent.Get(ctx, name, &metav1.GetOptions{})
	if err != nil {
		return nil, err
	}
	asker, ok := request.UserFrom(ctx)
	if !ok {
		return nil, apierrors.NewInternalError(fmt.Errorf("the request for a preview of %s has no user", reference(r.parent, obj)))
	}
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if err := r.serve(w, req, previewCall{question, obj, asker, arrived}); err != nil {
			responder.Error(err)
		}
	}), nil
}

// previewCall is a request for a preview of an object.
type previewCall struct {
	previewQuestion
	obj     runtime.Object
	asker   user.Info
	arrived time.Time
}

// serve answers a request. All that can be refused is refused before work begins.
func (r *previewREST) serve(w http.ResponseWriter, req *http.Request, call previewCall) error {
	output, err := r.form.outputs.choose(call.output(), req.Header.Values("Accept"))
	if err != nil {
		return err
	}
	owner, err := r.owner(call)
	if err != nil {
		return err
	}
	if call.id() != "" {
		return r.serveKept(w, req, call, owner, output)
	}
	maker, err := r.previews.maker(r.parent.Served().GroupKind())
	if err != nil {
		return err
	}
	release, err := r.previews.reserve(owner.namespace)
	if err != nil {
		return err
	}
	// Until the preview begins: what reads a body may panic, and the place would be
	// lost for as long as the server lives.
	begun := false
	defer func() {
		if !begun {
			release()
		}
	}()
	asked, err := r.read(req, call)
	if err != nil {
		return err
	}
	begun = true
	answer, id, err := r.previews.run(req.Context(), owner, release, r.timeout(call.obj), r.patience(call), func(ctx context.Context) (previewAnswer, error) {
		return call.make(ctx, maker, asked)
	})
	if err != nil {
		return err
	}
	if id != "" {
		return r.serveAccepted(w, req, owner, id, output)
	}
	return write(w, answer, output)
}

// requestLimit is what is left of the time after which kube-apiserver cuts a
// request off, with room for the answer to travel.
const requestLimit = 50 * time.Second

// patience is how long the request can wait for its preview. A tree that took
// long to arrive has used part of that.
func (r *previewREST) patience(call previewCall) time.Duration {
	left := requestLimit - r.clock.Since(call.arrived)
	return max(0, min(r.previews.limits.Answer, left))
}

func (r *previewREST) owner(call previewCall) (previewOwner, error) {
	m, err := meta.Accessor(call.obj)
	if err != nil {
		return previewOwner{}, fmt.Errorf("previewing: %w", err)
	}
	return previewOwner{
		resource: r.parent.Resource(), subresource: r.form.subresource,
		namespace: m.GetNamespace(), name: m.GetName(), uid: m.GetUID(),
		user: call.asker.GetName(), userUID: call.asker.GetUID(), groups: strings.Join(slices.Sorted(slices.Values(call.asker.GetGroups())), "\n"),
	}, nil
}

// read makes the request to the maker of previews from the HTTP request.
func (r *previewREST) read(req *http.Request, call previewCall) (preview.Request, error) {
	asked := preview.Request{Object: call.obj, Caller: preview.Caller{
		Name: call.asker.GetName(), UID: call.asker.GetUID(), Groups: call.asker.GetGroups(), Extra: call.asker.GetExtra(),
	}}
	if req.Method == http.MethodGet {
		return asked, call.configured(&asked)
	}
	body := bufio.NewReader(req.Body)
	upload, err := isUpload(body)
	if err != nil {
		return asked, err
	}
	if upload {
		tree, err := r.previews.importTree(req.Context(), body)
		if err != nil {
			return asked, err
		}
		return asked, call.uploaded(&asked, tree)
	}
	posted, err := call.body()
	if err != nil {
		return asked, err
	}
	if err := posted.decode(r.scheme, req.Header.Get("Content-Type"), body); err != nil {
		return asked, err
	}
	if err := r.check(posted, call.obj); err != nil {
		return asked, err
	}
	posted.ask(&asked)
	return asked, nil
}

// check refuses requests that are not for this object, or not of their schema.
func (r *previewREST) check(posted *requestBody, obj runtime.Object) error {
	ref := reference(r.parent, obj)
	errs := r.schema.Validate(posted.object.OpenAPIModelName(), posted.object)
	for _, part := range []struct{ name, got, want string }{
		{"name", posted.object.GetName(), ref.Name},
		{"namespace", posted.object.GetNamespace(), ref.Namespace},
	} {
		if part.got != "" && part.got != part.want {
			errs = append(errs, field.Invalid(field.NewPath("metadata", part.name), part.got, fmt.Sprintf("must be empty or that of the URL, %q", part.want)))
		}
	}
	if len(errs) > 0 {
		return apierrors.NewInvalid(leatv1alpha1.Kind(posted.kind), ref.Name, errs)
	}
	return nil
}

// serveKept answers with the result of an earlier request, for which it waits as
// that one did.
func (r *previewREST) serveKept(w http.ResponseWriter, req *http.Request, call previewCall, owner previewOwner, output string) error {
	if req.Method != http.MethodGet {
		return apierrors.NewBadRequest("query parameter id: a result is fetched with GET")
	}
	job, err := r.previews.find(owner, call.id())
	if err != nil {
		return err
	}
	done, err := r.previews.await(req.Context(), job, r.patience(call))
	if err != nil {
		return err
	}
	if !done {
		return r.serveAccepted(w, req, owner, call.id(), output)
	}
	answer, err := r.previews.result(job)
	if err != nil {
		return err
	}
	return write(w, answer, output)
}

// serveAccepted says where the result will be.
func (r *previewREST) serveAccepted(w http.ResponseWriter, req *http.Request, owner previewOwner, id, output string) error {
	query := "?" + url.Values{"id": {id}, "output": {output}}.Encode()
	status := &metav1.Status{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Status"},
		Status:   metav1.StatusSuccess,
		Code:     http.StatusAccepted,
		Message: fmt.Sprintf("the preview takes longer than a request can; GET %s for its result, which is kept for %s after it has ended",
			req.URL.Path+query, inWords(r.previews.limits.Keep)),
		Details: &metav1.StatusDetails{
			Name: owner.name, Group: owner.resource.Group, Kind: owner.resource.Resource, UID: types.UID(id), RetryAfterSeconds: 1,
		},
	}
	// Relative, because kube-apiserver rewrites what begins at its root.
	w.Header().Set("Location", owner.subresource+query)
	w.Header().Set("Retry-After", strconv.Itoa(1))
	return writeJSON(w, http.StatusAccepted, status)
}
