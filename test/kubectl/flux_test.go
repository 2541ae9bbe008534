package kubectl

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// flux sends what the flux command line sends: the paths, queries, types and order
// of its requests, and its rules for when it is content.
type flux struct {
	user
	kind
}

const (
	mergePatch  = "application/merge-patch+json"
	applyPatch  = "application/apply-patch+yaml"
	requestedAt = "reconcile.fluxcd.io/requestedAt"
)

// want sends a request, which has to be answered with the code, and gives the object
// of the answer.
func (f flux) want(code int, method, path, body, contentType string) *unstructured.Unstructured {
	f.t.Helper()
	header := map[string]string{"Accept": "application/json, */*", "User-Agent": "flux/2.9.4"}
	if contentType != "" {
		header["Content-Type"] = contentType
	}
	got, answer := f.do(method, path, body, header)
	if got != code {
		f.t.Fatalf("%s %s: %d, want %d: %s", method, path, got, code, answer)
	}
	object := &unstructured.Unstructured{}
	if err := json.Unmarshal([]byte(answer), &object.Object); err != nil {
		f.t.Fatalf("%s %s: %v: %s", method, path, err, answer)
	}
	return object
}

func (f flux) object(name string) string { return f.kind.path(f.namespace, name) }

// get reads an object.
func (f flux) get(name string) *unstructured.Unstructured {
	f.t.Helper()
	return f.want(http.StatusOK, http.MethodGet, f.object(name), "", "")
}

// selected lists as `flux get`, `suspend` and `resume` do for one name.
func (f flux) selected(name string) []any {
	f.t.Helper()
	list := f.want(http.StatusOK, http.MethodGet, f.kind.path(f.namespace)+"?fieldSelector="+url.QueryEscape("metadata.name="+name), "", "")
	items, _ := list.Object["items"].([]any)
	return items
}

// reconcile asks for a run and polls until flux is content with it.
func (f flux) reconcile(name, token string) *unstructured.Unstructured {
	f.t.Helper()
	f.get(name)
	code, header, answer := f.request(http.MethodGet, f.object(name), "", map[string]string{
		"Accept": protobuf + metadataOfOne + ",application/json" + metadataOfOne + ",application/json",
	})
	if code != http.StatusOK || !strings.HasPrefix(header.Get("Content-Type"), protobuf) {
		f.t.Fatalf("metadata only: %d as %s: %s", code, header.Get("Content-Type"), answer)
	}
	f.want(http.StatusOK, http.MethodPatch, f.object(name)+"?fieldManager=flux", `{"metadata":{"annotations":{"`+requestedAt+`":"`+token+`"}}}`, mergePatch)
	return f.content(name, func(o *unstructured.Unstructured) bool {
		handled, _, _ := unstructured.NestedString(o.Object, "status", "lastHandledReconcileAt")
		return handled == token
	})
}

// content polls until an object is what the caller wants and, by kstatus, current.
func (f flux) content(name string, is func(*unstructured.Unstructured) bool) (o *unstructured.Unstructured) {
	f.t.Helper()
	eventually(f.t, "flux is content with "+f.kind.kind+" "+name, func(context.Context) (bool, error) {
		o = f.get(name)
		observed, _, _ := unstructured.NestedInt64(o.Object, "status", "observedGeneration")
		ready := false
		conditions, _, _ := unstructured.NestedSlice(o.Object, "status", "conditions")
		for _, c := range conditions {
			condition, _ := c.(map[string]any)
			switch condition["type"] {
			case "Ready":
				ready = condition["status"] == "True"
			case "Reconciling", "Stalled":
				if condition["status"] == "True" {
					return false, nil
				}
			}
		}
		return is(o) && ready && observed == o.GetGeneration(), nil
	})
	return o
}

func anything(*unstructured.Unstructured) bool { return true }

// TestFlux runs the request sequences of the flux command line against objects that
// work.
func TestFlux(t *testing.T) {
	t.Parallel()
	namespace := cluster.Namespace(t)
	u := admin(t, namespace)
	newApp(t, u, map[string]string{"deploy/one.yaml": configMap("one", "1")})
	for _, k := range kinds() {
		f := flux{u, k}
		t.Run("create "+k.kind, func(t *testing.T) { f.user.t = t; fluxCreate(f) })
		t.Run("reconcile "+k.kind, func(t *testing.T) {
			f.user.t = t
			f.content("app", anything)
			f.reconcile("app", "2026-11-21T10:00:00.123456789Z")
		})
		t.Run("get "+k.kind, func(t *testing.T) { f.user.t = t; fluxGet(f) })
		t.Run("suspend and resume "+k.kind, func(t *testing.T) { f.user.t = t; fluxSuspend(f) })
		t.Run("export "+k.kind, func(t *testing.T) { f.user.t = t; fluxExport(f) })
		t.Run("diff "+k.kind, func(t *testing.T) { f.user.t = t; fluxDiff(f) })
	}
	t.Run("reconcile --with-source", func(t *testing.T) {
		source, applied := flux{admin(t, namespace), kinds()[0]}, flux{admin(t, namespace), kinds()[1]}
		before := applied.get("app")
		reference, _, _ := unstructured.NestedString(before.Object, "spec", "sourceRef", "name")
		source.reconcile(reference, "2026-11-21T11:00:00Z")
		applied.reconcile("app", "2026-11-21T11:00:01Z")
	})
	t.Run("tree and trace", func(t *testing.T) { fluxTree(flux{admin(t, namespace), kinds()[1]}) })
	t.Run("delete", func(t *testing.T) {
		for _, k := range kinds() {
			f := flux{admin(t, namespace), k}
			f.get("app")
			f.want(http.StatusOK, http.MethodDelete, f.object("app"), `{"kind":"DeleteOptions","apiVersion":"v1"}`, "application/json")
			f.run("wait", "--for=delete", k.object("app"), "--timeout="+patience.String())
			f.want(http.StatusNotFound, http.MethodGet, f.object("app"), "", "")
		}
		if u.exists("configmap/one") {
			t.Error("what the Kustomization had applied is left")
		}
	})
}

// fluxCreate creates what is not there, and replaces what is.
func fluxCreate(f flux) {
	f.want(http.StatusNotFound, http.MethodGet, f.object("made"), "", "")
	manifest := map[string]any{"apiVersion": f.GroupVersion().String(), "kind": f.kind.kind, "metadata": map[string]any{"name": "made", "namespace": f.namespace}, "status": map[string]any{}}
	var spec map[string]any
	if err := json.Unmarshal([]byte(f.spec), &spec); err != nil {
		f.t.Fatal(err)
	}
	spec[f.duration] = "1h0m0s"
	manifest["spec"] = spec
	created := f.want(http.StatusCreated, http.MethodPost, f.kind.path(f.namespace), text(f.t, manifest), "application/json")
	if got, _, _ := unstructured.NestedString(created.Object, "spec", f.duration); got != "1h0m0s" {
		f.t.Errorf("the duration came back as %q", got)
	}
	// Leat's finalizer may come between the read and the write, as any other writer.
	eventually(f.t, "an update without a conflict", func(context.Context) (bool, error) {
		current := f.get("made")
		if err := unstructured.SetNestedField(current.Object, "2h0m0s", "spec", f.duration); err != nil {
			return false, err
		}
		code, _ := f.do(http.MethodPut, f.object("made"), text(f.t, current.Object), map[string]string{"Content-Type": "application/json"})
		return code == http.StatusOK, nil
	})
	if got, _, _ := unstructured.NestedString(f.get("made").Object, "spec", f.duration); got != "2h0m0s" {
		f.t.Errorf("the duration after the second create is %q", got)
	}
}

// fluxGet lists one, some and all, and watches.
func fluxGet(f flux) {
	if items := f.selected("app"); len(items) != 1 {
		f.t.Errorf("%d objects by name, want 1", len(items))
	}
	if items := f.selected("absent"); len(items) != 0 {
		f.t.Errorf("%d objects by a name that is not there", len(items))
	}
	for _, query := range []string{"", "?labelSelector=" + url.QueryEscape("!none"), "?limit=500"} {
		list := f.want(http.StatusOK, http.MethodGet, f.kind.path(f.namespace)+query, "", "")
		if items, _ := list.Object["items"].([]any); len(items) != 2 {
			f.t.Errorf("%d objects by %q, want 2", len(items), query)
		}
	}
	f.want(http.StatusOK, http.MethodGet, "/apis/"+f.GroupVersion().String()+"/"+f.Resource, "", "")
	watch := f.kind.path(f.namespace) + "?timeoutSeconds=1&watch=true&fieldSelector=" + url.QueryEscape("metadata.name=app")
	code, events := f.do(http.MethodGet, watch, "", map[string]string{"Accept": "application/json, */*"})
	if code != http.StatusOK || !strings.HasPrefix(events, `{"type":"ADDED"`) || strings.Contains(events, `"name":"made"`) {
		f.t.Errorf("a watch of one without a version: %d: %s", code, events)
	}
}

// fluxSuspend suspends by name, and resumes with null and waits.
func fluxSuspend(f flux) {
	patch := func(value string) {
		for _, item := range f.selected("app") {
			name := (&unstructured.Unstructured{Object: item.(map[string]any)}).GetName()
			f.want(http.StatusOK, http.MethodPatch, f.object(name)+"?fieldManager=flux", `{"spec":{"suspend":`+value+`}}`, mergePatch)
		}
	}
	patch("true")
	if suspended, _, _ := unstructured.NestedBool(f.get("app").Object, "spec", "suspend"); !suspended {
		f.t.Error("the object is not suspended")
	}
	patch("null")
	resumed := f.content("app", anything)
	if _, found, _ := unstructured.NestedFieldNoCopy(resumed.Object, "spec", "suspend"); found {
		f.t.Error("after resuming there is still a field suspend")
	}
}

// fluxExport reads one and all, and what it prints can be applied again.
func fluxExport(f flux) {
	exported := f.get("app")
	spec, _, _ := unstructured.NestedMap(exported.Object, "spec")
	manifest := map[string]any{"apiVersion": exported.GetAPIVersion(), "kind": exported.GetKind(), "metadata": map[string]any{"name": "again", "namespace": f.namespace}, "spec": spec}
	f.want(http.StatusCreated, http.MethodPost, f.kind.path(f.namespace)+"?dryRun=All&fieldValidation=Strict", text(f.t, manifest), "application/json")
	list := f.want(http.StatusOK, http.MethodGet, f.kind.path(f.namespace), "", "")
	if list.GetKind() != f.kind.kind+"List" || list.GetAPIVersion() != f.GroupVersion().String() {
		f.t.Errorf("the list is a %s of %s", list.GetKind(), list.GetAPIVersion())
	}
}

// fluxDiff applies each object by a dry-run, as it does with those of a repository
// that holds Leat's own kinds.
func fluxDiff(f flux) {
	query := "?dryRun=All&fieldManager=kustomize-controller&force=true"
	for name, code := range map[string]int{"made": http.StatusOK, "not-yet": http.StatusCreated} {
		answer := f.want(code, http.MethodPatch, f.object(name)+query, f.manifest(name, "3h"), applyPatch)
		if len(answer.GetManagedFields()) == 0 || answer.GetUID() == "" {
			f.t.Errorf("the dry-run of %s has %d managers, uid %q", name, len(answer.GetManagedFields()), answer.GetUID())
		}
		if got, _, _ := unstructured.NestedString(answer.Object, "spec", f.duration); got != "3h" {
			f.t.Errorf("the dry-run of %s has the duration %q", name, got)
		}
	}
	f.want(http.StatusNotFound, http.MethodGet, f.object("not-yet"), "", "")
	if got, _, _ := unstructured.NestedString(f.get("made").Object, "spec", f.duration); got != "2h0m0s" {
		f.t.Errorf("the duration after a dry-run is %q", got)
	}
}

// fluxTree follows the inventory down, and the owner labels up again.
func fluxTree(f flux) {
	entries, _, _ := unstructured.NestedSlice(f.get("app").Object, "status", "inventory", "entries")
	if len(entries) != 1 {
		f.t.Fatalf("the inventory has %d entries, want 1", len(entries))
	}
	entry, _ := entries[0].(map[string]any)
	if entry["id"] != f.namespace+"_one__ConfigMap" || entry["v"] != "v1" {
		f.t.Errorf("the inventory's entry is %v", entry)
	}
	one := f.want(http.StatusOK, http.MethodGet, "/api/v1/namespaces/"+f.namespace+"/configmaps/one", "", "")
	owner := one.GetLabels()["kustomize.toolkit.fluxcd.io/name"]
	if one.GetLabels()["kustomize.toolkit.fluxcd.io/namespace"] != f.namespace || owner != "app" {
		f.t.Fatalf("the labels of what was applied: %v", one.GetLabels())
	}
	source, _, _ := unstructured.NestedString(f.get(owner).Object, "spec", "sourceRef", "name")
	revision, _, _ := unstructured.NestedString(flux{f.user, kinds()[0]}.get(source).Object, "status", "artifact", "revision")
	if applied, _, _ := unstructured.NestedString(f.get(owner).Object, "status", "lastAppliedRevision"); applied != revision || revision == "" {
		f.t.Errorf("the source has %q, applied is %q", revision, applied)
	}
}

// text is a value as JSON.
func text(t *testing.T, value any) string {
	t.Helper()
	data, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}
