package apply

import (
	"testing"

	"k8s.io/apimachinery/pkg/types"

	"github.com/leat-dev/leat/pkg/target"
)

func TestJudge(t *testing.T) {
	owner := Owner{Group: "kustomize.toolkit.fluxcd.io", Name: "app", Namespace: "demo"}
	mine := types.NamespacedName{Namespace: "demo", Name: "app"}
	tests := []struct {
		name          string
		live          target.Live
		found, claims bool
		want          bool
	}{
		{"ours", target.Live{Owner: mine, Managed: true}, true, false, true},
		{"ours, being deleted", target.Live{Owner: mine, Managed: true, Deleting: true}, true, false, true},
		{"not there", target.Live{}, false, false, false},
		{"without labels", target.Live{Managed: true}, true, false, false},
		{"another owner", target.Live{Owner: types.NamespacedName{Namespace: "demo", Name: "other"}, Managed: true}, true, false, false},
		{"a namesake in another namespace", target.Live{Owner: types.NamespacedName{Namespace: "prod", Name: "app"}, Managed: true}, true, false, false},
		{"labels copied, never written by us", target.Live{Owner: mine}, true, false, false},
		{"claimed by another owner", target.Live{Owner: mine, Managed: true}, true, true, false},
		{"prune disabled", target.Live{Owner: mine, Managed: true, Switches: target.Switches{PruneDisabled: true}}, true, false, false},
		{"reconcile disabled", target.Live{Owner: mine, Managed: true, Switches: target.Switches{ReconcileDisabled: true}}, true, false, false},
		{"ignored", target.Live{Owner: mine, Managed: true, Switches: target.Switches{SSA: target.SSAIgnore}}, true, false, false},
		{"created only", target.Live{Owner: mine, Managed: true, Switches: target.Switches{SSA: target.SSAIfNotPresent}}, true, false, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := judge(&owner, &tt.live, tt.found, tt.claims)
			if got.delete != tt.want {
				t.Errorf("delete = %t (%s), want %t", got.delete, got.reason, tt.want)
			}
			if !got.delete && got.reason == "" {
				t.Error("no reason is given")
			}
		})
	}
}
