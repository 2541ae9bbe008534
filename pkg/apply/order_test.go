package apply

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/leat-dev/leat/pkg/object"
)

func TestOrder(t *testing.T) {
	type entry struct {
		key        object.Key
		namespaced bool
		stage      stage
	}
	want := []entry{
		{object.Key{Group: groupCRD, Kind: kindCRD, Name: "things.example.org"}, false, stageDefinitions},
		{object.Key{Kind: kindNamespace, Name: "demo"}, false, stageDefinitions},
		{object.Key{Group: groupRBAC, Kind: "ClusterRole", Name: "r"}, false, stageDefinitions},
		{object.Key{Group: "networking.k8s.io", Kind: "IngressClass", Name: "i"}, false, stageClasses},
		{object.Key{Group: groupRBAC, Kind: "ClusterRoleBinding", Name: "b"}, false, stageCluster},
		{object.Key{Kind: "PersistentVolume", Name: "v"}, false, stageCluster},
		{object.Key{Kind: "ResourceQuota", Namespace: "demo", Name: "q"}, true, stageConfiguration},
		{object.Key{Kind: "ServiceAccount", Namespace: "demo", Name: "a"}, true, stageConfiguration},
		{object.Key{Group: groupRBAC, Kind: "Role", Namespace: "demo", Name: "r"}, true, stageConfiguration},
		{object.Key{Kind: "ConfigMap", Namespace: "demo", Name: "c"}, true, stageConfiguration},
		{object.Key{Kind: "Secret", Namespace: "demo", Name: "s"}, true, stageConfiguration},
		{object.Key{Group: groupRBAC, Kind: "RoleBinding", Namespace: "demo", Name: "b"}, true, stageWorkloads},
		{object.Key{Kind: "Service", Namespace: "demo", Name: "s"}, true, stageWorkloads},
		{object.Key{Group: "apps", Kind: "Deployment", Namespace: "demo", Name: "d"}, true, stageWorkloads},
		{object.Key{Group: "example.org", Kind: "Secret", Namespace: "demo", Name: "d"}, true, stageWorkloads},
		{object.Key{Group: groupAdm, Kind: "ValidatingWebhookConfiguration", Name: "w"}, false, stageGates},
	}
	for _, e := range want {
		if got := stageOf(e.key, e.namespaced); got != e.stage {
			t.Errorf("stage of %s is %d, want %d", e.key, got, e.stage)
		}
	}
	var keys []object.Key
	for _, e := range want {
		if e.key.Group != "example.org" {
			keys = append(keys, e.key)
		}
	}
	got := slices.Clone(keys)
	rand.Shuffle(len(got), func(i, j int) { got[i], got[j] = got[j], got[i] })
	slices.SortFunc(got, func(a, b object.Key) int {
		return compareOrder(a, b, stageOf(a, a.Namespace != ""), stageOf(b, b.Namespace != ""))
	})
	if diff := cmp.Diff(keys, got); diff != "" {
		t.Errorf("order of apply (-want +have):\n%s", diff)
	}

	entries := make([]Entry, len(got))
	for i, k := range got {
		entries[i].Key = k
	}
	sortForDeletion(entries)
	slices.Reverse(keys)
	for i := range entries {
		if entries[i].Key != keys[i] {
			t.Fatalf("order of deletion at %d: %s, want %s", i, entries[i].Key, keys[i])
		}
	}
}

func TestClaims(t *testing.T) {
	c := newClaims()
	k1, k2 := object.Key{Kind: "A", Name: "1"}, object.Key{Kind: "A", Name: "2"}
	c.set("a", []object.Key{k1, k2})
	c.set("b", []object.Key{k2})
	if !c.byOther("a", k2) || c.byOther("b", k2) || c.byOther("a", k1) {
		t.Error("the last to claim an object has it")
	}
	c.set("a", nil)
	if c.byOther("b", k1) || !c.byOther("a", k2) {
		t.Error("giving up claims must not touch those of others")
	}
	c.drop("b")
	if c.byOther("a", k2) || len(c.byKey) != 0 || len(c.byUID) != 0 {
		t.Error("a dropped owner still claims")
	}
}
