package e2e

import (
	"strings"
	"testing"
)

// A repository that Flux was bootstrapped from holds Flux itself. Its definitions
// would describe the same paths as Leat does, and kube-apiserver would answer
// nobody's question for its OpenAPI any more.
func TestFluxInstallationInARepository(t *testing.T) {
	namespace, repo := cluster.Namespace(t), newRepository(t)
	const definition = `apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata:
  name: kustomizations.kustomize.toolkit.fluxcd.io
  labels: {app.kubernetes.io/part-of: flux}
spec:
  group: kustomize.toolkit.fluxcd.io
  scope: Namespaced
  names: {plural: kustomizations, singular: kustomization, kind: Kustomization, listKind: KustomizationList}
  versions:
  - name: v1
    served: true
    storage: true
    schema:
      openAPIV3Schema: {type: object, properties: {spec: {type: object}}}
`
	controller := strings.Replace(deployment("source-controller", true),
		"metadata: {name: source-controller}", "metadata: {name: source-controller, labels: {app.kubernetes.io/part-of: flux}}", 1)
	commit := repo.push(map[string]string{
		"deploy/flux.yaml": definition + "---\n" + controller,
		"deploy/one.yaml":  configMap("one", "1"),
	})
	repo.source(namespace, "repo")
	kustomization(t, namespace, "app", "./deploy", "wait: true\ntimeout: 30s")
	waitApplied(t, namespace, "app", commit)

	if !exists(t, "--namespace", namespace, "configmap", "one") {
		t.Error("what does not belong to Flux was not applied")
	}
	if exists(t, "customresourcedefinition", "kustomizations.kustomize.toolkit.fluxcd.io") {
		t.Error("Flux's definition was applied")
	}
	if exists(t, "--namespace", namespace, "deployment", "source-controller") {
		t.Error("Flux's controller was applied")
	}
	if api := kubectl(t, "get", "--raw", "/openapi/v2"); !strings.Contains(api, `"paths"`) {
		t.Errorf("/openapi/v2 answers %.200q", api)
	}
	if ids := get(t, "{.status.inventory.entries[*].id}", "--namespace", namespace, "kustomization/app"); ids != namespace+"_one__ConfigMap" {
		t.Errorf("the inventory holds %s, want only the ConfigMap", ids)
	}
	// Events are sent after the run, by a goroutine of their own.
	kubectl(t, "wait", "--namespace", namespace, "--for=create", "--timeout="+patience.String(), "events", "--field-selector=reason=FluxInstallationSkipped")
	events := get(t, `{range .items[*]}{.type} {.message}{"\n"}{end}`, "--namespace", namespace, "events", "--field-selector=reason=FluxInstallationSkipped")
	for _, want := range []string{"Warning", "CustomResourceDefinition/kustomizations.kustomize.toolkit.fluxcd.io", "Deployment/" + namespace + "/source-controller"} {
		if !strings.Contains(events, want) {
			t.Errorf("the warning does not name %s: %s", want, events)
		}
	}
}
