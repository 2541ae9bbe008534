package kubectl

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// edit runs an editor over the object and sends what it made of it.
func TestEdit(t *testing.T) {
	t.Parallel()
	forKinds(t, func(t *testing.T, k kind, namespace string) {
		u := admin(t, namespace)
		u.apply(k.manifest("demo", "1m"))
		kept := t.TempDir()
		edit := func(script string, args ...string) (string, error) {
			cmd := u.client.KubectlCommand(t.Context(), append([]string{"--namespace=" + namespace, "edit"}, args...)...)
			// What was refused is kept, with the reasons, in a directory of the test's own.
			cmd.Env = append(cmd.Env, "KUBE_EDITOR=sed -i "+script, "TMPDIR="+kept)
			out, err := cmd.CombinedOutput()
			return string(out), err
		}
		out, err := edit("s/"+k.duration+":.1m/"+k.duration+":\\ 2m/", k.object("demo"))
		if err != nil || !strings.Contains(out, "demo edited") {
			t.Fatalf("edit: %v\n%s", err, out)
		}
		equal(t, "the duration after edit", u.get(k.object("demo"), "{.spec."+k.duration+"}"), "2m")
		out, err = edit("s/nothing/nothing/", k.object("demo"))
		if err != nil || !strings.Contains(out, "cancelled, no changes made") {
			t.Errorf("an edit that changes nothing: %v\n%s", err, out)
		}
		out, err = edit("s/"+k.duration+":.2m/"+k.duration+":\\ soon/", k.object("demo"))
		if err == nil || !strings.Contains(out, `"demo" is invalid`) {
			t.Errorf("an invalid edit: %v\n%s", err, out)
		}
		files, err := filepath.Glob(filepath.Join(kept, "kubectl-edit-*.yaml"))
		if err != nil {
			t.Fatal(err)
		}
		var reasons strings.Builder
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			reasons.Write(text)
		}
		contains(t, "what edit keeps", reasons.String(), "# * spec."+k.duration+": ", `"soon"`)
		out, err = edit("s/observedGeneration:.*/observedGeneration:\\ 7/", k.object("demo"), "--subresource=status")
		if err != nil {
			t.Fatalf("edit of the status: %v\n%s", err, out)
		}
		equal(t, "the status after edit", u.get(k.object("demo"), "{.status.observedGeneration}"), "7")
	})
}
