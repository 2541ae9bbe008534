package gitrepository

import (
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apiserver/pkg/registry/rest"

	sourcev1 "github.com/leat-dev/leat/pkg/apis/source/v1"
	"github.com/leat-dev/leat/pkg/apis/source/v1/validation"
	"github.com/leat-dev/leat/pkg/registry/generic"
	"github.com/leat-dev/leat/pkg/registry/subresource"
)

type kind = generic.Kind[*sourcev1.GitRepository, sourcev1.GitRepositorySpec, sourcev1.GitRepositoryStatus]

func newKind() *kind {
	return &kind{
		GroupVersionKind: sourcev1.SchemeGroupVersion.WithKind(sourcev1.GitRepositoryKind),
		Plural:           "gitrepositories",
		Singular:         "gitrepository",
		ShortNames:       []string{"gitrepo"},
		Categories:       []string{"all", "fluxcd", "fluxcd-sources"},
		New:              func() *sourcev1.GitRepository { return &sourcev1.GitRepository{} },
		NewList:          func() runtime.Object { return &sourcev1.GitRepositoryList{} },
		Parts: func(o *sourcev1.GitRepository) (*sourcev1.GitRepositorySpec, *sourcev1.GitRepositoryStatus) {
			return &o.Spec, &o.Status
		},
		InitialStatus: func() sourcev1.GitRepositoryStatus {
			return sourcev1.GitRepositoryStatus{ObservedGeneration: -1}
		},
		Suspend:  func(o *sourcev1.GitRepository, suspended bool) { o.Spec.Suspend = &suspended },
		Summary:  summarize,
		Columns:  columns(),
		Validate: validation.ValidateGitRepository,
	}
}

func summarize(o *sourcev1.GitRepository) generic.Summary {
	summary := generic.Summary{
		Suspended:          o.IsSuspended(),
		Conditions:         o.Status.Conditions,
		HandledAt:          o.Status.LastHandledReconcileAt,
		ObservedGeneration: o.Status.ObservedGeneration,
	}
	if o.Status.Artifact != nil {
		summary.Revision = o.Status.Artifact.Revision
		summary.Attempted = o.Status.Artifact.Revision
		summary.Artifact = o.Status.Artifact.Digest
	}
	return summary
}

// AddFieldLabels makes the fields known that a GitRepository is selected by.
func AddFieldLabels(scheme *runtime.Scheme) error { return newKind().AddFieldLabels(scheme) }

// Install adds the resource and its subresources to the storage of the group.
func Install(storage map[string]rest.Storage, env generic.Environment, artifacts subresource.Artifacts, log subresource.Log, directory *subresource.Directory) error {
	kind := newKind()
	main, status, err := generic.NewStorage(kind, env)
	if err != nil {
		return err
	}
	storage[kind.Plural] = main
	storage[kind.Plural+"/status"] = status
	storage[kind.Plural+"/artifact"] = subresource.NewArtifact(main, artifacts)
	storage[kind.Plural+"/log"] = subresource.NewLog(main, log, env)
	storage[kind.Plural+"/reconcile"] = subresource.NewReconcile(main, nil, directory, env)
	storage[kind.Plural+"/resume"] = subresource.NewResume(main, env)
	storage[kind.Plural+"/suspend"] = subresource.NewSuspend(main, env)
	directory.Add(main)
	return nil
}
