package kustomization

import (
	"context"
	"fmt"
	"maps"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	kustomizev1 "github.com/leat-dev/leat/pkg/apis/kustomize/v1"
	"github.com/leat-dev/leat/pkg/build"
)

// variables collects what postBuild names: the data of ConfigMaps and Secrets
// in their order, then what the spec itself holds, the later one winning.
// Objects are read anew each time; only their metadata is watched.
func (r *Reconciler) variables(ctx context.Context, obj *kustomizev1.Kustomization) ([]build.Variable, error) {
	if obj.Spec.PostBuild == nil {
		return nil, nil
	}
	var all []build.Variable
	for _, ref := range obj.Spec.PostBuild.SubstituteFrom {
		data, err := r.substituteFrom(ctx, obj.Namespace, ref)
		switch {
		case apierrors.IsNotFound(err) && isTrue(ref.Optional):
			continue
		case err != nil:
			return nil, fmt.Errorf("reading variables from %s/%s: %w", ref.Kind, ref.Name, err)
		}
		all = appendVariables(all, data, ref.Kind == kustomizev1.SubstituteKindSecret)
	}
	return appendVariables(all, obj.Spec.PostBuild.Substitute, false), nil
}

func (r *Reconciler) substituteFrom(ctx context.Context, namespace string, ref kustomizev1.SubstituteReference) (map[string]string, error) {
	switch ref.Kind {
	case kustomizev1.SubstituteKindConfigMap:
		c, err := r.Core.ConfigMaps(namespace).Get(ctx, ref.Name, metav1.GetOptions{})
		if err != nil {
			return nil, err
		}
		return c.Data, nil
	case kustomizev1.SubstituteKindSecret:
		s, err := r.Core.Secrets(namespace).Get(ctx, ref.Name, metav1.GetOptions{})
		if err != nil {
			return nil, err
		}
		data := make(map[string]string, len(s.Data))
		for k, v := range s.Data {
			data[k] = string(v)
		}
		return data, nil
	}
	return nil, fmt.Errorf("kind %q holds no variables: want ConfigMap or Secret", ref.Kind)
}

// appendVariables appends in the order of names, so that equal data give equal
// lists.
func appendVariables(all []build.Variable, data map[string]string, tainted bool) []build.Variable {
	for _, name := range slices.Sorted(maps.Keys(data)) {
		all = append(all, build.Variable{Name: name, Value: data[name], Tainted: tainted})
	}
	return all
}
