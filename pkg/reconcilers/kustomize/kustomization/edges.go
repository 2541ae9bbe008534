package kustomization

import (
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/cache"

	kustomizev1 "github.com/leat-dev/leat/pkg/apis/kustomize/v1"
	"github.com/leat-dev/leat/pkg/apis/meta"
	sourcev1 "github.com/leat-dev/leat/pkg/apis/source/v1"
	"github.com/leat-dev/leat/pkg/reconcilers/runtime"
)

// The names of the indexes over Kustomizations: by what they refer to.
const (
	bySource     = "source"
	byDependency = "dependency"
	byConfig     = "config"
)

// Informers are what makes Kustomizations run.
type Informers struct {
	Kustomizations, GitRepositories cache.SharedIndexInformer
	// ConfigMaps and Secrets see the objects that carry the watch label; their
	// metadata is enough.
	ConfigMaps, Secrets cache.SharedIndexInformer
}

// Connect makes informers trigger runs in q. It is called before they start.
func Connect(in Informers, q runtime.Adder) error {
	if err := in.Kustomizations.AddIndexers(cache.Indexers{
		bySource:     index(sourceReferences),
		byDependency: index(dependencyReferences),
		byConfig:     index(configReferences),
	}); err != nil {
		return fmt.Errorf("indexing Kustomizations: %w", err)
	}
	users := in.Kustomizations.GetIndexer()
	user := func(k runtime.Key) (metav1.Object, bool) {
		obj, exists, err := users.GetByKey(k.String())
		if err != nil || !exists {
			return nil, false
		}
		return obj.(*kustomizev1.Kustomization), true
	}
	reference := func(kind string) func(metav1.Object) string {
		return func(o metav1.Object) string { return runtime.Reference(kind, o.GetNamespace(), o.GetName()) }
	}
	edge := func(index, kind string, t runtime.Trigger, relevant func(before, after metav1.Object) bool) cache.ResourceEventHandler {
		return runtime.Edge{
			Users: runtime.UsersByIndex(users, index, reference(kind)), Relevant: relevant, To: q, Trigger: t,
		}.Events()
	}
	asked := runtime.Edge{
		Users:    askedWith(runtime.UsersByIndex(users, bySource, reference(sourcev1.GitRepositoryKind)), user),
		Relevant: sourceAnswered, To: q, Trigger: runtime.Source,
	}.Events()
	for _, c := range []struct {
		from    cache.SharedIndexInformer
		handler cache.ResourceEventHandler
	}{
		{in.Kustomizations, runtime.OwnEvents(q, meta.ReconcileRequestAnnotation)},
		{in.Kustomizations, edge(byDependency, kustomizev1.KustomizationKind, runtime.Dependency, dependencyChanged)},
		{in.GitRepositories, edge(bySource, sourcev1.GitRepositoryKind, runtime.Source, sourceChanged)},
		{in.GitRepositories, asked},
		{in.ConfigMaps, edge(byConfig, string(kustomizev1.SubstituteKindConfigMap), runtime.Config, nil)},
		{in.Secrets, edge(byConfig, string(kustomizev1.SubstituteKindSecret), runtime.Config, nil)},
	} {
		if _, err := c.from.AddEventHandler(c.handler); err != nil {
			return fmt.Errorf("watching what Kustomizations depend on: %w", err)
		}
	}
	return nil
}

func index(references func(*kustomizev1.Kustomization) []string) cache.IndexFunc {
	return func(obj any) ([]string, error) {
		k, ok := obj.(*kustomizev1.Kustomization)
		if !ok {
			return nil, fmt.Errorf("indexing a %T as a Kustomization", obj)
		}
		return references(k), nil
	}
}

func sourceReferences(k *kustomizev1.Kustomization) []string {
	key := sourceKey(k)
	return []string{runtime.Reference(string(k.Spec.SourceRef.Kind), key.Namespace, key.Name)}
}

func dependencyReferences(k *kustomizev1.Kustomization) []string {
	refs := make([]string, len(k.Spec.DependsOn))
	for i, d := range k.Spec.DependsOn {
		key := dependencyKey(k, d)
		refs[i] = runtime.Reference(kustomizev1.KustomizationKind, key.Namespace, key.Name)
	}
	return refs
}

func configReferences(k *kustomizev1.Kustomization) []string {
	if k.Spec.PostBuild == nil {
		return nil
	}
	refs := make([]string, len(k.Spec.PostBuild.SubstituteFrom))
	for i, from := range k.Spec.PostBuild.SubstituteFrom {
		refs[i] = runtime.Reference(string(from.Kind), k.Namespace, from.Name)
	}
	return refs
}
