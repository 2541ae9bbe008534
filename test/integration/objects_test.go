package integration

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
)

// bothKinds runs a test for each kind.
func bothKinds(t *testing.T, test func(t *testing.T, resource schema.GroupVersionResource, manifest string)) {
	t.Helper()
	for _, kind := range []struct {
		resource schema.GroupVersionResource
		manifest string
	}{
		{gitRepositories, repositoryYAML},
		{kustomizations, kustomizationYAML},
	} {
		t.Run(kind.resource.Resource, func(t *testing.T) {
			t.Parallel()
			test(t, kind.resource, kind.manifest)
		})
	}
}

func TestWhatIsWrittenComesBack(t *testing.T) {
	c := newClients(t, cluster.Config)
	defaults := map[string]map[string]any{
		"gitrepositories": {"timeout": "60s"},
		"kustomizations":  {"force": false},
	}
	bothKinds(t, func(t *testing.T, resource schema.GroupVersionResource, manifest string) {
		ctx, ns := testContext(t), cluster.Namespace(t)
		c.create(ctx, t, resource, ns, manifest)
		got, err := c.dynamic.Resource(resource).Namespace(ns).Get(ctx, "demo", metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		want := object(t, manifest).Object["spec"].(map[string]any)
		for name, value := range defaults[resource.Resource] {
			want[name] = value
		}
		if diff := cmp.Diff(want, got.Object["spec"]); diff != "" {
			t.Errorf("spec (-written +read):\n%s", diff)
		}
		if diff := cmp.Diff(map[string]any{"observedGeneration": int64(-1)}, got.Object["status"]); diff != "" {
			t.Errorf("status of a new object (-want +got):\n%s", diff)
		}
		if got.GetGeneration() != 1 {
			t.Errorf("generation of a new object is %d", got.GetGeneration())
		}
	})
}

func TestStatusOfTheRequestIsDropped(t *testing.T) {
	c := newClients(t, cluster.Config)
	bothKinds(t, func(t *testing.T, resource schema.GroupVersionResource, manifest string) {
		ctx, ns := testContext(t), cluster.Namespace(t)
		forged := object(t, manifest)
		forged.SetGeneration(7)
		forged.Object["status"] = map[string]any{"observedGeneration": int64(7), "conditions": []any{ready("True", "Forged", "forged")}}
		created, err := c.dynamic.Resource(resource).Namespace(ns).Create(ctx, forged, metav1.CreateOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(map[string]any{"observedGeneration": int64(-1)}, created.Object["status"]); diff != "" {
			t.Errorf("status after create (-want +got):\n%s", diff)
		}
		if created.GetGeneration() != 1 {
			t.Errorf("generation after create is %d", created.GetGeneration())
		}
		forged.SetResourceVersion(created.GetResourceVersion())
		updated, err := c.dynamic.Resource(resource).Namespace(ns).Update(ctx, forged, metav1.UpdateOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(map[string]any{"observedGeneration": int64(-1)}, updated.Object["status"]); diff != "" {
			t.Errorf("status after update (-want +got):\n%s", diff)
		}
	})
}

func TestGeneration(t *testing.T) {
	c := newClients(t, cluster.Config)
	bothKinds(t, func(t *testing.T, resource schema.GroupVersionResource, manifest string) {
		ctx, ns := testContext(t), cluster.Namespace(t)
		c.create(ctx, t, resource, ns, manifest)
		steps := []struct {
			name, patch string
			subresource []string
			want        int64
		}{
			{"annotation", `{"metadata":{"annotations":{"reconcile.fluxcd.io/requestedAt":"now"}}}`, nil, 1},
			{"label", `{"metadata":{"labels":{"a":"b"}}}`, nil, 1},
			{"finalizer", `{"metadata":{"finalizers":["finalizers.fluxcd.io"]}}`, nil, 1},
			{"status", `{"status":{"observedGeneration":1}}`, []string{"status"}, 1},
			{"the same spec", `{"spec":{"interval":"60m"}}`, nil, 1},
			{"the same length, written otherwise", `{"spec":{"interval":"1h"}}`, nil, 2},
			{"suspend", `{"spec":{"suspend":true}}`, nil, 3},
			{"spec through status", `{"spec":{"suspend":false}}`, []string{"status"}, 3},
			{"resume with null", `{"spec":{"suspend":null}}`, nil, 4},
		}
		for _, step := range steps {
			got, err := c.dynamic.Resource(resource).Namespace(ns).Patch(ctx, "demo", types.MergePatchType, []byte(step.patch), metav1.PatchOptions{}, step.subresource...)
			if err != nil {
				t.Fatalf("%s: %v", step.name, err)
			}
			if got.GetGeneration() != step.want {
				t.Errorf("%s: generation is %d, want %d", step.name, got.GetGeneration(), step.want)
			}
		}
		// A finalizer is set: let the namespace go.
		if _, err := c.dynamic.Resource(resource).Namespace(ns).Patch(ctx, "demo", types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`), metav1.PatchOptions{}); err != nil {
			t.Error(err)
		}
	})
}

func TestStatusTakesNothingElse(t *testing.T) {
	c := newClients(t, cluster.Config)
	bothKinds(t, func(t *testing.T, resource schema.GroupVersionResource, manifest string) {
		ctx, ns := testContext(t), cluster.Namespace(t)
		created := c.create(ctx, t, resource, ns, manifest)
		changed := created.DeepCopy()
		changed.SetLabels(map[string]string{"from": "status"})
		changed.SetAnnotations(map[string]string{"from": "status"})
		changed.SetFinalizers([]string{"example.com/from-status"})
		changed.Object["spec"].(map[string]any)["interval"] = "1s"
		changed.Object["status"] = map[string]any{"observedGeneration": int64(1), "conditions": []any{ready("True", "Succeeded", "all is well")}}
		got, err := c.dynamic.Resource(resource).Namespace(ns).UpdateStatus(ctx, changed, metav1.UpdateOptions{})
		if err != nil {
			t.Fatal(err)
		}
		want := created.DeepCopy()
		want.Object["status"] = changed.Object["status"]
		want.SetResourceVersion(got.GetResourceVersion())
		want.SetManagedFields(nil)
		got.SetManagedFields(nil)
		if diff := cmp.Diff(want.Object, got.Object); diff != "" {
			t.Errorf("object after a status update (-want +got):\n%s", diff)
		}
		changed.SetName("absent")
		changed.SetResourceVersion("")
		if _, err := c.dynamic.Resource(resource).Namespace(ns).UpdateStatus(ctx, changed, metav1.UpdateOptions{}); !apierrors.IsNotFound(err) {
			t.Errorf("updating the status of nothing: got %v, want NotFound", err)
		}
	})
}

func TestUpdatesNameTheirVersion(t *testing.T) {
	c := newClients(t, cluster.Config)
	bothKinds(t, func(t *testing.T, resource schema.GroupVersionResource, manifest string) {
		ctx, ns := testContext(t), cluster.Namespace(t)
		created := c.create(ctx, t, resource, ns, manifest)
		client := c.dynamic.Resource(resource).Namespace(ns)
		without := created.DeepCopy()
		without.SetResourceVersion("")
		if _, err := client.Update(ctx, without, metav1.UpdateOptions{}); !apierrors.IsInvalid(err) {
			t.Errorf("update without a resource version: got %v, want Invalid", err)
		}
		first := created.DeepCopy()
		first.SetLabels(map[string]string{"writer": "first"})
		if _, err := client.Update(ctx, first, metav1.UpdateOptions{}); err != nil {
			t.Fatal(err)
		}
		second := created.DeepCopy()
		second.SetLabels(map[string]string{"writer": "second"})
		if _, err := client.Update(ctx, second, metav1.UpdateOptions{}); !apierrors.IsConflict(err) {
			t.Errorf("update of an old version: got %v, want Conflict", err)
		}
		if _, err := client.Update(ctx, named(created, "absent"), metav1.UpdateOptions{}); !apierrors.IsNotFound(err) {
			t.Errorf("update of nothing: got %v, want NotFound", err)
		}
		if _, err := client.Create(ctx, object(t, manifest), metav1.CreateOptions{}); !apierrors.IsAlreadyExists(err) {
			t.Errorf("second create: got %v, want AlreadyExists", err)
		}
	})
}

func named(u *unstructured.Unstructured, name string) *unstructured.Unstructured {
	c := u.DeepCopy()
	c.SetName(name)
	return c
}

func TestFinalizersHoldAnObject(t *testing.T) {
	c := newClients(t, cluster.Config)
	bothKinds(t, func(t *testing.T, resource schema.GroupVersionResource, manifest string) {
		ctx, ns := testContext(t), cluster.Namespace(t)
		held := object(t, manifest)
		held.SetFinalizers([]string{"finalizers.fluxcd.io"})
		client := c.dynamic.Resource(resource).Namespace(ns)
		created, err := client.Create(ctx, held, metav1.CreateOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if err := client.Delete(ctx, "demo", metav1.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
		got, err := client.Get(ctx, "demo", metav1.GetOptions{})
		if err != nil {
			t.Fatalf("the object is gone before its finalizer: %v", err)
		}
		if got.GetDeletionTimestamp() == nil || got.GetUID() != created.GetUID() {
			t.Errorf("got deletionTimestamp %v, uid %s", got.GetDeletionTimestamp(), got.GetUID())
		}
		if _, err := client.Patch(ctx, "demo", types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`), metav1.PatchOptions{}); err != nil {
			t.Fatal(err)
		}
		if _, err := client.Get(ctx, "demo", metav1.GetOptions{}); !apierrors.IsNotFound(err) {
			t.Errorf("after the finalizer is gone: got %v, want NotFound", err)
		}
	})
}

func TestWatchSeesEveryChange(t *testing.T) {
	c := newClients(t, cluster.Config)
	bothKinds(t, func(t *testing.T, resource schema.GroupVersionResource, manifest string) {
		ctx, ns := testContext(t), cluster.Namespace(t)
		client := c.dynamic.Resource(resource).Namespace(ns)
		events, err := client.Watch(ctx, metav1.ListOptions{FieldSelector: "metadata.name=demo"})
		if err != nil {
			t.Fatal(err)
		}
		defer events.Stop()
		other := object(t, manifest)
		other.SetName("other")
		if _, err := client.Create(ctx, other, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
		c.create(ctx, t, resource, ns, manifest)
		c.setStatus(ctx, t, resource, ns, "demo", map[string]any{"observedGeneration": 1})
		if err := client.Delete(ctx, "demo", metav1.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
		var got []watch.EventType
		for len(got) < 3 {
			select {
			case event := <-events.ResultChan():
				if u, ok := event.Object.(*unstructured.Unstructured); !ok || u.GetName() != "demo" {
					t.Fatalf("got %s of %v", event.Type, event.Object)
				}
				got = append(got, event.Type)
			case <-ctx.Done():
				t.Fatalf("got only %v", got)
			}
		}
		if diff := cmp.Diff([]watch.EventType{watch.Added, watch.Modified, watch.Deleted}, got); diff != "" {
			t.Errorf("events (-want +got):\n%s", diff)
		}
	})
}

func TestSelectors(t *testing.T) {
	c, ctx, ns := newClients(t, cluster.Config), testContext(t), cluster.Namespace(t)
	client := c.dynamic.Resource(kustomizations).Namespace(ns)
	for name, source := range map[string]string{"a": "one", "b": "one", "c": "two"} {
		u := object(t, kustomizationYAML)
		u.SetName(name)
		u.SetLabels(map[string]string{"source": source})
		u.Object["spec"].(map[string]any)["sourceRef"].(map[string]any)["name"] = source
		if _, err := client.Create(ctx, u, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	tests := []struct {
		options metav1.ListOptions
		want    string
	}{
		{metav1.ListOptions{FieldSelector: "metadata.name=b"}, "b"},
		{metav1.ListOptions{FieldSelector: "metadata.name!=b"}, "a c"},
		{metav1.ListOptions{FieldSelector: "metadata.namespace=" + ns}, "a b c"},
		{metav1.ListOptions{FieldSelector: "spec.sourceRef.name=one"}, "a b"},
		{metav1.ListOptions{FieldSelector: "spec.sourceRef.kind=GitRepository,spec.sourceRef.name=two"}, "c"},
		{metav1.ListOptions{FieldSelector: "spec.sourceRef.namespace=" + ns}, "a b c"},
		{metav1.ListOptions{FieldSelector: "spec.sourceRef.kind=Bucket"}, ""},
		{metav1.ListOptions{LabelSelector: "source=one"}, "a b"},
		{metav1.ListOptions{LabelSelector: "source in (two)", FieldSelector: "spec.sourceRef.name=one"}, ""},
	}
	for _, test := range tests {
		list, err := client.List(ctx, test.options)
		if err != nil {
			t.Errorf("%v: %v", test.options, err)
			continue
		}
		var names []string
		for _, item := range list.Items {
			names = append(names, item.GetName())
		}
		if got := strings.Join(names, " "); got != test.want {
			t.Errorf("%q %q: got %q, want %q", test.options.FieldSelector, test.options.LabelSelector, got, test.want)
		}
	}
	if _, err := client.List(ctx, metav1.ListOptions{FieldSelector: "spec.path=./deploy"}); !apierrors.IsBadRequest(err) {
		t.Errorf("selecting by a field that is not selectable: got %v, want BadRequest", err)
	}
}

func TestChunkedList(t *testing.T) {
	c, ctx, ns := newClients(t, cluster.Config), testContext(t), cluster.Namespace(t)
	client := c.dynamic.Resource(kustomizations).Namespace(ns)
	for _, name := range []string{"a", "b", "c"} {
		if _, err := client.Create(ctx, named(object(t, kustomizationYAML), name), metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	first, err := client.List(ctx, metav1.ListOptions{Limit: 2})
	if err != nil {
		t.Fatal(err)
	}
	if len(first.Items) != 2 || first.GetContinue() == "" || *first.GetRemainingItemCount() != 1 {
		t.Fatalf("first chunk: %d items, continue %q", len(first.Items), first.GetContinue())
	}
	rest, err := client.List(ctx, metav1.ListOptions{Limit: 2, Continue: first.GetContinue()})
	if err != nil {
		t.Fatal(err)
	}
	if len(rest.Items) != 1 || rest.Items[0].GetName() != "c" || rest.GetContinue() != "" {
		t.Errorf("second chunk: %d items, continue %q", len(rest.Items), rest.GetContinue())
	}
}

func TestObjectsThatAreTooLarge(t *testing.T) {
	c := newClients(t, cluster.Config)
	ctx, ns := testContext(t), cluster.Namespace(t)
	large := object(t, repositoryYAML)
	large.Object["spec"].(map[string]any)["ignore"] = strings.Repeat("x", 1600<<10)
	_, err := c.dynamic.Resource(gitRepositories).Namespace(ns).Create(ctx, large, metav1.CreateOptions{})
	if !apierrors.IsInvalid(err) || !strings.Contains(err.Error(), "spec.ignore") {
		t.Errorf("1.6 MiB in spec.ignore: got %v, want Invalid that names spec.ignore", err)
	}
	// The framework refuses what is larger than it reads at all.
	large.Object["spec"].(map[string]any)["ignore"] = strings.Repeat("x", 4<<20)
	if _, err := c.dynamic.Resource(gitRepositories).Namespace(ns).Create(ctx, large, metav1.CreateOptions{}); !apierrors.IsRequestEntityTooLargeError(err) {
		t.Errorf("4 MiB: got %v, want RequestEntityTooLarge", err)
	}
}

func TestDryRunStoresNothing(t *testing.T) {
	c := newClients(t, cluster.Config)
	bothKinds(t, func(t *testing.T, resource schema.GroupVersionResource, manifest string) {
		ctx, ns := testContext(t), cluster.Namespace(t)
		client := c.dynamic.Resource(resource).Namespace(ns)
		all := []string{metav1.DryRunAll}
		if _, err := client.Create(ctx, object(t, manifest), metav1.CreateOptions{DryRun: all}); err != nil {
			t.Fatal(err)
		}
		if _, err := client.Get(ctx, "demo", metav1.GetOptions{}); !apierrors.IsNotFound(err) {
			t.Fatalf("after a dry-run of create: got %v, want NotFound", err)
		}
		created := c.create(ctx, t, resource, ns, manifest)
		patched, err := client.Patch(ctx, "demo", types.MergePatchType, []byte(`{"spec":{"interval":"5m"}}`), metav1.PatchOptions{DryRun: all})
		if err != nil {
			t.Fatal(err)
		}
		if patched.GetGeneration() != 2 {
			t.Errorf("a dry-run of a change shows generation %d, want 2", patched.GetGeneration())
		}
		if err := client.Delete(ctx, "demo", metav1.DeleteOptions{DryRun: all}); err != nil {
			t.Fatal(err)
		}
		got, err := client.Get(ctx, "demo", metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		before, _ := json.Marshal(created)
		after, _ := json.Marshal(got)
		if diff := cmp.Diff(string(before), string(after)); diff != "" {
			t.Errorf("object after dry-runs (-before +after):\n%s", diff)
		}
	})
}
