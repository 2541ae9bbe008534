package e2e

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	leatv1alpha1 "github.com/leat-dev/leat/pkg/apis/leat/v1alpha1"
)

// workload is a Deployment of one Pod. kwok makes it ready if it gets a node.
func workload(name, podSpec string) string {
	return `apiVersion: apps/v1
kind: Deployment
metadata: {name: ` + name + `}
spec:
  selector: {matchLabels: {app: ` + name + `}}
  template:
    metadata: {labels: {app: ` + name + `}}
    spec:
      ` + podSpec + `
      containers: [{name: main, image: "registry.example.com/` + name + `:1"}]
`
}

// tree reads the tree of a Kustomization, by whoever get is.
func tree(t *testing.T, get func(...string) (string, error), namespace, name string) leatv1alpha1.TreeNode {
	t.Helper()
	out, err := get("get", "--raw", kustomizationsPath+namespace+"/kustomizations/"+name+"/tree")
	if err != nil {
		t.Fatal(err)
	}
	var result leatv1alpha1.Tree
	if err := json.Unmarshal([]byte(out), &result); err != nil {
		t.Fatal(err)
	}
	if result.Kind != "Tree" || result.Name != name {
		t.Fatalf("not the tree of %s: %s", name, out)
	}
	return result.Root
}

// below finds a node by the beginnings of the names on the way, each as Kind/name.
func below(n leatv1alpha1.TreeNode, way ...string) *leatv1alpha1.TreeNode {
	if len(way) == 0 {
		return &n
	}
	for _, c := range n.Children {
		if strings.HasPrefix(c.Kind+"/"+c.Name, way[0]) {
			return below(c, way[1:]...)
		}
	}
	return nil
}

func TestTreeGoesDownToPods(t *testing.T) {
	namespace, repo := cluster.Namespace(t), newRepository(t)
	commit := repo.push(map[string]string{
		"deploy/good.yaml":   workload("good", ""),
		"deploy/stuck.yaml":  workload("stuck", `nodeSelector: {nowhere: "true"}`),
		"deploy/broken.yaml": workload("broken", ""),
		"deploy/secret.yaml": "apiVersion: v1\nkind: Secret\nmetadata: {name: keys}\nstringData: {key: value}\n",
		"deploy/claim.yaml":  "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: data}\nspec:\n  storageClassName: none\n  accessModes: [ReadWriteOnce]\n  resources: {requests: {storage: 1Gi}}\n",
		"deploy/inner.yaml": `apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {name: inner}
spec: {sourceRef: {kind: GitRepository, name: repo}, path: ./inner, interval: 1h, prune: true, targetNamespace: ` + namespace + `}
`,
		"inner/one.yaml": configMap("one", "1"),
	})
	repo.source(namespace, "repo")
	kustomization(t, namespace, "app", "./deploy", "")
	waitApplied(t, namespace, "app", commit)
	waitApplied(t, namespace, "inner", commit)
	waitFor(t, namespace, "deployment/good", "{.status.readyReplicas}", "1")
	waitFor(t, namespace, "deployment/broken", "{.status.readyReplicas}", "1")

	pod := get(t, "{.items[0].metadata.name}", "--namespace", namespace, "pods", "-l", "app=broken")
	kubectl(t, "patch", "--namespace", namespace, "pod", pod, "--subresource=status", "--type=merge", "-p", `{"status":{
		"phase":"Pending","conditions":[{"type":"Ready","status":"False","reason":"ContainersNotReady","message":"containers with unready status: [main]"}],
		"containerStatuses":[{"name":"main","image":"x","imageID":"","ready":false,"restartCount":0,"state":{"waiting":{"reason":"ImagePullBackOff","message":"Back-off pulling image \"registry.example.com/broken:1\""}}}]}}`)

	as := func(args ...string) (string, error) { return tryKubectl(t, "", args...) }
	root := tree(t, as, namespace, "app")
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); root = tree(t, as, namespace, "app") {
		// The controllers tell of the change soon.
		if n := below(root, "Deployment/broken"); n != nil && n.Status == "InProgress" && strings.Contains(root.Message, "Unschedulable") {
			break
		}
	}
	if root.Kind != "Kustomization" || root.Status != "Current" || root.Revision != "main@sha1:"+commit || len(root.Children) != 6 || !strings.Contains(root.Message, "ImagePullBackOff") {
		t.Errorf("root: %s %s %s, %d children", root.Kind, root.Status, root.Revision, len(root.Children))
	}
	for _, tt := range []struct {
		way             []string
		status, message string
	}{
		{[]string{"Deployment/good", "ReplicaSet/good-", "Pod/good-"}, "Current", ""},
		{[]string{"Deployment/broken", "ReplicaSet/broken-", "Pod/broken-"}, "InProgress", `container main: ImagePullBackOff: Back-off pulling image "registry.example.com/broken:1"`},
		{[]string{"Deployment/broken"}, "InProgress", "ImagePullBackOff"},
		{[]string{"Deployment/stuck", "ReplicaSet/stuck-", "Pod/stuck-"}, "", "Unschedulable: 0/2 nodes are available"},
		{[]string{"Deployment/stuck"}, "InProgress", "Unschedulable"},
		{[]string{"PersistentVolumeClaim/data"}, "InProgress", "not Bound"},
		{[]string{"Secret/keys"}, "Current", ""},
		{[]string{"Kustomization/inner"}, "Current", "Applied revision"},
		{[]string{"Kustomization/inner", "ConfigMap/one"}, "Current", ""},
	} {
		n := below(root, tt.way...)
		switch {
		case n == nil:
			t.Errorf("%s is not in the tree", tt.way)
		case tt.status != "" && n.Status != tt.status, !strings.Contains(n.Message, tt.message), n.Redacted:
			t.Errorf("%s is %s: %q, want %s and %q", tt.way, n.Status, n.Message, tt.status, tt.message)
		}
	}
	text := kubectl(t, "get", "--raw", kustomizationsPath+namespace+"/kustomizations/app/tree?output=text")
	t.Logf("\n%s", text)
	if !strings.Contains(text, "└─ Pod/"+namespace+"/broken-") || !strings.HasPrefix(text, "Kustomization/"+namespace+"/app  Current") {
		t.Errorf("as text:\n%s", text)
	}
	treeOfOneWhoMayLess(t, namespace)
}

// Who may not read something sees the names that are in the inventory, and nothing
// of what controllers made of it.
func treeOfOneWhoMayLess(t *testing.T, namespace string) {
	t.Helper()
	name := "looker-" + namespace
	apply(t, `
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: looker, namespace: `+namespace+`}
rules:
- {apiGroups: [kustomize.toolkit.fluxcd.io], resources: [kustomizations, kustomizations/tree], verbs: [get]}
- {apiGroups: [apps], resources: [deployments], verbs: [get]}
`)
	kubectl(t, "create", "rolebinding", "looker", "--namespace", namespace, "--role=looker", "--user", name)
	looker, err := cluster.User(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	root := tree(t, func(args ...string) (string, error) {
		out, _, err := looker.Kubectl(t.Context(), args...)
		return out, err
	}, namespace, "app")
	if n := below(root, "Secret/keys"); n == nil || !n.Redacted || n.Status != "" || n.Message != "" {
		t.Errorf("a Secret that the caller may not get: %+v", n)
	}
	n := below(root, "Deployment/broken")
	if n == nil || n.Redacted || n.Status != "InProgress" || len(n.Children) > 0 || !strings.Contains(n.Message, "pods are not shown") {
		t.Errorf("a Deployment whose Pods the caller may not list: %+v", n)
	}
	if n := below(root, "Kustomization/inner", "ConfigMap/one"); n == nil || !n.Redacted {
		t.Errorf("a ConfigMap of an inner Kustomization: %+v", n)
	}
	if text, err := json.Marshal(root); err != nil || strings.Contains(string(text), "ImagePullBackOff") || strings.Contains(string(text), "Unschedulable") {
		t.Errorf("%v: what lies in Pods is told to one who may not list them: %s", err, text)
	}
}
