package registration

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"
)

func TestRemind(t *testing.T) {
	deleted := metav1.Now()
	namespace := func(name string, deleted *metav1.Time, conditions ...corev1.NamespaceConditionType) *corev1.Namespace {
		ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, DeletionTimestamp: deleted, Finalizers: []string{"kubernetes"}}}
		for _, c := range conditions {
			ns.Status.Conditions = append(ns.Status.Conditions, corev1.NamespaceCondition{Type: c, Status: corev1.ConditionTrue})
		}
		return ns
	}
	healed := namespace("healed", &deleted, corev1.NamespaceDeletionDiscoveryFailure)
	healed.Status.Conditions[0].Status = corev1.ConditionFalse
	client := fake.NewClientset(
		namespace("active", nil),
		namespace("empties", &deleted, corev1.NamespaceContentRemaining),
		namespace("unknown-content", &deleted, corev1.NamespaceDeletionDiscoveryFailure),
		namespace("unlisted-content", &deleted, corev1.NamespaceDeletionContentFailure),
		healed,
	)
	n, err := Remind(t.Context(), client, time.Now())
	if err != nil || n != 2 {
		t.Errorf("%d namespaces, %v; want 2", n, err)
	}
	for _, action := range client.Actions() {
		if patch, ok := action.(clienttesting.PatchAction); ok && patch.GetSubresource() != "status" {
			t.Errorf("%s is patched itself, which takes another right", patch.GetName())
		}
	}
	for name, want := range map[string]bool{"active": false, "empties": false, "unknown-content": true, "unlisted-content": true, "healed": false} {
		ns, err := client.CoreV1().Namespaces().Get(t.Context(), name, metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if _, got := ns.Annotations[ReadyAnnotation]; got != want {
			t.Errorf("%s was touched: %t", name, got)
		}
	}
}
