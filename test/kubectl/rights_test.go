package kubectl

import (
	"context"
	"slices"
	"strings"
	"testing"
)

// can-i answers for resources, subresources, names and other users.
func TestCanI(t *testing.T) {
	t.Parallel()
	forKinds(t, func(t *testing.T, k kind, namespace string) {
		viewer := as(t, namespace, "viewer", "view")
		developer := as(t, namespace, "developer", "view")
		a := admin(t, namespace)
		a.run("create", "role", "developer", "--verb=create", "--resource="+k.qualified()+"/reconcile", "--resource-name=demo")
		a.run("create", "rolebinding", "developer", "--role=developer", "--user=developer."+namespace)
		eventually(t, "the developer may reconcile demo", func(context.Context) (bool, error) {
			out, _ := developer.try("", "auth", "can-i", "create", k.object("demo"), "--subresource=reconcile")
			return strings.HasPrefix(out, "yes"), nil
		})
		for question, want := range map[string][2]string{ // the viewer's answer, the developer's
			"get " + k.qualified(): {"yes", "yes"},
			"create " + k.object("demo") + " --subresource=reconcile":    {"no", "yes"},
			"create " + k.object("other") + " --subresource=reconcile":   {"no", "no"},
			"get " + k.qualified() + " --subresource=" + k.reads[0]:      {"yes", "yes"},
			"update " + k.qualified() + " --subresource=status":          {"no", "no"},
			"get " + k.qualified() + " --subresource=log -n kube-system": {"no", "no"},
		} {
			args := append([]string{"auth", "can-i"}, strings.Fields(question)...)
			for i, u := range []user{viewer, developer} {
				out, err := u.try("", args...)
				if got := strings.Fields(out + " -")[0]; got != want[i] {
					t.Errorf("%s: can-i %s is %q, want %q: %v", u.client.Kubeconfig, question, out, want[i], err)
				}
			}
		}
		out, _ := a.try("", "auth", "can-i", "delete", k.qualified(), "--as=viewer."+namespace)
		equal(t, "can-i of another", strings.TrimSpace(out), "no")

		list := viewer.run("auth", "can-i", "--list")
		lines := strings.Split(list, "\n")
		for resource, verbs := range map[string]string{k.qualified(): "[get list watch]", k.qualified() + "/" + k.reads[0]: "[get]"} {
			if !slices.ContainsFunc(lines, func(line string) bool {
				return strings.HasPrefix(line, resource+" ") && strings.HasSuffix(line, verbs)
			}) {
				t.Errorf("can-i --list has no line of %s with %s:\n%s", resource, verbs, list)
			}
		}
	})
}

// Impersonation goes through kube-apiserver, and both servers know who is meant.
func TestImpersonation(t *testing.T) {
	t.Parallel()
	forKinds(t, func(t *testing.T, k kind, namespace string) {
		a := admin(t, namespace)
		a.apply(k.manifest("demo", "1m"))
		a.run("create", "rolebinding", "jo", "--clusterrole=view", "--user=jo")
		a.run("create", "rolebinding", "team", "--clusterrole=edit", "--group=team")
		a.run("create", "rolebinding", "robot", "--clusterrole=view", "--serviceaccount="+namespace+":default")
		object := k.object("demo")
		for _, test := range []struct {
			as      []string
			reads   bool
			changes bool
			name    string
		}{
			{[]string{"--as=jo"}, true, false, `User "jo"`},
			{[]string{"--as=al"}, false, false, `User "al"`},
			{[]string{"--as=al", "--as-group=team", "--as-group=system:authenticated"}, true, true, ""},
			{[]string{"--as=system:serviceaccount:" + namespace + ":default"}, true, false, "system:serviceaccount:" + namespace + ":default"},
			{[]string{"--as=root", "--as-group=system:masters", "--as-uid=7"}, true, true, ""},
		} {
			for _, call := range []struct {
				args    []string
				allowed bool
			}{
				{[]string{"get", object, "-o", "name"}, test.reads},
				{[]string{"patch", object, "--type=merge", "-p", `{"metadata":{"labels":{"a":"b"}}}`}, test.changes},
			} {
				_, err := a.try("", append(call.args, test.as...)...)
				switch {
				case call.allowed && err != nil:
					t.Errorf("%v: %v", test.as, err)
				case !call.allowed && (err == nil || !strings.Contains(err.Error(), "Forbidden") || !strings.Contains(err.Error(), test.name)):
					t.Errorf("kubectl %v %v: got %v, want Forbidden that names %s", call.args, test.as, err, test.name)
				}
			}
		}
		nobody := as(t, namespace, "nobody", "view")
		nobody.refused("", []string{"get", object, "--as=jo"}, "Forbidden")
		equal(t, "whoami", a.run("auth", "whoami", "--as=jo", "-o", "jsonpath={.status.userInfo.username}"), "jo")
	})
}
