package apply_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/leat-dev/leat/pkg/apply"
)

// backup is what was stored of an owner at some time.
type backup []byte

func (f *fixture) backup(owner string) backup {
	f.store.mu.Lock()
	defer f.store.mu.Unlock()
	return append(backup(nil), f.store.data[f.owner(owner).UID]...)
}

// restore brings an inventory back, as a restored store does, and restarts the
// engine.
func (f *fixture) restore(owner string, b backup) {
	f.t.Helper()
	uid := f.owner(owner).UID
	f.store.data[uid] = b
	inv, err := f.store.Load(f.ctx, uid)
	if err != nil {
		f.t.Fatal(err)
	}
	inv.Unconfirmed = true
	if err := f.store.Save(f.ctx, uid, inv); err != nil {
		f.t.Fatal(err)
	}
	f.start()
}

func (f *fixture) confirmed(owner string) bool {
	f.t.Helper()
	ok, err := f.engine.Confirmed(f.ctx, f.owner(owner).UID)
	if err != nil {
		f.t.Fatal(err)
	}
	return ok
}

func value(name, value string) string {
	return "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: " + name + "}\ndata: {value: \"" + value + "\"}"
}

// TestRestoredInventoryPrunesNothing brings back an inventory of which one object
// has since left the set and exists (its owner asked for it again and is not
// known to), one is gone, one belongs to another owner, and one is as it was.
func TestRestoredInventoryPrunesNothing(t *testing.T) {
	f := setup(t)
	f.mustApply(f.request("app", value("stays", "1"), value("back", "1"), value("gone", "1"), value("moved", "1")))
	old := f.backup("app")
	f.mustApply(f.request("app", value("stays", "2"), value("back", "1"), value("new", "1")))
	f.mustApply(f.request("other", value("moved", "1")))

	f.restore("app", old)
	if f.confirmed("app") {
		t.Error("an inventory that was restored counts as confirmed")
	}
	res := f.mustApply(f.request("app", value("stays", "2"), value("new", "1")))
	if n := res.Count(apply.ActionDeleted); n != 0 {
		t.Errorf("%d objects were deleted because of a restored inventory", n)
	}
	if len(res.Spared) != 1 || res.Spared[0].Name != "back" || res.Spared[0].Reason == "" {
		t.Errorf("spared: %+v, want the object that still is there and this owner's", res.Spared)
	}
	for name, there := range map[string]bool{"stays": true, "new": true, "back": true, "moved": true, "gone": false} {
		if f.exists("cm", name) != there {
			t.Errorf("ConfigMap %s exists: %t, want %t", name, !there, there)
		}
	}
	if !f.confirmed("app") || len(res.Inventory.Entries) != 2 || res.Inventory.Unconfirmed {
		t.Errorf("after a run that succeeded the inventory is %+v, want a confirmed one of two objects", res.Inventory)
	}

	// From here on everything is as always.
	res = f.mustApply(f.request("app", value("stays", "2")))
	if got := actions(res)["ConfigMap/new"]; got != apply.ActionDeleted || len(res.Spared) != 0 {
		t.Errorf("after the inventory was confirmed, what left the set is %q (spared: %v)", got, res.Spared)
	}
}

// TestRestoredInventoryIsConfirmedUnchanged proves that a run which writes nothing
// to the cluster confirms the inventory, too.
func TestRestoredInventoryIsConfirmedUnchanged(t *testing.T) {
	f := setup(t)
	f.mustApply(f.request("app", value("one", "1")))
	f.restore("app", f.backup("app"))
	f.mustApply(f.request("app", value("one", "1")))
	if got := f.count.take()["PATCH"]; got != 0 {
		t.Errorf("%d objects were written though nothing has changed", got)
	}
	if !f.confirmed("app") {
		t.Error("the inventory is still unconfirmed")
	}
}

// TestRestoredInventoryOutlivesFailures proves that only success confirms: what is
// applied halfway leaves the old inventory as it is, and unconfirmed.
func TestRestoredInventoryOutlivesFailures(t *testing.T) {
	f := setup(t)
	f.mustApply(f.request("app", value("stays", "1"), value("back", "1")))
	f.restore("app", f.backup("app"))
	invalid := "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: invalid}\ndata: [1]"
	if _, err := f.apply(f.request("app", value("stays", "2"), invalid)); err == nil {
		t.Fatal("an invalid object was applied")
	}
	if f.confirmed("app") {
		t.Error("a run that failed in validation has confirmed the inventory")
	}
	f.store.fail = func(int) error { return errors.New("disk full") }
	if _, err := f.apply(f.request("app", value("stays", "2"), value("new", "1"))); err == nil {
		t.Fatal("the write ahead was to fail")
	}
	f.store.fail = nil
	inv, err := f.store.Load(f.ctx, f.owner("app").UID)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, en := range inv.Entries {
		names = append(names, en.Name)
	}
	if diff := cmp.Diff([]string{"back", "stays"}, names); diff != "" || !inv.Unconfirmed {
		t.Errorf("inventory after failures (unconfirmed: %t; -want +have):\n%s", inv.Unconfirmed, diff)
	}
	if !f.exists("cm", "back") {
		t.Error("a run that failed has deleted an object")
	}
}

// TestRestoredOwnerDeletesNothing ends an owner whose inventory was restored: it
// may have been deleted and made again since the backup.
func TestRestoredOwnerDeletesNothing(t *testing.T) {
	for _, policy := range []apply.DeletionPolicy{apply.DeletionMirrorPrune, apply.DeletionDelete, apply.DeletionWaitForTermination} {
		t.Run(string(policy), func(t *testing.T) {
			f := setup(t)
			f.mustApply(f.request("app", value("one", "1"), value("two", "1")))
			f.restore("app", f.backup("app"))
			res, err := f.engine.Delete(f.ctx, apply.DeleteRequest{Owner: f.owner("app"), Policy: policy, Prune: true})
			if err != nil {
				t.Fatal(err)
			}
			if !f.exists("cm", "one") || !f.exists("cm", "two") || len(res.Changes) != 0 {
				t.Errorf("objects were deleted because of a restored inventory: %+v", res.Changes)
			}
			var spared []string
			for _, c := range res.Spared {
				spared = append(spared, c.Name)
			}
			if got := strings.Join(spared, " "); got != "two one" && got != "one two" {
				t.Errorf("spared: %q, want both", got)
			}
			if _, there := f.store.data[f.owner("app").UID]; there {
				t.Error("the inventory stays")
			}
		})
	}
}

// Two owners want the same object. The one that applied it last, so that its labels
// say it is this one's, gives it up.
func TestPruneSparesWhatAnotherOwnerWants(t *testing.T) {
	f := setup(t)
	f.mustApply(f.request("app", settings, app))
	f.mustApply(f.request("other", settings))
	f.mustApply(f.request("app", settings, app))
	res := f.mustApply(f.request("app", app))
	if got := actions(res)["ConfigMap/settings"]; got != apply.ActionSkipped || !f.exists("cm", "settings") {
		t.Errorf("action %q on an object that another owner wants (exists: %t)", got, f.exists("cm", "settings"))
	}
}
