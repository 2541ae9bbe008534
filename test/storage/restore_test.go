package storage

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/leat-dev/leat/pkg/etcd"
)

// TestRestoreOfYesterday lets a day pass after a snapshot, restores it, and looks at
// what the restored server does to today's cluster. What happened that day:
//
//	edited   has another value
//	moved    went from the Kustomization one to two
//	new      came to one
//	gone     left one, and was pruned
//	late     left one while the server was down: nobody has pruned it
//	third    its Kustomization was deleted and made again
//	fourth   its Kustomization is new
//	five-b   its Kustomization has another path now: five-a was pruned
//	ending   its Kustomization was being deleted at the time of the snapshot, went
//	         later, and was made again
//	foreign  is somebody else's
func TestRestoreOfYesterday(t *testing.T) {
	ns := cluster.Namespace(t)
	repo := newRepository(t, "yesterday.git")
	l := newLeat(t, "--etcd-ephemeral")
	l.start()
	yesterday := push(t, repo, map[string]string{
		"one/stays": "1", "one/edited": "1", "one/moved": "1", "one/gone": "1", "one/late": "1",
		"two/second": "1", "three/third": "1", "five-a/five-a": "1", "five-b/five-b": "1", "ending/ending": "1",
	})
	apply(t, source(ns, "yesterday.git")+kustomization(ns, "one", "./one", "")+kustomization(ns, "two", "./two", "")+
		kustomization(ns, "three", "./three", "")+kustomization(ns, "five", "./five-a", "")+cannotDelete(ns)+
		kustomization(ns, "ending", "./ending", ", serviceAccountName: cannot-delete"))
	waitApplied(t, ns, yesterday, "one", "two", "three", "five", "ending")
	kubectl(t, "delete", "--namespace", ns, "--wait=false", "kustomization/ending")
	kubectl(t, "wait", "--namespace", ns, "--timeout", patience.String(), `--for=jsonpath={.status.conditions[?(@.type=="Ready")].reason}=PruneFailed`, "kustomization/ending")
	snapshot := filepath.Join(t.TempDir(), "leat.db")
	l.etcd("snapshot", snapshot)

	today := push(t, repo, map[string]string{
		"one/stays": "1", "one/edited": "2", "one/new": "2", "one/late": "1", "two/second": "2", "two/moved": "2",
		"three/third": "1", "four/fourth": "2", "five-a/five-a": "1", "five-b/five-b": "2", "ending/ending": "2",
	})
	kubectl(t, "delete", "--namespace", ns, "rolebinding/cannot-delete")
	kubectl(t, "delete", "--namespace", ns, "serviceaccount/cannot-delete") // whose objects are then orphaned
	kubectl(t, "delete", "--namespace", ns, "--timeout", patience.String(), "kustomization/ending", "kustomization/three")
	specs := kustomization(ns, "three", "./three", "") + kustomization(ns, "four", "./four", "") +
		kustomization(ns, "five", "./five-b", "") + kustomization(ns, "ending", "./ending", "")
	apply(t, specs+"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: foreign, namespace: "+ns+"}\ndata: {value: mine}\n")
	fetch(t, ns)
	waitApplied(t, ns, today, "one", "two", "three", "four", "five", "ending")
	seen := resourceVersion(t, ns)
	before := configMaps(t, ns)
	if want := []string{"edited", "ending", "five-b", "foreign", "fourth", "late", "moved", "new", "second", "stays", "third"}; !slices.Equal(want, names(before)) {
		t.Fatalf("in the cluster before the restore: %v, want %v", names(before), want)
	}

	l.stop()
	night := push(t, repo, map[string]string{
		"one/stays": "1", "one/edited": "2", "one/new": "2", "two/second": "2", "two/moved": "3",
		"three/third": "1", "four/fourth": "2", "five-a/five-a": "1", "five-b/five-b": "2", "ending/ending": "2",
	})
	deleted := len(deletions(t, ns))
	l.wantRefusal("--replace", "restore", snapshot)
	if out := l.etcd("restore", snapshot, "--replace"); !strings.Contains(out, "restored a snapshot of revision") || !strings.Contains(out, "member.replaced-") {
		t.Errorf("restore printed %q", out)
	}
	// The account can be made by now to be able to delete: nothing but the restore
	// keeps the server from it.
	kubectl(t, "create", "serviceaccount", "--namespace", ns, "cannot-delete")
	kubectl(t, "create", "rolebinding", "--namespace", ns, "cannot-delete", "--clusterrole=cluster-admin", "--serviceaccount="+ns+":cannot-delete")
	l.start()
	waitApplied(t, ns, night, "one", "two", "three", "five")
	kubectl(t, "wait", "--namespace", ns, "--timeout", patience.String(), "--for=delete", "kustomization/ending")
	apply(t, specs)
	waitApplied(t, ns, night, "one", "two", "three", "four", "five", "ending")

	after := configMaps(t, ns)
	for name, was := range before {
		if after[name].UID != was.UID {
			t.Errorf("ConfigMap %s: uid %q before the restore, %q after it", name, was.UID, after[name].UID)
		}
	}
	// five-a was made by the restored path, and went with it.
	if got := deletions(t, ns)[deleted:]; !slices.Equal(got, []string{"five-a"}) {
		t.Errorf("deleted after the restore: %v", got)
	}
	if after["moved"].Value != "3" || after["edited"].Value != "2" || after["foreign"].Value != "mine" {
		t.Errorf("after the restore: %+v", after)
	}
	checkTold(t, ns)
	checkRelist(t, ns, seen)

	// From here on everything is as always.
	morning := push(t, repo, map[string]string{
		"one/stays": "1", "one/edited": "2", "two/second": "2", "two/moved": "3",
		"three/third": "1", "four/fourth": "2", "five-a/five-a": "1", "five-b/five-b": "2", "ending/ending": "2",
	})
	fetch(t, ns)
	waitApplied(t, ns, morning, "one", "two", "three", "four", "five", "ending")
	if got := deletions(t, ns)[deleted:]; !slices.Equal(got, []string{"five-a", "new"}) {
		t.Errorf("deleted in all: %v, want new to be pruned now", got)
	}
	if !strings.Contains(l.log(), "restored") {
		t.Error("the log does not say that the store was restored")
	}
}

func names(of map[string]configMap) []string {
	var list []string
	for name := range of {
		list = append(list, name)
	}
	slices.Sort(list)
	return list
}

// cannotDelete is a service account that may apply ConfigMaps and not delete them.
func cannotDelete(ns string) string {
	return fmt.Sprintf(`
apiVersion: v1
kind: ServiceAccount
metadata: {name: cannot-delete, namespace: %[1]s}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: cannot-delete, namespace: %[1]s}
rules:
- {apiGroups: [""], resources: [configmaps], verbs: [get, list, watch, create, update, patch]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: cannot-delete, namespace: %[1]s}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: cannot-delete}
subjects: [{kind: ServiceAccount, name: cannot-delete, namespace: %[1]s}]
---
`, ns)
}

// checkTold wants the events that name what is left, once each.
func checkTold(t *testing.T, ns string) {
	t.Helper()
	eventually(t, "the events that name what is left", func() error {
		out := kubectl(t, "get", "events", "--namespace", ns, "--field-selector=reason=RestoredFromBackup", "-o",
			`jsonpath={range .items[*]}{.involvedObject.name}: {.message}{"\n"}{end}`)
		for _, want := range []string{"one: The store was restored", "ConfigMap/" + ns + "/late", "ending: The store was restored", "ConfigMap/" + ns + "/ending"} {
			if !strings.Contains(out, want) {
				return fmt.Errorf("events without %q:\n%s", want, out)
			}
		}
		for _, never := range []string{"/stays", "/moved", "/gone", "/foreign"} {
			if strings.Contains(out, never) {
				return fmt.Errorf("events tell of %s, which is not left:\n%s", never, out)
			}
		}
		return nil
	})
}

// checkRelist resumes a watch where a client was before the restore, and wants it
// to be told to list again: what it saw last is not what is there.
func checkRelist(t *testing.T, ns string, seen int64) {
	t.Helper()
	path := "/apis/kustomize.toolkit.fluxcd.io/v1/namespaces/" + ns + "/kustomizations"
	out, err := tryKubectl(t, "", "get", "--raw", fmt.Sprintf("%s?watch=1&timeoutSeconds=20&resourceVersion=%d", path, seen))
	if text := fmt.Sprint(out, err); !strings.Contains(text, "too old resource version") && !strings.Contains(text, "Expired") {
		t.Errorf("a watch that resumes at %d got %q, %v; want 410", seen, out, err)
	}
	if now := resourceVersion(t, ns); now < seen+etcd.DefaultRevisionBump/2 {
		t.Errorf("resource version %d after the restore, %d before it", now, seen)
	}
}

// resourceVersion is that of a list of this moment.
func resourceVersion(t *testing.T, ns string) int64 {
	t.Helper()
	out := kubectl(t, "get", "--raw", "/apis/kustomize.toolkit.fluxcd.io/v1/namespaces/"+ns+"/kustomizations")
	var list struct {
		Metadata struct{ ResourceVersion string } `json:"metadata"`
	}
	if err := json.Unmarshal([]byte(out), &list); err != nil {
		t.Fatal(err)
	}
	version, err := strconv.ParseInt(list.Metadata.ResourceVersion, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return version
}
