package install

import (
	"debug/elf"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"

	"github.com/leat-dev/leat/test/framework"
	"github.com/leat-dev/leat/test/gitserver"
	"github.com/leat-dev/leat/test/leatserver"
)

const (
	manifests = "../../artifacts/install/base"
	namespace = "leat-system"
	account   = "leat-apiserver"
)

// outside is the one right more that a server outside of the cluster needs: to lead
// its Service to itself.
const outside = `
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: outside, namespace: leat-system}
rules:
  - {apiGroups: [""], resources: [services], verbs: [get, create, update, patch]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: outside, namespace: leat-system}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: outside}
subjects: [{kind: ServiceAccount, name: leat-apiserver, namespace: leat-system}]
`

// tenant is a namespace in which an account may do what a team needs.
const tenant = `
apiVersion: v1
kind: Namespace
metadata: {name: tenant}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: deployer, namespace: tenant}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: deployer, namespace: tenant}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: edit}
subjects: [{kind: ServiceAccount, name: deployer, namespace: tenant}]
---
apiVersion: source.toolkit.fluxcd.io/v1
kind: GitRepository
metadata: {name: app, namespace: tenant}
spec: {url: %[1]q, ref: {branch: main}, interval: 1h}
---
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {name: app, namespace: tenant}
spec: {sourceRef: {kind: GitRepository, name: app}, path: ./, prune: true, wait: true, interval: 1h, timeout: 1m, serviceAccountName: deployer}
---
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {name: nobody, namespace: tenant}
spec: {sourceRef: {kind: GitRepository, name: app}, path: ./, prune: true, interval: 1h, retryInterval: 1h, timeout: 1m}
`

const app = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: app, namespace: tenant}
spec:
  selector: {matchLabels: {app: app}}
  template:
    metadata: {labels: {app: app}}
    spec: {containers: [{name: app, image: example.com/app:v1}]}
`

// TestInstalled installs the manifests, runs the server as they say, and has it do
// its work: for an account that may, and for one that may not.
func TestInstalled(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can make a root for another user; the CI is root")
	}
	root, err := framework.Root()
	if err != nil {
		t.Fatal(err)
	}
	for _, binary := range []string{"leat-apiserver", "leat-build"} {
		mustBeStatic(t, filepath.Join(root, "bin", binary))
	}
	kubectl(t, "", "apply", "--server-side", "--kustomize="+manifests)
	// The Service leads to Pods; this server is none, and makes one that leads to it.
	kubectl(t, outside, "apply", "-f", "-")
	kubectl(t, "", "delete", "service", "--namespace="+namespace, account)

	args, env := installedContainer(t)
	c := newContainer(t, root, map[string][]byte{
		"token":     []byte(kubectl(t, "", "create", "token", "--namespace="+namespace, account, "--duration=1h")),
		"ca.crt":    cluster.Config.CAData,
		"namespace": []byte(namespace),
	})
	c.run(t, cluster.Config.Host, args, env)
	before := listing(t, c.Root)
	c.start(t)
	if err := leatserver.WaitRegistered(t.Context(), cluster); err != nil {
		t.Fatal(err)
	}
	git, err := gitserver.Start(t.TempDir(), gitserver.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = git.Close() })
	repository, err := git.CreateRepository(t.Context(), "app")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := repository.Push(t.Context(), map[string]string{"app.yaml": app}); err != nil {
		t.Fatal(err)
	}
	kubectl(t, fmt.Sprintf(tenant, git.URL("app")), "apply", "-f", "-")
	wait := func(object, condition string) {
		t.Helper()
		kubectl(t, "", "wait", "--namespace=tenant", "--timeout="+patience.String(), "--for="+condition, object)
	}
	wait("kustomization/app", "condition=Ready")
	wait("kustomization/nobody", "condition=Ready=False")
	message := kubectl(t, "", "get", "--namespace=tenant", "kustomization/nobody", `-ojsonpath={.status.conditions[?(@.type=="Ready")].message}`)
	if !strings.Contains(message, `User "system:serviceaccount:leat-system:leat-apiserver" cannot`) {
		t.Errorf("what is to be applied with the server's own rights, which it does not have, says %q", message)
	}
	if after := listing(t, c.Root); !slices.Equal(before, after) {
		t.Errorf("the root has changed:\n%s\nit was\n%s", strings.Join(after, "\n"), strings.Join(before, "\n"))
	}
	mustNotAskForMore(t)
	// For those who register it themselves.
	kubectl(t, "", "apply", "--dry-run=server", "--filename=../../artifacts/install/apiservices/apiservices.yaml")
}

// mustNotAskForMore looks for requests of the server that the installed rights do
// not cover.
func mustNotAskForMore(t *testing.T) {
	t.Helper()
	refused, err := cluster.AuditRequests(func(r framework.Request) bool {
		return r.User == "system:serviceaccount:"+namespace+":"+account && r.Code == 403 && r.Impersonated == ""
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range refused {
		// It looks whether it may watch what it applies, and reads each object if
		// not. The rest is what the test provokes.
		if r.Resource == "deployments" {
			continue
		}
		t.Errorf("the server may not: %+v", r)
	}
}

// installedContainer returns the arguments and the environment that the manifests
// give the server.
func installedContainer(t *testing.T) (args, env []string) {
	t.Helper()
	var set appsv1.StatefulSet
	if err := json.Unmarshal([]byte(kubectl(t, "", "get", "statefulset", "--namespace="+namespace, account, "-ojson")), &set); err != nil {
		t.Fatal(err)
	}
	pod := set.Spec.Template.Spec
	if *pod.SecurityContext.RunAsUser != uid || !*pod.Containers[0].SecurityContext.ReadOnlyRootFilesystem {
		t.Errorf("the manifests run the server otherwise than this test: %+v", pod)
	}
	fields := strings.NewReplacer("$(POD_NAMESPACE)", namespace)
	for _, arg := range pod.Containers[0].Args {
		args = append(args, fields.Replace(arg))
	}
	for _, v := range pod.Containers[0].Env {
		if v.ValueFrom == nil {
			env = append(env, v.Name+"="+v.Value)
		}
	}
	return args, env
}

// mustBeStatic refuses a binary that needs a dynamic linker.
func mustBeStatic(t *testing.T, path string) {
	t.Helper()
	file, err := elf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for _, p := range file.Progs {
		if p.Type == elf.PT_INTERP {
			t.Errorf("%s is not static: build it with make", path)
		}
	}
}

// listing names the files of a directory, except those of the volume.
func listing(t *testing.T, root string) []string {
	t.Helper()
	var names []string
	err := filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		names = append(names, fmt.Sprintf("%s %s %d", strings.TrimPrefix(path, root), info.Mode(), info.Size()))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func kubectl(t *testing.T, stdin string, args ...string) string {
	t.Helper()
	out, _, err := cluster.KubectlInput(t.Context(), stdin, args...)
	if err != nil {
		t.Fatalf("kubectl %s: %v", strings.Join(args, " "), err)
	}
	return strings.TrimSpace(out)
}
