package subresource

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/endpoints/request"

	leatv1alpha1 "github.com/leat-dev/leat/pkg/apis/leat/v1alpha1"
	sourcev1 "github.com/leat-dev/leat/pkg/apis/source/v1"
	"github.com/leat-dev/leat/pkg/tree"
)

// growerFunc makes trees.
type growerFunc func(context.Context, tree.Request) (*leatv1alpha1.TreeNode, error)

func (f growerFunc) Grow(ctx context.Context, r tree.Request) (*leatv1alpha1.TreeNode, error) {
	return f(ctx, r)
}

// askForTree asks for the tree of the Kustomization team/app.
func askForTree(t *testing.T, grower Grower, opts *leatv1alpha1.TreeOptions) (*httptest.ResponseRecorder, *responder) {
	t.Helper()
	parent, directory, trees := newKustomizations(kustomization("", "", "r1")), NewDirectory(), &Trees{}
	directory.Add(parent)
	directory.Add(newRepositories(repository("", "r1")))
	if grower != nil {
		trees.Use(grower)
	}
	ctx := request.WithUser(request.WithNamespace(t.Context(), "team"), &user.DefaultInfo{Name: "ann", Groups: []string{"g"}})
	answer, w := &responder{}, httptest.NewRecorder()
	handler, err := NewTree(parent, trees, directory).Connect(ctx, "app", opts, answer)
	if err != nil {
		answer.err = err
		return w, answer
	}
	handler.ServeHTTP(w, httptest.NewRequestWithContext(ctx, http.MethodGet, "/", nil))
	return w, answer
}

func TestTreeIsMadeForTheCaller(t *testing.T) {
	_, answer := askForTree(t, growerFunc(func(ctx context.Context, r tree.Request) (*leatv1alpha1.TreeNode, error) {
		if r.Caller.Name != "ann" || len(r.Caller.Groups) != 1 {
			t.Errorf("the caller is %+v", r.Caller)
		}
		if r.Object.GetKind() != "Kustomization" || r.Object.GetAPIVersion() != "kustomize.toolkit.fluxcd.io/v1" || r.Object.GetName() != "app" {
			t.Errorf("the root is %v", r.Object.Object)
		}
		source, served, err := r.Own(ctx, sourcev1.SchemeGroupVersion.WithKind("GitRepository").GroupKind(), "team", "source")
		if err != nil || !served || source == nil || source.GetKind() != "GitRepository" {
			t.Errorf("a kind of this server: %v, %t, %v", source, served, err)
		}
		if absent, served, err := r.Own(ctx, sourcev1.SchemeGroupVersion.WithKind("GitRepository").GroupKind(), "team", "absent"); absent != nil || !served || err != nil {
			t.Errorf("what does not exist: %v, %t, %v", absent, served, err)
		}
		if _, served, err := r.Own(ctx, sourcev1.SchemeGroupVersion.WithKind("Bucket").GroupKind(), "team", "source"); served || err != nil {
			t.Errorf("another kind: %t, %v", served, err)
		}
		return &leatv1alpha1.TreeNode{Kind: "Kustomization", Name: "app"}, nil
	}), &leatv1alpha1.TreeOptions{})
	if got, ok := answer.object.(*leatv1alpha1.Tree); answer.err != nil || !ok || got.Name != "app" || got.Root.Kind != "Kustomization" {
		t.Errorf("got %+v, %v", answer.object, answer.err)
	}
}

func TestTreeRefusals(t *testing.T) {
	fails := func(err error) Grower {
		return growerFunc(func(context.Context, tree.Request) (*leatv1alpha1.TreeNode, error) { return nil, err })
	}
	for name, tt := range map[string]struct {
		grower Grower
		opts   leatv1alpha1.TreeOptions
		is     func(error) bool
	}{
		"no reconcilers": {nil, leatv1alpha1.TreeOptions{}, apierrors.IsServiceUnavailable},
		"output":         {fails(nil), leatv1alpha1.TreeOptions{Output: "dot"}, apierrors.IsBadRequest},
		"busy":           {fails(fmt.Errorf("%w: 4", tree.ErrBusy)), leatv1alpha1.TreeOptions{}, apierrors.IsTooManyRequests},
		"too long":       {fails(fmt.Errorf("it took long: %w", context.DeadlineExceeded)), leatv1alpha1.TreeOptions{}, apierrors.IsTimeout},
		"other":          {fails(errors.New("no")), leatv1alpha1.TreeOptions{}, apierrors.IsInternalError},
	} {
		if _, answer := askForTree(t, tt.grower, &tt.opts); !tt.is(answer.err) {
			t.Errorf("%s: got %v", name, answer.err)
		}
	}
}

func TestTreeAsText(t *testing.T) {
	w, answer := askForTree(t, growerFunc(func(context.Context, tree.Request) (*leatv1alpha1.TreeNode, error) {
		return &leatv1alpha1.TreeNode{
			Kind: "Kustomization", Namespace: "team", Name: "app", Status: "Current", Revision: "r1", Message: "Applied revision: r1",
			Children: []leatv1alpha1.TreeNode{
				{Kind: "Namespace", Name: "other", Status: "Current"},
				{Kind: "Deployment", Namespace: "team", Name: "web", Status: "InProgress", Children: []leatv1alpha1.TreeNode{
					{Kind: "ReplicaSet", Namespace: "team", Name: "web-1", Children: []leatv1alpha1.TreeNode{{Kind: "Pod", Namespace: "team", Name: "web-1-x", Message: "red\x1b[31m"}}},
				}},
				{Kind: "GitRepository", Namespace: "team", Name: "src", Status: "Current", Revision: "r2", Message: "stored"},
				{Kind: "Secret", Namespace: "team", Name: "keys", Redacted: true},
			},
		}, nil
	}), &leatv1alpha1.TreeOptions{Output: "text"})
	want := `Kustomization/team/app  Current  Applied revision: r1
├─ Namespace/other  Current
├─ Deployment/team/web  InProgress
│  └─ ReplicaSet/team/web-1
│     └─ Pod/team/web-1-x  red` + "\ufffd" + `[31m
├─ GitRepository/team/src  Current  r2  stored
└─ Secret/team/keys  (hidden: reading it is not allowed)
`
	if diff := cmp.Diff(want, w.Body.String()); diff != "" || answer.err != nil {
		t.Errorf("%v (-want +got):\n%s", answer.err, diff)
	}
}
