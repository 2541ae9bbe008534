package framework

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/rand"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"
)

const (
	maxNamespaceStem = 40
	namespaceTimeout = 30 * time.Second
	pollInterval     = 20 * time.Millisecond
)

// notInNames is what a test's name may hold and a namespace's may not.
var notInNames = regexp.MustCompile(`[^a-z0-9]+`)

// Namespace creates a namespace that no other test uses, and returns when Pods
// can be created in it. It is deleted when the test ends; nobody waits for that,
// because it takes five seconds or more.
func (c *Cluster) Namespace(t testing.TB) string {
	t.Helper()
	client, err := kubernetes.NewForConfig(c.Config)
	if err != nil {
		t.Fatalf("creating a namespace: %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), namespaceTimeout)
	defer cancel()
	name := uniqueName(t.Name())
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}
	if _, err := client.CoreV1().Namespaces().Create(ctx, namespace, metav1.CreateOptions{}); err != nil {
		t.Fatalf("creating a namespace: %v", err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), namespaceTimeout)
		defer cancel()
		if err := client.CoreV1().Namespaces().Delete(ctx, name, metav1.DeleteOptions{}); err != nil {
			t.Logf("deleting namespace %s: %v", name, err)
		}
	})
	err = wait.PollUntilContextCancel(ctx, pollInterval, true, func(ctx context.Context) (bool, error) {
		_, err := client.CoreV1().ServiceAccounts(name).Get(ctx, "default", metav1.GetOptions{})
		return err == nil, nil
	})
	if err != nil {
		t.Fatalf("waiting for the default ServiceAccount of namespace %s: %v", name, err)
	}
	return name
}

// uniqueName makes a name for a namespace of a test's name.
func uniqueName(test string) string {
	stem := strings.Trim(notInNames.ReplaceAllString(strings.ToLower(test), "-"), "-")
	if len(stem) > maxNamespaceStem {
		stem = strings.Trim(stem[:maxNamespaceStem], "-")
	}
	return fmt.Sprintf("%s-%s", stem, rand.String(6))
}
