package kustomization

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	kustomizev1 "github.com/leat-dev/leat/pkg/apis/kustomize/v1"
	"github.com/leat-dev/leat/pkg/apis/meta"
	sourcev1 "github.com/leat-dev/leat/pkg/apis/source/v1"
	"github.com/leat-dev/leat/pkg/artifact"
	"github.com/leat-dev/leat/pkg/preview"
)

// side is a tree to render.
type side struct {
	// label is what the side is called: a revision, or upload.
	label  string
	tree   *artifact.View
	upload bool
}

// uploadLabel is what a tree is called that the caller sent.
const uploadLabel = "upload"

// open finds or fetches the tree of a side, which is not live.
func (g *glance) open(ctx context.Context, s preview.Side) (*side, error) {
	switch {
	case s.Upload != nil:
		return g.sift(ctx, s.Upload)
	case s.Ref != "" || s.Latest:
		return g.fetch(ctx, s.Ref)
	case s.Retained != "":
		return g.retained(s.Retained)
	}
	return g.current()
}

// current is what the reconciler would build now.
func (g *glance) current() (*side, error) {
	key := sourceKey(g.obj)
	found, view, err := g.source(g.obj)
	what := fmt.Sprintf("%s %s", g.obj.Spec.SourceRef.Kind, key)
	switch {
	case err == nil:
		return &side{label: found.Revision, tree: view}, nil
	case errors.Is(err, errNoSource):
		return nil, g.noSource()
	case errors.Is(err, errNoArtifact):
		return nil, conflict(g.obj.Name, fmt.Sprintf(
			"the source has no artifact yet, so there is nothing to show: see the conditions of %s, and try again when it is ready", what))
	case errors.Is(err, errLost):
		// A preview asks for nothing to be fetched.
		return nil, apierrors.NewServiceUnavailable(fmt.Sprintf(
			"the artifact of %s is not in the store; the source puts that right when it runs next, which its subresource reconcile asks for", what))
	}
	return nil, fmt.Errorf("reading %s: %w", what, err)
}

func (g *glance) noSource() error {
	key := sourceKey(g.obj)
	resource := sourcev1.Resource(sourceResource(string(g.obj.Spec.SourceRef.Kind)))
	e := apierrors.NewNotFound(resource, key.Name)
	e.ErrStatus.Message = fmt.Sprintf("the source %s %s, which spec.sourceRef names, is not there", g.obj.Spec.SourceRef.Kind, key)
	return e
}

// retained is a revision that the store has kept.
func (g *glance) retained(revision string) (*side, error) {
	records, err := g.records()
	if err != nil {
		return nil, err
	}
	var kept []string
	for _, r := range records {
		if r.Revision != revision {
			kept = append(kept, r.Revision)
			continue
		}
		tree, err := g.Artifacts.Tree(r.Tree)
		if err != nil {
			return nil, fmt.Errorf("reading revision %s from the store: %w", revision, err)
		}
		return &side{label: revision, tree: g.Artifacts.View(tree)}, nil
	}
	e := apierrors.NewNotFound(sourcev1.Resource(sourceResource(string(g.obj.Spec.SourceRef.Kind))), sourceKey(g.obj).Name)
	e.ErrStatus.Message = fmt.Sprintf("revision %.200q of %s %s is not retained; retained are: %s. Another one can be fetched with a POST",
		revision, g.obj.Spec.SourceRef.Kind, sourceKey(g.obj), listed(kept))
	return nil, e
}

// records are what the store keeps of the source, newest first.
func (g *glance) records() ([]artifact.Record, error) {
	key := sourceKey(g.obj)
	repo, err := g.GitRepositories.GitRepositories(key.Namespace).Get(key.Name)
	if apierrors.IsNotFound(err) {
		return nil, g.noSource()
	}
	if err != nil {
		return nil, err
	}
	return g.Artifacts.Records(artifact.Owner{
		Kind: sourcev1.GitRepositoryKind, Namespace: repo.Namespace, Name: repo.Name, UID: string(repo.UID),
	}), nil
}

// fetch has the source fetch a revision that is published nowhere.
func (g *glance) fetch(ctx context.Context, ref string) (*side, error) {
	if err := g.mayFetch(ctx); err != nil {
		return nil, err
	}
	source, err := g.fetcher()
	if err != nil {
		return nil, err
	}
	key := sourceKey(g.obj)
	peeked, err := source.Peek(ctx, key.Namespace, key.Name, ref)
	if apierrors.IsNotFound(err) {
		return nil, g.noSource()
	}
	if err != nil {
		return nil, err
	}
	return &side{label: peeked.Revision, tree: g.Artifacts.View(peeked.Tree)}, nil
}

// sift is an upload without what the source would have left out of it.
func (g *glance) sift(ctx context.Context, upload *artifact.Tree) (*side, error) {
	source, err := g.fetcher()
	if err != nil {
		return nil, err
	}
	key := sourceKey(g.obj)
	tree, err := source.Sift(ctx, key.Namespace, key.Name, upload)
	if apierrors.IsNotFound(err) {
		return nil, g.noSource()
	}
	if err != nil {
		return nil, err
	}
	return &side{label: uploadLabel, tree: g.Artifacts.View(tree), upload: true}, nil
}

// fetcher is what gives trees that the source has not published.
func (g *glance) fetcher() (preview.Source, error) {
	kind := string(g.obj.Spec.SourceRef.Kind)
	if source, ok := g.Sources[kind]; ok {
		return source, nil
	}
	return nil, g.invalid("spec.sourceRef.kind", fmt.Sprintf("previews of foreign content are not made of a %s", kind))
}

// explain makes a status of a run's failure.
func (g *glance) explain(err error) error {
	var f *failure
	switch {
	case !errors.As(err, &f):
		return err
	case f.reason == meta.AccessDeniedReason:
		return forbidden(kustomizev1.Resource("kustomizations"), g.obj.Name, f.Error())
	case f.reason == meta.UnsupportedFieldReason:
		return g.invalid("spec", f.Error())
	}
	return f.err
}

func (g *glance) kind() schema.GroupKind {
	return schema.GroupKind{Group: kustomizev1.GroupName, Kind: kustomizev1.KustomizationKind}
}

func (g *glance) invalid(field, message string) error {
	return preview.Invalid(g.kind(), g.obj.Name, field, message)
}

func badRequest(message string) error { return apierrors.NewBadRequest(message) }

func conflict(name, message string) error {
	return apierrors.NewConflict(kustomizev1.Resource("kustomizations"), name, errors.New(message))
}

// forbidden says what the caller lacks, without the words of an authorizer, who
// has not spoken.
func forbidden(resource schema.GroupResource, name, message string) error {
	return &apierrors.StatusError{ErrStatus: metav1.Status{
		Status: metav1.StatusFailure, Code: http.StatusForbidden, Reason: metav1.StatusReasonForbidden,
		Message: fmt.Sprintf("%s %q: %s", resource, name, message),
		Details: &metav1.StatusDetails{Group: resource.Group, Kind: resource.Resource, Name: name},
	}}
}
