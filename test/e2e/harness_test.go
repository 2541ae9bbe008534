package e2e

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"
)

// patience is how long a test waits for what normally takes a second. It is
// reached only by a failure.
const patience = 90 * time.Second

// kubectl runs kubectl as the administrator and returns what it printed.
func kubectl(t *testing.T, args ...string) string {
	t.Helper()
	out, err := tryKubectl(t, "", args...)
	if err != nil {
		t.Fatalf("kubectl %s: %v", strings.Join(args, " "), err)
	}
	return out
}

// apply applies manifests with kubectl.
func apply(t *testing.T, manifests string) string {
	t.Helper()
	out, err := tryKubectl(t, manifests, "apply", "-f", "-")
	if err != nil {
		t.Fatalf("kubectl apply: %v\n%s", err, manifests)
	}
	return out
}

// tryKubectl runs kubectl with the given standard input.
func tryKubectl(t *testing.T, stdin string, args ...string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	out, _, err := cluster.KubectlInput(ctx, stdin, args...)
	return out, err
}

// exists says whether kubectl finds the object.
func exists(t *testing.T, args ...string) bool {
	t.Helper()
	out := kubectl(t, append([]string{"get", "--ignore-not-found", "-o", "name"}, args...)...)
	return out != ""
}

// get prints one JSONPath of an object.
func get(t *testing.T, jsonpath string, args ...string) string {
	t.Helper()
	return kubectl(t, append([]string{"get", "-o", "jsonpath=" + jsonpath}, args...)...)
}

// waitFor waits by kubectl's watch until a JSONPath of an object has a value.
func waitFor(t *testing.T, namespace, object, jsonpath, value string) {
	t.Helper()
	_, err := tryKubectl(t, "", "wait", "--namespace", namespace, "--timeout", patience.String(),
		"--for", "jsonpath="+jsonpath+"="+value, object)
	if err != nil {
		state, _ := tryKubectl(t, "", "get", "--namespace", namespace, "-o", "yaml", object)
		t.Fatalf("waiting for %s of %s to become %s: %v\n%s", jsonpath, object, value, err, state)
	}
}

func readyIs(condition, status string) string {
	return fmt.Sprintf(`{.status.conditions[?(@.type=="%s")].%s}`, condition, status)
}

// waitApplied waits until the Kustomization has applied the commit and is ready.
func waitApplied(t *testing.T, namespace, name, commit string) {
	t.Helper()
	waitFor(t, namespace, "kustomization/"+name, "{.status.lastAppliedRevision}", "main@sha1:"+commit)
	waitFor(t, namespace, "kustomization/"+name, readyIs("Ready", "status"), "True")
}

// waitReason waits until the Ready condition has the given reason, and returns
// its message.
func waitReason(t *testing.T, namespace, object, reason string) string {
	t.Helper()
	waitFor(t, namespace, object, readyIs("Ready", "reason"), reason)
	return get(t, readyIs("Ready", "message"), "--namespace", namespace, object)
}

// uniqueName is a name that no other test of this run has.
func uniqueName(t *testing.T) string {
	t.Helper()
	name := strings.ToLower(strings.NewReplacer("/", "-", "_", "-").Replace(strings.TrimPrefix(t.Name(), "Test")))
	if len(name) > 40 {
		name = name[:40]
	}
	return fmt.Sprintf("%s-%d", strings.Trim(name, "-"), serial.Add(1))
}
