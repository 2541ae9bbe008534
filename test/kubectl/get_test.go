package kubectl

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/leat-dev/leat/test/framework"
)

// demos applies the objects a, b and c, of which b has the label tier=gold.
func demos(u user, k kind) {
	u.t.Helper()
	u.apply(k.manifest("c", "3m") + k.manifest("a", "2m") + k.labelled("b", "1m", `{"tier": "gold"}`))
}

func TestGetOutputs(t *testing.T) {
	t.Parallel()
	forKinds(t, func(t *testing.T, k kind, namespace string) {
		u := admin(t, namespace)
		demos(u, k)
		interval := ".spec." + k.duration
		tests := map[string]struct {
			args []string
			want string
		}{
			"name":           {[]string{"-o", "name"}, k.object("a") + "\n" + k.object("b") + "\n" + k.object("c") + "\n"},
			"jsonpath":       {[]string{"-o", "jsonpath={.items[*]" + interval + "}"}, "2m 1m 3m"},
			"jsonpath, sort": {[]string{"--sort-by=" + interval, "-o", "jsonpath={.items[*].metadata.name}"}, "b a c"},
			"custom columns": {[]string{"-o", "custom-columns=NAME:.metadata.name,X:" + interval}, "NAME   X\na      2m\nb      1m\nc      3m\n"},
			"go-template":    {[]string{"-o", "go-template={{range .items}}{{.metadata.name}}{{end}}"}, "abc"},
			"labels":         {[]string{"-l", "tier=gold", "-o", "name"}, k.object("b") + "\n"},
			"labels, set":    {[]string{"-l", "tier notin (gold)", "-o", "name"}, k.object("a") + "\n" + k.object("c") + "\n"},
			"field":          {[]string{"--field-selector=metadata.name!=b", "-o", "name"}, k.object("a") + "\n" + k.object("c") + "\n"},
			"field, label":   {[]string{"--field-selector=metadata.name=a", "-l", "tier", "-o", "name"}, ""},
			"chunks":         {[]string{"--chunk-size=2", "-o", "name"}, k.object("a") + "\n" + k.object("b") + "\n" + k.object("c") + "\n"},
			"two by name":    {[]string{"c", "a", "-o", "name"}, k.object("c") + "\n" + k.object("a") + "\n"},
		}
		for name, test := range tests {
			equal(t, name, u.run(append([]string{"get", k.qualified()}, test.args...)...), test.want)
		}
		u.refused("", []string{"get", k.qualified(), "--field-selector=spec.nothing=1"}, "spec.nothing")
		u.refused("", []string{"get", k.object("absent")}, "NotFound", k.qualified()+` "absent" not found`)
	})
}

// The formats that hold whole objects give back what was applied.
func TestGetWholeObjects(t *testing.T) {
	t.Parallel()
	forKinds(t, func(t *testing.T, k kind, namespace string) {
		u := admin(t, namespace)
		u.apply(k.manifest("demo", "7m"))
		var fromYAML, fromJSON, manifest unstructured.Unstructured
		for _, source := range []struct {
			text string
			into *unstructured.Unstructured
		}{
			{u.run("get", k.object("demo"), "-o", "yaml"), &fromYAML},
			{u.run("get", k.object("demo"), "-o", "json"), &fromJSON},
			{k.manifest("demo", "7m"), &manifest},
		} {
			if err := yaml.Unmarshal([]byte(source.text), &source.into.Object); err != nil {
				t.Fatal(err)
			}
		}
		if diff := cmp.Diff(fromJSON.Object, fromYAML.Object); diff != "" {
			t.Errorf("JSON and YAML differ (-json +yaml):\n%s", diff)
		}
		spec, _, _ := unstructured.NestedMap(fromYAML.Object, "spec")
		for name, want := range manifest.Object["spec"].(map[string]any) {
			if diff := cmp.Diff(want, spec[name]); diff != "" {
				t.Errorf("spec.%s (-applied +got):\n%s", name, diff)
			}
		}
		if fromYAML.GetManagedFields() != nil {
			t.Error("kubectl shows managed fields without being asked")
		}
		contains(t, "--show-managed-fields", u.run("get", k.object("demo"), "-o", "yaml", "--show-managed-fields"), "kubectl-client-side-apply", "f:"+k.duration)
	})
}

func TestGetTables(t *testing.T) {
	t.Parallel()
	forKinds(t, func(t *testing.T, k kind, namespace string) {
		u := admin(t, namespace)
		demos(u, k)
		header := func(args ...string) []string {
			t.Helper()
			line, _, _ := strings.Cut(u.run(append([]string{"get", k.qualified()}, args...)...), "\n")
			var columns []string
			for column := range strings.SplitSeq(line, "   ") {
				if column = strings.TrimSpace(column); column != "" {
					columns = append(columns, column)
				}
			}
			return columns
		}
		wide := append(append([]string{}, k.columns...), k.wide...)
		for _, test := range []struct {
			args, want []string
		}{
			{nil, k.columns},
			{[]string{"-o", "wide"}, wide},
			{[]string{"--show-labels"}, append(append([]string{}, k.columns...), "LABELS")},
			{[]string{"--label-columns=tier"}, append(append([]string{}, k.columns...), "TIER")},
			{[]string{"--all-namespaces"}, append([]string{"NAMESPACE"}, k.columns...)},
			{[]string{"--show-kind", "a"}, k.columns},
		} {
			if diff := cmp.Diff(test.want, header(test.args...)); diff != "" {
				t.Errorf("columns of get %v (-want +got):\n%s", test.args, diff)
			}
		}
		// The names that people type.
		names := append([]string{k.short, k.singular, k.kind, k.Resource + "." + k.Version + "." + k.Group}, k.categories...)
		for _, name := range names {
			out := u.run("get", name, "--no-headers", "--show-kind")
			contains(t, "get "+name, out, k.object("a"), k.object("b"), k.object("c"))
		}
		if order := u.run("get", k.qualified(), "--no-headers", "--sort-by=.spec."+k.duration); !strings.HasPrefix(order, "b ") {
			t.Errorf("a table sorted by the duration begins with:\n%s", order)
		}
	})
}

// kubectl reads a long list in parts.
func TestGetChunks(t *testing.T) {
	t.Parallel()
	forKinds(t, func(t *testing.T, k kind, namespace string) {
		u := admin(t, namespace)
		demos(u, k)
		first := u.run("get", "--raw", k.path(namespace)+"?limit=2")
		var list unstructured.UnstructuredList
		if err := json.Unmarshal([]byte(first), &list); err != nil {
			t.Fatal(err)
		}
		if len(list.Items) != 2 || list.GetContinue() == "" || list.GetRemainingItemCount() == nil || *list.GetRemainingItemCount() != 1 {
			t.Errorf("the first part has %d objects, continue %q, %v to come", len(list.Items), list.GetContinue(), list.GetRemainingItemCount())
		}
		out := u.run("get", k.qualified(), "--chunk-size=1", "--no-headers")
		if lines := strings.Count(out, "\n"); lines != 3 {
			t.Errorf("--chunk-size=1 shows %d objects, want 3:\n%s", lines, out)
		}
		parts, err := cluster.AuditRequests(func(r framework.Request) bool {
			return r.Namespace == namespace && r.Verb == "list" && r.Resource == k.Resource && strings.Contains(r.URI, "limit=1") && strings.HasPrefix(r.UserAgent, "kubectl/")
		})
		if err != nil {
			t.Fatal(err)
		}
		if len(parts) != 3 {
			t.Errorf("kubectl asked for %d parts, want 3", len(parts))
		}
	})
}

func TestGetWatch(t *testing.T) {
	t.Parallel()
	forKinds(t, func(t *testing.T, k kind, namespace string) {
		u := admin(t, namespace)
		u.apply(k.manifest("a", "1m"))
		// One by name, all by label, and the events with their types.
		one := u.start("get", k.object("a"), "--watch")
		some := u.start("get", k.qualified(), "-l", "tier=gold", "--watch-only", "-o", "name")
		events := u.start("get", k.qualified(), "--watch", "--output-watch-events")
		one.until("a ")
		events.until("ADDED", "a ")
		u.run("label", k.object("a"), "tier=gold")
		one.until("a ")
		some.until(k.object("a"))
		u.run("patch", k.object("a"), "--type=merge", "-p", `{"spec":{"`+k.duration+`":"2m"}}`)
		events.until("MODIFIED", "a ")
		u.apply(k.manifest("b", "3m"))
		events.until("ADDED", "b ")
		u.run("delete", k.object("a"))
		events.until("DELETED", "a ")
	})
}
