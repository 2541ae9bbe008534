package integration

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
)

func TestKubectlApplyTwiceIsUnchanged(t *testing.T) {
	t.Parallel()
	ctx, ns := testContext(t), cluster.Namespace(t)
	manifests := repositoryYAML + "---" + kustomizationYAML
	apply := func(want string, args ...string) {
		t.Helper()
		out, _, err := cluster.KubectlInput(ctx, manifests, append([]string{"apply", "-n", ns, "-f", "-"}, args...)...)
		if err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(strings.TrimSpace(out), "\n")
		if len(lines) != 2 || slices.ContainsFunc(lines, func(line string) bool { return !strings.HasSuffix(line, want) }) {
			t.Errorf("apply %v: want %q for each, got:\n%s", args, want, out)
		}
	}
	apply("created")
	apply("unchanged")
	apply("unchanged (server dry run)", "--dry-run=server")
	apply("serverside-applied", "--server-side", "--field-manager=kubectl")
	if out, _, err := cluster.KubectlInput(ctx, manifests, "diff", "--server-side", "--field-manager=kubectl", "-n", ns, "-f", "-"); err != nil {
		t.Errorf("kubectl diff of what was applied: %v\n%s", err, out)
	}
	if out, _, err := cluster.KubectlInput(ctx, strings.ReplaceAll(manifests, "60m", "5m"), "diff", "-n", ns, "-f", "-"); err == nil || !strings.Contains(out, "+  interval: 5m") {
		t.Errorf("kubectl diff of a change: %v\n%s", err, out)
	}
}

func TestServerSideApplyTwiceWritesOnce(t *testing.T) {
	c := newClients(t, cluster.Config)
	bothKinds(t, func(t *testing.T, resource schema.GroupVersionResource, manifest string) {
		ctx, ns := testContext(t), cluster.Namespace(t)
		client := c.dynamic.Resource(resource).Namespace(ns)
		first, err := client.Apply(ctx, "demo", object(t, manifest), metav1.ApplyOptions{FieldManager: "flux"})
		if err != nil {
			t.Fatal(err)
		}
		second, err := client.Apply(ctx, "demo", object(t, manifest), metav1.ApplyOptions{FieldManager: "flux"})
		if err != nil {
			t.Fatal(err)
		}
		if first.GetResourceVersion() != second.GetResourceVersion() {
			t.Errorf("the second apply wrote: resource version went from %s to %s", first.GetResourceVersion(), second.GetResourceVersion())
		}
	})
}

func TestFieldOwnership(t *testing.T) {
	c := newClients(t, cluster.Config)
	bothKinds(t, func(t *testing.T, resource schema.GroupVersionResource, manifest string) {
		ctx, ns := testContext(t), cluster.Namespace(t)
		client := c.dynamic.Resource(resource).Namespace(ns)
		// The manifest sets a status as well: who writes a spec owns no status, and
		// the other way round.
		mine := object(t, manifest)
		mine.Object["status"] = map[string]any{"lastHandledReconcileAt": "forged"}
		if _, err := client.Apply(ctx, "demo", mine, metav1.ApplyOptions{FieldManager: "author"}); err != nil {
			t.Fatal(err)
		}
		status := object(t, manifest)
		status.SetLabels(map[string]string{"from": "status"})
		status.Object["status"] = map[string]any{"observedGeneration": int64(1), "conditions": []any{ready("True", "Succeeded", "all is well")}}
		got, err := client.ApplyStatus(ctx, "demo", status, metav1.ApplyOptions{FieldManager: "reconciler"})
		if err != nil {
			t.Fatal(err)
		}
		if len(got.GetLabels()) != 0 {
			t.Errorf("labels that were applied to the status: %v", got.GetLabels())
		}
		want := map[string][]string{"author": {"f:spec"}, "reconciler/status": {"f:status"}}
		if diff := cmp.Diff(want, owners(got)); diff != "" {
			t.Errorf("owners of top-level fields (-want +got):\n%s", diff)
		}

		theirs := object(t, manifest)
		theirs.Object["spec"].(map[string]any)["interval"] = "5m"
		_, err = client.Apply(ctx, "demo", theirs, metav1.ApplyOptions{FieldManager: "other"})
		if !apierrors.IsConflict(err) || !strings.Contains(err.Error(), ".spec.interval") {
			t.Errorf("applying another one's field: got %v, want a conflict over .spec.interval", err)
		}
		if _, err := client.Apply(ctx, "demo", theirs, metav1.ApplyOptions{FieldManager: "other", Force: true}); err != nil {
			t.Errorf("forcing it: %v", err)
		}
	})
}

// owners lists the top-level fields of each manager and subresource.
func owners(u *unstructured.Unstructured) map[string][]string {
	result := map[string][]string{}
	for _, entry := range u.GetManagedFields() {
		key := entry.Manager
		if entry.Subresource != "" {
			key += "/" + entry.Subresource
		}
		for _, field := range []string{"f:metadata", "f:spec", "f:status"} {
			if strings.Contains(entry.FieldsV1.GetRawString(), `"`+field+`"`) {
				result[key] = append(result[key], field)
			}
		}
	}
	return result
}

func TestListsAreReplacedAsAWhole(t *testing.T) {
	t.Parallel()
	c, ctx, ns := newClients(t, cluster.Config), testContext(t), cluster.Namespace(t)
	client := c.dynamic.Resource(kustomizations).Namespace(ns)
	apply := func(manager string, components ...any) error {
		u := object(t, kustomizationYAML)
		u.Object["spec"].(map[string]any)["components"] = components
		_, err := client.Apply(ctx, "demo", u, metav1.ApplyOptions{FieldManager: manager})
		return err
	}
	if err := apply("one", "a", "b"); err != nil {
		t.Fatal(err)
	}
	// Were the list a set, each could own some of it.
	if err := apply("two", "b", "c"); !apierrors.IsConflict(err) {
		t.Errorf("another list by another manager: got %v, want Conflict", err)
	}
	if err := apply("one", "c"); err != nil {
		t.Fatal(err)
	}
	got, err := client.Get(ctx, "demo", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	components, _, _ := unstructured.NestedStringSlice(got.Object, "spec", "components")
	if diff := cmp.Diff([]string{"c"}, components); diff != "" {
		t.Errorf("components (-want +got):\n%s", diff)
	}
}

func TestFieldValidation(t *testing.T) {
	c := newClients(t, cluster.Config)
	bothKinds(t, func(t *testing.T, resource schema.GroupVersionResource, manifest string) {
		ctx, ns := testContext(t), cluster.Namespace(t)
		client := c.dynamic.Resource(resource).Namespace(ns)
		unknown := object(t, manifest)
		unknown.Object["spec"].(map[string]any)["intervall"] = "1m"
		_, err := client.Create(ctx, unknown, metav1.CreateOptions{FieldValidation: metav1.FieldValidationStrict})
		if !apierrors.IsBadRequest(err) || !strings.Contains(err.Error(), `unknown field "spec.intervall"`) {
			t.Errorf("strict: got %v, want BadRequest that names spec.intervall", err)
		}
		created, err := client.Create(ctx, unknown, metav1.CreateOptions{FieldValidation: metav1.FieldValidationIgnore})
		if err != nil {
			t.Fatal(err)
		}
		if _, found, _ := unstructured.NestedString(created.Object, "spec", "intervall"); found {
			t.Error("the unknown field was stored")
		}
		_, err = client.Patch(ctx, "demo", types.MergePatchType, []byte(`{"spec":{"nope":1}}`), metav1.PatchOptions{FieldValidation: metav1.FieldValidationStrict})
		if err == nil || !strings.Contains(err.Error(), `unknown field "spec.nope"`) {
			t.Errorf("strict merge patch: got %v, want an error that names spec.nope", err)
		}
		patch := fmt.Sprintf(`{"apiVersion":%q,"kind":%q,"metadata":{"name":"demo"},"spec":{"nope":1}}`, created.GetAPIVersion(), created.GetKind())
		if _, err = client.Patch(ctx, "demo", types.ApplyPatchType, []byte(patch), metav1.PatchOptions{FieldManager: "x"}); err == nil || !strings.Contains(err.Error(), ".spec.nope") {
			t.Errorf("server-side apply: got %v, want an error that names .spec.nope", err)
		}
	})
}

func TestPatches(t *testing.T) {
	c := newClients(t, cluster.Config)
	bothKinds(t, func(t *testing.T, resource schema.GroupVersionResource, manifest string) {
		ctx, ns := testContext(t), cluster.Namespace(t)
		c.create(ctx, t, resource, ns, manifest)
		client := c.dynamic.Resource(resource).Namespace(ns)
		tests := []struct {
			kind        types.PatchType
			patch, want string
		}{
			{types.MergePatchType, `{"spec":{"interval":"1m"}}`, "1m"},
			{types.JSONPatchType, `[{"op":"replace","path":"/spec/interval","value":"2m"}]`, "2m"},
			{types.StrategicMergePatchType, `{"spec":{"interval":"3m"}}`, "3m"},
		}
		for _, test := range tests {
			got, err := client.Patch(ctx, "demo", test.kind, []byte(test.patch), metav1.PatchOptions{})
			if err != nil {
				t.Errorf("%s: %v", test.kind, err)
				continue
			}
			if interval, _, _ := unstructured.NestedString(got.Object, "spec", "interval"); interval != test.want {
				t.Errorf("%s: interval is %q, want %q", test.kind, interval, test.want)
			}
		}
		_, err := client.Patch(ctx, "demo", types.MergePatchType, []byte(`{"spec":{"interval":"soon"}}`), metav1.PatchOptions{})
		if !apierrors.IsInvalid(err) || !strings.Contains(err.Error(), "spec.interval") {
			t.Errorf("an interval that is none: got %v, want Invalid that names spec.interval", err)
		}
	})
}
