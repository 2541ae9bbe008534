package kustomization

import (
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	kustomizev1 "github.com/leat-dev/leat/pkg/apis/kustomize/v1"
	"github.com/leat-dev/leat/pkg/apis/meta"
	"github.com/leat-dev/leat/pkg/reconcilers/runtime"
)

// dependencyKey returns the key that a dependency refers to.
func dependencyKey(obj *kustomizev1.Kustomization, d kustomizev1.DependencyReference) runtime.Key {
	return runtime.Key{Namespace: d.GetNamespace(obj.Namespace), Name: d.Name}
}

// unready says which dependency keeps obj from running at revision, and why;
// nothing if none does. soon says that the dependency is under way, as far as
// can be told: it has not failed, and nobody has stopped it.
func (r *Reconciler) unready(obj *kustomizev1.Kustomization, revision string) (why string, soon bool) {
	for _, d := range obj.Spec.DependsOn {
		key := dependencyKey(obj, d)
		dep, err := r.Kustomizations.Kustomizations(key.Namespace).Get(key.Name)
		if err != nil {
			return fmt.Sprintf("dependency '%s' not found", key), false
		}
		if why := unreadyDependency(obj, dep, revision); why != "" {
			failed := runtime.IsFalse(dep.Status.Conditions, meta.ReadyCondition)
			return fmt.Sprintf("dependency '%s' is not ready: %s", key, why), !failed && !dep.IsSuspended() && dep.DeletionTimestamp.IsZero()
		}
	}
	return "", false
}

// unreadyDependency says why dep is not ready for obj:
//
//	deleted        it is on its way out
//	spec           its latest spec has not been acted on
//	Ready          it is not True
//	revision       it has not applied the revision that both share a source of
func unreadyDependency(obj, dep *kustomizev1.Kustomization, revision string) string {
	switch {
	case !dep.DeletionTimestamp.IsZero():
		return "it is being deleted"
	case dep.Status.ObservedGeneration != dep.Generation:
		return "its latest spec has not been applied yet"
	case !runtime.IsTrue(dep.Status.Conditions, meta.ReadyCondition):
		return "its condition Ready is not True"
	case sourceKey(dep) == sourceKey(obj) && dep.Spec.SourceRef.Kind == obj.Spec.SourceRef.Kind && dep.Status.LastAppliedRevision != revision:
		return fmt.Sprintf("it has not applied revision %s yet", revision)
	}
	return ""
}

// dependencyChanged says whether a change of a dependency matters to those who
// wait for it. Its stall counts as well: it may be one of a cycle that was just
// broken elsewhere.
func dependencyChanged(before, after metav1.Object) bool {
	b, a := before.(*kustomizev1.Kustomization), after.(*kustomizev1.Kustomization)
	type facts struct {
		deleted, observed, ready, stalled bool
		generation                        int64
		revision                          string
	}
	of := func(k *kustomizev1.Kustomization) facts {
		return facts{
			deleted:    !k.DeletionTimestamp.IsZero(),
			observed:   k.Status.ObservedGeneration == k.Generation,
			ready:      runtime.IsTrue(k.Status.Conditions, meta.ReadyCondition),
			stalled:    runtime.IsTrue(k.Status.Conditions, meta.StalledCondition),
			generation: k.Generation,
			revision:   k.Status.LastAppliedRevision,
		}
	}
	return of(b) != of(a)
}

// cycle returns a way along dependencies that leads from obj back to obj, and
// nothing if there is none. Objects in a cycle wait for each other for good, so
// it is looked for when an object would wait.
func (r *Reconciler) cycle(obj *kustomizev1.Kustomization) []runtime.Key {
	start := runtime.Key{Namespace: obj.Namespace, Name: obj.Name}
	seen := map[runtime.Key]bool{}
	var search func(k *kustomizev1.Kustomization, way []runtime.Key) []runtime.Key
	search = func(k *kustomizev1.Kustomization, way []runtime.Key) []runtime.Key {
		for _, d := range k.Spec.DependsOn {
			key := dependencyKey(k, d)
			if key == start {
				return append(slices.Clone(way), key)
			}
			if seen[key] {
				continue
			}
			seen[key] = true
			next, err := r.Kustomizations.Kustomizations(key.Namespace).Get(key.Name)
			if err != nil {
				continue
			}
			if found := search(next, append(slices.Clone(way), key)); found != nil {
				return found
			}
		}
		return nil
	}
	return search(obj, []runtime.Key{start})
}

func describe(way []runtime.Key) string {
	names := make([]string, len(way))
	for i, k := range way {
		names[i] = k.String()
	}
	return strings.Join(names, " → ")
}
