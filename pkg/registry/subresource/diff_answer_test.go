package subresource

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	leatv1alpha1 "github.com/leat-dev/leat/pkg/apis/leat/v1alpha1"
	"github.com/leat-dev/leat/pkg/preview"
)

// body makes the body of an object out of YAML; empty stands for none.
func body(t *testing.T, text string) *unstructured.Unstructured {
	t.Helper()
	if text == "" {
		return nil
	}
	u := &unstructured.Unstructured{}
	if err := yaml.Unmarshal([]byte(text), &u.Object); err != nil {
		t.Fatal(err)
	}
	return u
}

// objectDiff is what is said of an object with these bodies.
func objectDiff(t *testing.T, action leatv1alpha1.DiffAction, before, after string) preview.ObjectDiff {
	t.Helper()
	d := preview.ObjectDiff{Old: body(t, before), New: body(t, after)}
	shown := d.New
	if shown == nil {
		shown = d.Old
	}
	d.Action = action
	d.APIVersion, d.Kind, d.Namespace, d.Name = shown.GetAPIVersion(), shown.GetKind(), shown.GetNamespace(), shown.GetName()
	return d
}

func configMap(name string, lines ...string) string {
	return fmt.Sprintf("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: %q, namespace: team}\ndata:\n  a: \"1\"\n  %s\n", name, strings.Join(lines, "\n  "))
}

func answerOf(t *testing.T, objects ...preview.ObjectDiff) *diffAnswer {
	t.Helper()
	a, err := newDiffAnswer("Kustomization", kustomization("", "r1", "r1"), &preview.Diff{From: "live", To: "main@sha1:1", Objects: objects})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// everything has each action, and content that looks like a diff itself.
func everything(t *testing.T) []preview.ObjectDiff {
	t.Helper()
	var long strings.Builder
	for i := range 400 {
		fmt.Fprintf(&long, "line%03d: \"%d\"\n  ", i, i)
	}
	masked := objectDiff(t, leatv1alpha1.DiffUpdate, configMap("masked", "p: '***(changed)'"), configMap("masked", "p: '***(changed)'"))
	same := &leatv1alpha1.JSONValue{Raw: []byte(`"***(changed)"`)}
	masked.Fields = []leatv1alpha1.DiffField{{Path: "/data/p", Old: same, New: same, Masked: true}}
	redacted := objectDiff(t, leatv1alpha1.DiffUpdate, configMap("redacted"), configMap("redacted"))
	redacted.Redacted, redacted.Old, redacted.New = true, nil, nil
	unverified := objectDiff(t, leatv1alpha1.DiffCreate, "", "apiVersion: example.com/v1\nkind: Thing\nmetadata: {name: 'sys:tem'}\nspec: {}\n")
	unverified.Unverified, unverified.File = true, "deploy/thing.yaml"
	recreated := objectDiff(t, leatv1alpha1.DiffRecreate, configMap("again", "x: old"), configMap("again", "x: new"))
	recreated.Message = "spec.clusterIP is immutable\n--- a/evil\n+++ b/evil\n@@ -0,0 +1 @@\n+evil"
	skipped := objectDiff(t, leatv1alpha1.DiffSkip, configMap("left"), configMap("left"))
	skipped.Message = "annotated kustomize.toolkit.fluxcd.io/reconcile: disabled"
	return []preview.ObjectDiff{
		objectDiff(t, leatv1alpha1.DiffCreate, "", configMap("new", "b: two")),
		objectDiff(t, leatv1alpha1.DiffUpdate, configMap("changed", long.String(), "z: old"), configMap("changed", "first: x", long.String(), "z: new")),
		objectDiff(t, leatv1alpha1.DiffUpdate,
			configMap("hunks", `text: "-- a/x\n++ b/x\n@@ -1 +1 @@\nIndex: y\n\tand\r\n no end"`),
			configMap("hunks", `text: "-- a/x\n++ b/x\n@@ -1 +1 @@\nIndex: z\n\tand\r\n no end\u2028\u202e"`)),
		objectDiff(t, leatv1alpha1.DiffUpdate,
			configMap("literal", `text: "-- a/x\n++ b/x\n@@ -1 +1 @@\n\ No newline at end of file\n"`),
			configMap("literal", `text: "++ b/x\n-- a/x\n@@ -1 +1 @@\nPrereq: 1\n"`)),
		objectDiff(t, leatv1alpha1.DiffUpdate, configMap("../../escape", "b: one"), configMap("../../escape", "b: two")),
		recreated, masked, redacted, unverified, skipped,
		objectDiff(t, leatv1alpha1.DiffUnchanged, configMap("same"), configMap("same")),
		objectDiff(t, leatv1alpha1.DiffDelete, configMap("gone", "b: two"), ""),
	}
}

// files are the bodies of one side, as the diff names them.
func files(t *testing.T, objects []preview.ObjectDiff, side func(*preview.ObjectDiff) *unstructured.Unstructured) map[string]string {
	t.Helper()
	all := map[string]string{}
	for i := range objects {
		if u := side(&objects[i]); u != nil {
			text, err := bodyText(u)
			if err != nil {
				t.Fatal(err)
			}
			all[patchPath(&objects[i])] = text
		}
	}
	return all
}

func TestTextIsAPatch(t *testing.T) {
	objects := everything(t)
	text, err := answerOf(t, objects...).encode(asText)
	if err != nil {
		t.Fatal(err)
	}
	before := files(t, objects, func(o *preview.ObjectDiff) *unstructured.Unstructured { return o.Old })
	after := files(t, objects, func(o *preview.ObjectDiff) *unstructured.Unstructured { return o.New })
	for name, command := range map[string][]string{
		"patch":     {"patch", "-p1", "--batch", "--fuzz=0"},
		"git apply": {"git", "apply", "-p1", "--whitespace=nowarn"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := exec.LookPath(command[0]); err != nil {
				t.Skipf("%s is not installed", command[0])
			}
			dir := t.TempDir()
			for path, content := range before {
				path = filepath.Join(dir, path)
				if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			cmd := exec.CommandContext(t.Context(), command[0], command[1:]...)
			cmd.Dir, cmd.Stdin = dir, strings.NewReader(string(text))
			// A repository above the directory must not be taken for the one to patch.
			cmd.Env = append(os.Environ(), "GIT_CEILING_DIRECTORIES="+filepath.Dir(dir))
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("%v: %s\n%s", err, out, text)
			}
			got := map[string]string{}
			err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
				if err != nil || d.IsDir() {
					return err
				}
				content, err := os.ReadFile(path)
				relative, _ := filepath.Rel(dir, path)
				got[relative] = string(content)
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(after, got); diff != "" {
				t.Errorf("files after patching (-want +got):\n%s", diff)
			}
		})
	}
}

func TestTextTellsWhatPatchHasNoFormFor(t *testing.T) {
	text, err := answerOf(t, everything(t)...).encode(asText)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"# Kustomization team/app: from live to main@sha1:1\n",
		"# 2 to create, 6 to update, 1 to recreate, 1 to delete, 2 unchanged; 1 of them not verified\n",
		"# Recreate ConfigMap team/again\n# spec.clusterIP is immutable\uFFFD--- a/evil",
		"# the object would be deleted and created anew\n",
		"# /data/p changes; its value is not shown\n",
		"# Update ConfigMap team/redacted\n# the content is not shown: you may not read the object\n",
		"# Create Thing.example.com sys:tem (deploy/thing.yaml)\n# not verified: no dry-run was possible\n--- /dev/null\n+++ b/Thing.example.com/sys:tem\n",
		"# Skip ConfigMap team/left\n# annotated kustomize.toolkit.fluxcd.io/reconcile: disabled\n",
		"--- a/ConfigMap/team/..%2F..%2Fescape\n",
		"--- a/ConfigMap/team/gone\n+++ /dev/null\n",
	} {
		if !strings.Contains(string(text), want) {
			t.Errorf("%q is missing in\n%s", want, text)
		}
	}
	if strings.Contains(string(text), "team/same") {
		t.Error("an unchanged object is shown")
	}
}

func TestPatchPath(t *testing.T) {
	for _, test := range []struct{ apiVersion, kind, namespace, name, want string }{
		{"v1", "ConfigMap", "team", "app", "ConfigMap/team/app"},
		{"apps/v1", "Deployment", "team", "app", "Deployment.apps/team/app"},
		{"rbac.authorization.k8s.io/v1", "ClusterRole", "", "system:node", "ClusterRole.rbac.authorization.k8s.io/system:node"},
		{"v1", "ConfigMap", "..", ".", "ConfigMap/%2E%2E/%2E"},
		{"v1", "ConfigMap", "a/b", "c d\te\n", "ConfigMap/a%2Fb/c%20d%09e%0A"},
		{"../x/y", "..", "", "é", "...%2E.%2Fx%2Fy/%C3%A9"},
	} {
		o := &preview.ObjectDiff{DiffObject: leatv1alpha1.DiffObject{APIVersion: test.apiVersion, Kind: test.kind, Namespace: test.namespace, Name: test.name}}
		got := patchPath(o)
		if test.name == "é" {
			if strings.Contains(got, "/../") || strings.HasPrefix(got, "../") || !strings.HasSuffix(got, "/%C3%A9") {
				t.Errorf("%s leads out of the directory", got)
			}
			continue
		}
		if got != test.want {
			t.Errorf("%+v: got %s", test, got)
		}
	}
}

func TestResultAsJSONAndYAML(t *testing.T) {
	a := answerOf(t, everything(t)...)
	encoded, err := a.encode(asJSON)
	if err != nil {
		t.Fatal(err)
	}
	var fromJSON, fromYAML leatv1alpha1.DiffResult
	if err := json.Unmarshal(encoded, &fromJSON); err != nil {
		t.Fatal(err)
	}
	want := leatv1alpha1.DiffSummary{Create: 2, Update: 6, Recreate: 1, Delete: 1, Unchanged: 2, Unverified: 1}
	if diff := cmp.Diff(want, fromJSON.Summary); diff != "" {
		t.Errorf("summary (-want +got):\n%s", diff)
	}
	if fromJSON.Kind != "DiffResult" || fromJSON.APIVersion != "leat.dev/v1alpha1" || fromJSON.Name != "app" || fromJSON.Namespace != "team" || len(fromJSON.Objects) != 12 {
		t.Errorf("got %s %s of %s/%s with %d objects", fromJSON.APIVersion, fromJSON.Kind, fromJSON.Namespace, fromJSON.Name, len(fromJSON.Objects))
	}
	encoded, err = a.encode(asYAML)
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.UnmarshalStrict(encoded, &fromYAML); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(fromJSON, fromYAML); diff != "" {
		t.Errorf("JSON and YAML differ (-JSON +YAML):\n%s", diff)
	}
	if size := a.size(); size < int64(len(encoded)) {
		t.Errorf("its size is said to be %d, less than the %d bytes of its YAML", size, len(encoded))
	}
}
