package apply_test

import (
	"context"
	"strings"
	"testing"

	"github.com/leat-dev/leat/pkg/apply"
	"github.com/leat-dev/leat/pkg/object"
)

// excluding asks for what is named web, and all definitions, to be left out.
func excluding(r apply.Request) apply.Request {
	r.Exclude = func(o object.Object) string {
		if o.GetName() == "web" || o.GetKind() == "CustomResourceDefinition" {
			return "it is not ours"
		}
		return ""
	}
	return r
}

func TestExcludedIsLeftAlone(t *testing.T) {
	f := setup(t)
	group := f.ns + ".example.org"
	t.Cleanup(func() {
		_, _, _ = cluster.Kubectl(context.WithoutCancel(t.Context()), "delete", "crd", "things."+group, "--ignore-not-found", "--wait=false")
	})
	res := f.mustApply(excluding(f.request("app", settings, app, crd(group, ""))))
	for _, c := range res.Changes {
		if want := c.Name != "settings"; c.Excluded != want || want && (c.Action != apply.ActionSkipped || c.Reason == "") {
			t.Errorf("change %+v", c)
		}
	}
	if f.exists("deploy", "web") || f.exists("crd", "things."+group) || !f.exists("cm", "settings") {
		t.Errorf("not what was to be applied is there: %v", res.Changes)
	}
	if len(res.Health) != 1 || len(res.Inventory.Entries) != 1 || len(res.Changes) != 6 {
		t.Errorf("waited for %v, inventory %v, changes %v", res.Health, res.Inventory.Entries, res.Changes)
	}
	// What an excluded definition would define is an unknown kind.
	_, err := f.apply(excluding(f.request("app", settings, crd(group, ""), thing(group, "{size: 3}"))))
	if e := objectErrors(t, err)["Thing/one"]; e.Err == nil || !strings.Contains(e.Error(), "CustomResourceDefinition") {
		t.Errorf("error %v", err)
	}
}

// What was applied before it was excluded is forgotten, not deleted: by no later
// run, nor with its owner.
func TestExcludedIsForgotten(t *testing.T) {
	f := setup(t)
	f.mustApply(f.request("app", settings, app))
	res := f.mustApply(excluding(f.request("app", settings, app)))
	if res.Count(apply.ActionDeleted) != 0 || len(res.Inventory.Entries) != 1 {
		t.Errorf("changes %v, inventory %v", res.Changes, res.Inventory.Entries)
	}
	f.count.take()
	f.mustApply(excluding(f.request("app", settings, app)))
	if got := f.count.take(); len(got) != 0 {
		t.Errorf("an excluded set costs requests: %v", got)
	}
	f.mustApply(excluding(f.request("app", settings)))
	if _, err := f.engine.Delete(f.ctx, apply.DeleteRequest{Owner: f.owner("app"), Prune: true}); err != nil {
		t.Fatal(err)
	}
	if f.exists("cm", "settings") || !f.exists("deploy", "web") {
		t.Error("what was excluded is gone, or what is owned is left")
	}
}
