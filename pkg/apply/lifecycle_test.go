package apply_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/leat-dev/leat/pkg/apply"
	"github.com/leat-dev/leat/pkg/object"
)

func TestPruneDeletesOnlyItsOwn(t *testing.T) {
	f := setup(t)
	cm := func(name, annotation string) string {
		return "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: " + name + ", annotations: {" + annotation + "}}"
	}
	all := []string{cm("gone", ""), cm("kept", ownerGroup+"/prune: disabled"), cm("stolen", ""), cm("relabelled", ""), cm("bare", ""), cm("moved", ""), app}
	f.mustApply(f.request("app", all...))
	// Another owner applies one of them; people touch the others.
	f.mustApply(f.request("other", cm("stolen", "")))
	f.kubectl("label", "cm", "relabelled", "--overwrite", ownerGroup+"/name=someone")
	f.kubectl("label", "cm", "bare", ownerGroup+"/name-", ownerGroup+"/namespace-")
	// The next owner of this one has planned, but not applied yet.
	if _, err := f.engine.Plan(f.ctx, f.request("other", cm("stolen", ""), cm("moved", ""))); err != nil {
		t.Fatal(err)
	}
	res := f.mustApply(f.request("app", app))
	want := map[string]apply.Action{
		"ConfigMap/gone": apply.ActionDeleted, "ConfigMap/kept": apply.ActionSkipped, "ConfigMap/stolen": apply.ActionSkipped,
		"ConfigMap/relabelled": apply.ActionSkipped, "ConfigMap/bare": apply.ActionSkipped, "ConfigMap/moved": apply.ActionSkipped,
		"ServiceAccount/web": apply.ActionUnchanged, "Secret/web": apply.ActionUnchanged, "Service/web": apply.ActionUnchanged, "Deployment/web": apply.ActionUnchanged,
	}
	if diff := cmp.Diff(want, actions(res)); diff != "" {
		t.Errorf("prune (-want +have):\n%s", diff)
	}
	for name, there := range map[string]bool{"gone": false, "kept": true, "stolen": true, "relabelled": true, "bare": true, "moved": true} {
		if f.exists("cm", name) != there {
			t.Errorf("ConfigMap %s: exists is %t", name, !there)
		}
	}
	if n := len(res.Inventory.Entries); n != 4 {
		t.Errorf("%d entries left in the inventory, want those of the set", n)
	}
}

// Between the judgement and the deletion the object is replaced by a namesake
// of someone else.
func TestPruneSparesANamesake(t *testing.T) {
	f := setup(t)
	f.mustApply(f.request("app", settings, app))
	done := false
	f.count.onRequest(func(r *http.Request) {
		if r.Method == http.MethodDelete && !done {
			done = true
			f.kubectl("delete", "cm", "settings")
			f.kubectl("create", "cm", "settings", "--from-literal=mine=1")
		}
	})
	res := f.mustApply(f.request("app", app))
	if got := actions(res)["ConfigMap/settings"]; got != apply.ActionSkipped || !done {
		t.Errorf("action %s", got)
	}
	if got := f.kubectl("get", "cm", "settings", "-o", "jsonpath={.data}"); got != `{"mine":"1"}` {
		t.Errorf("data is %s", got)
	}
}

// Between the judgement and the deletion another owner takes the object over.
func TestPruneSparesWhatIsTakenOver(t *testing.T) {
	f := setup(t)
	f.mustApply(f.request("app", settings, app))
	done := false
	f.count.onRequest(func(r *http.Request) {
		if r.Method == http.MethodDelete && !done {
			done = true
			f.kubectl("label", "cm", "settings", "--overwrite", ownerGroup+"/name=other")
		}
	})
	res := f.mustApply(f.request("app", app))
	if got := actions(res)["ConfigMap/settings"]; got != apply.ActionSkipped || !done || !f.exists("cm", "settings") {
		t.Errorf("action %s", got)
	}
}

// An object that was re-created by ourselves, in a run that crashed before it
// could record the new UID, is still pruned.
func TestPruneAfterRecreation(t *testing.T) {
	f := setup(t)
	f.mustApply(f.request("app", settings, app))
	f.kubectl("delete", "cm", "settings")
	f.store.fail = func(int) error { return errors.New("crash") }
	f.start()
	if _, err := f.apply(f.request("app", settings, app)); err == nil {
		t.Fatal("the failed save is not reported")
	}
	f.store.fail = nil
	f.start()
	res := f.mustApply(f.request("app", app))
	if got := actions(res)["ConfigMap/settings"]; got != apply.ActionDeleted || f.exists("cm", "settings") {
		t.Errorf("action %s", got)
	}
}

func TestFailedPruneIsKept(t *testing.T) {
	f := setup(t)
	f.kubectl("create", "sa", "tenant")
	f.kubectl("create", "role", "tenant", "--verb=get,create,patch", "--resource=configmaps")
	f.kubectl("create", "rolebinding", "tenant", "--role=tenant", "--serviceaccount="+f.ns+":tenant")
	other := strings.Replace(settings, "name: settings", "name: other", 1)
	r := f.request("app", settings, other)
	r.Identity = f.identity("tenant")
	f.mustApply(r)
	r.Objects = f.objects(strings.Replace(other, "blue", "red", 1))
	res, err := f.apply(r)
	if e := objectErrors(t, err); len(e) != 1 || e["ConfigMap/settings"].Err == nil {
		t.Errorf("error %v", err)
	}
	if n := len(res.Inventory.Entries); n != 2 {
		t.Errorf("%d entries, what could not be deleted must stay", n)
	}
	f.kubectl("patch", "role", "tenant", "--type=json", "-p", `[{"op":"add","path":"/rules/0/verbs/-","value":"delete"}]`)
	if _, err := f.apply(r); err != nil || f.exists("cm", "settings") {
		t.Errorf("the next run does not prune what is left: %v", err)
	}
}

func TestEmptyBuildIsRefused(t *testing.T) {
	f := setup(t)
	f.mustApply(f.request("app", settings))
	if _, err := f.apply(f.request("app")); !errors.Is(err, apply.ErrEmptyBuild) {
		t.Errorf("error %v", err)
	}
	if !f.exists("cm", "settings") {
		t.Error("an empty build has pruned")
	}
	if _, err := f.apply(f.request("new")); err != nil {
		t.Errorf("an owner that never had objects: %v", err)
	}
}

// A run dies at each of its saves and in the middle of its writes. The next
// process, with another set, must leave nothing of the first behind.
func TestCrashOrphansNothing(t *testing.T) {
	next := strings.Replace(settings, "name: settings", "name: next", 1)
	crashes := map[string]func(f *fixture, cancel context.CancelFunc){
		"at the write-ahead save": func(f *fixture, _ context.CancelFunc) {
			f.store.fail = func(int) error { return errors.New("crash") }
		},
		"at the final save": func(f *fixture, _ context.CancelFunc) {
			f.store.fail = func(n int) error {
				if n == 2 {
					return errors.New("crash")
				}
				return nil
			}
		},
		"while writing": func(f *fixture, cancel context.CancelFunc) {
			f.store.fail = func(n int) error {
				if n == 2 {
					return errors.New("crash")
				}
				return nil
			}
			f.count.onRequest(func(r *http.Request) {
				if r.Method == http.MethodPatch && r.URL.Query().Get("dryRun") == "" && strings.HasSuffix(r.URL.Path, "/services/web") {
					cancel()
				}
			})
		},
	}
	for name, crash := range crashes {
		t.Run(name, func(t *testing.T) {
			f := setup(t)
			ctx, cancel := context.WithCancel(f.ctx)
			f.ctx = ctx
			crash(f, cancel)
			if _, err := f.apply(f.request("app", settings, app)); err == nil {
				t.Fatal("no error")
			}
			cancel()
			f.store.fail = nil
			f.ctx = t.Context()
			f.start()
			f.mustApply(f.request("app", next))
			for _, kind := range []string{"cm/settings", "sa/web", "svc/web", "deploy/web", "secret/web"} {
				k, n, _ := strings.Cut(kind, "/")
				if f.exists(k, n) {
					t.Errorf("%s is orphaned", kind)
				}
			}
			if !f.exists("cm", "next") {
				t.Error("the next set is not applied")
			}
		})
	}
}

func crd(group, extra string) string {
	return `
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: things.` + group + `}
spec:
  group: ` + group + `
  scope: Namespaced
  names: {kind: Thing, plural: things, singular: thing, listKind: ThingList}
  versions:
  - name: v1
    served: true
    storage: true
    schema:
      openAPIV3Schema:
        type: object
        properties:
          spec: {type: object, required: [size], properties: {size: {type: integer}` + extra + `}}`
}

func thing(group, spec string) string {
	return "apiVersion: " + group + "/v1\nkind: Thing\nmetadata: {name: one}\nspec: " + spec
}

func TestDefinitionAndResourceInOneSet(t *testing.T) {
	f := setup(t)
	group := f.ns + ".example.org"
	t.Cleanup(func() {
		_, _, _ = cluster.Kubectl(context.WithoutCancel(t.Context()), "delete", "crd", "things."+group, "--ignore-not-found", "--wait=false")
	})

	_, err := f.apply(f.request("app", crd(group, ""), thing(group, "{size: big}"), settings))
	if e := objectErrors(t, err)["Thing/one"]; !strings.Contains(e.Error(), "size") || e.File != "deploy/1.yaml" {
		t.Errorf("error %v", err)
	}
	if f.exists("crd", "things."+group) {
		t.Error("a definition was written although its resource is wrong")
	}
	res := f.mustApply(f.request("app", crd(group, ""), thing(group, "{size: 3}"), settings))
	if n := res.Count(apply.ActionCreated); n != 3 {
		t.Fatalf("%d created: %v", n, res.Changes)
	}
	f.count.take()
	res = f.mustApply(f.request("app", crd(group, ""), thing(group, "{size: 3}"), settings))
	if got := f.count.take(); len(got) != 0 {
		t.Errorf("unchanged, and yet requests: %v, %v", got, res.Changes)
	}

	// A new field comes with the definition, and is used at once.
	res = f.mustApply(f.request("app", crd(group, ", colour: {type: string}"), thing(group, "{size: 3, colour: red}"), settings))
	if got := f.kubectl("get", "things."+group, "one", "-o", "jsonpath={.spec.colour}"); got != "red" {
		t.Errorf("colour %q, %v", got, res.Changes)
	}
	res = f.mustApply(f.request("app", settings))
	if n := res.Count(apply.ActionDeleted); n != 2 {
		t.Errorf("%d deleted: %v", n, res.Changes)
	}
}

func TestNamespaceAndContentInOneSet(t *testing.T) {
	f := setup(t)
	ns := f.ns + "-x"
	t.Cleanup(func() {
		_, _, _ = cluster.Kubectl(context.WithoutCancel(t.Context()), "delete", "ns", ns, f.ns+"-y", "--ignore-not-found", "--wait=false")
	})
	namespace := "apiVersion: v1\nkind: Namespace\nmetadata: {name: " + ns + "}"
	content := "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c, namespace: " + ns + "}"
	role := "apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata: {name: r, namespace: " + ns + "}\nrules: [{apiGroups: [''], resources: [pods], verbs: [get]}]"
	binding := "apiVersion: rbac.authorization.k8s.io/v1\nkind: RoleBinding\nmetadata: {name: b, namespace: " + ns + "}\nroleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: r}"
	pod := "apiVersion: v1\nkind: Pod\nmetadata: {name: p, namespace: " + ns + "}\nspec: {serviceAccountName: s, containers: [{name: c, image: example.org/c}]}"
	sa := "apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: s, namespace: " + ns + "}"
	res := f.mustApply(f.request("app", content, namespace, binding, role, pod, sa))
	if n := res.Count(apply.ActionCreated); n != 6 {
		t.Errorf("%d created: %v", n, res.Changes)
	}

	// A namespace that exists without us need not be waited for: its content is
	// validated before anything is written.
	f.kubectl("create", "ns", f.ns+"-y")
	bad := "apiVersion: v1\nkind: Service\nmetadata: {name: c, namespace: " + f.ns + "-y}\nspec: {ports: [{port: 0}]}"
	_, err := f.apply(f.request("other", strings.ReplaceAll(namespace, ns, f.ns+"-y"), bad))
	var ae *apply.Error
	if !errors.As(err, &ae) || ae.Written || ae.Op != "validating" {
		t.Errorf("error %v", err)
	}
}

func TestHandOver(t *testing.T) {
	f := setup(t)
	f.mustApply(f.request("a", settings, app))
	uid := f.kubectl("get", "cm", "settings", "-o", "jsonpath={.metadata.uid}")
	f.mustApply(f.request("b", settings))
	res := f.mustApply(f.request("a", app))
	if got := actions(res)["ConfigMap/settings"]; got != apply.ActionSkipped {
		t.Errorf("action %s", got)
	}
	if f.kubectl("get", "cm", "settings", "-o", "jsonpath={.metadata.uid}") != uid {
		t.Error("a move was a deletion")
	}
}

func TestDeletionPolicies(t *testing.T) {
	tests := []struct {
		policy apply.DeletionPolicy
		prune  bool
		left   bool
	}{
		{"", true, false}, {apply.DeletionMirrorPrune, false, true}, {apply.DeletionDelete, false, false},
		{apply.DeletionOrphan, true, true}, {apply.DeletionWaitForTermination, false, false},
	}
	f := setup(t)
	for _, tt := range tests {
		f.mustApply(f.request("app", settings, app))
		_, err := f.engine.Delete(f.ctx, apply.DeleteRequest{Owner: f.owner("app"), Policy: tt.policy, Prune: tt.prune, Timeout: 20 * time.Second})
		if err != nil {
			t.Errorf("%s: %v", tt.policy, err)
		}
		if f.exists("cm", "settings") != tt.left {
			t.Errorf("%q with prune %t: left is %t", tt.policy, tt.prune, !tt.left)
		}
		if len(f.store.data) != 0 {
			t.Errorf("%q: the inventory is left", tt.policy)
		}
	}
	f.mustApply(f.request("app", strings.Replace(settings, "annotations: {}", "finalizers: [example.org/never]", 1)))
	t.Cleanup(func() {
		_, _, _ = cluster.Kubectl(context.WithoutCancel(t.Context()), "-n", f.ns, "patch", "cm", "settings", "--type=merge", "-p", `{"metadata":{"finalizers":null}}`)
	})
	_, err := f.engine.Delete(f.ctx, apply.DeleteRequest{Owner: f.owner("app"), Policy: apply.DeletionWaitForTermination, Timeout: 100 * time.Millisecond})
	var he *apply.HealthError
	if !errors.As(err, &he) || len(he.Objects) != 1 || he.Objects[0].Name != "settings" {
		t.Errorf("error %v, want the object that does not go", err)
	}
	if len(f.store.data) != 1 {
		t.Error("the inventory is forgotten before the objects are gone")
	}
}

func TestHealth(t *testing.T) {
	f := setup(t)
	wait := func(r *apply.Result, timeout time.Duration) error {
		return f.engine.Wait(f.ctx, apply.HealthRequest{Objects: r.Health, Timeout: timeout})
	}
	never := strings.Replace(app, "replicas: 0", "replicas: 1\n  progressDeadlineSeconds: 600", 1)
	never = strings.Replace(never, "serviceAccountName: web", "serviceAccountName: web\n      nodeSelector: {no: such}", 1)
	res := f.mustApply(f.request("app", settings, never))
	err := wait(res, time.Second)
	var he *apply.HealthError
	if !errors.As(err, &he) || he.Failed || len(he.Objects) != 1 || he.Objects[0].Name != "web" || he.Objects[0].Message == "" {
		t.Errorf("error %v, want the Deployment and why", err)
	}

	// A newer revision ends the wait, and says so.
	superseded := errors.New("a newer revision")
	ctx, cancel := context.WithCancelCause(f.ctx)
	time.AfterFunc(50*time.Millisecond, func() { cancel(superseded) })
	late, stop := context.WithTimeout(f.ctx, 200*time.Millisecond)
	defer stop()
	if err := f.engine.Wait(late, apply.HealthRequest{Objects: res.Health, Timeout: time.Minute}); !errors.As(err, &he) || len(he.Objects) == 0 {
		t.Errorf("the time of the run is up: %v", err)
	}
	if err := f.engine.Wait(ctx, apply.HealthRequest{Objects: res.Health, Timeout: time.Minute}); !errors.Is(err, superseded) {
		t.Errorf("error %v, want the cause", err)
	}

	job := "apiVersion: batch/v1\nkind: Job\nmetadata: {name: fails}\nspec: {activeDeadlineSeconds: 1, template: {spec: {nodeSelector: {no: such}, restartPolicy: Never, containers: [{name: c, image: example.org/a}]}}}"
	began := time.Now()
	err = wait(f.mustApply(f.request("job", job, settings)), time.Minute)
	if !errors.As(err, &he) || !he.Failed || !strings.Contains(err.Error(), "Job/"+f.ns+"/fails is Failed") {
		t.Errorf("error %v, want the failed Job", err)
	}
	if time.Since(began) > 20*time.Second {
		t.Error("a failed Job was waited for")
	}

	// Objects that we do not manage are followed one by one.
	unmanaged := []apply.HealthTarget{{Key: keyOf("apps", "Deployment", f.ns, "own")}}
	f.kubectl("create", "deployment", "own", "--image=example.org/x", "--replicas=0")
	if err := f.engine.Wait(f.ctx, apply.HealthRequest{Objects: unmanaged, Timeout: 20 * time.Second}); err != nil {
		t.Error(err)
	}
	unmanaged[0].Name = "missing"
	err = f.engine.Wait(f.ctx, apply.HealthRequest{Objects: unmanaged, Timeout: 200 * time.Millisecond})
	if err == nil || !strings.Contains(err.Error(), "NotFound") {
		t.Errorf("error %v", err)
	}
}

func keyOf(group, kind, ns, name string) object.Key {
	return object.Key{Group: group, Kind: kind, Namespace: ns, Name: name}
}
