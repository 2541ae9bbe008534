package host

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	apiregistrationv1 "k8s.io/kube-aggregator/pkg/apis/apiregistration/v1"

	"github.com/leat-dev/leat/pkg/apiserver/certs"
	"github.com/leat-dev/leat/pkg/apiserver/registration"
)

func groups(gvs ...schema.GroupVersion) func(*registration.Options) {
	return func(o *registration.Options) { o.GroupVersions = gvs }
}

// TestServedThroughAggregator is the whole way: authority, certificate, Service,
// APIService, a request; then the keys are replaced, as after a leak.
func TestServedThroughAggregator(t *testing.T) {
	namespace, gv := "leat-"+strings.ReplaceAll(uniqueGroup().Group, ".", "-"), uniqueGroup()
	b := newBackend(t, cluster.Config, namespace, true)
	r, _ := b.register(t, cluster.Config, namespace, groups(gv))
	before := awaitAPIService(t, gv, "to be available", isAvailable)
	awaitServed(t, gv)
	if before.Spec.InsecureSkipTLSVerify || !bytes.Equal(before.Spec.CABundle, b.certs.CurrentCABundleContent()) {
		t.Errorf("registered without verification: %+v", before.Spec)
	}
	await(t, "the registrar to be content", func(context.Context) (bool, string) {
		err := r.Check(nil)
		return err == nil, errorText(err)
	})

	if err := coreClient(t, cluster.Config).CoreV1().Secrets(namespace).Delete(t.Context(), certs.DefaultSecretName, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	awaitAPIService(t, gv, "to have the new authority", func(s *apiregistrationv1.APIService) bool {
		return !bytes.Equal(s.Spec.CABundle, before.Spec.CABundle)
	})
	awaitServed(t, gv)
}

// TestPutRightAtOnce does to an APIService what people and controllers might.
func TestPutRightAtOnce(t *testing.T) {
	namespace, gv := cluster.Namespace(t), uniqueGroup()
	b := newBackend(t, cluster.Config, namespace, false)
	b.register(t, cluster.Config, namespace, groups(gv))
	right := awaitAPIService(t, gv, "to be available", isAvailable)
	client := aggregatorClient(t, cluster.Config).ApiregistrationV1().APIServices()
	tests := map[string]string{
		"verification switched off": `{"spec":{"insecureSkipTLSVerify":true,"caBundle":null}}`,
		"another service":           `{"spec":{"service":{"name":"other"}}}`,
		"made local":                `{"spec":{"service":null,"caBundle":null},"metadata":{"labels":null}}`,
		// kube-apiserver deletes what is marked as its own and is not.
		"marked as kube-apiserver's": `{"metadata":{"labels":{"kube-aggregator.kubernetes.io/automanaged":"true"}}}`,
	}
	for name, patch := range tests {
		t.Run(name, func(t *testing.T) {
			began := time.Now()
			if _, err := client.Patch(t.Context(), nameOf(gv), types.MergePatchType, []byte(patch), metav1.PatchOptions{}); err != nil {
				t.Fatal(err)
			}
			awaitRight(t, gv, right)
			t.Logf("put right after %s", time.Since(began))
		})
	}
	t.Run("deleted", func(t *testing.T) {
		if err := client.Delete(t.Context(), nameOf(gv), metav1.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
		awaitRight(t, gv, right)
		awaitServed(t, gv)
	})
}

func awaitRight(t *testing.T, gv schema.GroupVersion, right *apiregistrationv1.APIService) {
	t.Helper()
	awaitAPIService(t, gv, "to be put right", func(s *apiregistrationv1.APIService) bool {
		_, automanaged := s.Labels["kube-aggregator.kubernetes.io/automanaged"]
		return !automanaged && s.Spec.Service != nil && s.Spec.Service.Name == right.Spec.Service.Name &&
			bytes.Equal(s.Spec.CABundle, right.Spec.CABundle) && !s.Spec.InsecureSkipTLSVerify
	})
}

// createCRD makes the host serve a group, as an installation of Flux does.
func createCRD(t *testing.T, gv schema.GroupVersion) {
	t.Helper()
	manifest := fmt.Sprintf(`
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: things.%[1]s}
spec:
  group: %[1]s
  names: {kind: Thing, plural: things}
  scope: Namespaced
  versions:
    - name: %[2]s
      served: true
      storage: true
      schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
`, gv.Group, gv.Version)
	if _, _, err := cluster.KubectlInput(t.Context(), manifest, "apply", "--filename=-"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if _, _, err := cluster.Kubectl(context.WithoutCancel(t.Context()), "delete", "crd", "--wait=false", "things."+gv.Group); err != nil {
			t.Log(err)
		}
	})
	awaitAPIService(t, gv, "of the CRD to be available", isAvailable)
}

// TestCRDs goes through refusal, adoption, and the way back.
func TestCRDs(t *testing.T) {
	namespace, gv := cluster.Namespace(t), uniqueGroup()
	createCRD(t, gv)
	b := newBackend(t, cluster.Config, namespace, false)
	refusing, stopRefusing := b.register(t, cluster.Config, namespace, groups(gv))
	await(t, "the refusal", func(context.Context) (bool, string) {
		err := refusing.Check(nil)
		return err != nil && strings.Contains(err.Error(), "--adopt-flux-crds"), errorText(err)
	})
	awaitEvent(t, gv, "RegistrationRefused")
	if _, _, err := cluster.Kubectl(t.Context(), "get", "things."+gv.Group, "--namespace="+namespace); err != nil {
		t.Errorf("the CRD is not served any more: %v", err)
	}
	stopRefusing()

	_, stopAdopting := b.register(t, cluster.Config, namespace, func(o *registration.Options) {
		o.GroupVersions, o.Adopt = []schema.GroupVersion{gv}, true
	})
	awaitAPIService(t, gv, "to be adopted", func(s *apiregistrationv1.APIService) bool { return s.Spec.Service != nil && isAvailable(s) })
	awaitServed(t, gv)
	awaitEvent(t, gv, "GroupAdopted")
	// A change of the CRD has kube-apiserver look at the APIService: it leaves it alone.
	if _, _, err := cluster.Kubectl(t.Context(), "annotate", "crd", "things."+gv.Group, "touched=yes"); err != nil {
		t.Fatal(err)
	}
	awaitServed(t, gv)

	// The way back: without a registrar, a deleted APIService is the CRD's again.
	stopAdopting()
	if err := aggregatorClient(t, cluster.Config).ApiregistrationV1().APIServices().Delete(t.Context(), nameOf(gv), metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	awaitAPIService(t, gv, "to be the CRD's again", func(s *apiregistrationv1.APIService) bool { return s.Spec.Service == nil && isAvailable(s) })
}

func awaitEvent(t *testing.T, gv schema.GroupVersion, reason string) {
	t.Helper()
	client := coreClient(t, cluster.Config).CoreV1().Events(metav1.NamespaceDefault)
	await(t, "the event "+reason, func(ctx context.Context) (bool, string) {
		list, err := client.List(ctx, metav1.ListOptions{FieldSelector: "involvedObject.kind=APIService,involvedObject.name=" + nameOf(gv)})
		if err != nil {
			return false, err.Error()
		}
		var found []corev1.Event
		for _, event := range list.Items {
			if event.Reason == reason {
				found = append(found, event)
			}
		}
		return len(found) > 0, fmt.Sprint(list.Items)
	})
}

// TestTouch proves that kube-apiserver looks at a server again when it is touched.
func TestTouch(t *testing.T) {
	namespace, gv := cluster.Namespace(t), uniqueGroup()
	b := newBackend(t, cluster.Config, namespace, false)
	r, _ := b.register(t, cluster.Config, namespace, groups(gv))
	awaitAPIService(t, gv, "to be available", isAvailable)
	if err := r.Touch(t.Context()); err != nil {
		t.Fatal(err)
	}
	awaitAPIService(t, gv, "to be touched", func(s *apiregistrationv1.APIService) bool {
		at, err := time.Parse(time.RFC3339Nano, s.Annotations[registration.ReadyAnnotation])
		return err == nil && time.Since(at) < patience && isAvailable(s)
	})
}
