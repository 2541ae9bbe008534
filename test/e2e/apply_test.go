package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestOwnDefinitionAndCustomResource(t *testing.T) {
	namespace, repo := cluster.Namespace(t), newRepository(t)
	group := strings.ReplaceAll(namespace, "-", "") + ".example.com"
	definition := `apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: gadgets.` + group + `}
spec:
  group: ` + group + `
  scope: Namespaced
  names: {plural: gadgets, singular: gadget, kind: Gadget, listKind: GadgetList}
  versions:
  - name: v1
    served: true
    storage: true
    schema:
      openAPIV3Schema:
        type: object
        properties:
          spec:
            type: object
            required: [size]
            properties: {size: {type: integer}}
`
	gadget := func(size string) string {
		return "apiVersion: " + group + "/v1\nkind: Gadget\nmetadata: {name: first}\nspec: {size: " + size + "}\n"
	}
	// A custom resource that its own definition refuses: nothing may be written,
	// not even the definition.
	repo.push(map[string]string{"deploy/definition.yaml": definition, "deploy/gadget.yaml": gadget(`"large"`)})
	repo.source(namespace, "repo")
	kustomization(t, namespace, "app", "./deploy", "")
	message := waitReason(t, namespace, "kustomization/app", "ReconciliationFailed")
	if !strings.Contains(message, "Gadget/"+namespace+"/first") || !strings.Contains(message, "size") {
		t.Errorf("the message does not name the object and the field: %s", message)
	}
	if exists(t, "customresourcedefinition", "gadgets."+group) {
		t.Error("the definition was written although the custom resource is invalid")
	}

	fixed := repo.push(map[string]string{"deploy/gadget.yaml": gadget("3")})
	fetch(t, namespace, "repo")
	waitApplied(t, namespace, "app", fixed)
	if got := get(t, "{.spec.size}", "--namespace", namespace, "gadgets."+group+"/first"); got != "3" {
		t.Errorf("size is %q, want 3", got)
	}
	kubectl(t, "delete", "--namespace", namespace, "kustomization", "app", "--timeout="+patience.String())
	if exists(t, "customresourcedefinition", "gadgets."+group) {
		kubectl(t, "wait", "--for=delete", "--timeout="+patience.String(), "customresourcedefinition/gadgets."+group)
	}
}

// deployment is a Deployment whose Pods no node takes when ready is false.
func deployment(name string, ready bool) string {
	selector := ""
	if !ready {
		selector = "      nodeSelector: {no-such: node}\n"
	}
	return `apiVersion: apps/v1
kind: Deployment
metadata: {name: ` + name + `}
spec:
  replicas: 1
  selector: {matchLabels: {app: ` + name + `}}
  template:
    metadata: {labels: {app: ` + name + `}}
    spec:
` + selector + `      containers: [{name: main, image: registry.example.com/app:1}]
`
}

func TestUnhealthyFailsAtItsTimeout(t *testing.T) {
	namespace, repo := cluster.Namespace(t), newRepository(t)
	repo.push(map[string]string{"deploy/web.yaml": deployment("web", false)})
	repo.source(namespace, "repo")
	kustomization(t, namespace, "app", "./deploy", "wait: true\ntimeout: 3s")
	message := waitReason(t, namespace, "kustomization/app", "HealthCheckFailed")
	if !strings.Contains(message, "Deployment/"+namespace+"/web") {
		t.Errorf("the message does not name what is unhealthy: %s", message)
	}
	if got := get(t, readyIs("Healthy", "status"), "--namespace", namespace, "kustomization/app"); got != "False" {
		t.Errorf("condition Healthy is %q, want False", got)
	}
}

func TestFixDoesNotWaitForTheUnhealthy(t *testing.T) {
	namespace, repo := cluster.Namespace(t), newRepository(t)
	repo.push(map[string]string{"deploy/web.yaml": deployment("web", false)})
	repo.source(namespace, "repo")
	// The old revision would hold the run for half an hour.
	kustomization(t, namespace, "app", "./deploy", "wait: true\ntimeout: 30m")
	waitFor(t, namespace, "deployment/web", "{.spec.replicas}", "1")
	fixed := repo.push(map[string]string{"deploy/web.yaml": deployment("web", true)})
	fetch(t, namespace, "repo")
	waitApplied(t, namespace, "app", fixed)
}

func TestChainOfFive(t *testing.T) {
	namespace, repo := cluster.Namespace(t), newRepository(t)
	files := map[string]string{}
	const links = 5
	for i := range links {
		files[fmt.Sprintf("link-%d/object.yaml", i)] = configMap(fmt.Sprintf("link-%d", i), "1")
	}
	commit := repo.push(files)
	// The chain is made from its end, so that every link has to wait, and the
	// source comes last, so that they all start together.
	for i := links - 1; i >= 0; i-- {
		extra := "wait: true\n"
		if i > 0 {
			extra += fmt.Sprintf("dependsOn: [{name: link-%d}]\n", i-1)
		}
		kustomization(t, namespace, fmt.Sprintf("link-%d", i), fmt.Sprintf("./link-%d", i), extra)
	}
	start := time.Now()
	repo.source(namespace, "repo")
	waitApplied(t, namespace, fmt.Sprintf("link-%d", links-1), commit)
	t.Logf("a chain of %d took %s", links, time.Since(start).Round(time.Millisecond))
	var created []string
	for i := range links {
		created = append(created, get(t, `{.status.conditions[?(@.type=="Ready")].lastTransitionTime}`, "--namespace", namespace, fmt.Sprintf("kustomization/link-%d", i)))
	}
	for i := 1; i < links; i++ {
		if created[i] < created[i-1] {
			t.Errorf("link %d was ready at %s, before the one that it depends on (%s)", i, created[i], created[i-1])
		}
	}
}

func TestDeletionPolicies(t *testing.T) {
	tests := []struct {
		name, extra string
		kept        bool
	}{
		{"mirror", "", false},
		{"mirror-no-prune", "prune: false", true},
		{"delete", "prune: false\ndeletionPolicy: Delete", false},
		{"wait", "deletionPolicy: WaitForTermination", false},
		{"orphan", "deletionPolicy: Orphan", true},
		{"suspended", "suspend: true", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			namespace, repo := cluster.Namespace(t), newRepository(t)
			commit := repo.push(map[string]string{"deploy/one.yaml": configMap("one", "1")})
			repo.source(namespace, "repo")
			extra := tt.extra
			suspend := strings.Contains(extra, "suspend")
			if suspend {
				extra = ""
			}
			kustomization(t, namespace, "app", "./deploy", extra)
			waitApplied(t, namespace, "app", commit)
			if suspend {
				kubectl(t, "patch", "--namespace", namespace, "kustomization", "app", "--type=merge", "-p", `{"spec":{"suspend":true}}`)
			}
			kubectl(t, "delete", "--namespace", namespace, "kustomization", "app", "--timeout="+patience.String())
			if got := exists(t, "--namespace", namespace, "configmap", "one"); got != tt.kept {
				t.Errorf("the applied object exists: %v, want %v", got, tt.kept)
			}
		})
	}
}

func TestTooFewRights(t *testing.T) {
	namespace, repo := cluster.Namespace(t), newRepository(t)
	commit := repo.push(map[string]string{"deploy/one.yaml": configMap("one", "1")})
	repo.source(namespace, "repo")
	kubectl(t, "create", "serviceaccount", "--namespace", namespace, "deployer")
	kustomization(t, namespace, "app", "./deploy", "serviceAccountName: deployer")
	message := waitReason(t, namespace, "kustomization/app", "ReconciliationFailed")
	for _, want := range []string{"system:serviceaccount:" + namespace + ":deployer", "configmaps"} {
		if !strings.Contains(message, want) {
			t.Errorf("the message does not name %s: %s", want, message)
		}
	}
	if exists(t, "--namespace", namespace, "configmap", "one") {
		t.Error("the object was written without the right to")
	}

	kubectl(t, "create", "rolebinding", "--namespace", namespace, "deployer", "--clusterrole=edit", "--serviceaccount="+namespace+":deployer")
	reconcile(t, namespace, "kustomize.toolkit.fluxcd.io", "kustomizations", "app", "{}")
	waitApplied(t, namespace, "app", commit)
}

func TestHandOver(t *testing.T) {
	namespace, repo := cluster.Namespace(t), newRepository(t)
	first := repo.push(map[string]string{
		"old/shared.yaml": configMap("shared", "1"),
		"old/stays.yaml":  configMap("stays", "1"),
		"new/other.yaml":  configMap("other", "1"),
	})
	repo.source(namespace, "repo")
	kustomization(t, namespace, "old", "./old", "")
	kustomization(t, namespace, "new", "./new", "")
	waitApplied(t, namespace, "old", first)
	waitApplied(t, namespace, "new", first)
	uid := get(t, "{.metadata.uid}", "--namespace", namespace, "configmap/shared")

	// Both hear of the commit at the same moment; whoever comes first, the object
	// is not deleted in between.
	second := repo.push(map[string]string{"old/shared.yaml": "", "new/shared.yaml": configMap("shared", "1")})
	fetch(t, namespace, "repo")
	waitApplied(t, namespace, "old", second)
	waitApplied(t, namespace, "new", second)
	if got := get(t, "{.metadata.uid}", "--namespace", namespace, "--ignore-not-found", "configmap/shared"); got != uid {
		t.Errorf("the object that was handed over has uid %q, had %q", got, uid)
	}
	if got := get(t, `{.metadata.labels.kustomize\.toolkit\.fluxcd\.io/name}`, "--namespace", namespace, "configmap/shared"); got != "new" {
		t.Errorf("the object belongs to %q, want new", got)
	}
}

func TestUnsupportedFieldStalls(t *testing.T) {
	namespace, repo := cluster.Namespace(t), newRepository(t)
	commit := repo.push(map[string]string{"deploy/one.yaml": configMap("one", "1")})
	repo.source(namespace, "repo")
	kustomization(t, namespace, "app", "./deploy", "")
	waitApplied(t, namespace, "app", commit)
	kubectl(t, "patch", "--namespace", namespace, "kustomization", "app", "--type=merge",
		"-p", `{"spec":{"path":"./empty","decryption":{"provider":"sops"}}}`)
	message := waitReason(t, namespace, "kustomization/app", "UnsupportedField")
	if !strings.Contains(message, "spec.decryption") {
		t.Errorf("the message does not name the field: %s", message)
	}
	if got := get(t, readyIs("Stalled", "status"), "--namespace", namespace, "kustomization/app"); got != "True" {
		t.Errorf("condition Stalled is %q, want True", got)
	}
	if !exists(t, "--namespace", namespace, "configmap", "one") {
		t.Error("a Kustomization that is stalled pruned an object")
	}
}
