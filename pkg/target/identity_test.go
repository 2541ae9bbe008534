package target

import (
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/types"
)

func TestImpersonate(t *testing.T) {
	account := types.NamespacedName{Namespace: "team", Name: "deployer"}
	for _, tt := range []struct {
		name string
		id   Identity
		want http.Header
	}{
		{"Leat", Identity{}, http.Header{}},
		{"service account", Identity{ServiceAccount: account}, http.Header{"Impersonate-User": {"system:serviceaccount:team:deployer"}}},
		{"user", Identity{User: &User{Name: "jane"}}, http.Header{"Impersonate-User": {"jane"}}},
		{"user before service account", Identity{ServiceAccount: account, User: &User{Name: "jane"}}, http.Header{"Impersonate-User": {"jane"}}},
		{"user without a name", Identity{User: &User{Groups: []string{"system:unauthenticated"}}}, http.Header{
			"Impersonate-User": {"system:anonymous"}, "Impersonate-Group": {"system:unauthenticated"},
		}},
		{"all of a user", Identity{User: &User{
			Name: "jane", UID: "42", Groups: []string{"devs", "system:masters"},
			Extra: map[string][]string{"example.org/Scope: x": {"a", "b"}, "plain": {"c"}, "100%": {"d"}, "empty": {}},
		}}, http.Header{
			"Impersonate-User": {"jane"}, "Impersonate-Uid": {"42"}, "Impersonate-Group": {"devs", "system:masters"},
			"Impersonate-Extra-Example.org%2fscope%3a%20x": {"a", "b"}, "Impersonate-Extra-Plain": {"c"}, "Impersonate-Extra-100%25": {"d"},
		}},
	} {
		got := http.Header{}
		tt.id.impersonate(got)
		for k, v := range got {
			if len(v) == 0 {
				delete(got, k)
			}
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s: headers (-want +got):\n%s", tt.name, diff)
		}
	}
}

// A user who cannot be named in a header is nobody else.
func TestUserThatIsNoHeader(t *testing.T) {
	asked := 0
	tgt := testTarget(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { asked++ }))
	for _, u := range []User{{Name: "jane\r\nImpersonate-Group: system:masters"}, {Name: "jane", Groups: []string{"a\nb"}}, {Name: "jane", UID: "\x00"}} {
		if _, err := tgt.Read(t.Context(), Identity{User: &u}, ref("x")); err == nil || asked != 0 {
			t.Errorf("%q is sent: %v", u, err)
		}
	}
}
