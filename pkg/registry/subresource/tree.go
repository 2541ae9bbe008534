package subresource

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/endpoints/request"
	"k8s.io/apiserver/pkg/registry/rest"

	leatv1alpha1 "github.com/leat-dev/leat/pkg/apis/leat/v1alpha1"
	"github.com/leat-dev/leat/pkg/target"
	"github.com/leat-dev/leat/pkg/tree"
)

var (
	_ rest.Connecter                = (*TreeREST)(nil)
	_ rest.GroupVersionKindProvider = (*TreeREST)(nil)
	_ Grower                        = (*tree.Engine)(nil)
)

var treeOutputs = outputs{{asJSON, "application/json"}, {asText, "text/plain"}}

// Grower makes trees; *tree.Engine does.
type Grower interface {
	Grow(context.Context, tree.Request) (*leatv1alpha1.TreeNode, error)
}

// Trees makes the trees of all kinds. It is empty in a server that was started
// without reconcilers.
type Trees struct {
	grower Grower
}

// Use has trees made by g. It is called while the server is built.
func (t *Trees) Use(g Grower) { t.grower = g }

// TreeREST serves what an object manages and what that has led to. It is a
// Connecter because it has a representation for people.
type TreeREST struct {
	parent    Parent
	trees     *Trees
	directory *Directory
}

// NewTree returns the subresource tree of a kind.
func NewTree(parent Parent, trees *Trees, directory *Directory) *TreeREST {
	return &TreeREST{parent: parent, trees: trees, directory: directory}
}

// New returns the type of the options: admission takes them for the object of a
// CONNECT.
func (r *TreeREST) New() runtime.Object { return &leatv1alpha1.TreeOptions{} }

// Destroy does nothing: the storage belongs to the parent.
func (r *TreeREST) Destroy() {}

// GroupVersionKind implements rest.GroupVersionKindProvider: the type is of
// another group than the object.
func (r *TreeREST) GroupVersionKind(schema.GroupVersion) schema.GroupVersionKind {
	return leatv1alpha1.SchemeGroupVersion.WithKind(leatv1alpha1.TreeOptionsKind)
}

// ConnectMethods implements rest.Connecter. There is no HEAD: it would cost as much
// as a GET and say nothing.
func (r *TreeREST) ConnectMethods() []string { return []string{http.MethodGet} }

// NewConnectOptions implements rest.Connecter.
func (r *TreeREST) NewConnectOptions() (runtime.Object, bool, string) {
	return &leatv1alpha1.TreeOptions{}, false, ""
}

// Connect implements rest.Connecter.
func (r *TreeREST) Connect(ctx context.Context, name string, options runtime.Object, responder rest.Responder) (http.Handler, error) {
	opts, ok := options.(*leatv1alpha1.TreeOptions)
	if !ok {
		return nil, fmt.Errorf("serving a tree: got options of type %T", options)
	}
	asker, ok := request.UserFrom(ctx)
	if !ok {
		return nil, apierrors.NewInternalError(errors.New("serving a tree: the request has no user"))
	}
	obj, err := r.parent.Get(ctx, name, &metav1.GetOptions{})
	if err != nil {
		return nil, err
	}
	if r.trees.grower == nil {
		return nil, apierrors.NewServiceUnavailable("this server makes no trees: it was started without reconcilers")
	}
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if err := r.serve(w, req, opts, obj, asker, responder); err != nil {
			responder.Error(err)
		}
	}), nil
}

func (r *TreeREST) serve(w http.ResponseWriter, req *http.Request, opts *leatv1alpha1.TreeOptions, obj runtime.Object, asker user.Info, responder rest.Responder) error {
	as, err := treeOutputs.choose(opts.Output, req.Header.Values("Accept"))
	if err != nil {
		return err
	}
	root, err := undressed(r.parent, obj)
	if err != nil {
		return err
	}
	grown, err := r.trees.grower.Grow(req.Context(), tree.Request{Object: root, Caller: callerOf(asker), Own: r.own})
	if err != nil {
		return r.refused(root, err)
	}
	if as == asText {
		send(w, http.StatusOK, contentTypes[asText], treeText(grown))
		return nil
	}
	responder.Object(http.StatusOK, &leatv1alpha1.Tree{
		ObjectMeta: metav1.ObjectMeta{Namespace: root.GetNamespace(), Name: root.GetName()},
		Root:       *grown,
	})
	return nil
}

// callerOf is a user as the engines know one.
func callerOf(u user.Info) target.User {
	return target.User{Name: u.GetName(), UID: u.GetUID(), Groups: u.GetGroups(), Extra: u.GetExtra()}
}

// refused makes an answer of the error of a tree.
func (r *TreeREST) refused(root *unstructured.Unstructured, err error) error {
	switch {
	case errors.Is(err, tree.ErrBusy):
		return apierrors.NewTooManyRequests(err.Error()+"; try again when one has been answered", retryAfter)
	case errors.Is(err, context.Canceled):
		return err // nobody waits for it
	case errors.Is(err, context.DeadlineExceeded):
		return apierrors.NewTimeoutError(err.Error(), retryAfter)
	}
	return apierrors.NewInternalError(fmt.Errorf("the tree of %s %s/%s: %w", r.parent.Resource(), root.GetNamespace(), root.GetName(), err))
}

// own returns an object of a kind that this server keeps, as its cache has it.
func (r *TreeREST) own(ctx context.Context, kind schema.GroupKind, namespace, name string) (*unstructured.Unstructured, bool, error) {
	parent, ok := r.directory.Find(kind)
	if !ok {
		return nil, false, nil
	}
	obj, err := parent.Get(request.WithNamespace(ctx, namespace), name, &metav1.GetOptions{ResourceVersion: "0"})
	switch {
	case apierrors.IsNotFound(err):
		return nil, true, nil
	case err != nil:
		return nil, true, err
	}
	u, err := undressed(parent, obj)
	return u, true, err
}

// undressed is an object without its Go type.
func undressed(parent Parent, obj runtime.Object) (*unstructured.Unstructured, error) {
	m, err := meta.Accessor(obj)
	if err != nil {
		return nil, err
	}
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(obj)
	if err != nil {
		return nil, fmt.Errorf("converting %s/%s: %w", m.GetNamespace(), m.GetName(), err)
	}
	u := &unstructured.Unstructured{Object: content}
	u.SetGroupVersionKind(parent.Served())
	return u, nil
}
