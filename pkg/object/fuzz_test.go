package object

import (
	"strings"
	"testing"
)

// An ID that can be read is written again as it was; whatever is read is written
// so that it is read again as the same key, but for what the format cannot tell
// apart.
func FuzzParseID(f *testing.F) {
	for _, id := range []string{
		"default_one__ConfigMap", "_system__node_rbac.authorization.k8s.io_ClusterRole", "a_b_c_d_e", "___", "", "_", "a_b", "_a__b_c", "a_:_b_c", "ns_a___b_g_K",
	} {
		f.Add(id)
	}
	f.Fuzz(func(t *testing.T, id string) {
		key, err := ParseID(id)
		if err != nil {
			return
		}
		if key.Name == "" || key.Kind == "" {
			t.Errorf("%q gives %+v", id, key)
		}
		if !strings.Contains(key.Namespace+key.Group+key.Kind, ":") && !strings.Contains(id, ":") && key.ID() != id {
			t.Errorf("%q is read as %+v and written as %q", id, key, key.ID())
		}
		if strings.Contains(key.Name, "_:") {
			return // the format cannot tell it from ":_"
		}
		again, err := ParseID(key.ID())
		if err != nil || again != key {
			t.Errorf("%+v is written as %q and read as %+v, %v", key, key.ID(), again, err)
		}
	})
}
