package inventory

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/leat-dev/leat/pkg/apply"
	"github.com/leat-dev/leat/pkg/object"
)

func TestRoundTrip(t *testing.T) {
	want := &apply.Inventory{Entries: []apply.Entry{
		{Key: object.Key{Kind: "ConfigMap", Namespace: "a", Name: "one"}, Version: "v1", UID: "u-1", Desired: "d", Live: "l"},
		{Key: object.Key{Group: "apps", Kind: "Deployment", Namespace: "a", Name: "web"}, Version: "v1"},
		{Key: object.Key{Group: "rbac.authorization.k8s.io", Kind: "ClusterRole", Name: "system:x"}, Version: "v1", UID: "u-2"},
	}}
	data, err := encode(want, "e-1")
	if err != nil {
		t.Fatal(err)
	}
	got, epoch, err := decode(data)
	if err != nil {
		t.Fatal(err)
	}
	if epoch != "e-1" {
		t.Errorf("epoch %q after a round trip, want e-1", epoch)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("decode(encode(x)) differs from x (-want +got):\n%s", diff)
	}
}

func TestDecodeRefuses(t *testing.T) {
	for name, data := range map[string]string{
		"a level of the future":     `{"level":2,"entries":[]}`,
		"no level":                  `{"entries":[]}`,
		"what is not an inventory":  `[]`,
		"what was cut off half way": `{"level":1,"entries":[{"k":"ConfigMap"`,
	} {
		t.Run(name, func(t *testing.T) {
			if inv, _, err := decode([]byte(data)); err == nil {
				t.Errorf("decode(%s) = %+v, want an error", data, inv)
			} else if strings.Contains(name, "future") && !strings.Contains(err.Error(), "schema level 2") {
				t.Errorf("the error does not name the level: %v", err)
			}
		})
	}
}
