package kustomization

import (
	"errors"
	"fmt"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	kustomizev1 "github.com/leat-dev/leat/pkg/apis/kustomize/v1"
	"github.com/leat-dev/leat/pkg/apis/meta"
	sourcev1 "github.com/leat-dev/leat/pkg/apis/source/v1"
	"github.com/leat-dev/leat/pkg/artifact"
	"github.com/leat-dev/leat/pkg/reconcilers/runtime"
)

// sourceKey returns the key that the source reference means.
func sourceKey(obj *kustomizev1.Kustomization) runtime.Key {
	return runtime.Key{Namespace: obj.Spec.SourceRef.GetNamespace(obj.Namespace), Name: obj.Spec.SourceRef.Name}
}

// The ways in which a source cannot be used.
var (
	errNoSource   = errors.New("not found")
	errNoArtifact = errors.New("it has no artifact yet")
	// errLost says that the status of the source promises what the store does
	// not have. The source puts that right when it runs.
	errLost = errors.New("its artifact is not in the store, and is fetched again")
)

// source finds the artifact to build from.
func (r *Reconciler) source(obj *kustomizev1.Kustomization) (*meta.Artifact, *artifact.View, error) {
	key := sourceKey(obj)
	repo, err := r.GitRepositories.GitRepositories(key.Namespace).Get(key.Name)
	switch {
	case apierrors.IsNotFound(err):
		return nil, nil, errNoSource
	case err != nil:
		return nil, nil, err
	case repo.Status.Artifact == nil:
		return nil, nil, errNoArtifact
	}
	owner := artifact.Owner{Kind: sourcev1.GitRepositoryKind, Namespace: repo.Namespace, Name: repo.Name, UID: string(repo.UID)}
	for _, record := range r.Artifacts.Records(owner) {
		if string(record.Archive) != repo.Status.Artifact.Digest || record.Revision != repo.Status.Artifact.Revision {
			continue
		}
		tree, err := r.Artifacts.Tree(record.Tree)
		if err != nil {
			return nil, nil, fmt.Errorf("%w: %w", errLost, err)
		}
		return repo.Status.Artifact, r.Artifacts.View(tree), nil
	}
	return nil, nil, errLost
}

// awaitsSource reports whether the source got the same request as this object,
// and has not answered it: to run with the old artifact would be to run twice.
// A source that does not answer within its timeout is not waited for.
func (a *attempt) awaitsSource() bool {
	if !a.requested {
		return false
	}
	key := sourceKey(a.obj)
	repo, err := a.GitRepositories.GitRepositories(key.Namespace).Get(key.Name)
	if err != nil || repo.IsSuspended() || requestedAt(repo) != a.token || repo.Status.LastHandledReconcileAt == a.token {
		return false
	}
	return a.memo.waiting != meta.ProgressingReason || a.start.Sub(a.memo.waitingSince) < repo.GetTimeout()
}

// sourceAnswered says whether a source has answered a request.
func sourceAnswered(before, after metav1.Object) bool {
	return before.(*sourcev1.GitRepository).Status.LastHandledReconcileAt != after.(*sourcev1.GitRepository).Status.LastHandledReconcileAt
}

// askedWith narrows users down to those that got the request which the source
// has answered.
func askedWith(users func(metav1.Object) []runtime.Key, get func(runtime.Key) (metav1.Object, bool)) func(metav1.Object) []runtime.Key {
	return func(source metav1.Object) []runtime.Key {
		answered := source.(*sourcev1.GitRepository).Status.LastHandledReconcileAt
		return slices.DeleteFunc(users(source), func(k runtime.Key) bool {
			user, ok := get(k)
			return !ok || requestedAt(user) != answered
		})
	}
}

// sourceChanged says whether a change of a source matters to its users. They
// use its last artifact also while it cannot fetch a newer one, so its
// readiness does not count. The time of an artifact does: it moves when a lost
// one was restored.
func sourceChanged(before, after metav1.Object) bool {
	b, a := before.(*sourcev1.GitRepository).Status.Artifact, after.(*sourcev1.GitRepository).Status.Artifact
	if b == nil || a == nil {
		return b != a
	}
	return b.Revision != a.Revision || b.Digest != a.Digest || !b.LastUpdateTime.Equal(&a.LastUpdateTime)
}
