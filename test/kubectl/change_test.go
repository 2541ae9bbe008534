package kubectl

import (
	"strings"
	"testing"
)

func TestPatch(t *testing.T) {
	t.Parallel()
	forKinds(t, func(t *testing.T, k kind, namespace string) {
		u := admin(t, namespace)
		u.apply(k.labelled("demo", "1m", `{"a": "1", "b": "2"}`))
		patch := func(kind, text string) string {
			t.Helper()
			return u.run("patch", k.object("demo"), "--type="+kind, "-p", text)
		}
		for _, step := range []struct{ kind, patch, duration string }{
			{"merge", `{"spec":{"` + k.duration + `":"2m"},"metadata":{"labels":{"a":null}}}`, "2m"},
			{"json", `[{"op":"test","path":"/spec/` + k.duration + `","value":"2m"},{"op":"replace","path":"/spec/` + k.duration + `","value":"3m"}]`, "3m"},
			// kubectl patch without a type sends this one.
			{"strategic", `{"spec":{"` + k.duration + `":"4m"}}`, "4m"},
		} {
			contains(t, step.kind, patch(step.kind, step.patch), "demo patched")
			equal(t, step.kind, u.get(k.object("demo"), "{.spec."+k.duration+"}"), step.duration)
			contains(t, step.kind+" again", u.run("patch", k.object("demo"), "--type=merge", "-p", `{"spec":{"`+k.duration+`":"`+step.duration+`"}}`), "patched (no change)")
		}
		equal(t, "labels", u.get(k.object("demo"), "{.metadata.labels}"), `{"b":"2"}`)
		equal(t, "generation", u.get(k.object("demo"), "{.metadata.generation}"), "4")

		for _, refusal := range []struct {
			kind, patch string
			says        []string
		}{
			{"json", `[{"op":"test","path":"/spec/` + k.duration + `","value":"9m"}]`, []string{"cannot be applied"}},
			{"json", `[{"op":"remove","path":"/spec/nothing"}]`, []string{"cannot be applied"}},
			{"merge", `{"spec":{"` + k.duration + `":"soon"}}`, []string{"spec." + k.duration, "soon"}},
			{"merge", `{"metadata":{"name":"other"}}`, []string{"the name of the object (other) does not match"}},
			{"merge", `{"metadata":{"resourceVersion":"1"}}`, []string{"Conflict", "the object has been modified"}},
			{"strategic", `{"spec":{"$patch":"nonsense"}}`, []string{"nonsense"}},
		} {
			u.refused("", []string{"patch", k.object("demo"), "--type=" + refusal.kind, "-p", refusal.patch}, refusal.says...)
		}
		u.refused("", []string{"patch", k.object("absent"), "--type=merge", "-p", `{}`}, "NotFound")
	})
}

func TestReplace(t *testing.T) {
	t.Parallel()
	forKinds(t, func(t *testing.T, k kind, namespace string) {
		u := admin(t, namespace)
		u.refused(k.manifest("demo", "1m"), []string{"replace", "-f", "-"}, "NotFound")
		u.apply(k.manifest("demo", "1m"))
		stale := u.run("get", k.object("demo"), "-o", "yaml")
		uid := u.get(k.object("demo"), "{.metadata.uid}")

		contains(t, "replace", u.input(strings.Replace(stale, k.duration+": 1m", k.duration+": 2m", 1), "replace", "-f", "-"), "demo replaced")
		equal(t, "the duration after replace", u.get(k.object("demo"), "{.spec."+k.duration+"}"), "2m")
		u.refused(stale, []string{"replace", "-f", "-"}, "Conflict")

		contains(t, "replace --force", u.input(k.manifest("demo", "3m"), "replace", "--force", "-f", "-"), "deleted", "demo replaced")
		if got := u.get(k.object("demo"), "{.metadata.uid}"); got == uid {
			t.Error("replace --force kept the object")
		}
		equal(t, "the generation after replace --force", u.get(k.object("demo"), "{.metadata.generation}"), "1")
	})
}

func TestLabelAndAnnotate(t *testing.T) {
	t.Parallel()
	forKinds(t, func(t *testing.T, k kind, namespace string) {
		u := admin(t, namespace)
		u.apply(k.manifest("a", "1m") + k.manifest("b", "1m"))
		for command, says := range map[string][3]string{
			"label":    {"labeled", "not labeled", "unlabeled"},
			"annotate": {"annotated", "annotated", "annotated"},
		} {
			contains(t, command, u.run(command, k.qualified(), "--all", "tier=gold"), "a "+says[0], "b "+says[0])
			contains(t, command+" again", u.run(command, k.object("a"), "tier=gold"), "a "+says[1])
			u.refused("", []string{command, k.object("a"), "tier=silver"}, "--overwrite is false")
			u.run(command, k.object("a"), "tier=silver", "--overwrite")
			contains(t, command+" --list", u.run(command, k.object("a"), "--list"), "tier=silver")
			contains(t, command+" of none", u.run(command, k.object("b"), "tier-"), "b "+says[2])
		}
		equal(t, "what is left on b", u.get(k.object("b"), "{.metadata.labels}{.metadata.annotations.tier}"), "")
		equal(t, "the object with the label", u.run("get", k.qualified(), "-l", "tier=silver", "-o", "name"), k.object("a")+"\n")
		equal(t, "the annotation", u.get(k.object("a"), "{.metadata.annotations.tier}"), "silver")
		equal(t, "the generation", u.get(k.object("a"), "{.metadata.generation}"), "1")
		u.refused("", []string{"label", k.object("a"), "no/such/label=x"}, "no/such/label")
	})
}

func TestWait(t *testing.T) {
	t.Parallel()
	forKinds(t, func(t *testing.T, k kind, namespace string) {
		u := admin(t, namespace)
		limit := "--timeout=" + patience.String()
		object := k.object("demo")
		created := u.start("wait", "--for=create", object, limit)
		u.apply(k.manifest("demo", "1m"))
		created.until("condition met")

		field := u.start("wait", "--for=jsonpath={.spec."+k.duration+"}=2m", object, limit)
		exists := u.start("wait", "--for=jsonpath={.metadata.labels.tier}", object, limit)
		ready := u.start("wait", "--for=condition=Ready", object, limit)
		failed := u.start("wait", "--for=condition=Ready=False", object, limit)
		gone := u.start("wait", "--for=delete", object, limit)
		u.run("patch", object, "--type=merge", "-p", `{"spec":{"`+k.duration+`":"2m"}}`)
		field.until("condition met")
		u.run("label", object, "tier=gold")
		exists.until("condition met")
		condition := func(status string) {
			t.Helper()
			u.run("patch", object, "--subresource=status", "--type=merge", "-p",
				`{"status":{"observedGeneration":2,"conditions":[{"type":"Ready","status":"`+status+`","reason":"Test","message":"","lastTransitionTime":"2026-01-02T03:04:05Z"}]}}`)
		}
		condition("False")
		failed.until("condition met")
		condition("True")
		ready.until("condition met")
		u.run("delete", object)
		gone.until("condition met")
		u.refused("", []string{"wait", "--for=condition=Ready", object, "--timeout=1s"}, "NotFound")
	})
}

func TestStatusSubresource(t *testing.T) {
	t.Parallel()
	forKinds(t, func(t *testing.T, k kind, namespace string) {
		u := admin(t, namespace)
		object, status := k.object("demo"), "--subresource=status"
		u.apply(k.manifest("demo", "1m"))
		contains(t, "get "+status, u.run("get", object, status, "-o", "yaml"), "kind: "+k.kind, k.duration+": 1m", "observedGeneration: -1")
		contains(t, "the table", u.run("get", object, status), k.columns[0], "demo")

		// What comes through the status changes nothing else, and the other way round.
		u.run("patch", object, status, "--type=merge", "-p", `{"spec":{"`+k.duration+`":"9m"},"metadata":{"labels":{"a":"b"}},"status":{"observedGeneration":1}}`)
		u.run("patch", object, "--type=merge", "-p", `{"status":{"observedGeneration":9}}`)
		u.run("patch", object, status, "--type=json", "-p", `[{"op":"add","path":"/status/lastHandledReconcileAt","value":"then"}]`)
		equal(t, "after patches", u.get(object, "{.spec."+k.duration+"}{.metadata.labels}{.status.observedGeneration}{.status.lastHandledReconcileAt}{.metadata.generation}"), "1m1then1")

		changed := strings.Replace(u.run("get", object, "-o", "yaml"), "observedGeneration: 1", "observedGeneration: 3", 1)
		u.input(strings.Replace(changed, k.duration+": 1m", k.duration+": 9m", 1), "replace", status, "-f", "-")
		equal(t, "after replace", u.get(object, "{.spec."+k.duration+"}{.status.observedGeneration}"), "1m3")

		applied := "apiVersion: " + k.GroupVersion().String() + "\nkind: " + k.kind + "\nmetadata: {name: demo}\nstatus: {lastHandledReconcileAt: now}\n"
		u.refused(applied, []string{"apply", status, "--server-side", "--field-manager=test", "-f", "-"}, "conflict", ".status.lastHandledReconcileAt")
		u.apply(applied, status, "--server-side", "--field-manager=test", "--force-conflicts")
		equal(t, "after apply", u.get(object, "{.status.lastHandledReconcileAt}"), "now")
		owners := u.get(object, `{.metadata.managedFields[?(@.subresource=="status")].manager}`, "--show-managed-fields")
		contains(t, "the managers of the status", owners, "test", "kubectl")
		u.refused("", []string{"get", object, "--subresource=nonsense"}, "nonsense")
	})
}
