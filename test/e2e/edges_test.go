package e2e

import (
	"strings"
	"testing"
)

// A ConfigMap with the watch label wakes those that substitute from it, and a
// value of a Secret ends up where it was asked for and nowhere else.
func TestVariablesAreAnEdge(t *testing.T) {
	namespace, repo := cluster.Namespace(t), newRepository(t)
	const canary = "Zq7canaryZq7"
	variables := func(tier string) string {
		return `
apiVersion: v1
kind: ConfigMap
metadata: {name: variables, namespace: ` + namespace + `, labels: {reconcile.fluxcd.io/watch: Enabled}}
data: {tier: ` + tier + `}
`
	}
	apply(t, variables("gold"))
	apply(t, "apiVersion: v1\nkind: Secret\nmetadata: {name: secrets, namespace: "+namespace+"}\nstringData: {password: "+canary+"}\n")
	commit := repo.push(map[string]string{
		"deploy/one.yaml":    configMap("one", "${tier}-${region}"),
		"deploy/secret.yaml": "apiVersion: v1\nkind: Secret\nmetadata:\n  name: copy\nstringData:\n  password: \"${password}\"\n",
	})
	repo.source(namespace, "repo")
	kustomization(t, namespace, "app", "./deploy", `
postBuild:
  substitute: {region: north}
  substituteFrom:
  - {kind: ConfigMap, name: variables}
  - {kind: Secret, name: secrets}
  - {kind: ConfigMap, name: absent, optional: true}
`)
	waitApplied(t, namespace, "app", commit)
	if got := get(t, "{.data.value}", "--namespace", namespace, "configmap/one"); got != "gold-north" {
		t.Errorf("the variables made %q, want gold-north", got)
	}

	// No interval is due for an hour: only the edge can bring this.
	apply(t, variables("silver"))
	waitFor(t, namespace, "configmap/one", "{.data.value}", "silver-north")

	said := kubectl(t, "get", "--namespace", namespace, "kustomizations,gitrepositories,events", "-o", "yaml")
	if strings.Contains(said, canary) {
		t.Error("the value of a Secret is in a status or an event")
	}
}

// healthChecks names what to wait for, also what the Kustomization did not apply.
func TestHealthChecks(t *testing.T) {
	namespace, repo := cluster.Namespace(t), newRepository(t)
	commit := repo.push(map[string]string{"deploy/one.yaml": configMap("one", "1")})
	repo.source(namespace, "repo")
	kustomization(t, namespace, "app", "./deploy", `
timeout: 5m
healthChecks:
- {apiVersion: apps/v1, kind: Deployment, name: elsewhere, namespace: `+namespace+`}
`)
	waitFor(t, namespace, "configmap/one", "{.data.value}", "1")
	waitFor(t, namespace, "kustomization/app", readyIs("Ready", "status"), "Unknown")
	if _, err := tryKubectl(t, deployment("elsewhere", true), "apply", "--namespace", namespace, "-f", "-"); err != nil {
		t.Fatal(err)
	}
	waitApplied(t, namespace, "app", commit)
	if got := get(t, readyIs("Healthy", "status"), "--namespace", namespace, "kustomization/app"); got != "True" {
		t.Errorf("condition Healthy is %q, want True", got)
	}
}

// At its interval a Kustomization puts right what somebody changed.
func TestIntervalPutsDriftRight(t *testing.T) {
	namespace, repo := cluster.Namespace(t), newRepository(t)
	commit := repo.push(map[string]string{"deploy/one.yaml": configMap("one", "1"), "deploy/two.yaml": configMap("two", "1")})
	repo.source(namespace, "repo")
	kustomization(t, namespace, "app", "./deploy", "")
	waitApplied(t, namespace, "app", commit)
	kubectl(t, "patch", "--namespace", namespace, "configmap", "one", "--type=merge", "-p", `{"data":{"value":"drifted"}}`)
	kubectl(t, "delete", "--namespace", namespace, "configmap", "two")
	kubectl(t, "patch", "--namespace", namespace, "kustomization", "app", "--type=merge", "-p", `{"spec":{"interval":"2s"}}`)
	waitFor(t, namespace, "configmap/one", "{.data.value}", "1")
	if _, err := tryKubectl(t, "", "wait", "--for=create", "--timeout="+patience.String(), "--namespace", namespace, "configmap/two"); err != nil {
		t.Error(err)
	}
}

// The object switches, by annotation and by label.
func TestSwitches(t *testing.T) {
	namespace, repo := cluster.Namespace(t), newRepository(t)
	switched := func(name, value, where, key, setting string) string {
		return "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: " + name + "\n  " + where + ": {kustomize.toolkit.fluxcd.io/" + key + ": " + setting + "}\ndata:\n  value: \"" + value + "\"\n"
	}
	first := repo.push(map[string]string{
		"deploy/kept.yaml":    switched("kept", "1", "annotations", "prune", "disabled"),
		"deploy/once.yaml":    switched("once", "1", "labels", "ssa", "IfNotPresent"),
		"deploy/ignored.yaml": switched("ignored", "1", "annotations", "ssa", "Ignore"),
		"deploy/plain.yaml":   configMap("plain", "1"),
	})
	repo.source(namespace, "repo")
	kustomization(t, namespace, "app", "./deploy", "")
	waitApplied(t, namespace, "app", first)
	if exists(t, "--namespace", namespace, "configmap", "ignored") {
		t.Error("an object with ssa: Ignore was applied")
	}

	second := repo.push(map[string]string{
		"deploy/kept.yaml": "",
		"deploy/once.yaml": switched("once", "2", "labels", "ssa", "IfNotPresent"),
	})
	fetch(t, namespace, "repo")
	waitApplied(t, namespace, "app", second)
	if !exists(t, "--namespace", namespace, "configmap", "kept") {
		t.Error("an object with prune: disabled was pruned")
	}
	if got := get(t, "{.data.value}", "--namespace", namespace, "configmap/once"); got != "1" {
		t.Errorf("an object with ssa: IfNotPresent was changed to %q", got)
	}
}

// What kubectl applied before becomes the Kustomization's, without leftovers.
func TestTakeOverFromKubectl(t *testing.T) {
	namespace, repo := cluster.Namespace(t), newRepository(t)
	apply(t, "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: one, namespace: "+namespace+"}\ndata: {value: \"0\", leftover: \"yes\"}\n")
	uid := get(t, "{.metadata.uid}", "--namespace", namespace, "configmap/one")
	commit := repo.push(map[string]string{"deploy/one.yaml": configMap("one", "1")})
	repo.source(namespace, "repo")
	kustomization(t, namespace, "app", "./deploy", "")
	waitApplied(t, namespace, "app", commit)
	if got := get(t, "{.data}", "--namespace", namespace, "configmap/one"); got != `{"value":"1"}` {
		t.Errorf("after the take-over data is %s", got)
	}
	if got := get(t, "{.metadata.uid}", "--namespace", namespace, "configmap/one"); got != uid {
		t.Error("the object was made anew")
	}
	if got := get(t, `{.metadata.annotations}`, "--namespace", namespace, "configmap/one"); strings.Contains(got, "last-applied-configuration") {
		t.Error("kubectl's annotation was left behind")
	}
}

// force makes an object anew whose change is refused as immutable.
func TestForce(t *testing.T) {
	namespace, repo := cluster.Namespace(t), newRepository(t)
	immutable := func(value string) string {
		return configMap("one", value) + "immutable: true\n"
	}
	first := repo.push(map[string]string{"deploy/one.yaml": immutable("1")})
	repo.source(namespace, "repo")
	kustomization(t, namespace, "app", "./deploy", "")
	waitApplied(t, namespace, "app", first)

	second := repo.push(map[string]string{"deploy/one.yaml": immutable("2")})
	fetch(t, namespace, "repo")
	if message := waitReason(t, namespace, "kustomization/app", "ReconciliationFailed"); !strings.Contains(message, "force") {
		t.Errorf("the message does not say what to do: %s", message)
	}
	kubectl(t, "patch", "--namespace", namespace, "kustomization", "app", "--type=merge", "-p", `{"spec":{"force":true}}`)
	waitApplied(t, namespace, "app", second)
	if got := get(t, "{.data.value}", "--namespace", namespace, "configmap/one"); got != "2" {
		t.Errorf("the value is %q, want 2", got)
	}
}
