package quarantine

import (
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// ClockSkew is how much later than an object its namespace may have been created by
// the clocks of the two API servers, and still be the one that it was created in.
// A manifest that creates both at once is common; taking an object for an orphan
// would delete it.
const ClockSkew = time.Minute

// ErrIncomplete says that the list of namespaces cannot be complete.
var ErrIncomplete = errors.New("list of namespaces is not complete")

// Object is a stored object. NamespaceUID is that of the namespace which the object
// was last seen in, if that was written down; it decides without looking at clocks.
type Object struct {
	metav1.Object
	NamespaceUID types.UID
}

// Orphan is an object that is to be quarantined, and why.
type Orphan struct {
	Object
	Reason string
}

// Orphans returns the objects that are not in the namespace that they were created
// in. namespaces must be all of the host cluster, read after the objects: a list
// without kube-system is refused, because every object would be taken for an orphan.
//
//	namespace     UID written down     created             verdict
//	gone          any                  -                   orphan
//	there         the same             any                 not
//	there         another              any                 orphan
//	there         none                 after the object    orphan (by more than ClockSkew)
//	there         none                 before it           not
//
// A namespace that is being deleted is still there: its deletion takes the usual way.
func Orphans(objects []Object, namespaces []metav1.Object) ([]Orphan, error) {
	byName := make(map[string]metav1.Object, len(namespaces))
	for _, namespace := range namespaces {
		byName[namespace.GetName()] = namespace
	}
	if _, ok := byName[metav1.NamespaceSystem]; !ok {
		return nil, fmt.Errorf("%w: %d namespaces, and %s is not among them", ErrIncomplete, len(namespaces), metav1.NamespaceSystem)
	}
	var orphans []Orphan
	for _, object := range objects {
		if object.GetNamespace() == corev1.NamespaceAll {
			continue
		}
		if reason := orphaned(object, byName[object.GetNamespace()]); reason != "" {
			orphans = append(orphans, Orphan{Object: object, Reason: reason})
		}
	}
	return orphans, nil
}

// orphaned says why the object is not in the namespace that it was created in, or
// nothing. namespace is nil where there is none of that name.
func orphaned(object Object, namespace metav1.Object) string {
	name := object.GetNamespace()
	if namespace == nil {
		return fmt.Sprintf("namespace %s does not exist any more", name)
	}
	if object.NamespaceUID != "" {
		if object.NamespaceUID == namespace.GetUID() {
			return ""
		}
		return fmt.Sprintf("namespace %s is another one than the object was created in", name)
	}
	created, namespaceCreated := object.GetCreationTimestamp(), namespace.GetCreationTimestamp()
	if namespaceCreated.After(created.Add(ClockSkew)) {
		return fmt.Sprintf("namespace %s was created at %s, after the object (%s)", name,
			namespaceCreated.UTC().Format(time.RFC3339), created.UTC().Format(time.RFC3339))
	}
	return ""
}
