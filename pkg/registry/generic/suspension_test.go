package generic

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
)

const (
	suspendedBy   = "leat.dev/suspended-by"
	suspendReason = "leat.dev/suspend-reason"
	suspendUntil  = "leat.dev/suspend-until"
)

func TestSuspensionAnnotations(t *testing.T) {
	stored := map[string]string{suspendedBy: "jane", suspendUntil: "2026-01-01T00:00:00Z", "other": "kept"}
	forged := map[string]string{suspendedBy: "admin", suspendReason: "none", "other": "changed"}
	tests := map[string]struct {
		stored, written map[string]string
		suspended       bool
		subresource     bool
		want            map[string]string
	}{
		"set by somebody":              {nil, forged, true, false, map[string]string{"other": "changed"}},
		"changed by somebody":          {stored, forged, true, false, map[string]string{suspendedBy: "jane", suspendUntil: "2026-01-01T00:00:00Z", "other": "changed"}},
		"removed by somebody":          {stored, nil, true, false, map[string]string{suspendedBy: "jane", suspendUntil: "2026-01-01T00:00:00Z"}},
		"resumed by somebody":          {stored, stored, false, false, map[string]string{"other": "kept"}},
		"resumed, and forged":          {stored, forged, false, false, map[string]string{"other": "changed"}},
		"set by the subresource":       {nil, forged, true, true, forged},
		"changed by the subresource":   {stored, forged, true, true, forged},
		"of an object that goes on":    {nil, forged, false, true, map[string]string{"other": "changed"}},
		"nothing written where no are": {nil, nil, true, false, nil},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			ctx := t.Context()
			if test.subresource {
				ctx = WithSuspension(ctx)
			}
			old, l := newLeaf("green"), newLeaf("green")
			old.Annotations, l.Annotations, l.Spec.Withered = test.stored, test.written, test.suspended
			newLeafStrategy().PrepareForUpdate(ctx, l, old)
			if diff := cmp.Diff(test.want, l.Annotations); diff != "" {
				t.Errorf("annotations (-want +got):\n%s", diff)
			}
			if stored["other"] != "kept" || forged[suspendedBy] != "admin" || len(forged) != 3 {
				t.Error("the maps of the request were changed")
			}
		})
	}
}

func TestNobodyIsSuspendedByAnotherOnCreation(t *testing.T) {
	l := newLeaf("green")
	l.Spec.Withered = true
	l.Annotations = map[string]string{suspendedBy: "admin", "other": "kept"}
	newLeafStrategy().PrepareForCreate(t.Context(), l)
	if diff := cmp.Diff(map[string]string{"other": "kept"}, l.Annotations); diff != "" {
		t.Errorf("annotations (-want +got):\n%s", diff)
	}
}

func TestWhoAppliesASuspensionDoesNotOwnIt(t *testing.T) {
	reset := newLeafStrategy().GetResetFields()["garden.example.com/v1"]
	for path, want := range map[string]bool{suspendedBy: true, suspendReason: true, suspendUntil: true, "other": false} {
		if got := reset.Has(fieldpath.MakePathOrDie("metadata", "annotations", path)); got != want {
			t.Errorf("%s is reset: %t, want %t", path, got, want)
		}
	}
	if !reset.Has(fieldpath.MakePathOrDie("status")) {
		t.Error("the status is not reset")
	}
}
