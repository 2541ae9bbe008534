package quarantine

import (
	"errors"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

var noon = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

func namespace(name, uid string, created time.Time) metav1.Object {
	return &metav1.ObjectMeta{Name: name, UID: types.UID(uid), CreationTimestamp: metav1.NewTime(created)}
}

func TestOrphans(t *testing.T) {
	deleted := metav1.NewTime(noon)
	terminating := &metav1.ObjectMeta{Name: "terminating", UID: "t", CreationTimestamp: metav1.NewTime(noon), DeletionTimestamp: &deleted}
	namespaces := []metav1.Object{
		namespace("kube-system", "s", noon.Add(-time.Hour)), namespace("team", "1", noon), terminating,
	}
	tests := map[string]struct {
		namespace, uid string
		created        time.Time
		want           string
	}{
		"older namespace":                 {"team", "", noon.Add(time.Hour), ""},
		"same moment":                     {"team", "", noon, ""},
		"our clock is a little behind":    {"team", "", noon.Add(-ClockSkew), ""},
		"namespace is younger":            {"team", "", noon.Add(-ClockSkew - time.Second), "2026-11-20T12:00:00Z, after the object (2026-11-20T11:58:59Z)"},
		"gone":                            {"former", "", noon, "former does not exist"},
		"gone, uid known":                 {"former", "1", noon, "former does not exist"},
		"same uid":                        {"team", "1", noon.Add(time.Hour), ""},
		"same uid, our clock is far off":  {"team", "1", noon.Add(-24 * time.Hour), ""},
		"other uid, though it looks well": {"team", "0", noon.Add(time.Hour), "another one"},
		"being deleted":                   {"terminating", "", noon.Add(time.Hour), ""},
		"cluster-scoped":                  {"", "", noon, ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			object := Object{NamespaceUID: types.UID(tt.uid), Object: &metav1.ObjectMeta{Namespace: tt.namespace, Name: "x", CreationTimestamp: metav1.NewTime(tt.created)}}
			orphans, err := Orphans([]Object{object}, namespaces)
			switch {
			case err != nil:
				t.Fatal(err)
			case tt.want == "" && len(orphans) != 0:
				t.Errorf("taken for an orphan: %s", orphans[0].Reason)
			case tt.want != "" && (len(orphans) != 1 || !strings.Contains(orphans[0].Reason, tt.want) || orphans[0].GetName() != "x"):
				t.Errorf("got %+v, want an orphan because %q", orphans, tt.want)
			}
		})
	}
}

// TestIncompleteList is about the list that would make an orphan of everything.
func TestIncompleteList(t *testing.T) {
	objects := []Object{{Object: &metav1.ObjectMeta{Namespace: "team", Name: "x"}}}
	for _, namespaces := range [][]metav1.Object{nil, {namespace("default", "d", noon)}} {
		if orphans, err := Orphans(objects, namespaces); !errors.Is(err, ErrIncomplete) || orphans != nil {
			t.Errorf("with %d namespaces: %v, %v", len(namespaces), orphans, err)
		}
	}
}
