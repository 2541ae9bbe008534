package integration

import (
	"context"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// TestPoliciesOfTheHost is about policies that the host cluster has and our own
// server must enforce: kube-apiserver does not look into what it passes on.
func TestPoliciesOfTheHost(t *testing.T) {
	t.Parallel()
	c, ctx, ns := newClients(t, cluster.Config), testContext(t), cluster.Namespace(t)
	policies := strings.ReplaceAll(`
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: NS-validate}
spec:
  failurePolicy: Fail
  matchConstraints:
    namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: NS}}
    resourceRules:
    - {apiGroups: [source.toolkit.fluxcd.io], apiVersions: [v1], operations: [CREATE, UPDATE], resources: [gitrepositories]}
    - {apiGroups: [source.toolkit.fluxcd.io], apiVersions: [v1], operations: [CONNECT], resources: [gitrepositories/artifact]}
  validations:
  - expression: "request.operation == 'CONNECT' || object.spec.url.startsWith('https://')"
    message: only https
  - expression: "request.operation != 'CONNECT' || !has(object.revision) || object.revision != 'forbidden'"
    message: not this revision
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: NS-validate}
spec: {policyName: NS-validate, validationActions: [Deny]}
---
apiVersion: admissionregistration.k8s.io/v1
kind: MutatingAdmissionPolicy
metadata: {name: NS-mutate}
spec:
  failurePolicy: Fail
  reinvocationPolicy: Never
  matchConstraints:
    namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: NS}}
    resourceRules:
    - {apiGroups: [source.toolkit.fluxcd.io], apiVersions: [v1], operations: [CREATE, UPDATE], resources: [gitrepositories]}
  mutations:
  - patchType: ApplyConfiguration
    applyConfiguration:
      expression: "Object{spec: Object.spec{interval: '7m'}}"
---
apiVersion: admissionregistration.k8s.io/v1
kind: MutatingAdmissionPolicyBinding
metadata: {name: NS-mutate}
spec: {policyName: NS-mutate}
`, "NS", ns)
	if _, _, err := cluster.KubectlInput(ctx, policies, "create", "-f", "-"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if _, _, err := cluster.KubectlInput(context.WithoutCancel(t.Context()), policies, "delete", "--wait=false", "-f", "-"); err != nil {
			t.Error(err)
		}
	})
	sources := c.dynamic.Resource(gitRepositories).Namespace(ns)
	plain := object(t, strings.Replace(gitRepositoryNamed("plain"), "https:", "http:", 1))
	dry := metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}}
	eventually(ctx, t, "the policies are known", func(ctx context.Context) (bool, error) {
		_, err := sources.Create(ctx, plain, dry)
		secure, mutatedErr := sources.Create(ctx, object(t, repositoryYAML), dry)
		if mutatedErr != nil {
			// What the host serves is looked up every half minute, and a moment ago
			// our kinds were not among it.
			return false, nil
		}
		interval := secure.Object["spec"].(map[string]any)["interval"]
		return apierrors.IsInvalid(err) && strings.Contains(err.Error(), "only https") && interval == "7m", nil
	})
	c.create(ctx, t, gitRepositories, ns, repositoryYAML)
	if _, err := sources.Patch(ctx, "demo", "application/merge-patch+json", []byte(`{"spec":{"url":"http://insecure"}}`), metav1.PatchOptions{}); !apierrors.IsInvalid(err) {
		t.Errorf("an update that the policy forbids: got %v, want Invalid", err)
	}
	path := collection(gitRepositories, ns) + "/demo/artifact"
	if response, body := httpDo(ctx, t, cluster.Config, "GET", path+"?revision=forbidden", nil); response.StatusCode != 422 || !strings.Contains(string(body), "not this revision") {
		t.Errorf("an artifact that the policy forbids: %s\n%s", response.Status, body)
	}
	if response, body := httpDo(ctx, t, cluster.Config, "GET", path, nil); response.StatusCode != 404 {
		t.Errorf("an artifact that the policy allows, and is not there: %s\n%s", response.Status, body)
	}
}
