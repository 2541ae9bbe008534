package e2e

import (
	"strings"
	"testing"
)

func TestPushIsApplied(t *testing.T) {
	namespace, repo := cluster.Namespace(t), newRepository(t)
	first := repo.push(map[string]string{
		"deploy/one.yaml": configMap("one", "1"),
		"deploy/two.yaml": configMap("two", "1"),
	})
	repo.source(namespace, "repo")
	kustomization(t, namespace, "app", "./deploy", "wait: true")
	waitApplied(t, namespace, "app", first)
	if got := get(t, "{.data.value}", "--namespace", namespace, "configmap/one"); got != "1" {
		t.Errorf("the first commit put %q into the ConfigMap, want 1", got)
	}
	if got := get(t, `{.metadata.labels.kustomize\.toolkit\.fluxcd\.io/name}`, "--namespace", namespace, "configmap/one"); got != "app" {
		t.Errorf("owner label is %q, want app", got)
	}

	// One commit updates an object, adds one, and removes one.
	second := repo.push(map[string]string{
		"deploy/one.yaml":   configMap("one", "2"),
		"deploy/two.yaml":   "",
		"deploy/three.yaml": configMap("three", "1"),
	})
	fetch(t, namespace, "repo")
	waitApplied(t, namespace, "app", second)
	if got := get(t, "{.data.value}", "--namespace", namespace, "configmap/one"); got != "2" {
		t.Errorf("the second commit left %q in the ConfigMap, want 2", got)
	}
	if exists(t, "--namespace", namespace, "configmap", "two") {
		t.Error("the object of a file that was removed is still there")
	}
	if !exists(t, "--namespace", namespace, "configmap", "three") {
		t.Error("the object of a new file is missing")
	}

	// A renamed file is the same object: it must not be deleted or made anew.
	uid := get(t, "{.metadata.uid}", "--namespace", namespace, "configmap/one")
	third := repo.push(map[string]string{"deploy/one.yaml": "", "deploy/renamed.yaml": configMap("one", "2")})
	fetch(t, namespace, "repo")
	waitApplied(t, namespace, "app", third)
	if got := get(t, "{.metadata.uid}", "--namespace", namespace, "configmap/one"); got != uid {
		t.Errorf("renaming the file made the object anew: uid %s, was %s", got, uid)
	}
	inventory := get(t, "{.status.inventory.entries[*].id}", "--namespace", namespace, "kustomization/app")
	want := []string{namespace + "_one__ConfigMap", namespace + "_three__ConfigMap"}
	if got := strings.Fields(inventory); len(got) != 2 || got[0] != want[0] || got[1] != want[1] {
		t.Errorf("inventory is %q, want %q", got, want)
	}
}

func TestBrokenManifestChangesNothing(t *testing.T) {
	namespace, repo := cluster.Namespace(t), newRepository(t)
	first := repo.push(map[string]string{"deploy/one.yaml": configMap("one", "1")})
	repo.source(namespace, "repo")
	kustomization(t, namespace, "app", "./deploy", "")
	waitApplied(t, namespace, "app", first)

	// The good half of the commit must not be applied when the other is refused.
	repo.push(map[string]string{
		"deploy/one.yaml": configMap("one", "2"),
		"deploy/new.yaml": configMap("new", "1"),
		"deploy/bad.yaml": "apiVersion: v1\nkind: Service\nmetadata:\n  name: bad\nspec:\n  ports:\n  - port: 99999\n",
	})
	fetch(t, namespace, "repo")
	message := waitReason(t, namespace, "kustomization/app", "ReconciliationFailed")
	for _, want := range []string{"Service/" + namespace + "/bad", "deploy/bad.yaml", "99999"} {
		if !strings.Contains(message, want) {
			t.Errorf("the message does not name %s: %s", want, message)
		}
	}
	if got := get(t, "{.data.value}", "--namespace", namespace, "configmap/one"); got != "1" {
		t.Errorf("an object of the refused commit was written: value is %q", got)
	}
	if exists(t, "--namespace", namespace, "configmap", "new") {
		t.Error("an object of the refused commit was created")
	}

	fixed := repo.push(map[string]string{"deploy/bad.yaml": ""})
	fetch(t, namespace, "repo")
	waitApplied(t, namespace, "app", fixed)
	if got := get(t, "{.data.value}", "--namespace", namespace, "configmap/one"); got != "2" {
		t.Errorf("after the fix the value is %q, want 2", got)
	}
}

func TestInvalidYAMLNamesTheFile(t *testing.T) {
	namespace, repo := cluster.Namespace(t), newRepository(t)
	repo.push(map[string]string{"deploy/one.yaml": configMap("one", "1"), "deploy/torn.yaml": "kind: ConfigMap\n  name: [torn\n"})
	repo.source(namespace, "repo")
	kustomization(t, namespace, "app", "./deploy", "")
	message := waitReason(t, namespace, "kustomization/app", "BuildFailed")
	if !strings.Contains(message, "torn.yaml") {
		t.Errorf("the message does not name the file: %s", message)
	}
	if exists(t, "--namespace", namespace, "configmap", "one") {
		t.Error("something was applied although the build failed")
	}
}

func TestSuspend(t *testing.T) {
	namespace, repo := cluster.Namespace(t), newRepository(t)
	first := repo.push(map[string]string{"deploy/one.yaml": configMap("one", "1")})
	repo.source(namespace, "repo")
	kustomization(t, namespace, "app", "./deploy", "")
	kustomization(t, namespace, "witness", "./deploy", "namePrefix: witness-")
	waitApplied(t, namespace, "app", first)
	waitApplied(t, namespace, "witness", first)

	kubectl(t, "patch", "--namespace", namespace, "kustomization", "app", "--type=merge", "-p", `{"spec":{"suspend":true}}`)
	second := repo.push(map[string]string{"deploy/one.yaml": configMap("one", "2")})
	fetch(t, namespace, "repo")
	waitApplied(t, namespace, "witness", second)
	if got := get(t, "{.status.lastAppliedRevision}", "--namespace", namespace, "kustomization/app"); got != "main@sha1:"+first {
		t.Errorf("a suspended Kustomization applied %s", got)
	}

	kubectl(t, "patch", "--namespace", namespace, "kustomization", "app", "--type=merge", "-p", `{"spec":{"suspend":null}}`)
	waitApplied(t, namespace, "app", second)
}
