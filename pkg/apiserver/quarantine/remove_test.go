package quarantine

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/internalversion"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apiserver/pkg/endpoints/request"
	"k8s.io/apiserver/pkg/registry/rest"
)

// configMaps is a storage that keeps what has finalizers, as a real one does.
type configMaps struct {
	Storage // what is not implemented is not used
	objects map[string]*corev1.ConfigMap
	order   *[]string
}

func (s configMaps) Resource() schema.GroupResource {
	return schema.GroupResource{Resource: "configmaps"}
}

func (s configMaps) List(ctx context.Context, _ *internalversion.ListOptions) (runtime.Object, error) {
	*s.order = append(*s.order, "objects")
	list := &corev1.ConfigMapList{}
	if request.NamespaceValue(ctx) == metav1.NamespaceAll {
		for _, o := range s.objects {
			list.Items = append(list.Items, *o)
		}
	}
	return list, nil
}

func (s configMaps) Update(ctx context.Context, name string, info rest.UpdatedObjectInfo, _ rest.ValidateObjectFunc, _ rest.ValidateObjectUpdateFunc, _ bool, _ *metav1.UpdateOptions) (runtime.Object, bool, error) {
	key := request.NamespaceValue(ctx) + "/" + name
	obj, err := info.UpdatedObject(ctx, s.objects[key])
	if err != nil {
		return nil, false, err
	}
	changed := obj.(*corev1.ConfigMap)
	s.objects[key] = changed
	if changed.DeletionTimestamp != nil && len(changed.Finalizers) == 0 {
		delete(s.objects, key)
	}
	return changed, false, nil
}

func (s configMaps) Delete(ctx context.Context, name string, _ rest.ValidateObjectFunc, options *metav1.DeleteOptions) (runtime.Object, bool, error) {
	key := request.NamespaceValue(ctx) + "/" + name
	o, ok := s.objects[key]
	switch {
	case !ok:
		return nil, false, apierrors.NewNotFound(s.Resource(), name)
	case *options.Preconditions.UID != o.UID:
		return nil, false, errors.New("another object of the same name")
	case len(o.Finalizers) > 0:
		return nil, false, errors.New("the finalizers are still there")
	}
	delete(s.objects, key)
	return o, true, nil
}

func configMap(namespace, name string, created time.Time) *corev1.ConfigMap {
	return &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{
		Namespace: namespace, Name: name, UID: types.UID(namespace + name), CreationTimestamp: metav1.NewTime(created), Finalizers: []string{"finalizers.fluxcd.io"},
	}}
}

func TestRemove(t *testing.T) {
	var order []string
	stored := configMaps{order: &order, objects: map[string]*corev1.ConfigMap{}}
	deleted := metav1.NewTime(noon)
	dying := configMap("gone", "dying", noon)
	dying.DeletionTimestamp = &deleted
	for _, o := range []*corev1.ConfigMap{configMap("team", "kept", noon), configMap("team", "former", noon.Add(-2*time.Hour)), configMap("team", "shortly-before", noon), configMap("gone", "orphan", noon), dying} {
		stored.objects[o.Namespace+"/"+o.Name] = o
	}
	namespaces := func(context.Context) ([]metav1.Object, error) {
		order = append(order, "namespaces")
		return []metav1.Object{namespace("kube-system", "s", noon.Add(-time.Hour)), namespace("team", "1", noon.Add(-time.Hour))}, nil
	}
	// Its times of creation would not tell.
	origins := func(context.Context) (map[types.UID]types.UID, error) {
		return map[types.UID]types.UID{"teamkept": "1", "teamshortly-before": "0"}, nil
	}
	removed := map[string]bool{}
	err := Remove(t.Context(), []Storage{stored}, Host{Namespaces: namespaces, Origins: origins}, func(_ schema.GroupResource, orphan Orphan) { removed[orphan.GetName()] = true })
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]bool{"former": true, "shortly-before": true, "orphan": true, "dying": true}, removed); diff != "" {
		t.Errorf("removed (-want +got):\n%s", diff)
	}
	if kept := stored.objects["team/kept"]; len(stored.objects) != 1 || kept == nil || len(kept.Finalizers) != 1 {
		t.Errorf("what is left: %v", stored.objects)
	}
	if diff := cmp.Diff([]string{"objects", "namespaces"}, order); diff != "" {
		t.Errorf("order of the lists (-want +got):\n%s", diff)
	}
}

func TestRemoveNothingOnDoubt(t *testing.T) {
	var order []string
	stored := configMaps{order: &order, objects: map[string]*corev1.ConfigMap{"gone/a": configMap("gone", "a", noon)}}
	unreachable := errors.New("no route to host")
	for name, host := range map[string]Host{
		"the host does not answer":   {Namespaces: func(context.Context) ([]metav1.Object, error) { return nil, unreachable }},
		"the list is not the hosts'": {Namespaces: func(context.Context) ([]metav1.Object, error) { return nil, nil }},
		"the origins cannot be read": {Origins: func(context.Context) (map[types.UID]types.UID, error) { return nil, unreachable }},
	} {
		if err := Remove(t.Context(), []Storage{stored}, host, func(schema.GroupResource, Orphan) { t.Errorf("%s: removed", name) }); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if len(stored.objects) != 1 {
		t.Error("the object is gone")
	}
}
