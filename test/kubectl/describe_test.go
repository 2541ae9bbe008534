package kubectl

import (
	"context"
	"strings"
	"testing"
)

// describe shows the object, its conditions and what happened to it.
func TestDescribe(t *testing.T) {
	t.Parallel()
	namespace := cluster.Namespace(t)
	u := admin(t, namespace)
	commit := newApp(t, u, map[string]string{"deploy/one.yaml": configMap("one", "1")})
	u.run("wait", "--for=condition=Ready", "kustomization/app", "--timeout="+patience.String())
	for _, test := range []struct {
		object, event string
		wants         []string
	}{
		{"gitrepo/app", "NewArtifact", []string{"Kind:         GitRepository", "Branch:  main", "main@sha1:" + commit, "Type:                  Ready"}},
		{"ks/app", "ReconciliationSucceeded", []string{"Kind:         Kustomization", "Source Ref:", "Last Applied Revision:", "main@sha1:" + commit, "Type:                  Ready"}},
	} {
		// An event is sent beside the work, and may come after it.
		eventually(t, "describe shows an event of "+test.object, func(context.Context) (bool, error) {
			out, err := u.try("", "describe", test.object)
			_, events, _ := strings.Cut(out, "\nEvents:")
			return strings.Contains(events, test.event), err
		})
		contains(t, "describe "+test.object, u.run("describe", test.object), test.wants...)
	}
	contains(t, "describe of all of a kind", u.run("describe", "kustomizations"), "Name:         app")
	contains(t, "describe by prefix", u.run("describe", "ks", "ap", "--show-events=false"), "Name:         app")
	contains(t, "kubectl events", u.run("events", "--for=kustomization.kustomize.toolkit.fluxcd.io/app"), "Normal", "ReconciliationSucceeded")
}

// TestExplain reads the documentation of each field.
func TestExplain(t *testing.T) {
	t.Parallel()
	for _, k := range kinds() {
		u := admin(t, "default")
		tree := u.run("explain", k.qualified(), "--recursive")
		contains(t, "explain --recursive", tree, "GROUP:      "+k.Group, "KIND:       "+k.kind, "VERSION:    "+k.Version, k.explained, k.duration+"\t<string> -required-", "conditions\t<[]Condition>")
		contains(t, "explain of the whole", u.run("explain", k.short), "spec\t<"+k.kind+"Spec>", "status\t<"+k.kind+"Status>")
		contains(t, "explain of a field", u.run("explain", k.singular+".spec."+k.duration), "FIELD: "+k.duration+" <string>", "DESCRIPTION:\n    ")
		u.refused("", []string{"explain", k.singular + ".spec.nothing"}, "nothing")
		for _, section := range []string{"spec", "status"} {
			text := u.run("explain", k.qualified()+"."+section)
			_, fields, _ := strings.Cut(text, "FIELDS:\n")
			if strings.Contains(fields, "<no description>") {
				t.Errorf("a field of %s.%s has no description:\n%s", k.kind, section, fields)
			}
		}
	}
}
