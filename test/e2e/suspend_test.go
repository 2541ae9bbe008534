package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// suspend posts a SuspendRequest for a GitRepository.
func suspend(t *testing.T, namespace, name, spec string) {
	t.Helper()
	kubectl(t, "create", "--raw", "/apis/source.toolkit.fluxcd.io/v1/namespaces/"+namespace+"/gitrepositories/"+name+"/suspend", "-f", requestFile(t, "SuspendRequest", spec))
}

// TestSuspensionsEndByThemselves has one end while the server runs, and one while
// it does not.
func TestSuspensionsEndByThemselves(t *testing.T) {
	namespace, repo := cluster.Namespace(t), newRepository(t)
	commit := repo.push(map[string]string{"deploy/one.yaml": configMap("one", "1")})
	for _, name := range []string{"soon", "down", "forever"} {
		repo.source(namespace, name)
		waitFor(t, namespace, "gitrepository/"+name, "{.status.artifact.revision}", "main@sha1:"+commit)
	}
	suspend(t, namespace, "forever", `{"reason":"freeze"}`)
	suspend(t, namespace, "soon", `{"until":"1s"}`)
	waitFor(t, namespace, "gitrepository/soon", "{.spec.suspend}", "false")

	until := time.Now().Add(3 * time.Second).Truncate(time.Second).UTC()
	suspend(t, namespace, "down", fmt.Sprintf(`{"until":%q,"reason":"deploying"}`, until.Format(time.RFC3339)))
	leat.Kill()
	time.Sleep(time.Until(until)) // nobody is there who could tell
	next := repo.push(map[string]string{"deploy/one.yaml": configMap("one", "2")})
	if err := leat.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	waitFor(t, namespace, "gitrepository/down", "{.spec.suspend}", "false")
	waitFor(t, namespace, "gitrepository/down", "{.status.artifact.revision}", "main@sha1:"+next)
	for _, name := range []string{"soon", "down"} {
		if got := get(t, "{.metadata.annotations}", "--namespace", namespace, "gitrepository/"+name); strings.Contains(got, "leat.dev/suspend") {
			t.Errorf("%s still says who suspended it: %s", name, got)
		}
		waitEvent(t, namespace, name, "Resumed")
	}
	if got := get(t, "{.spec.suspend} {.metadata.annotations}", "--namespace", namespace, "gitrepository/forever"); !strings.HasPrefix(got, "true") || !strings.Contains(got, "freeze") {
		t.Errorf("what had no end has ended: %s", got)
	}
	message := get(t, `{.items[?(@.reason=="Resumed")].message}`, "--namespace", namespace, "events", "--field-selector", "involvedObject.name=down")
	if message != "resumed: the suspension ended at "+until.Format(time.RFC3339) {
		t.Errorf("the event says %q", message)
	}
}

// waitEvent waits until an event about an object is there.
func waitEvent(t *testing.T, namespace, name, reason string) {
	t.Helper()
	_, err := tryKubectl(t, "", "wait", "--namespace", namespace, "--timeout", patience.String(), "events",
		"--for", "jsonpath={.reason}="+reason, "--field-selector", "involvedObject.name="+name+",reason="+reason)
	if err != nil {
		t.Fatalf("waiting for the event %s of %s: %v", reason, name, err)
	}
}
