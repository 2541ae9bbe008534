package apply_test

import (
	"strings"
	"sync"
	"testing"

	"github.com/leat-dev/leat/pkg/apply"
	"github.com/leat-dev/leat/pkg/target"
)

// All that is wrong is told, object by object, and the rest is shown.
func TestPreviewTellsAllErrors(t *testing.T) {
	f := setup(t)
	f.kubectl("create", "sa", "tenant")
	f.kubectl("create", "role", "tenant", "--verb=get,create,patch", "--resource=configmaps,services")
	f.kubectl("create", "rolebinding", "tenant", "--role=tenant", "--serviceaccount="+f.ns+":tenant")
	f.mustApply(f.request("app", settings))
	r := f.request("app", app,
		"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: good}",
		"apiVersion: v1\nkind: Service\nmetadata: {name: bad}\nspec: {ports: [{port: 99999}]}",
		"apiVersion: nobody.example.org/v1\nkind: Unknown\nmetadata: {name: x}")
	r.Identity = f.identity("tenant")
	got := f.preview(r)
	for name, want := range map[string]string{
		"ServiceAccount/web": "cannot get", "Deployment/web": "cannot", "Secret/web": "cannot",
		"Service/bad": "99999", "Unknown/x": "CustomResourceDefinition", "ConfigMap/settings": "cannot delete",
	} {
		if p := got[name]; p.Err == nil || !strings.Contains(p.Err.Error(), want) && !strings.Contains(p.Err.Error(), "cannot patch") {
			t.Errorf("%s: error %v, want one with %q", name, p.Err, want)
		}
	}
	for _, name := range []string{"ConfigMap/good", "Service/web"} {
		if p := got[name]; p.Err != nil || p.New == nil {
			t.Errorf("%s: %+v", name, p)
		}
	}
	if p := got["Service/bad"]; p.Action != apply.ActionCreated || field(p.New, "metadata", "name") != "bad" {
		t.Errorf("what is refused is not shown: %+v", p)
	}
	// The right to apply without the right to read.
	f.kubectl("patch", "role", "tenant", "--type=json", "-p", `[{"op":"replace","path":"/rules/0/verbs","value":["create","patch"]}]`)
	r.Objects = f.objects(strings.Replace(settings, "blue", "red", 1))
	if p := f.preview(r)["ConfigMap/settings"]; p.Err != nil || p.Action != apply.ActionConfigured || p.Old != nil {
		t.Errorf("without the right to read: %+v", p)
	}
}

// A user is impersonated with all that is known of them.
func TestPreviewAsUser(t *testing.T) {
	f := setup(t)
	f.kubectl("create", "rolebinding", "devs", "--clusterrole=edit", "--group=devs-"+f.ns)
	r := f.request("app", settings)
	r.Identity = target.Identity{User: &target.User{Name: "jane", UID: "42", Groups: []string{"devs-" + f.ns, "more"}, Extra: map[string][]string{"example.org/Scope=x": {"a", "b"}}}}
	if p := f.preview(r)["ConfigMap/settings"]; p.Err != nil || p.Action != apply.ActionCreated {
		t.Errorf("as a member of the group: %+v", p)
	}
	r.Identity.User = &target.User{Name: "jane", Groups: []string{"more"}}
	if p := f.preview(r)["ConfigMap/settings"]; p.Err == nil || !strings.Contains(p.Err.Error(), `User "jane" cannot`) {
		t.Errorf("as nobody in particular: %+v", p)
	}
	r.Identity.User = &target.User{}
	if p := f.preview(r)["ConfigMap/settings"]; p.Err == nil || !strings.Contains(p.Err.Error(), "system:anonymous") {
		t.Errorf("as a user without a name: %+v", p)
	}
}

// What a caller may see is asked of the cluster, by namespace and then by name.
func TestRightsOfCallers(t *testing.T) {
	f := setup(t)
	group := "devs-" + f.ns
	f.kubectl("create", "role", "named", "--verb=get", "--resource=secrets", "--resource-name=mine")
	f.kubectl("create", "rolebinding", "named", "--role=named", "--group="+group)
	f.kubectl("create", "role", "all", "--verb=get", "--resource=configmaps")
	f.kubectl("create", "rolebinding", "all", "--role=all", "--user=jane-"+f.ns)
	jane := f.target.Reviewer(target.User{Name: "jane-" + f.ns, Groups: []string{group}})
	other := f.target.Reviewer(target.User{Name: "other", Groups: []string{"system:authenticated"}})
	masters := f.target.Reviewer(target.User{Name: "root", Groups: []string{"system:masters"}})
	ref := f.preview(f.request("app", settings))["ConfigMap/settings"].Ref
	f.count.take()
	for _, tt := range []struct {
		name string
		ask  func(*target.Reviewer) (bool, error)
		want [3]bool
	}{
		{"a Secret by its name", func(r *target.Reviewer) (bool, error) { return r.MayGetSecret(f.ctx, f.ns, "mine") }, [3]bool{true, false, true}},
		{"another Secret", func(r *target.Reviewer) (bool, error) { return r.MayGetSecret(f.ctx, f.ns, "theirs") }, [3]bool{false, false, true}},
		{"a Secret elsewhere", func(r *target.Reviewer) (bool, error) { return r.MayGetSecret(f.ctx, "kube-system", "mine") }, [3]bool{false, false, true}},
		{"a ConfigMap", func(r *target.Reviewer) (bool, error) { return r.MayGet(f.ctx, ref) }, [3]bool{true, false, true}},
	} {
		for i, r := range []*target.Reviewer{jane, other, masters} {
			if got, err := tt.ask(r); got != tt.want[i] || err != nil {
				t.Errorf("%s, user %d: %t, %v", tt.name, i, got, err)
			}
		}
	}
}

// Refusals of objects that hold secret values quote none of them.
func TestPreviewHidesSecretValues(t *testing.T) {
	f := setup(t)
	const secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nimmutable: true\nstringData: {token: hunter22}"
	f.mustApply(f.request("app", secret))
	r := f.request("app", strings.Replace(secret, "hunter22", "hunter23", 1),
		"apiVersion: v1\nkind: Service\nmetadata: {name: tainted}\nspec: {type: hunter24, ports: [{port: 80}]}")
	r.Objects[1].Tainted = true
	got := f.preview(r)
	if p := got["Secret/s"]; p.Action != apply.ActionRecreated || p.Err == nil {
		t.Errorf("an immutable Secret: %s, %v", p.Action, p.Err)
	}
	if p := got["Service/tainted"]; p.Err == nil || !p.Tainted {
		t.Errorf("a refused object: %v, tainted %t", p.Err, p.Tainted)
	}
	for name, p := range got {
		if p.Err != nil && strings.Contains(p.Err.Error(), "hunter") || strings.Contains(p.Reason, "hunter") {
			t.Errorf("%s tells: %v; %s", name, p.Err, p.Reason)
		}
	}
}

// What the server looks up, and the same set brings, is not an error.
func TestPreviewOfWhatWaits(t *testing.T) {
	f := setup(t)
	got := f.preview(f.request("app", `
apiVersion: v1
kind: ServiceAccount
metadata: {name: runner}
---
apiVersion: v1
kind: Pod
metadata: {name: run}
spec: {serviceAccountName: runner, containers: [{name: c, image: example.org/a}]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: reader}
rules: [{apiGroups: [""], resources: [configmaps], verbs: [get]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: reader}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: reader}
subjects: [{kind: ServiceAccount, name: runner, namespace: $NS}]`,
		strings.Replace(settings, "{name: settings", "{namespace: nowhere, name: lost", 1)))
	for name, unverified := range map[string]bool{"ServiceAccount/runner": false, "Role/reader": false, "Pod/run": true, "RoleBinding/reader": false} {
		p := got[name]
		if p.Err != nil || p.Action != apply.ActionCreated || p.Unverified != unverified || p.New == nil {
			t.Errorf("%s: %s, unverified %t (%s), %v", name, p.Action, p.Unverified, p.Reason, p.Err)
		}
	}
	if p := got["Pod/run"]; !strings.Contains(p.Reason, "ServiceAccount") {
		t.Errorf("reason %q", p.Reason)
	}
	if p := got["ConfigMap/lost"]; p.Err == nil || p.Unverified {
		t.Errorf("what nothing brings: %+v", p)
	}
}

// Previews may be made while the owner's runs go on.
func TestPreviewBesideRuns(t *testing.T) {
	f := setup(t)
	f.mustApply(f.request("app", settings, app))
	blue, red := f.request("app", settings, app), f.request("app", strings.Replace(settings, "blue", "red", 1))
	done := make(chan struct{})
	var looks sync.WaitGroup
	for range 3 {
		looks.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				list, err := f.engine.Preview(f.ctx, apply.PreviewRequest{Request: red})
				if err != nil {
					t.Error(err)
					return
				}
				for _, p := range list {
					if p.Err != nil {
						t.Errorf("%s: %v", p.Key, p.Err)
					}
				}
			}
		})
	}
	for i := range 10 {
		r, there := blue, true
		if i%2 == 0 {
			r, there = red, false
		}
		f.mustApply(r)
		if f.exists("sa", "web") != there {
			t.Errorf("run %d: the ServiceAccount is there: %t", i, !there)
		}
	}
	close(done)
	looks.Wait()
}
