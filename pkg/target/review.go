package target

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync"

	authorizationv1 "k8s.io/api/authorization/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// maxReviews bounds what one Reviewer asks the cluster: enough for the objects
// of a large set one by one.
const maxReviews = 5000

// ErrTooManyReviews says that a request needs the rights to more objects, one by
// one, than are asked for.
var ErrTooManyReviews = errors.New("more questions for one request than the limit")

// Reviewer says what one user may do in the cluster. It remembers the answers
// and is for one request: rights may change, and what was allowed a minute ago
// may not be. It is safe for concurrent use.
//
// Everything that is read for a caller goes past it: what Leat, or an object's
// service account, may read is not the caller's to see.
type Reviewer struct {
	target *Target
	user   User

	mu      sync.Mutex
	answers map[authorizationv1.ResourceAttributes]*answer
}

// answer is there once done is closed.
type answer struct {
	done    chan struct{}
	allowed bool
	err     error
}

// Reviewer returns a Reviewer for u.
func (t *Target) Reviewer(u User) *Reviewer {
	return &Reviewer{target: t, user: u, answers: map[authorizationv1.ResourceAttributes]*answer{}}
}

// MayGet says whether the user may get the object. It is false when there is an
// error, which says that the cluster could not be asked.
//
// Of a namespace with many objects most users may read all or nothing of a
// kind, so the namespace is asked for first, and the name only if that is
// denied: roles can name objects.
func (r *Reviewer) MayGet(ctx context.Context, ref Ref) (bool, error) {
	return r.may(ctx, "get", ref.GroupVersionResource, ref.Namespace, ref.Name)
}

// MayGetSecret says whether the user may get a Secret, whether there is one or
// not.
func (r *Reviewer) MayGetSecret(ctx context.Context, namespace, name string) (bool, error) {
	return r.may(ctx, "get", schema.GroupVersionResource{Version: "v1", Resource: "secrets"}, namespace, name)
}

func (r *Reviewer) may(ctx context.Context, verb string, gvr schema.GroupVersionResource, namespace, name string) (bool, error) {
	a := authorizationv1.ResourceAttributes{
		Verb: verb, Group: gvr.Group, Version: gvr.Version, Resource: gvr.Resource, Namespace: namespace,
	}
	allowed, err := r.ask(ctx, a)
	if allowed || err != nil || name == "" {
		return allowed, err
	}
	a.Name = name
	return r.ask(ctx, a)
}

// ask asks each question once. Who asks the same meanwhile waits for the
// answer.
func (r *Reviewer) ask(ctx context.Context, a authorizationv1.ResourceAttributes) (bool, error) {
	r.mu.Lock()
	known := r.answers[a]
	if known == nil {
		if len(r.answers) >= maxReviews {
			r.mu.Unlock()
			return false, fmt.Errorf("asking for the rights of the caller: %w (%d)", ErrTooManyReviews, maxReviews)
		}
		known = &answer{done: make(chan struct{})}
		r.answers[a] = known
		r.mu.Unlock()
		defer close(known.done)
		if known.allowed, known.err = r.target.review(ctx, r.user, a); known.err != nil {
			known.err = fmt.Errorf("asking for the rights of the caller: %w", known.err)
			r.mu.Lock()
			delete(r.answers, a) // the next one asks again
			r.mu.Unlock()
		}
		return known.allowed, known.err
	}
	r.mu.Unlock()
	select {
	case <-known.done:
		return known.allowed, known.err
	case <-ctx.Done():
		return false, context.Cause(ctx)
	}
}

// review asks the cluster, as Leat, by a SubjectAccessReview.
func (t *Target) review(ctx context.Context, u User, a authorizationv1.ResourceAttributes) (bool, error) {
	sar := authorizationv1.SubjectAccessReview{
		TypeMeta: metav1.TypeMeta{APIVersion: "authorization.k8s.io/v1", Kind: "SubjectAccessReview"},
		Spec: authorizationv1.SubjectAccessReviewSpec{
			ResourceAttributes: &a, User: u.Name, UID: u.UID, Groups: u.Groups,
		},
	}
	if sar.Spec.User == "" {
		sar.Spec.User = anonymous
	}
	if len(u.Extra) > 0 {
		sar.Spec.Extra = make(map[string]authorizationv1.ExtraValue, len(u.Extra))
		for k, v := range u.Extra {
			sar.Spec.Extra[k] = v
		}
	}
	body, err := json.Marshal(&sar)
	if err != nil {
		return false, fmt.Errorf("encoding a review: %w", err)
	}
	body, _, err = t.do(ctx, request{
		method: http.MethodPost, path: "/apis/authorization.k8s.io/v1/subjectaccessreviews", contentType: typeJSON, body: body,
	})
	if err != nil {
		return false, err
	}
	var answer authorizationv1.SubjectAccessReview
	if err := json.Unmarshal(body, &answer); err != nil {
		return false, fmt.Errorf("reading the answer to a review: %w", err)
	}
	return answer.Status.Allowed && !answer.Status.Denied, nil
}
