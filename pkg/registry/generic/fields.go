package generic

import (
	"fmt"

	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	genericregistry "k8s.io/apiserver/pkg/registry/generic"
	"k8s.io/apiserver/pkg/storage"
	"k8s.io/client-go/tools/cache"
)

// SelectableField is a field that a field selector may name.
type SelectableField[O Object] struct {
	// Name is the path of the field, such as "spec.sourceRef.name".
	Name string

	// Value of the field in an object, empty where it is not set.
	Value func(O) string

	// Indexed keeps an index over the field in the watch cache: a list that
	// selects one value costs what it returns and not what is stored.
	Indexed bool
}

// AddFieldLabels makes the selectable fields known to the scheme, which
// otherwise refuses selectors that name them.
func (k *Kind[O, Spec, Status]) AddFieldLabels(scheme *runtime.Scheme) error {
	return AddFieldLabels(scheme, k.GroupVersionKind, k.fieldNames()...)
}

// AddFieldLabels accepts selectors on metadata.name, metadata.namespace and the
// named fields for one kind.
func AddFieldLabels(scheme *runtime.Scheme, gvk schema.GroupVersionKind, names ...string) error {
	accepted := map[string]bool{"metadata.name": true, "metadata.namespace": true}
	for _, name := range names {
		accepted[name] = true
	}
	return scheme.AddFieldLabelConversionFunc(gvk, func(label, value string) (string, string, error) {
		if !accepted[label] {
			return "", "", fmt.Errorf("%q is not a field that %s can be selected by", label, gvk.Kind)
		}
		return label, value, nil
	})
}

func (k *Kind[O, Spec, Status]) fieldNames() []string {
	names := make([]string, 0, len(k.Selectable))
	for _, f := range k.Selectable {
		names = append(names, f.Name)
	}
	return names
}

// attributes are what selectors are matched against.
func (k *Kind[O, Spec, Status]) attributes(obj runtime.Object) (labels.Set, fields.Set, error) {
	o, ok := obj.(O)
	if !ok {
		return nil, nil, fmt.Errorf("selecting a %s: got %T", k.GroupVersionKind.Kind, obj)
	}
	set := make(fields.Set, 2+len(k.Selectable))
	for _, f := range k.Selectable {
		set[f.Name] = f.Value(o)
	}
	return o.GetLabels(), genericregistry.AddObjectMetaFieldsSet(set, objectMeta(o), true), nil
}

// match pairs a label and a field selector with the attributes of this kind.
func (k *Kind[O, Spec, Status]) match(label labels.Selector, selected fields.Selector) storage.SelectionPredicate {
	predicate := storage.SelectionPredicate{Label: label, Field: selected, GetAttrs: k.attributes}
	for _, f := range k.Selectable {
		if f.Indexed {
			predicate.IndexFields = append(predicate.IndexFields, f.Name)
		}
	}
	return predicate
}

// indexers are the indexes of the watch cache, nil where no field wants one.
func (k *Kind[O, Spec, Status]) indexers() *cache.Indexers {
	indexers := cache.Indexers{}
	for _, f := range k.Selectable {
		if !f.Indexed {
			continue
		}
		value := f.Value
		indexers[storage.FieldIndex(f.Name)] = func(obj any) ([]string, error) {
			o, ok := obj.(O)
			if !ok {
				return nil, fmt.Errorf("indexing a %s: got %T", k.GroupVersionKind.Kind, obj)
			}
			return []string{value(o)}, nil
		}
	}
	if len(indexers) == 0 {
		return nil
	}
	return &indexers
}
