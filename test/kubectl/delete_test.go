package kubectl

import (
	"context"
	"strings"
	"testing"
	"time"
)

// dependent is a ConfigMap that is owned by an object. blocking holds a deletion
// in the foreground up until the ConfigMap is gone.
func dependent(u user, k kind, owner, name string, blocking bool) {
	u.t.Helper()
	uid := u.get(k.object(owner), "{.metadata.uid}")
	block := "false"
	if blocking {
		block = "true"
	}
	u.apply("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: " + name + "\n  ownerReferences:\n  - {apiVersion: " +
		k.GroupVersion().String() + ", kind: " + k.kind + ", name: " + owner + ", uid: " + uid + ", blockOwnerDeletion: " + block + "}\n")
}

func TestDeleteCascades(t *testing.T) {
	t.Parallel()
	forKinds(t, func(t *testing.T, k kind, namespace string) {
		u := admin(t, namespace)
		limit := "--timeout=" + patience.String()
		for _, name := range []string{"background", "foreground", "orphan"} {
			u.apply(k.manifest(name, "1m"))
			dependent(u, k, name, name, true)
		}
		// Who deletes in the foreground finds nothing left when it is over.
		u.run("delete", k.object("foreground"), "--cascade=foreground", limit)
		if u.exists("configmap/foreground") {
			t.Error("a deletion in the foreground ended before the dependent was gone")
		}
		u.run("delete", k.object("orphan"), "--cascade=orphan", limit)
		u.run("delete", k.object("background"), limit)
		u.run("wait", "--for=delete", "configmap/background", limit)
		equal(t, "the owner of the orphan", u.get("configmap/orphan", "{.metadata.ownerReferences}"), "")
	})
}

// A dependent that cannot go holds its owner up, when it blocks and the deletion
// is in the foreground.
func TestForegroundBlocks(t *testing.T) {
	t.Parallel()
	forKinds(t, func(t *testing.T, k kind, namespace string) {
		u := admin(t, namespace)
		limit := "--timeout=" + patience.String()
		u.apply(k.manifest("demo", "1m"))
		dependent(u, k, "demo", "held", true)
		u.run("patch", "configmap/held", "--type=merge", "-p", `{"metadata":{"finalizers":["example.com/held"]}}`)
		u.run("delete", k.object("demo"), "--cascade=foreground", "--wait=false")
		u.run("wait", "--for=jsonpath={.metadata.deletionTimestamp}", "configmap/held", limit)
		contains(t, "the finalizers of the owner", u.get(k.object("demo"), "{.metadata.finalizers}"), "foregroundDeletion")
		u.run("patch", "configmap/held", "--type=merge", "-p", `{"metadata":{"finalizers":null}}`)
		u.run("wait", "--for=delete", k.object("demo"), "configmap/held", limit)
	})
}

// Owners of other kinds take Leat's objects with them, and owners that never were.
func TestOwnedByOthers(t *testing.T) {
	t.Parallel()
	forKinds(t, func(t *testing.T, k kind, namespace string) {
		u := admin(t, namespace)
		limit := "--timeout=" + patience.String()
		u.run("create", "configmap", "owner")
		owned := func(name, uid string) {
			t.Helper()
			owner := `"ownerReferences": [{"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": "` + uid + `", "blockOwnerDeletion": true}]`
			u.apply(strings.Replace(k.manifest(name, "1m"), `"name"`, owner+`, "name"`, 1))
		}
		uid := u.get("configmap/owner", "{.metadata.uid}")
		owned("demo", uid)
		owned("orphaned", "00000000-0000-4000-8000-000000000000")
		u.apply(k.manifest("stranger", "1m"))
		u.run("wait", "--for=delete", k.object("orphaned"), limit)
		u.run("delete", "configmap/owner", "--cascade=foreground", limit)
		if u.exists(k.object("demo")) {
			t.Error("the owner went before what it owns, in the foreground")
		}
		if !u.exists(k.object("stranger")) {
			t.Error("an object without an owner was deleted")
		}
	})
}

// A namespace goes with everything of Leat's in it.
func TestNamespaceDeletion(t *testing.T) {
	t.Parallel()
	namespace := "goes-" + cluster.Namespace(t)
	u := admin(t, namespace)
	u.run("create", "namespace", namespace)
	newApp(t, u, map[string]string{"deploy/one.yaml": configMap("one", "1")})
	u.run("wait", "--for=condition=Ready", "kustomization/app", "--timeout="+patience.String())
	for _, k := range kinds() {
		demos(u, k)
	}
	began := time.Now()
	u.run("delete", "namespace", namespace, "--timeout="+patience.String())
	t.Logf("the namespace was gone after %s", time.Since(began).Round(time.Millisecond))
	// Under the same name it is another one.
	u.run("create", "namespace", namespace)
	defer u.run("delete", "namespace", namespace, "--wait=false", "--ignore-not-found")
	for _, k := range kinds() {
		equal(t, "what is in a new namespace of the same name", u.run("get", k.qualified(), "-o", "name"), "")
	}
	// Nothing is created in one that is going.
	u.run("patch", "namespace", namespace, "--type=merge", "-p", `{"metadata":{"finalizers":["example.com/held"]}}`)
	defer u.run("patch", "namespace", namespace, "--type=merge", "-p", `{"metadata":{"finalizers":null}}`)
	u.run("delete", "namespace", namespace, "--wait=false")
	for _, k := range kinds() {
		eventually(t, "the namespace refuses a "+k.kind, func(context.Context) (bool, error) {
			_, err := u.try(k.manifest("late", "1m"), "create", "-f", "-", "--dry-run=server")
			return err != nil && strings.Contains(err.Error(), "because it is being terminated"), nil
		})
	}
}

// delete takes names, labels, fields, files and everything.
func TestDelete(t *testing.T) {
	t.Parallel()
	forKinds(t, func(t *testing.T, k kind, namespace string) {
		u := admin(t, namespace)
		demos(u, k)
		names := []string{"get", k.qualified(), "-o", "jsonpath={.items[*].metadata.name}"}
		contains(t, "delete -l", u.run("delete", k.qualified(), "-l", "tier=gold"), `"b" deleted`)
		equal(t, "after delete -l", u.run(names...), "a c")
		contains(t, "delete by field", u.run("delete", k.qualified(), "--field-selector=metadata.name=a"), `"a" deleted`)
		equal(t, "after delete by field", u.run(names...), "c")
		u.refused("", []string{"delete", k.object("a")}, "NotFound")
		equal(t, "delete --ignore-not-found", u.run("delete", k.object("a"), "--ignore-not-found"), "")
		demos(u, k)
		u.run("delete", "--raw", k.path(namespace)+"?labelSelector=tier")
		u.run("wait", "--for=delete", k.object("b"), "--timeout="+patience.String())
		equal(t, "after deletecollection", u.run(names...), "a c")
		u.run("delete", k.qualified(), "--all")
		equal(t, "after delete --all", u.run(names...), "")

		// A precondition that does not hold.
		u.apply(k.manifest("a", "1m"))
		u.refused(`{"apiVersion":"v1","kind":"DeleteOptions","preconditions":{"uid":"00000000-0000-4000-8000-000000000000"}}`,
			[]string{"delete", "--raw", k.path(namespace, "a"), "-f", "-"}, "the UID in the precondition")
	})
}
