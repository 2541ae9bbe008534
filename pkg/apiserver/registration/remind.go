package registration

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
)

// maxReminded bounds how many namespaces are written to. Others are tried again by
// the namespace controller in its own time.
const maxReminded = 500

// Remind has the namespace controller try again to delete the namespaces whose
// deletion has failed because an API did not answer. It returns how many there are.
//
// The controller's pauses between two attempts grow to a minute, so that after a
// longer outage of this server deletions would go on that much later than they can.
// A change of a namespace that is being deleted has it tried again after five
// seconds, which is the controller's pause after every change. That is why this is
// done at the start of a server, before it is ready, and once more when it is.
//
// What is written is an annotation, through the subresource status: the right to
// write that is none over what namespaces are.
func Remind(ctx context.Context, core kubernetes.Interface, now time.Time) (int, error) {
	namespaces := core.CoreV1().Namespaces()
	list, err := namespaces.List(ctx, metav1.ListOptions{
		FieldSelector: fields.OneTermEqualSelector("status.phase", string(corev1.NamespaceTerminating)).String(),
	})
	if err != nil {
		return 0, fmt.Errorf("listing the namespaces that are being deleted: %w", err)
	}
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{
		"annotations": map[string]string{ReadyAnnotation: now.UTC().Format(time.RFC3339Nano)},
	}})
	if err != nil {
		return 0, fmt.Errorf("encoding the patch of namespaces: %w", err)
	}
	var errs []error
	reminded := 0
	for i := range list.Items {
		ns := &list.Items[i]
		if !waitsForAPI(ns) || reminded == maxReminded {
			continue
		}
		reminded++
		_, err := namespaces.Patch(ctx, ns.Name, types.MergePatchType, patch, metav1.PatchOptions{}, "status")
		if err != nil && !apierrors.IsNotFound(err) {
			errs = append(errs, fmt.Errorf("touching namespace %s: %w", ns.Name, err))
		}
	}
	return reminded, errors.Join(errs...)
}

// waitsForAPI says whether the namespace is being deleted, and an API that did not
// answer is what its deletion has failed for.
func waitsForAPI(ns *corev1.Namespace) bool {
	if ns.DeletionTimestamp.IsZero() {
		return false
	}
	for _, c := range ns.Status.Conditions {
		failure := c.Type == corev1.NamespaceDeletionDiscoveryFailure || c.Type == corev1.NamespaceDeletionContentFailure
		if failure && c.Status == corev1.ConditionTrue {
			return true
		}
	}
	return false
}
