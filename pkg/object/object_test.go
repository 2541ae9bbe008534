package object

import (
	"testing"
)

func TestIDRoundTrip(t *testing.T) {
	tests := []struct {
		key Key
		id  string
	}{
		{Key{"apps", "Deployment", "demo", "web"}, "demo_web_apps_Deployment"},
		{Key{"", "ConfigMap", "demo", "settings"}, "demo_settings__ConfigMap"},
		{Key{"", "Namespace", "", "demo"}, "_demo__Namespace"},
		{Key{"rbac.authorization.k8s.io", "ClusterRole", "", "system:auth:x"}, "_system__auth__x_rbac.authorization.k8s.io_ClusterRole"},
		{Key{"", "Role", "a", "trailing:"}, "a_trailing____Role"},
	}
	for _, tt := range tests {
		t.Run(tt.id, func(t *testing.T) {
			if got := tt.key.ID(); got != tt.id {
				t.Fatalf("ID() = %q, want %q", got, tt.id)
			}
			got, err := ParseID(tt.id)
			if err != nil {
				t.Fatal(err)
			}
			if got != tt.key {
				t.Errorf("ParseID(%q) = %+v, want %+v", tt.id, got, tt.key)
			}
		})
	}
}

func TestParseIDRefuses(t *testing.T) {
	for _, id := range []string{"", "demo", "demo_web", "demo_web_apps", "demo__apps_Deployment", "demo_web_apps_"} {
		if key, err := ParseID(id); err == nil {
			t.Errorf("ParseID(%q) = %+v, want an error", id, key)
		}
	}
}
