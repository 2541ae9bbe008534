package gitrepository

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/klog/v2"

	sourcev1 "github.com/leat-dev/leat/pkg/apis/source/v1"
	"github.com/leat-dev/leat/pkg/artifact"
	sourcelisters "github.com/leat-dev/leat/pkg/generated/listers/source/v1"
	"github.com/leat-dev/leat/pkg/preview"
	"github.com/leat-dev/leat/pkg/reconcilers/runtime"
	"github.com/leat-dev/leat/pkg/source/git"
	"github.com/leat-dev/leat/pkg/source/ignore"
)

// The defaults of PeekerConfig.
const (
	defaultPeeks             = 8
	defaultPeeksPerNamespace = 2
)

// PeekerConfig is what a Peeker works with. The first group is required.
type PeekerConfig struct {
	GitRepositories sourcelisters.GitRepositoryLister
	// Fetcher is the reconciler's, whose copies of repositories are used.
	Fetcher Fetcher
	// Core reads Secrets of the cluster.
	Core corev1client.CoreV1Interface
	// Artifacts holds the trees.
	Artifacts *artifact.Store

	// Garbage is called when there may be something to collect in the store.
	Garbage func()
	// Limit is how many peeks may be under way at once, by default 8, and
	// LimitPerNamespace how many of them into the sources of one namespace, by
	// default 2. What exceeds them is refused with 429.
	Limit, LimitPerNamespace int
}

// Peeker looks into repositories for previews. It acts as the reconciler does,
// with the same credentials and the same refusals, but publishes nothing and
// writes no status. It implements preview.Source.
//
// It shares the copy of a repository with the reconciler, so a preview of a
// pull request downloads only what is new in that; a run of the reconciler waits
// for a peek into the same repository that is under way, at most for the spec's
// timeout.
type Peeker struct {
	PeekerConfig
	fields runtime.Fields

	mu    sync.Mutex
	total int
	busy  map[string]int
}

var _ preview.Source = (*Peeker)(nil)

// NewPeeker returns a Peeker.
func NewPeeker(c PeekerConfig) *Peeker {
	if c.Limit <= 0 {
		c.Limit = defaultPeeks
	}
	if c.LimitPerNamespace <= 0 {
		c.LimitPerNamespace = defaultPeeksPerNamespace
	}
	if c.Garbage == nil {
		c.Garbage = func() {}
	}
	return &Peeker{PeekerConfig: c, fields: fields(), busy: map[string]int{}}
}

// Peek implements preview.Source. A suspended source can be looked into: only
// its own runs are suspended.
func (p *Peeker) Peek(ctx context.Context, namespace, name, ref string) (*preview.Peeked, error) {
	obj, err := p.GitRepositories.GitRepositories(namespace).Get(name)
	if err != nil {
		return nil, err
	}
	if err := p.refuse(obj); err != nil {
		return nil, err
	}
	leave, err := p.enter(obj)
	if err != nil {
		return nil, err
	}
	defer leave()
	result, err := p.fetch(ctx, obj, ref)
	if err != nil {
		return nil, p.explain(ctx, obj, ref, err)
	}
	p.Garbage()
	return &preview.Peeked{Revision: result.Revision, Tree: result.Tree}, nil
}

// Sift implements preview.Source.
func (p *Peeker) Sift(ctx context.Context, namespace, name string, tree *artifact.Tree) (*artifact.Tree, error) {
	obj, err := p.GitRepositories.GitRepositories(namespace).Get(name)
	if err != nil {
		return nil, err
	}
	sifted, err := ignore.Sift(ctx, p.Artifacts, tree, obj.Spec.Ignore)
	if rules := (*ignore.RulesError)(nil); errors.As(err, &rules) {
		return nil, apierrors.NewBadRequest("the uploaded tree: " + rules.Error())
	}
	if err != nil {
		return nil, fmt.Errorf("leaving out of an uploaded tree what GitRepository %s/%s ignores: %w", namespace, name, err)
	}
	p.Garbage()
	return sifted, nil
}

// refuse refuses what the reconciler refuses. Were a field ignored here, content
// would show that the source itself would never take: unverified commits, or
// those of another server.
func (p *Peeker) refuse(obj *sourcev1.GitRepository) error {
	if !obj.DeletionTimestamp.IsZero() {
		return conflict(obj, "it is being deleted")
	}
	unsupported, err := p.fields.Unsupported(&obj.Spec)
	if err != nil {
		return fmt.Errorf("reading the spec of GitRepository %s/%s: %w", obj.Namespace, obj.Name, err)
	}
	if len(unsupported) > 0 {
		return conflict(obj, unsupportedError(unsupported).Error())
	}
	return nil
}

// enter takes one of the places for peeks.
func (p *Peeker) enter(obj *sourcev1.GitRepository) (leave func(), err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.busy[obj.Namespace] >= p.LimitPerNamespace || p.total >= p.Limit {
		return nil, apierrors.NewTooManyRequests(fmt.Sprintf(
			"too many previews fetch at the moment (at most %d from the sources of a namespace, %d in all): try again later",
			p.LimitPerNamespace, p.Limit), retryAfterSeconds)
	}
	p.busy[obj.Namespace]++
	p.total++
	return func() { p.leave(obj.Namespace) }, nil
}

// retryAfterSeconds is when a client is to ask again.
const retryAfterSeconds = 5

func (p *Peeker) leave(namespace string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.total--
	if p.busy[namespace]--; p.busy[namespace] == 0 {
		delete(p.busy, namespace)
	}
}

func (p *Peeker) fetch(ctx context.Context, obj *sourcev1.GitRepository, ref string) (*git.Result, error) {
	auth, err := credentials(ctx, p.Core, obj)
	if err != nil {
		return nil, err
	}
	request := git.Request{
		Key: string(obj.UID), URL: obj.Spec.URL, Ref: reference(obj.Spec.Reference), Auth: auth, Ignore: obj.Spec.Ignore,
	}
	if ref != "" {
		request.Ref = git.Ref{Any: ref}
	}
	ctx, cancel := context.WithTimeout(ctx, obj.GetTimeout())
	defer cancel()
	result, err := p.Fetcher.Fetch(ctx, request)
	if now, gone := p.GitRepositories.GitRepositories(obj.Namespace).Get(obj.Name); apierrors.IsNotFound(gone) || gone == nil && now.UID != obj.UID {
		// The reconciler has let go of the copy, and this has made it anew.
		err = errors.Join(err, p.Fetcher.Forget(string(obj.UID)))
	}
	return result, err
}

// explain makes a status of an error. What the source's owner may know, such as
// its address, is not the caller's to know: that is logged.
func (p *Peeker) explain(ctx context.Context, obj *sourcev1.GitRepository, ref string, err error) error {
	if ref == "" {
		ref = "what its spec says"
	}
	said := func(what any) string {
		return fmt.Sprintf("fetching %.120q of GitRepository %s/%s: %v", ref, obj.Namespace, obj.Name, what)
	}
	if cause, fault := faultOf(err); fault != nil {
		return refused(cause, said(fault))
	}
	if ctx.Err() != nil {
		return err // nobody waits for the answer
	}
	klog.FromContext(ctx).Info("Fetching for a preview failed", "gitRepository", klog.KObj(obj), "err", err)
	if errors.Is(err, context.DeadlineExceeded) {
		return apierrors.NewTimeoutError(said(fmt.Sprintf("it took longer than %s, its spec.timeout", obj.GetTimeout())), 0)
	}
	reason := "the credentials could not be read"
	if known := (*git.Error)(nil); errors.As(err, &known) {
		reason = known.Reason
	}
	return apierrors.NewServiceUnavailable(said(reason + ": see the conditions of the GitRepository, or the log of the server"))
}

// faultOf returns what is wrong with the ref or with what it stands for, nil if
// that is not the reason of err. None of these errors holds an address.
func faultOf(err error) (metav1.CauseType, error) {
	var (
		missing   *git.NotFoundError
		ambiguous *git.AmbiguousError
		sent      *git.LimitError
		limit     *artifact.LimitError
		path      *artifact.PathError
		rules     *ignore.RulesError
	)
	switch {
	case errors.As(err, &missing):
		return metav1.CauseTypeFieldValueNotFound, missing
	case errors.As(err, &ambiguous):
		return metav1.CauseTypeFieldValueInvalid, ambiguous
	case errors.As(err, &sent):
		return metav1.CauseTypeFieldValueInvalid, sent
	case errors.As(err, &limit):
		return metav1.CauseTypeFieldValueInvalid, limit
	case errors.As(err, &path):
		return metav1.CauseTypeFieldValueInvalid, path
	case errors.As(err, &rules):
		return metav1.CauseTypeFieldValueInvalid, rules
	}
	return "", nil
}

// refused says that there is no such revision to show.
func refused(cause metav1.CauseType, message string) error {
	return &apierrors.StatusError{ErrStatus: metav1.Status{
		Status: metav1.StatusFailure, Code: http.StatusUnprocessableEntity, Reason: metav1.StatusReasonInvalid, Message: message,
		Details: &metav1.StatusDetails{Causes: []metav1.StatusCause{{Type: cause, Field: "spec.revision", Message: message}}},
	}}
}

// conflict says that the source is not in a state to be looked into.
func conflict(obj *sourcev1.GitRepository, message string) error {
	return apierrors.NewConflict(sourcev1.Resource("gitrepositories"), obj.Name, errors.New(message))
}
