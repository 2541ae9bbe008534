package kubectl

import (
	"os"
	"strings"
	"testing"
)

func TestApplyClientSide(t *testing.T) {
	t.Parallel()
	forKinds(t, func(t *testing.T, k kind, namespace string) {
		u := admin(t, namespace)
		first := k.labelled("demo", "1m", `{"kept": "yes", "dropped": "yes"}`)
		contains(t, "the first apply", u.apply(first), "demo created")
		version := u.get(k.object("demo"), "{.metadata.resourceVersion}")
		contains(t, "the second apply", u.apply(first), "demo unchanged")
		equal(t, "the version after a second apply", u.get(k.object("demo"), "{.metadata.resourceVersion}"), version)

		// What others have set stays; what the manifest no longer says goes.
		u.run("label", k.object("demo"), "others=yes")
		contains(t, "a change", u.apply(k.labelled("demo", "2m", `{"kept": "yes"}`)), "demo configured")
		equal(t, "labels", u.get(k.object("demo"), "{.metadata.labels}"), `{"kept":"yes","others":"yes"}`)
		equal(t, "duration", u.get(k.object("demo"), "{.spec."+k.duration+"}"), "2m")
		equal(t, "generation", u.get(k.object("demo"), "{.metadata.generation}"), "2")

		last := u.run("apply", "view-last-applied", k.object("demo"))
		contains(t, "view-last-applied", last, k.duration+": 2m")
		unknown := strings.Replace(k.manifest("demo", "2m"), `"suspend"`, `"nonsense": 1, "suspend"`, 1)
		u.refused(unknown, []string{"apply", "-f", "-"}, `unknown field "spec.nonsense"`)
		invalid := k.manifest("demo", "soon")
		u.refused(invalid, []string{"apply", "-f", "-"}, "spec."+k.duration, "soon")
	})
}

func TestApplyServerSide(t *testing.T) {
	t.Parallel()
	forKinds(t, func(t *testing.T, k kind, namespace string) {
		u := admin(t, namespace)
		apply := func(manifest, manager string, args ...string) string {
			t.Helper()
			return u.apply(manifest, append([]string{"--server-side", "--field-manager=" + manager}, args...)...)
		}
		contains(t, "the first apply", apply(k.manifest("demo", "1m"), "one"), "demo serverside-applied")
		version := u.get(k.object("demo"), "{.metadata.resourceVersion}")
		apply(k.manifest("demo", "1m"), "one")
		equal(t, "the version after a second apply", u.get(k.object("demo"), "{.metadata.resourceVersion}"), version)

		// Another manager has to force its way.
		other := k.manifest("demo", "2m")
		u.refused(other, []string{"apply", "-f", "-", "--server-side", "--field-manager=two"},
			"Apply failed with 1 conflict", `conflict with "one"`, ".spec."+k.duration)
		equal(t, "the duration after a conflict", u.get(k.object("demo"), "{.spec."+k.duration+"}"), "1m")
		apply(other, "two", "--force-conflicts")
		equal(t, "the duration after force", u.get(k.object("demo"), "{.spec."+k.duration+"}"), "2m")
		u.refused(k.manifest("demo", "1m"), []string{"apply", "-f", "-", "--server-side", "--field-manager=one"}, `conflict with "two"`)

		// Who no longer says a field gives it up; who shares one keeps it.
		apply(k.labelled("demo", "2m", `{"a": "1", "b": "2"}`), "two")
		apply(k.labelled("demo", "2m", `{"a": "1"}`), "three")
		apply(k.manifest("demo", "2m"), "two")
		equal(t, "labels", u.get(k.object("demo"), "{.metadata.labels}"), `{"a":"1"}`)
		managers := u.get(k.object("demo"), `{.metadata.managedFields[?(@.operation=="Apply")].manager}`, "--show-managed-fields")
		contains(t, "managers", managers, "one", "two", "three")

		// What was applied by the client goes over to the server.
		u.apply(k.labelled("moved", "1m", `{"a": "1"}`))
		u.apply(k.labelled("moved", "1m", `{}`), "--server-side")
		equal(t, "labels after the change of sides", u.get(k.object("moved"), "{.metadata.labels}"), "")
	})
}

// prune deletes what a set of manifests no longer has, and nothing else.
func TestApplyPrune(t *testing.T) {
	t.Parallel()
	forKinds(t, func(t *testing.T, k kind, namespace string) {
		u := admin(t, namespace)
		u.apply(k.labelled("stranger", "1m", `{"set": "other"}`))
		member := func(name string) string { return k.labelled(name, "1m", `{"set": "mine"}`) }
		allow := k.Group + "/" + k.Version + "/" + k.kind
		prune := []string{"--prune", "-l", "set=mine", "--prune-allowlist=" + allow}
		u.apply(member("a")+member("b"), prune...)
		contains(t, "apply --prune", u.apply(member("a"), prune...), "a unchanged", "b pruned")
		equal(t, "after the allow list", u.run("get", k.qualified(), "-o", "jsonpath={.items[*].metadata.name}"), "a stranger")
	})
}

func TestApplySet(t *testing.T) {
	t.Parallel()
	forKinds(t, func(t *testing.T, k kind, namespace string) {
		u := admin(t, namespace)
		u.apply(k.manifest("stranger", "1m"))
		apply := func(manifests string) string {
			t.Helper()
			cmd := u.client.KubectlCommand(t.Context(), "--namespace="+namespace, "apply", "-f", "-", "--prune", "--applyset=parts")
			cmd.Env = append(cmd.Env, "KUBECTL_APPLYSET=true")
			cmd.Stdin = strings.NewReader(manifests)
			out, err := cmd.CombinedOutput()
			if err != nil {
				t.Fatalf("apply --applyset: %v\n%s", err, out)
			}
			return string(out)
		}
		apply(k.manifest("a", "1m") + k.manifest("b", "1m"))
		contains(t, "the second apply", apply(k.manifest("a", "1m")), "b pruned")
		equal(t, "after the apply set", u.run("get", k.qualified(), "-o", "jsonpath={.items[*].metadata.name}"), "a stranger")
	})
}

func TestDiff(t *testing.T) {
	t.Parallel()
	forKinds(t, func(t *testing.T, k kind, namespace string) {
		u := admin(t, namespace)
		for name, side := range map[string][]string{"client": nil, "server": {"--server-side"}} {
			u.apply(k.manifest(name, "1m"), side...)
			version := u.get(k.object(name), "{.metadata.resourceVersion}")
			diff := append([]string{"diff", "-f", "-"}, side...)
			out, err := u.try(k.manifest(name, "1m"), diff...)
			if err != nil || out != "" {
				t.Errorf("kubectl %s of what is there: %v\n%s", diff, err, out)
			}
			out, err = u.try(k.manifest(name, "2m")+k.manifest("new", "3m"), diff...)
			if err == nil || !strings.Contains(err.Error(), "exit status 1") {
				t.Errorf("kubectl %s of a change: %v, want exit status 1", diff, err)
			}
			contains(t, "the difference", out, "-  "+k.duration+": 1m", "+  "+k.duration+": 2m", "+  "+k.duration+": 3m", "+  generation: 1", "-  generation: 1\n+  generation: 2")
			u.refused(k.manifest(name, "soon"), diff, "spec."+k.duration)
			equal(t, "the version after a diff", u.get(k.object(name), "{.metadata.resourceVersion}"), version)
		}
		if u.exists(k.object("new")) {
			t.Error("diff created what it was shown")
		}
	})
}

// create refuses what is there, and kubectl reads files and directories.
func TestCreate(t *testing.T) {
	t.Parallel()
	forKinds(t, func(t *testing.T, k kind, namespace string) {
		u := admin(t, namespace)
		dir := t.TempDir()
		if err := os.WriteFile(dir+"/demo.yaml", []byte(k.manifest("demo", "1m")), 0o600); err != nil {
			t.Fatal(err)
		}
		contains(t, "create", u.run("create", "-f", dir, "--save-config"), "demo created")
		u.refused("", []string{"create", "-f", dir}, "AlreadyExists", "already exists")
		contains(t, "apply after create", u.run("apply", "-f", dir), "demo unchanged")
		generated := strings.Replace(k.manifest("demo-", "1m"), `"name"`, `"generateName"`, 1)
		contains(t, "create with a generated name", u.input(generated, "create", "-f", "-"), k.object("demo-"), "created")
		contains(t, "delete -f", u.run("delete", "-f", dir), `"demo" deleted`)
	})
}
