package target

import (
	"errors"
	"fmt"
	"strings"
	"unique"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
)

// Live is what is kept of an object in the cluster: what plans, prunes and
// health waits ask, and nothing that grows with the object.
type Live struct {
	UID             types.UID
	ResourceVersion string
	Generation      int64
	// Owner is who the owner labels name.
	Owner types.NamespacedName
	// Projection digests the live values of the fields that our manager
	// applied. It is zero when it applied none in the version read.
	Projection Digest
	// Managed says that our manager has written the object.
	Managed bool
	// Takeover says that kubectl owns fields that nothing would remove unless
	// they are taken over.
	Takeover bool
	Switches Switches
	Health   Health
	// Deleting says that the object has been deleted and waits for finalizers.
	Deleting bool
	// dropped says that it was us who deleted it.
	dropped bool
}

// managers that mean "a person with kubectl". before-first-apply holds the
// fields of an object from before managers were tracked.
const (
	kubectlPrefix    = "kubectl"
	beforeFirstApply = "before-first-apply"
	// LastApplied is the annotation that kubectl's client-side apply leaves.
	LastApplied = "kubectl.kubernetes.io/last-applied-configuration"
)

// identified is a Live with the name it has in its kind.
type identified struct {
	types.NamespacedName
	Live
}

// reduce takes from an object, given as value n of tp, what is kept of it. The
// items of a list do not say what they are: gvk does. A panic is an error of
// the object: whoever may write one must not be able to end the process.
func (t *Target) reduce(gvk schema.GroupVersionKind, tp *tape, n int32) (o identified, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("reading an object of kind %s: %v", gvk.Kind, r)
		}
	}()
	meta := tp.get(n, "metadata")
	o = identified{
		NamespacedName: types.NamespacedName{
			Namespace: unique.Make(tp.text(tp.get(meta, "namespace"))).Value(),
			Name:      tp.text(tp.get(meta, "name")),
		},
		Live: Live{
			UID:             types.UID(tp.text(tp.get(meta, "uid"))),
			ResourceVersion: tp.text(tp.get(meta, "resourceVersion")),
			Generation:      tp.integer(tp.get(meta, "generation")),
			Deleting:        tp.kind(tp.get(meta, "deletionTimestamp")) == '"',
		},
	}
	if o.Name == "" {
		return o, errors.New("an object without a name")
	}
	labels, annotations := tp.get(meta, "labels"), tp.get(meta, "annotations")
	o.Owner = types.NamespacedName{
		Namespace: unique.Make(tp.text(tp.get(labels, t.opts.OwnerGroup+"/namespace"))).Value(),
		Name:      unique.Make(tp.text(tp.get(labels, t.opts.OwnerGroup+"/name"))).Value(),
	}
	o.Switches = switchesOf(t.opts.OwnerGroup, func(name string) [2]string {
		return [2]string{tp.text(tp.get(annotations, name)), tp.text(tp.get(labels, name))}
	})
	t.managedFields(gvk.GroupVersion().String(), tp, n, &o.Live)
	if tp.get(annotations, LastApplied) >= 0 {
		o.Takeover = true
	}
	o.Health = healthOf(gvk, tp, n)
	return o, nil
}

// managedFields reads who manages the object, read in version, and projects it
// on our fields.
func (t *Target) managedFields(version string, tp *tape, n int32, l *Live) {
	tp.elements(tp.get(n, "metadata", "managedFields"), func(entry int32) bool {
		if tp.text(tp.get(entry, "subresource")) != "" {
			return true
		}
		manager := tp.get(entry, "manager")
		if !tp.is(manager, t.opts.FieldManager) {
			l.Takeover = l.Takeover || TakenOver(tp.text(manager), "")
			return true
		}
		l.Managed = true
		if !tp.is(tp.get(entry, "operation"), "Apply") {
			l.Takeover = true
			return true
		}
		if tp.is(tp.get(entry, "apiVersion"), version) {
			h := t.digest.get()
			project(h, tp, tp.get(entry, "fieldsV1"), n)
			l.Projection = t.digest.sum(h)
		}
		return true
	})
}

// TakenOver says whether the fields of a manager are made ours: those of
// kubectl, whatever it was used for. What is written through a subresource is
// left alone.
func TakenOver(manager, subresource string) bool {
	return subresource == "" && (manager == beforeFirstApply || strings.HasPrefix(manager, kubectlPrefix))
}
