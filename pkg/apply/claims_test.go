package apply

import (
	"testing"

	"github.com/leat-dev/leat/pkg/object"
)

func TestClaimsOfSeveral(t *testing.T) {
	x, y := object.Key{Kind: "ConfigMap", Name: "x"}, object.Key{Kind: "ConfigMap", Name: "y"}
	c := newClaims()
	want := func(when, uid string, k object.Key, other bool) {
		t.Helper()
		if got := c.byOther(uid, k); got != other {
			t.Errorf("%s: another owner than %s wants %s: %t, want %t", when, uid, k.Name, got, other)
		}
	}
	c.set("a", []object.Key{x, y})
	want("one owner", "a", x, false)
	want("one owner", "b", x, true)
	c.set("b", []object.Key{x})
	want("moved", "a", x, true)
	c.set("a", []object.Key{y})
	want("moved, and given up", "a", x, true)
	want("moved, and given up", "b", x, false)

	// Two owners want it, and the one that asked last gives it up.
	c.set("a", []object.Key{x, y})
	c.set("a", []object.Key{x, y})
	c.set("a", []object.Key{y})
	want("given up by the last of two", "a", x, true)
	want("given up by the last of two", "b", x, false)

	c.set("a", []object.Key{x})
	c.set("c", []object.Key{x})
	c.drop("a")
	c.drop("c")
	want("given up by two of three", "c", x, true)
	c.drop("b")
	want("given up by all", "c", x, false)
	if len(c.byKey)+len(c.byUID)+len(c.others) != 0 {
		t.Errorf("left when nobody wants anything: %+v", c)
	}
}
