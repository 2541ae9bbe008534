package kustomization

import (
	"time"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/registry/rest"

	kustomizev1 "github.com/leat-dev/leat/pkg/apis/kustomize/v1"
	"github.com/leat-dev/leat/pkg/apis/kustomize/v1/validation"
	sourcev1 "github.com/leat-dev/leat/pkg/apis/source/v1"
	"github.com/leat-dev/leat/pkg/registry/generic"
	"github.com/leat-dev/leat/pkg/registry/subresource"
)

type kind = generic.Kind[*kustomizev1.Kustomization, kustomizev1.KustomizationSpec, kustomizev1.KustomizationStatus]

func newKind() *kind {
	return &kind{
		GroupVersionKind: kustomizev1.SchemeGroupVersion.WithKind(kustomizev1.KustomizationKind),
		Plural:           "kustomizations",
		Singular:         "kustomization",
		ShortNames:       []string{"ks"},
		Categories:       []string{"all", "fluxcd", "fluxcd-appliers"},
		New:              func() *kustomizev1.Kustomization { return &kustomizev1.Kustomization{} },
		NewList:          func() runtime.Object { return &kustomizev1.KustomizationList{} },
		Parts: func(o *kustomizev1.Kustomization) (*kustomizev1.KustomizationSpec, *kustomizev1.KustomizationStatus) {
			return &o.Spec, &o.Status
		},
		InitialStatus: func() kustomizev1.KustomizationStatus {
			return kustomizev1.KustomizationStatus{ObservedGeneration: -1}
		},
		Suspend: func(o *kustomizev1.Kustomization, suspended bool) { o.Spec.Suspend = &suspended },
		Summary: func(o *kustomizev1.Kustomization) generic.Summary {
			return generic.Summary{
				Suspended:          o.IsSuspended(),
				Conditions:         o.Status.Conditions,
				Revision:           o.Status.LastAppliedRevision,
				Attempted:          o.Status.LastAttemptedRevision,
				HandledAt:          o.Status.LastHandledReconcileAt,
				ObservedGeneration: o.Status.ObservedGeneration,
			}
		},
		Columns:    columns(),
		Selectable: selectableFields(),
		Validate:   validation.ValidateKustomization,
	}
}

// selectableFields lead from a source to what is applied from it.
func selectableFields() []generic.SelectableField[*kustomizev1.Kustomization] {
	return []generic.SelectableField[*kustomizev1.Kustomization]{
		{
			Name:  "spec.sourceRef.kind",
			Value: func(o *kustomizev1.Kustomization) string { return string(o.Spec.SourceRef.Kind) },
		},
		{
			Name:    "spec.sourceRef.name",
			Value:   func(o *kustomizev1.Kustomization) string { return o.Spec.SourceRef.Name },
			Indexed: true,
		},
		{
			Name:  "spec.sourceRef.namespace",
			Value: func(o *kustomizev1.Kustomization) string { return o.Spec.SourceRef.GetNamespace(o.Namespace) },
		},
	}
}

// sourceOf names the source of a Kustomization. The group is that of the sources
// of Flux unless the reference says another one.
func sourceOf(obj runtime.Object) subresource.Reference {
	o := obj.(*kustomizev1.Kustomization)
	ref := o.Spec.SourceRef
	group := sourcev1.GroupName
	if ref.APIVersion != nil {
		if gv, err := schema.ParseGroupVersion(*ref.APIVersion); err == nil {
			group = gv.Group
		}
	}
	return subresource.Reference{
		Kind:      schema.GroupKind{Group: group, Kind: string(ref.Kind)},
		Namespace: ref.GetNamespace(o.Namespace),
		Name:      ref.Name,
	}
}

// timeoutOf is how long a run may take, and so a preview of one.
func timeoutOf(obj runtime.Object) time.Duration {
	return obj.(*kustomizev1.Kustomization).GetTimeout()
}

// AddFieldLabels makes the fields known that a Kustomization is selected by.
func AddFieldLabels(scheme *runtime.Scheme) error { return newKind().AddFieldLabels(scheme) }

// Install adds the resource and its subresources to the storage of the group.
func Install(storage map[string]rest.Storage, env generic.Environment, log subresource.Log, previews *subresource.Previews, trees *subresource.Trees, directory *subresource.Directory) error {
	kind := newKind()
	main, status, err := generic.NewStorage(kind, env)
	if err != nil {
		return err
	}
	storage[kind.Plural] = main
	storage[kind.Plural+"/status"] = status
	storage[kind.Plural+"/build"] = subresource.NewBuild(main, env, previews, timeoutOf)
	storage[kind.Plural+"/diff"] = subresource.NewDiff(main, env, previews, timeoutOf)
	storage[kind.Plural+"/history"] = subresource.NewHistory(main, log)
	storage[kind.Plural+"/log"] = subresource.NewLog(main, log, env)
	storage[kind.Plural+"/reconcile"] = subresource.NewReconcile(main, sourceOf, directory, env)
	storage[kind.Plural+"/resume"] = subresource.NewResume(main, env)
	storage[kind.Plural+"/suspend"] = subresource.NewSuspend(main, env)
	storage[kind.Plural+"/tree"] = subresource.NewTree(main, trees, directory)
	directory.Add(main)
	return nil
}
