package apply_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/leat-dev/leat/pkg/apply"
	"github.com/leat-dev/leat/pkg/object"
	"github.com/leat-dev/leat/pkg/target"
)

const settings = `
apiVersion: v1
kind: ConfigMap
metadata: {name: settings, creationTimestamp: null, annotations: {}}
data: {colour: blue, size: "3"}`

const app = `
apiVersion: v1
kind: ServiceAccount
metadata: {name: web}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{port: 80, name: http}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 0
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      serviceAccountName: web
      containers:
      - {name: web, image: example.org/web, ports: [{containerPort: 80}], resources: {requests: {cpu: 1000m}}}
---
apiVersion: v1
kind: Secret
metadata: {name: web}
stringData: {token: s3cret}`

func TestCreateUnchangedUpdate(t *testing.T) {
	f := setup(t)
	res := f.mustApply(f.request("app", settings, app))
	if n := res.Count(apply.ActionCreated); n != 5 {
		t.Fatalf("%d created, want 5: %v", n, res.Changes)
	}
	if diff := cmp.Diff(map[string]int{"DRYRUN": 5, "PATCH": 5}, f.count.take()); diff != "" {
		t.Errorf("requests of a creation (-want +have):\n%s", diff)
	}
	if f.store.saves != 2 {
		t.Errorf("%d saves of the inventory, want one ahead and one after", f.store.saves)
	}
	labels := f.kubectl("get", "secret", "web", "-o", `jsonpath={.metadata.labels}{.data.token}`)
	if !strings.Contains(labels, ownerGroup+`/name":"app"`) || !strings.Contains(labels, ownerGroup+`/namespace":"`+f.ns) || !strings.Contains(labels, "czNjcmV0") {
		t.Errorf("owner labels or data are missing: %s", labels)
	}

	if err := f.engine.Wait(f.ctx, apply.HealthRequest{Objects: res.Health, Timeout: 30e9}); err != nil {
		t.Fatal(err)
	}
	f.count.take()
	res = f.mustApply(f.request("app", settings, app))
	if n := res.Count(apply.ActionUnchanged); n != 5 {
		t.Errorf("%d unchanged, want 5: %v", n, res.Changes)
	}
	if got := f.count.take(); len(got) != 0 {
		t.Errorf("an unchanged set cost requests: %v", got)
	}
	if f.store.saves != 2 {
		t.Errorf("%d saves, an unchanged set must not save", f.store.saves)
	}

	// After a restart only the watch is needed to know that nothing is to do.
	f.start()
	res = f.mustApply(f.request("app", settings, app))
	if got := f.count.take(); len(got) != 0 || res.Count(apply.ActionUnchanged) != 5 {
		t.Errorf("an unchanged set after a restart: requests %v, changes %v", got, res.Changes)
	}

	res = f.mustApply(f.request("app", strings.Replace(settings, "blue", "red", 1), app))
	if diff := cmp.Diff(apply.ActionConfigured, actions(res)["ConfigMap/settings"]); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(map[string]int{"PATCH": 1}, f.count.take()); diff != "" {
		t.Errorf("requests of a single change (-want +have):\n%s", diff)
	}
	if got := f.kubectl("get", "cm", "settings", "-o", "jsonpath={.data.colour}"); got != "red" {
		t.Errorf("colour = %q", got)
	}
}

func TestInputIsNotChanged(t *testing.T) {
	f := setup(t)
	r := f.request("app", settings, app)
	before := make([]object.Object, len(r.Objects))
	for i, o := range r.Objects {
		before[i] = object.Object{Unstructured: o.DeepCopy(), File: o.File}
	}
	f.mustApply(r)
	if diff := cmp.Diff(before, r.Objects); diff != "" {
		t.Errorf("the rendered objects have changed, a build may be used twice (-before +after):\n%s", diff)
	}
}

func TestDriftIsSeenAndRepaired(t *testing.T) {
	f := setup(t)
	f.mustApply(f.request("app", settings, app))
	events := f.listen()
	drifted := func(name string, gone bool) func(target.Event) bool {
		return func(e target.Event) bool {
			return e.Name == name && e.Owner.Name == "app" && e.Drifted && e.Gone == gone
		}
	}
	f.kubectl("patch", "cm", "settings", "--type=merge", "-p", `{"data":{"colour":"green"}}`)
	f.until("drift of the ConfigMap", events, drifted("settings", false))
	f.kubectl("delete", "sa", "web")
	f.until("deletion of the ServiceAccount", events, drifted("web", true))

	f.count.take()
	res := f.mustApply(f.request("app", settings, app))
	want := map[string]apply.Action{
		"ConfigMap/settings": apply.ActionConfigured, "ServiceAccount/web": apply.ActionCreated,
		"Secret/web": apply.ActionUnchanged, "Service/web": apply.ActionUnchanged, "Deployment/web": apply.ActionUnchanged,
	}
	if diff := cmp.Diff(want, actions(res)); diff != "" {
		t.Errorf("repair (-want +have):\n%s", diff)
	}
	if got := f.count.take()["DRYRUN"]; got != 0 {
		t.Errorf("%d dry-runs of what has been validated before", got)
	}
	if got := f.kubectl("get", "cm", "settings", "-o", "jsonpath={.data.colour}"); got != "blue" {
		t.Errorf("colour = %q", got)
	}
}

func TestPlanRefuses(t *testing.T) {
	f := setup(t)
	tests := []struct{ name, manifest, want string }{
		{"unknown kind", "apiVersion: no.such/v1\nkind: Thing\nmetadata: {name: x}", "is its CustomResourceDefinition installed"},
		{"no name", "apiVersion: v1\nkind: ConfigMap\nmetadata: {generateName: x}", "no name"},
		{"path in a name", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: ../secrets/x}", "cannot be a name"},
		{"twice", settings + "\n---" + settings, "twice"},
		{"labels of numbers", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x, labels: {a: 1}}", "map of strings"},
		{"labels a list", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x, labels: [a]}", "map of strings"},
		{"metadata a string", "apiVersion: v1\nkind: ConfigMap\nmetadata: x", "no metadata"},
		{"no kind", "apiVersion: v1\nmetadata: {name: x}", "no kind"},
		{"a list", "apiVersion: v1\nkind: List\nitems: []", "list"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := f.engine.Plan(f.ctx, f.request("app", tt.manifest))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want one with %q", err, tt.want)
			}
		})
	}
	r := f.request("app", settings)
	r.Namespace = ""
	if _, err := f.engine.Plan(f.ctx, r); err == nil || !strings.Contains(err.Error(), "names no namespace") {
		t.Errorf("error %v", err)
	}
}

func TestForbiddenNamesObject(t *testing.T) {
	f := setup(t)
	f.kubectl("create", "sa", "tenant")
	f.kubectl("create", "role", "tenant", "--verb=get,create,patch", "--resource=configmaps")
	f.kubectl("create", "rolebinding", "tenant", "--role=tenant", "--serviceaccount="+f.ns+":tenant")
	r := f.request("app", settings, app)
	r.Identity = f.identity("tenant")
	_, err := f.apply(r)
	errs := objectErrors(t, err)
	if len(errs) != 4 {
		t.Errorf("want four objects refused: %v", err)
	}
	for name, e := range errs {
		if !apierrors.IsForbidden(e.Err) || !strings.Contains(e.Error(), "system:serviceaccount:"+f.ns+":tenant") {
			t.Errorf("%s: %v, want it forbidden for the tenant", name, e.Err)
		}
	}
	if f.exists("cm", "settings") {
		t.Error("written in spite of missing rights")
	}
	r.Objects = f.objects(settings)
	if _, err := f.apply(r); err != nil {
		t.Errorf("what the tenant may write is refused: %v", err)
	}
}

func TestSecretValuesStayHidden(t *testing.T) {
	f := setup(t)
	secret := "apiVersion: v1\nkind: Secret\nmetadata: {name: x, labels: {bad: 'hunter2 hunter2'}}\ntype: kubernetes.io/tls\nstringData: {token: hunter2}"
	_, err := f.apply(f.request("app", secret))
	if err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("error %v, want one without values", err)
	}
	if e := objectErrors(t, err)["Secret/x"]; !apierrors.IsInvalid(e.Err) || !strings.Contains(e.Error(), "metadata.labels") {
		t.Errorf("error %v, want the field named", err)
	}
}

func TestSwitches(t *testing.T) {
	f := setup(t)
	f.kubectl("create", "cm", "settings", "--from-literal=colour=green", "--from-literal=foreign=yes")
	with := func(key, value string) string {
		return strings.Replace(settings, "annotations: {}", "annotations: {"+ownerGroup+"/"+key+": "+value+"}", 1)
	}
	data := func() string { return f.kubectl("get", "cm", "settings", "-o", "jsonpath={.data}") }
	for _, m := range []string{with("reconcile", "Disabled"), with("ssa", "ignore"), with("ssa", "IfNotPresent")} {
		res := f.mustApply(f.request("app", m))
		if got := actions(res)["ConfigMap/settings"]; got != apply.ActionSkipped {
			t.Errorf("%s: %s, want it skipped", m, got)
		}
		if got := data(); got != `{"colour":"green","foreign":"yes"}` {
			t.Errorf("%s: data is %s", m, got)
		}
		if len(res.Health) != 0 {
			t.Errorf("%s: a skipped object is waited for", m)
		}
	}
	f.mustApply(f.request("app", with("ssa", "merge")))
	if got := data(); got != `{"colour":"blue","foreign":"yes","size":"3"}` {
		t.Errorf("Merge: data is %s", got)
	}
	f.mustApply(f.request("app", settings))
	if got := data(); got != `{"colour":"blue","size":"3"}` {
		t.Errorf("without Merge: data is %s", got)
	}

	// The cluster's own switch holds too.
	f.kubectl("annotate", "cm", "settings", ownerGroup+"/reconcile=disabled")
	f.start()
	res := f.mustApply(f.request("app", strings.Replace(settings, "blue", "red", 1)))
	if got := actions(res)["ConfigMap/settings"]; got != apply.ActionSkipped {
		t.Errorf("a live object that is disabled: %s", got)
	}
}

func TestIfNotPresentCreates(t *testing.T) {
	f := setup(t)
	m := strings.Replace(settings, "annotations: {}", "labels: {"+ownerGroup+"/ssa: IfNotPresent}", 1)
	if got := actions(f.mustApply(f.request("app", m)))["ConfigMap/settings"]; got != apply.ActionCreated {
		t.Errorf("action %s, want created", got)
	}
	if got := actions(f.mustApply(f.request("app", strings.Replace(m, "blue", "red", 1))))["ConfigMap/settings"]; got != apply.ActionSkipped {
		t.Errorf("action %s, want skipped", got)
	}
	f.mustApply(f.request("app", app))
	if f.exists("cm", "settings") {
		t.Error("what was created is not pruned")
	}
}

func TestKubectlIsTakenOver(t *testing.T) {
	f := setup(t)
	kubectlApply := func(manifest string) {
		t.Helper()
		if _, stderr, err := cluster.KubectlInput(f.ctx, manifest, "-n", f.ns, "apply", "-f", "-"); err != nil {
			t.Fatal(err, stderr)
		}
	}
	old := strings.Replace(settings, "size:", "old: x, size:", 1)
	kubectlApply(strings.Replace(old, "annotations: {}", "annotations: {team: a}", 1))
	res := f.mustApply(f.request("app", settings))
	if got := actions(res)["ConfigMap/settings"]; got != apply.ActionConfigured {
		t.Errorf("action %s", got)
	}
	got := f.kubectl("get", "cm", "settings", "--show-managed-fields", "-o", `jsonpath={.data}{.metadata.annotations}{range .metadata.managedFields[*]} {.manager}={.operation}{end}`)
	if got != `{"colour":"blue","size":"3"} kustomize-controller=Apply` {
		t.Errorf("after the takeover: %s", got)
	}
	f.count.take()
	if f.mustApply(f.request("app", settings)); len(f.count.take()) != 0 {
		t.Error("a second apply after the takeover cost requests")
	}

	// What kubectl edit adds is put right, although no field of ours changed.
	events := f.listen()
	f.kubectl("patch", "cm", "settings", "--type=merge", "-p", `{"data":{"extra":"1"}}`)
	f.until("kubectl's field", events, func(e target.Event) bool { return e.Drifted })
	f.mustApply(f.request("app", settings))
	if got := f.kubectl("get", "cm", "settings", "-o", "jsonpath={.data}"); got != `{"colour":"blue","size":"3"}` {
		t.Errorf("data is %s", got)
	}
}

func TestImmutable(t *testing.T) {
	f := setup(t)
	job := "apiVersion: batch/v1\nkind: Job\nmetadata: {name: once}\nspec: {template: {spec: {restartPolicy: Never, containers: [{name: c, image: example.org/a}]}}}"
	f.mustApply(f.request("app", job, settings))
	changed := strings.Replace(job, "example.org/a", "example.org/b", 1)
	other := strings.Replace(settings, "blue", "red", 1)

	_, err := f.apply(f.request("app", changed, other))
	if e := objectErrors(t, err)["Job/once"]; !strings.Contains(e.Error(), "force: enabled") {
		t.Errorf("error %v, want what to do", err)
	}
	if got := f.kubectl("get", "cm", "settings", "-o", "jsonpath={.data.colour}"); got != "blue" {
		t.Error("a refused set was written in part")
	}
	forced := func(name string, r apply.Request) {
		t.Helper()
		uid := f.kubectl("get", "job", "once", "-o", "jsonpath={.metadata.uid}")
		res := f.mustApply(r)
		if got := actions(res)["Job/once"]; got != apply.ActionCreated {
			t.Errorf("%s: action %s", name, got)
		}
		if f.kubectl("get", "job", "once", "-o", "jsonpath={.metadata.uid}") == uid {
			t.Errorf("%s: the Job is still the old one", name)
		}
	}
	forced("by switch, with others", f.request("app", strings.Replace(changed, "{name: once}", "{name: once, annotations: {"+ownerGroup+"/force: enabled}}", 1), other))
	r := f.request("app", job, other)
	r.Force = true
	forced("by request, alone", r)

	// What was deleted to be created again, and then was refused, is told as it is.
	f.count.loseAnswers(func(r *http.Request) bool {
		return r.Method == http.MethodPatch && r.URL.Query().Get("dryRun") == "" && !f.exists("job", "once")
	})
	r.Objects = f.objects(changed, other)
	res, err := f.apply(r)
	if err == nil {
		t.Fatal("no error")
	}
	if got := actions(res)["Job/once"]; got != apply.ActionDeleted {
		t.Errorf("action %s, want %s", got, apply.ActionDeleted)
	}
}
