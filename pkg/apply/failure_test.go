package apply_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/leat-dev/leat/pkg/apply"
)

func TestBrokenSetWritesNothing(t *testing.T) {
	f := setup(t)
	_, err := f.apply(f.request("app", settings,
		"apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: broken}\nspec: {replicas: many}",
		"apiVersion: v1\nkind: Service\nmetadata: {name: portless}\nspec: {ports: [{port: 99999}]}"))
	errs := objectErrors(t, err)
	if len(errs) != 2 || errs["Deployment/broken"].File != "deploy/1.yaml" || errs["Service/portless"].File != "deploy/2.yaml" {
		t.Errorf("not all errors are named with their files: %v", err)
	}
	if f.exists("cm", "settings") {
		t.Error("an object of a broken set was written")
	}
	if f.store.saves != 0 {
		t.Error("the inventory of a broken set was saved")
	}
}

// What a failed run tells is what it did: nothing, where the first object was
// refused, and the inventory is as before.
func TestRefusalLeavesNoTrace(t *testing.T) {
	const other = "apiVersion: v1\nkind: Service\nmetadata: {name: other}\nspec: {ports: [{port: 80}]}"
	for name, change := range map[string]struct{ settings, other string }{
		"by the dry-run":            {strings.Replace(settings, "blue", "red", 1), strings.Replace(other, "80", "99999", 1)},
		"of the object tried first": {strings.Replace(settings, "colour", "'no key'", 1), other},
	} {
		t.Run(name, func(t *testing.T) {
			f := setup(t)
			before := f.mustApply(f.request("app", settings)).Inventory
			res, err := f.apply(f.request("app", change.settings, change.other))
			var e *apply.Error
			if !errors.As(err, &e) || e.Written {
				t.Fatalf("error %v, want one that says that nothing was written", err)
			}
			if changed := res.Changed(); len(changed) != 0 {
				t.Errorf("changes %v were told, none was made", changed)
			}
			if got := actions(res)["Service/other"]; got != apply.ActionPending {
				t.Errorf("action of what was not reached is %q, want %q", got, apply.ActionPending)
			}
			stored, err := f.store.Load(t.Context(), f.owner("app").UID)
			if err != nil {
				t.Fatal(err)
			}
			for what, inv := range map[string]*apply.Inventory{"stored": stored, "returned": res.Inventory} {
				if diff := cmp.Diff(before, inv); diff != "" {
					t.Errorf("the inventory %s is not as before (-before +after):\n%s", what, diff)
				}
			}
		})
	}
}

// A run that fails in the middle tells what it had done by then, and remembers it.
func TestFailureInTheMiddle(t *testing.T) {
	f := setup(t)
	// The Service is refused by its own quota, which no dry-run counts against.
	f.kubectl("create", "quota", "few", "--hard=services=1")
	const two = "apiVersion: v1\nkind: Service\nmetadata: {name: one}\nspec: {ports: [{port: 80}]}\n---\n" +
		"apiVersion: v1\nkind: Service\nmetadata: {name: two}\nspec: {ports: [{port: 80}]}"
	f.kubectl("wait", "--for=jsonpath={.status.hard.services}=1", "quota/few")
	res, err := f.apply(f.request("app", settings, two))
	if err == nil {
		t.Fatal("two Services fit into a quota of one")
	}
	made := 0
	for _, name := range []string{"one", "two"} {
		told := actions(res)["Service/"+name] == apply.ActionCreated
		if exists := f.exists("svc", name); exists != told {
			t.Errorf("Service %s exists: %v, and was told to be created: %v", name, exists, told)
		} else if exists {
			made++
		}
	}
	if made != 1 {
		t.Errorf("%d Services were made, want 1", made)
	}
	for _, en := range res.Inventory.Entries {
		if a := actions(res)[en.Kind+"/"+en.Name]; a != apply.ActionCreated {
			t.Errorf("the inventory holds %s, which is %s", en.Key, a)
		}
	}
	if n := len(res.Inventory.Entries); n != 2 {
		t.Errorf("%d entries in the inventory, want what was made", n)
	}
}

// A write whose answer is lost may have been done: nothing says that it was not,
// and the object stays known until a later run finds out.
func TestLostAnswer(t *testing.T) {
	f := setup(t)
	f.mustApply(f.request("app", settings))
	f.count.loseAnswers(func(r *http.Request) bool {
		return r.Method == http.MethodPatch && r.URL.Query().Get("dryRun") == "" && strings.HasSuffix(r.URL.Path, "/configmaps/second")
	})
	second := strings.Replace(settings, "name: settings", "name: second", 1)
	res, err := f.apply(f.request("app", settings, second))
	if err == nil || strings.Contains(err.Error(), "nothing was written") || !f.exists("cm", "second") {
		t.Fatalf("error %v", err)
	}
	if got := actions(res)["ConfigMap/second"]; got != apply.ActionPending {
		t.Errorf("action %s, nobody knows that it was done", got)
	}
	if n := len(res.Inventory.Entries); n != 2 {
		t.Errorf("%d entries in the inventory, want 2: what may exist must stay known", n)
	}
	f.count.loseAnswers(nil)
	if f.mustApply(f.request("app", settings)); f.exists("cm", "second") {
		t.Error("the object is orphaned")
	}
}
