package apply_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/leat-dev/leat/pkg/apply"
	"github.com/leat-dev/leat/pkg/object"
	"github.com/leat-dev/leat/pkg/target"
)

// preview previews r and checks that nothing but reads and dry-runs were sent,
// and that nothing was saved.
func (f *fixture) preview(r apply.Request) map[string]apply.Previewed {
	f.t.Helper()
	return f.previewOnly(r, nil)
}

func (f *fixture) previewOnly(r apply.Request, only func(object.Key) bool) map[string]apply.Previewed {
	f.t.Helper()
	f.count.take()
	saves := f.store.saves
	list, err := f.engine.Preview(f.ctx, apply.PreviewRequest{Request: r, Only: only})
	if err != nil {
		f.t.Fatal(err)
	}
	for method, n := range f.count.take() {
		if method != "GET" && method != "DRYRUN" {
			f.t.Errorf("%d requests %s: a preview has written", n, method)
		}
	}
	if f.store.saves != saves {
		f.t.Error("a preview has saved the inventory")
	}
	out := map[string]apply.Previewed{}
	for _, p := range list {
		out[p.Kind+"/"+p.Name] = p
	}
	return out
}

// field is a field of a body, nil without a body.
func field(u *unstructured.Unstructured, path ...string) any {
	if u == nil {
		return nil
	}
	v, _, _ := unstructured.NestedFieldNoCopy(u.Object, path...)
	return v
}

func previewed(all map[string]apply.Previewed) map[string]apply.Action {
	out := map[string]apply.Action{}
	for name, p := range all {
		out[name] = p.Action
	}
	return out
}

// A preview says what the apply then does, and what it leads to.
func TestPreviewIsWhatApplyDoes(t *testing.T) {
	f := setup(t)
	f.mustApply(f.request("app", settings, app))
	next := f.request("app",
		strings.Replace(app, "replicas: 0", "replicas: 1", 1),
		"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: fresh}\ndata: {a: b}")
	got := f.preview(next)
	want := map[string]apply.Action{
		"ConfigMap/fresh": apply.ActionCreated, "ConfigMap/settings": apply.ActionDeleted, "Deployment/web": apply.ActionConfigured,
		"Service/web": apply.ActionUnchanged, "ServiceAccount/web": apply.ActionUnchanged, "Secret/web": apply.ActionUnchanged,
	}
	if diff := cmp.Diff(want, previewed(got)); diff != "" {
		t.Fatalf("preview (-want +have):\n%s", diff)
	}
	deploy := got["Deployment/web"]
	if a, b := field(deploy.Old, "spec", "replicas"), field(deploy.New, "spec", "replicas"); a != int64(0) || b != int64(1) {
		t.Errorf("replicas from %v to %v", a, b)
	}
	if field(deploy.New, "spec", "strategy", "type") != "RollingUpdate" {
		t.Error("the new body is not as the server would store it")
	}
	if field(deploy.Old, "metadata", "managedFields") != nil || field(deploy.New, "metadata", "managedFields") != nil {
		t.Error("the bodies have managedFields")
	}
	if p := got["Service/web"]; p.Old != nil || p.New != nil {
		t.Error("bodies of what is unchanged")
	}
	if p := got["ConfigMap/settings"]; field(p.Old, "data", "colour") != "blue" || p.New != nil || p.Ref.Resource.Resource != "configmaps" {
		t.Errorf("what would be pruned is %+v", p)
	}
	if p := got["ConfigMap/fresh"]; p.Old != nil || field(p.New, "metadata", "uid") == nil || p.File != "deploy/1.yaml" {
		t.Errorf("what would be created is %+v", p)
	}

	applied := actions(f.mustApply(next))
	if diff := cmp.Diff(want, applied); diff != "" {
		t.Errorf("the apply does something else (-preview +apply):\n%s", diff)
	}
	if got := f.preview(next); len(got) != 5 || got["ConfigMap/fresh"].Action != apply.ActionUnchanged {
		t.Errorf("after the apply: %v", previewed(got))
	}
	if got := f.count.take(); len(got) != 0 {
		t.Errorf("an unchanged set cost %v", got)
	}
}

// A preview of another owner's wishes does not touch what the engine knows.
func TestPreviewLeavesNoTrace(t *testing.T) {
	f := setup(t)
	f.mustApply(f.request("app", settings, app))
	stolen := f.preview(f.request("other", settings))
	if p := stolen["ConfigMap/settings"]; p.Action != apply.ActionConfigured || p.Err != nil ||
		field(p.Old, "metadata", "labels", ownerGroup+"/name") != "app" || field(p.New, "metadata", "labels", ownerGroup+"/name") != "other" {
		t.Errorf("an object of another owner: %+v", p)
	}
	// Had the preview claimed it, its owner would not prune it.
	if got := f.preview(f.request("app", app))["ConfigMap/settings"]; got.Action != apply.ActionDeleted {
		t.Errorf("prune after a preview of another owner: %s %s", got.Action, got.Reason)
	}
	if got := actions(f.mustApply(f.request("app", app)))["ConfigMap/settings"]; got != apply.ActionDeleted {
		t.Errorf("action %s", got)
	}
}

func TestPreviewOfPrune(t *testing.T) {
	f := setup(t)
	cm := func(name, annotation string) string {
		return "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: " + name + ", annotations: {" + annotation + "}}"
	}
	f.mustApply(f.request("app", cm("gone", ""), cm("kept", ownerGroup+"/prune: disabled"), cm("stolen", ""), cm("moved", ""), cm("lost", ""), settings))
	f.mustApply(f.request("other", cm("stolen", "")))
	if _, err := f.engine.Plan(f.ctx, f.request("other", cm("stolen", ""), cm("moved", ""))); err != nil {
		t.Fatal(err)
	}
	f.kubectl("delete", "cm", "lost")
	r := f.request("app", settings)
	got := f.preview(r)
	want := map[string]apply.Action{
		"ConfigMap/gone": apply.ActionDeleted, "ConfigMap/kept": apply.ActionSkipped, "ConfigMap/stolen": apply.ActionSkipped,
		"ConfigMap/moved": apply.ActionSkipped, "ConfigMap/lost": apply.ActionSkipped, "ConfigMap/settings": apply.ActionUnchanged,
	}
	if diff := cmp.Diff(want, previewed(got)); diff != "" {
		t.Errorf("preview (-want +have):\n%s", diff)
	}
	for name, p := range got {
		if p.Action == apply.ActionSkipped && (p.Reason == "" || p.Old != nil) {
			t.Errorf("%s is skipped: %+v", name, p)
		}
	}
	if !f.exists("cm", "gone") {
		t.Error("a preview has pruned")
	}
	r.Prune = false
	if got := f.preview(r); len(got) != 1 {
		t.Errorf("without prune: %v", previewed(got))
	}
	// A set with an object that cannot be told apart prunes nothing in its place.
	r.Prune, r.Objects = true, f.objects(settings, "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: gone, labels: [a]}")
	if p := f.preview(r)["ConfigMap/gone"]; p.Err == nil || p.Action == apply.ActionDeleted {
		t.Errorf("a broken object: %+v", p)
	}
	if _, err := f.engine.Preview(f.ctx, apply.PreviewRequest{Request: f.request("app")}); !errors.Is(err, apply.ErrEmptyBuild) {
		t.Errorf("an empty build: %v", err)
	}
}

func TestPreviewOfRecreation(t *testing.T) {
	f := setup(t)
	const job = "apiVersion: batch/v1\nkind: Job\nmetadata: {name: once}\nspec: {template: {spec: {restartPolicy: Never, containers: [{name: c, image: example.org/a}]}}}"
	f.mustApply(f.request("app", app, job))
	ip := f.kubectl("get", "svc", "web", "-o", "jsonpath={.spec.clusterIP}")
	r := f.request("app",
		strings.NewReplacer("app: web}}", "app: next}}", "app: web}}\n    spec", "app: next}}\n    spec",
			"spec: {selector: {app: web}", "spec: {clusterIP: None, selector: {app: web}").Replace(app),
		strings.Replace(job, "example.org/a", "example.org/b", 1))
	for _, force := range []bool{false, true} {
		r.Force = force
		got := f.preview(r)
		for _, name := range []string{"Deployment/web", "Service/web", "Job/once"} {
			p := got[name]
			if p.Action != apply.ActionRecreated || p.Old == nil || p.New == nil || p.Reason == "" || p.Unverified {
				t.Errorf("force %t: %s is %s (%s), unverified %t, err %v", force, name, p.Action, p.Reason, p.Unverified, p.Err)
				continue
			}
			if refused := p.Err != nil; refused == force {
				t.Errorf("force %t: %s: error %v", force, name, p.Err)
			} else if refused && !strings.Contains(p.Err.Error(), "force: enabled") {
				t.Errorf("%s: error %v, want what to do", name, p.Err)
			}
			if p.New.GetName() != p.Name || p.New.GetGenerateName() != "" || p.New.GetUID() == p.Old.GetUID() {
				t.Errorf("%s: the new body is %v", name, p.New.Object["metadata"])
			}
		}
		if p := got["Service/web"]; field(p.New, "spec", "clusterIP") != "None" || field(p.Old, "spec", "clusterIP") != ip {
			t.Errorf("Service: from %v to %v", field(p.Old, "spec"), field(p.New, "spec"))
		}
		if p := got["Deployment/web"]; field(p.New, "spec", "progressDeadlineSeconds") == nil {
			t.Error("Deployment: the new body has no defaults")
		}
		if p := got["Job/once"]; field(p.New, "spec", "template", "metadata", "labels", "job-name") != "once" {
			t.Errorf("Job: labels %v", field(p.New, "spec", "template", "metadata", "labels"))
		}
	}
	// A switch does for one object what force does for all.
	r.Force = false
	r.Objects = f.objects(app, strings.Replace(strings.Replace(job, "example.org/a", "example.org/b", 1),
		"{name: once}", "{name: once, annotations: {"+ownerGroup+"/force: enabled}}", 1))
	if p := f.preview(r)["Job/once"]; p.Action != apply.ActionRecreated || p.Err != nil {
		t.Errorf("with a switch: %s, %v", p.Action, p.Err)
	}
}

func TestPreviewOfDefinitions(t *testing.T) {
	f := setup(t)
	group := f.ns + ".example.org"
	t.Cleanup(func() {
		_, _, _ = cluster.Kubectl(context.WithoutCancel(t.Context()), "delete", "crd", "things."+group, "--ignore-not-found", "--wait=false")
	})
	got := f.preview(f.request("app", crd(group, ""), thing(group, "{size: 3}"), settings))
	if p := got["CustomResourceDefinition/things."+group]; p.Action != apply.ActionCreated || p.Unverified || p.Err != nil {
		t.Errorf("definition: %+v", p)
	}
	if p := got["Thing/one"]; p.Action != apply.ActionCreated || !p.Unverified || p.Err != nil || field(p.New, "spec", "size") != int64(3) ||
		!strings.Contains(p.Reason, "CustomResourceDefinition") || p.Ref.Resource.Resource != "things" {
		t.Errorf("resource: %+v", p)
	}
	if p := f.preview(f.request("app", crd(group, ""), thing(group, "{size: big}")))["Thing/one"]; p.Err == nil || !strings.Contains(p.Err.Error(), "size") {
		t.Errorf("a resource that its definition does not allow: %v", p.Err)
	}
	if p := f.preview(f.request("app", thing(group, "{size: 3}"), settings)); p["Thing/one"].Err == nil || p["ConfigMap/settings"].Err != nil {
		t.Errorf("a resource without a definition: %v", p)
	}

	// A new field of the definition, and a resource that uses it.
	f.mustApply(f.request("app", crd(group, ""), thing(group, "{size: 3}")))
	got = f.preview(f.request("app", crd(group, ", colour: {type: string}"), thing(group, "{size: 3, colour: red}")))
	if p := got["Thing/one"]; p.Action != apply.ActionConfigured || !p.Unverified || p.Err != nil ||
		field(p.New, "spec", "colour") != "red" || field(p.New, "metadata", "uid") != field(p.Old, "metadata", "uid") {
		t.Errorf("a new field: %+v", p)
	}
	if p := got["CustomResourceDefinition/things."+group]; p.Action != apply.ActionConfigured || p.Unverified {
		t.Errorf("a changed definition: %+v", p)
	}
}

func TestPreviewOfNamespace(t *testing.T) {
	f := setup(t)
	ns := f.ns + "-new"
	space := "apiVersion: v1\nkind: Namespace\nmetadata: {name: " + ns + "}"
	inside := strings.Replace(settings, "{name: settings", "{namespace: "+ns+", name: settings", 1)
	got := f.preview(f.request("app", space, inside))
	if p := got["Namespace/"+ns]; p.Action != apply.ActionCreated || p.Unverified {
		t.Errorf("namespace: %+v", p)
	}
	if p := got["ConfigMap/settings"]; p.Action != apply.ActionCreated || !p.Unverified || p.Err != nil || !strings.Contains(p.Reason, "Namespace") {
		t.Errorf("content: %+v", p)
	}
	if p := f.preview(f.request("app", inside))["ConfigMap/settings"]; p.Err == nil {
		t.Error("content of a namespace that nobody makes is not refused")
	}
	// With only the content asked for it still waits for the namespace.
	got = f.previewOnly(f.request("app", space, inside), func(k object.Key) bool { return k.Kind == "ConfigMap" })
	if p := got["ConfigMap/settings"]; len(got) != 1 || !p.Unverified || p.Err != nil {
		t.Errorf("only the content: %+v", got)
	}
}

func TestPreviewOfSwitches(t *testing.T) {
	f := setup(t)
	cm := func(name, key, value string) string {
		return "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: " + name + ", annotations: {" + ownerGroup + "/" + key + "}}\ndata: {a: " + value + "}"
	}
	f.kubectl("create", "cm", "present", "--from-literal=a=1")
	f.kubectl("create", "cm", "live", "--from-literal=a=1")
	f.kubectl("annotate", "cm", "live", ownerGroup+"/reconcile=disabled")
	got := f.preview(f.request("app",
		cm("present", "ssa: IfNotPresent", "x"), cm("absent", "ssa: IfNotPresent", "x"), cm("ignored", "ssa: Ignore", "x"),
		cm("frozen", "reconcile: disabled", "x"), cm("live", "other: x", "x")))
	want := map[string]apply.Action{
		"ConfigMap/present": apply.ActionSkipped, "ConfigMap/absent": apply.ActionCreated, "ConfigMap/ignored": apply.ActionSkipped,
		"ConfigMap/frozen": apply.ActionSkipped, "ConfigMap/live": apply.ActionSkipped,
	}
	if diff := cmp.Diff(want, previewed(got)); diff != "" {
		t.Errorf("preview (-want +have):\n%s", diff)
	}
	for name, p := range got {
		if p.Action == apply.ActionSkipped && (p.Reason == "" || p.Old != nil || p.New != nil) {
			t.Errorf("%s: %+v", name, p)
		}
	}
}

// What kubectl owns and the set does not hold goes with the next apply.
func TestPreviewOfTakeover(t *testing.T) {
	f := setup(t)
	manifest := strings.Replace(app, "replicas: 0", "replicas: 0\n  revisionHistoryLimit: 3", 1)
	manifest = strings.Replace(manifest, "ports: [{containerPort: 80}]", "ports: [{containerPort: 80}, {containerPort: 81}], env: [{name: OLD, value: x}]", 1)
	if _, stderr, err := cluster.KubectlInput(f.ctx, manifest, "-n", f.ns, "apply", "-f", "-"); err != nil {
		t.Fatal(err, stderr)
	}
	r := f.request("app", app)
	// Somebody else is faster once: what was read is not what is patched.
	var disturbed atomic.Bool
	f.count.onRequest(func(r *http.Request) {
		if r.Header.Get("Content-Type") == "application/json-patch+json" && strings.HasSuffix(r.URL.Path, "/deployments/web") && disturbed.CompareAndSwap(false, true) {
			f.kubectl("label", "--field-manager=someone", "deploy", "web", "disturbed=yes")
		}
	})
	p := f.preview(r)["Deployment/web"]
	if !disturbed.Load() {
		t.Error("nothing was asked for what is left")
	}
	if p.Action != apply.ActionConfigured || p.Err != nil {
		t.Fatalf("%s, %v", p.Action, p.Err)
	}
	f.mustApply(r)
	live, err := f.target.Get(f.ctx, target.Identity{}, p.Ref)
	if err != nil {
		t.Fatal(err)
	}
	for _, u := range []*unstructured.Unstructured{live, p.New} {
		u.SetManagedFields(nil)
		u.SetResourceVersion("")
		u.SetGeneration(0)
		unstructured.RemoveNestedField(u.Object, "status")
		annotations := u.GetAnnotations()
		delete(annotations, "deployment.kubernetes.io/revision")
		u.SetAnnotations(annotations)
	}
	if diff := cmp.Diff(live.Object, p.New.Object); diff != "" {
		t.Errorf("the preview is not what the apply led to (-apply +preview):\n%s", diff)
	}
}

func TestPreviewIsBounded(t *testing.T) {
	f := setup(t)
	f.engine = apply.NewEngine(f.target, f.store, apply.EngineOptions{MaxPreviewBytes: 4096})
	big := strings.Replace(settings, "colour: blue", "colour: "+strings.Repeat("b", 4000), 1)
	r := apply.PreviewRequest{Request: f.request("app", big, app)}
	if _, err := f.engine.Preview(f.ctx, r); !errors.Is(err, apply.ErrPreviewTooLarge) || !strings.Contains(err.Error(), "4096") {
		t.Errorf("error %v", err)
	}
	ctx, cancel := context.WithCancel(f.ctx)
	cancel()
	if _, err := f.engine.Preview(ctx, r); !errors.Is(err, context.Canceled) {
		t.Errorf("canceled: %v", err)
	}
}
