package object

import (
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Object is one rendered object with where it came from.
type Object struct {
	*unstructured.Unstructured

	// File is the path, in the tree, of the file that declared the object. It
	// is empty for what was generated.
	File string
	// Tainted says that the object holds values that came from a Secret or
	// from decryption, whatever its own kind is.
	Tainted bool
}

// Key returns the object's key.
func (o Object) Key() Key { return KeyOf(o.Unstructured) }

// Key names an object in a cluster. It holds no version: the same object may
// be written in one version and read in another.
type Key struct {
	Group, Kind, Namespace, Name string
}

// KeyOf returns the key of u.
func KeyOf(u *unstructured.Unstructured) Key {
	gvk := u.GroupVersionKind()
	return Key{Group: gvk.Group, Kind: gvk.Kind, Namespace: u.GetNamespace(), Name: u.GetName()}
}

// GroupKind returns the kind that k is of.
func (k Key) GroupKind() schema.GroupKind {
	return schema.GroupKind{Group: k.Group, Kind: k.Kind}
}

// String names the object for people: Kind/namespace/name, or Kind/name for
// what has no namespace.
func (k Key) String() string {
	if k.Namespace == "" {
		return k.Kind + "/" + k.Name
	}
	return k.Kind + "/" + k.Namespace + "/" + k.Name
}

// Compare orders keys by group, kind, namespace and name.
func (k Key) Compare(l Key) int {
	for _, c := range []int{
		strings.Compare(k.Group, l.Group), strings.Compare(k.Kind, l.Kind),
		strings.Compare(k.Namespace, l.Namespace), strings.Compare(k.Name, l.Name),
	} {
		if c != 0 {
			return c
		}
	}
	return 0
}

// An inventory ID is <namespace>_<name>_<group>_<kind>. A name may hold colons
// (RBAC does that); they are written as two underscores, which no name that
// Kubernetes accepts can hold. That is the format of status.inventory in
// Flux's API, which clients parse.
const (
	idSeparator  = "_"
	colonEscaped = "__"
)

// ID returns the key in the format of an inventory.
func (k Key) ID() string {
	name := strings.ReplaceAll(k.Name, ":", colonEscaped)
	return strings.Join([]string{k.Namespace, name, k.Group, k.Kind}, idSeparator)
}

// ParseID reads what ID wrote.
func ParseID(id string) (Key, error) {
	namespace, rest, ok := strings.Cut(id, idSeparator)
	if !ok {
		return Key{}, fmt.Errorf("inventory id %q: want <namespace>_<name>_<group>_<kind>", id)
	}
	// Neither a kind nor a group holds an underscore, so they are cut from the
	// right; what is left is the name with its colons escaped.
	kindAt := strings.LastIndex(rest, idSeparator)
	if kindAt < 0 {
		return Key{}, fmt.Errorf("inventory id %q: no group and kind", id)
	}
	rest, kind := rest[:kindAt], rest[kindAt+1:]
	groupAt := strings.LastIndex(rest, idSeparator)
	if groupAt < 0 {
		return Key{}, fmt.Errorf("inventory id %q: no group", id)
	}
	name, group := rest[:groupAt], rest[groupAt+1:]
	if name == "" || kind == "" {
		return Key{}, fmt.Errorf("inventory id %q: name and kind must not be empty", id)
	}
	return Key{Group: group, Kind: kind, Namespace: namespace, Name: strings.ReplaceAll(name, colonEscaped, ":")}, nil
}
