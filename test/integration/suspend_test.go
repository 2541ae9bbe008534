package integration

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/yaml"
)

const (
	suspendedBy   = "leat.dev/suspended-by"
	suspendReason = "leat.dev/suspend-reason"
	suspendUntil  = "leat.dev/suspend-until"
)

// act posts to a subresource and returns the status of the answer.
func (c *clients) act(ctx context.Context, t *testing.T, resource schema.GroupVersionResource, namespace, path, body string) (map[string]any, error) {
	t.Helper()
	path, query, _ := strings.Cut(path, "?")
	request := c.rest.Post().AbsPath(collection(resource, namespace)+"/demo/"+path).Body([]byte(body)).SetHeader("Content-Type", "application/json")
	if key, value, ok := strings.Cut(query, "="); ok {
		request.Param(key, value)
	}
	answer, err := raw(request.Do(ctx))
	if err != nil {
		return nil, err
	}
	var got struct{ Status map[string]any }
	if err := json.Unmarshal(answer, &got); err != nil {
		t.Fatalf("%v:\n%s", err, answer)
	}
	return got.Status, nil
}

// suspension is what is stored of one.
func (c *clients) suspension(ctx context.Context, t *testing.T, resource schema.GroupVersionResource, namespace string) (suspended bool, annotations map[string]string, generation int64) {
	t.Helper()
	u, err := c.dynamic.Resource(resource).Namespace(namespace).Get(ctx, "demo", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	annotations = map[string]string{}
	for key, value := range u.GetAnnotations() {
		if strings.HasPrefix(key, "leat.dev/") {
			annotations[key] = value
		}
	}
	spec, _ := u.Object["spec"].(map[string]any)
	suspended, _ = spec["suspend"].(bool)
	return suspended, annotations, u.GetGeneration()
}

func TestSuspendAndResume(t *testing.T) {
	c := newClients(t, cluster.Config)
	bothKinds(t, func(t *testing.T, resource schema.GroupVersionResource, manifest string) {
		ctx, ns := testContext(t), cluster.Namespace(t)
		c.create(ctx, t, resource, ns, manifest)
		check := func(what string, wantSuspended bool, want map[string]string, wantGeneration int64) {
			t.Helper()
			suspended, annotations, generation := c.suspension(ctx, t, resource, ns)
			if diff := cmp.Diff(want, annotations); diff != "" || suspended != wantSuspended || generation != wantGeneration {
				t.Errorf("%s: suspended: %t, generation %d, want %d, annotations (-want +got):\n%s", what, suspended, generation, wantGeneration, diff)
			}
		}
		if got, err := c.act(ctx, t, resource, ns, "suspend?dryRun=All", `{"spec":{"until":"1h"}}`); err != nil || got["suspended"] != true {
			t.Errorf("dry-run: %v, %v", got, err)
		}
		check("after a dry-run", false, map[string]string{}, 1)

		operator := c.user(ctx, t, ns, "operator", allow(resource.Group, resource.Resource+"/suspend "+resource.Resource+"/resume "+resource.Resource+"/reconcile", "create"))
		theirs := newClients(t, operator.Config)
		by := "operator-" + ns
		got, err := theirs.act(ctx, t, resource, ns, "suspend", `{"apiVersion":"leat.dev/v1alpha1","kind":"SuspendRequest","spec":{"reason":"code freeze","until":"2h"}}`)
		if err != nil {
			t.Fatal(err)
		}
		until, err := time.Parse(time.RFC3339, got["until"].(string))
		if left := time.Until(until); err != nil || left < 110*time.Minute || left > 121*time.Minute {
			t.Errorf("until is %v, %v", got["until"], err)
		}
		suspended := map[string]string{suspendedBy: by, suspendReason: "code freeze", suspendUntil: got["until"].(string)}
		check("suspended", true, suspended, 2)
		_, err = theirs.act(ctx, t, resource, ns, "reconcile", `{}`)
		if !apierrors.IsConflict(err) || !strings.Contains(err.Error(), by) || !strings.Contains(err.Error(), "code freeze") || !strings.Contains(err.Error(), got["until"].(string)) {
			t.Errorf("a run of it: got %v, want Conflict that says who, why and until when", err)
		}
		for body, want := range map[string]string{
			`{"spec":{"until":"yesterday"}}`:                          "spec.until",
			`{"spec":{"until":"-1h"}}`:                                "spec.until",
			`{"spec":{"until":"2020-01-01T00:00:00Z"}}`:               "spec.until",
			`{"spec":{"until":"20000h"}}`:                             "spec.until",
			`{"spec":{"reason":"` + strings.Repeat("x", 1025) + `"}}`: "spec.reason",
			`{"metadata":{"name":"other"}}`:                           "metadata.name",
		} {
			if _, err := c.act(ctx, t, resource, ns, "suspend", body); !apierrors.IsInvalid(err) || !strings.Contains(err.Error(), want) {
				t.Errorf("%.60s: got %v, want Invalid that names %s", body, err, want)
			}
		}

		if got, err := theirs.act(ctx, t, resource, ns, "resume?dryRun=All", `{}`); err != nil || got["suspended"] != false || got["by"] != by {
			t.Errorf("dry-run: %v, %v", got, err)
		}
		check("after a dry-run", true, suspended, 2)
		if _, err := theirs.act(ctx, t, resource, ns, "resume", `{"spec":{"reason":"over"}}`); err != nil {
			t.Error(err)
		}
		check("resumed", false, map[string]string{}, 3)
		if _, err := theirs.act(ctx, t, resource, ns, "resume", `{}`); err != nil {
			t.Error(err)
		}
		check("resumed again", false, map[string]string{}, 3)

		nobody := newClients(t, c.user(ctx, t, ns, "nobody", allow(resource.Group, resource.Resource, "get update patch")).Config)
		for _, action := range []string{"suspend", "resume"} {
			if _, err := nobody.act(ctx, t, resource, ns, action, `{}`); !apierrors.IsForbidden(err) {
				t.Errorf("%s by one who may not: got %v", action, err)
			}
		}
	})
}

// TestWhoSuspendedCannotBeForged tries all ways to write an object.
func TestWhoSuspendedCannotBeForged(t *testing.T) {
	c := newClients(t, cluster.Config)
	bothKinds(t, func(t *testing.T, resource schema.GroupVersionResource, manifest string) {
		ctx, ns := testContext(t), cluster.Namespace(t)
		forged := object(t, manifest)
		forged.SetAnnotations(map[string]string{suspendedBy: "forged", suspendUntil: "2030-01-01T00:00:00Z"})
		objects := c.dynamic.Resource(resource).Namespace(ns)
		if _, err := objects.Create(ctx, forged, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
		if _, annotations, _ := c.suspension(ctx, t, resource, ns); len(annotations) != 0 {
			t.Errorf("created with %v", annotations)
		}
		if _, err := c.act(ctx, t, resource, ns, "suspend", `{"spec":{"reason":"freeze"}}`); err != nil {
			t.Fatal(err)
		}
		_, want, _ := c.suspension(ctx, t, resource, ns)
		if len(want) != 2 || want[suspendReason] != "freeze" {
			t.Fatalf("annotations: %v", want)
		}
		stored, err := objects.Get(ctx, "demo", metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		stored.SetResourceVersion("") // or the second write would be a conflict
		stored.SetManagedFields(nil)
		exported := filepath.Join(t.TempDir(), "exported.yaml")
		text, err := yaml.Marshal(stored.Object)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(exported, []byte(strings.ReplaceAll(string(text), "freeze", "forged")), 0o600); err != nil {
			t.Fatal(err)
		}
		name := resource.Resource + "/demo"
		for _, args := range [][]string{
			{"annotate", "--overwrite", name, suspendedBy + "=forged", suspendUntil + "=2030-01-01T00:00:00Z"},
			{"annotate", name, suspendedBy + "-"},
			{"patch", name, "--type=json", "-p", `[{"op":"remove","path":"/metadata/annotations"}]`},
			{"patch", name, "--subresource=status", "--type=merge", "-p", `{"metadata":{"annotations":{"` + suspendedBy + `":"forged"}}}`},
			{"replace", "-f", exported},
			{"apply", "-f", exported},
			{"apply", "-f", exported},
		} {
			if _, stderr, err := cluster.Kubectl(ctx, append([]string{"-n", ns}, args...)...); err != nil {
				t.Errorf("kubectl %s: %v %s", strings.Join(args, " "), err, stderr)
			}
			if suspended, annotations, _ := c.suspension(ctx, t, resource, ns); !suspended || !cmp.Equal(want, annotations) {
				t.Errorf("after kubectl %s: suspended: %t, annotations (-want +got):\n%s", args[0], suspended, cmp.Diff(want, annotations))
			}
		}
		forged.SetResourceVersion("")
		applied, err := objects.Apply(ctx, "demo", forged, metav1.ApplyOptions{FieldManager: "gitops", Force: true})
		if err != nil {
			t.Fatal(err)
		}
		if _, annotations, _ := c.suspension(ctx, t, resource, ns); !cmp.Equal(want, annotations) {
			t.Errorf("after a server-side apply: annotations (-want +got):\n%s", cmp.Diff(want, annotations))
		}
		for _, entry := range applied.GetManagedFields() {
			if entry.Manager == "gitops" && entry.FieldsV1 != nil && strings.Contains(entry.FieldsV1.GetRawString(), "leat.dev/suspend") {
				t.Errorf("who applied owns it: %s", entry.FieldsV1.GetRawString())
			}
		}
		// As flux resume does it.
		if _, err := objects.Patch(ctx, "demo", types.MergePatchType, []byte(`{"spec":{"suspend":false}}`), metav1.PatchOptions{}); err != nil {
			t.Fatal(err)
		}
		if suspended, annotations, _ := c.suspension(ctx, t, resource, ns); suspended || len(annotations) != 0 {
			t.Errorf("resumed by a patch: suspended: %t, annotations %v", suspended, annotations)
		}
	})
}

// TestSuspensionIsEndedByItsAnnotation sends what the server sends to itself when
// a suspension has ended: it must not end another one.
func TestSuspensionIsEndedByItsAnnotation(t *testing.T) {
	t.Parallel()
	c, ctx, ns := newClients(t, cluster.Config), testContext(t), cluster.Namespace(t)
	c.create(ctx, t, kustomizations, ns, kustomizationYAML)
	status, err := c.act(ctx, t, kustomizations, ns, "suspend", `{"spec":{"until":"1h"}}`)
	if err != nil {
		t.Fatal(err)
	}
	end := func(until string) error {
		patch := `[{"op":"test","path":"/metadata/annotations/leat.dev~1suspend-until","value":"` + until + `"},` +
			`{"op":"add","path":"/spec/suspend","value":false},{"op":"remove","path":"/metadata/annotations/leat.dev~1suspend-until"}]`
		_, err := c.dynamic.Resource(kustomizations).Namespace(ns).Patch(ctx, "demo", types.JSONPatchType, []byte(patch), metav1.PatchOptions{})
		return err
	}
	if err := end("2026-01-01T00:00:00Z"); !apierrors.IsInvalid(err) {
		t.Errorf("of another one: got %v, want Invalid", err)
	}
	if suspended, _, _ := c.suspension(ctx, t, kustomizations, ns); !suspended {
		t.Error("another suspension was ended")
	}
	if err := end(status["until"].(string)); err != nil {
		t.Error(err)
	}
	if suspended, annotations, _ := c.suspension(ctx, t, kustomizations, ns); suspended || len(annotations) != 0 {
		t.Errorf("suspended: %t, annotations %v", suspended, annotations)
	}
	if err := end(status["until"].(string)); !apierrors.IsInvalid(err) {
		t.Errorf("once it has ended: got %v, want Invalid", err)
	}
}
