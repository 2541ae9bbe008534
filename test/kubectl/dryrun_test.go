package kubectl

import (
	"strings"
	"testing"
)

// What is asked for with --dry-run=server is answered as if it were done, and
// leaves no trace.
func TestDryRun(t *testing.T) {
	t.Parallel()
	forKinds(t, func(t *testing.T, k kind, namespace string) {
		u := admin(t, namespace)
		object := k.object("demo")
		u.apply(k.manifest("demo", "1m"))
		u.run("wait", "--for=jsonpath={.metadata.finalizers}", object, "--timeout="+patience.String())
		before := u.run("get", object, "-o", "yaml", "--show-managed-fields")
		changed := k.manifest("demo", "2m")
		read := strings.Replace(u.run("get", object, "-o", "yaml"), k.duration+": 1m", k.duration+": 2m", 1)
		duration := "jsonpath={.spec." + k.duration + "}"
		for name, test := range map[string]struct {
			stdin string
			args  []string
			want  string
		}{
			"create":              {k.manifest("new", "2m"), []string{"create", "-f", "-", "-o", duration}, "2m"},
			"apply":               {changed, []string{"apply", "-f", "-", "-o", duration}, "2m"},
			"apply, new":          {k.manifest("new", "2m"), []string{"apply", "-f", "-", "-o", duration}, "2m"},
			"apply --server-side": {changed, []string{"apply", "-f", "-", "--server-side", "--force-conflicts", "-o", duration}, "2m"},
			"replace":             {read, []string{"replace", "-f", "-", "-o", duration}, "2m"},
			"patch":               {"", []string{"patch", object, "--type=merge", "-p", `{"spec":{"` + k.duration + `":"2m"}}`, "-o", duration}, "2m"},
			"patch, generation":   {"", []string{"patch", object, "--type=json", "-p", `[{"op":"replace","path":"/spec/` + k.duration + `","value":"2m"}]`, "-o", "jsonpath={.metadata.generation}"}, "2"},
			"patch of the status": {"", []string{"patch", object, "--subresource=status", "--type=merge", "-p", `{"status":{"observedGeneration":7}}`, "-o", "jsonpath={.status.observedGeneration}"}, "7"},
			"label":               {"", []string{"label", object, "a=b", "-o", "jsonpath={.metadata.labels}"}, `{"a":"b"}`},
			"annotate":            {"", []string{"annotate", object, "a=b", "-o", "jsonpath={.metadata.annotations.a}"}, "b"},
			"delete":              {"", []string{"delete", object}, strings.Split(object, "/")[0] + ` "demo" deleted from ` + namespace + " namespace (server dry run)\n"},
			"delete --all":        {"", []string{"delete", k.qualified(), "--all"}, strings.Split(object, "/")[0] + ` "demo" deleted from ` + namespace + " namespace (server dry run)\n"},
		} {
			equal(t, name, u.input(test.stdin, append(test.args, "--dry-run=server")...), test.want)
		}
		u.refused(k.manifest("demo", "soon"), []string{"apply", "-f", "-", "--dry-run=server"}, "spec."+k.duration)
		dryRunSubresources(t, u, k)

		equal(t, "the object after all of it", u.run("get", object, "-o", "yaml", "--show-managed-fields"), before)
		equal(t, "what there is after all of it", u.run("get", k.qualified(), "-o", "name"), object+"\n")
	})
}

// dryRunSubresources tries each subresource that is posted to. What kubectl sends
// decides nothing: a body that is decoded by the generic server takes part, one
// that is read by a Connecter is refused, before it is read.
func dryRunSubresources(t *testing.T, u user, k kind) {
	t.Helper()
	for _, act := range k.acts {
		path := k.path(u.namespace, "demo", act) + "?dryRun=All"
		switch act {
		case "build", "diff":
			u.refused(k.body(act), []string{"create", "--raw", path, "-f", "-"}, "dryRun")
		case "reconcile":
			// The object is suspended.
			u.refused(k.body(act), []string{"create", "--raw", path, "-f", "-"}, "suspended")
		default:
			contains(t, act+"?dryRun=All", u.input(k.body(act), "create", "--raw", path, "-f", "-"), `"status":{`)
		}
	}
}
