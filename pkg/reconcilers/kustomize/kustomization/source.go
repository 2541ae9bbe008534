package kustomization

import (
	"errors"
	"fmt"

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
