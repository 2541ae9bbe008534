package build

import (
	"maps"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/leat-dev/leat/pkg/object"
)

// configMap returns the manifest of a ConfigMap.
func configMap(name, data string) string {
	return "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: " + name + "}\ndata: {" + data + "}\n"
}

// with returns the tree with files added to it or, if empty, taken from it.
func (t mapTree) with(files ...string) mapTree {
	out := maps.Clone(t)
	for i := 0; i < len(files); i += 2 {
		if files[i+1] == "" {
			delete(out, files[i])
			continue
		}
		out[files[i]] = files[i+1]
	}
	return out
}

// summary returns a line for each object: its key, its file, and the values of
// paths that the test asks for.
func summary(objects []object.Object, paths ...string) []string {
	lines := []string{}
	for _, o := range objects {
		line := o.Key().String() + " < " + o.File
		for _, p := range paths {
			if v := valueAt(o.Object, strings.Split(p, ".")); v != "" {
				line += " " + p + "=" + v
			}
		}
		lines = append(lines, line)
	}
	return lines
}

func valueAt(v any, path []string) string {
	for _, field := range path {
		switch t := v.(type) {
		case map[string]any:
			v = t[field]
		case []any:
			if len(t) == 0 {
				return ""
			}
			v = t[0]
			if m, ok := v.(map[string]any); ok {
				v = m[field]
			}
		default:
			return ""
		}
	}
	s, _ := v.(string)
	return s
}

func TestOptions(t *testing.T) {
	one := mapTree{"app/kustomization.yaml": "resources: [cm.yaml]\n", "app/cm.yaml": configMap("a", "k: v")}
	component := "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\nnamePrefix: c-\n"
	image := "spec.template.spec.containers.image"
	tests := []struct {
		name    string
		tree    mapTree
		options Options
		show    []string
		want    []string
	}{
		{name: "the root", tree: mapTree{"kustomization.yaml": "resources: [app]\n"}.with("app/kustomization.yaml", one["app/kustomization.yaml"], "app/cm.yaml", one["app/cm.yaml"]),
			want: []string{"ConfigMap/a < app/cm.yaml"}},
		{name: "a path with dots and slashes", tree: one, options: Options{Path: "./x/..//app/"}, want: []string{"ConfigMap/a < app/cm.yaml"}},
		{name: "an absolute path is relative to the root", tree: one, options: Options{Path: "/app"}, want: []string{"ConfigMap/a < app/cm.yaml"}},
		{name: "a path cannot leave the root", tree: one, options: Options{Path: "../../app"}, want: []string{"ConfigMap/a < app/cm.yaml"}},
		{name: "target namespace over the file's", tree: one.with("app/kustomization.yaml", "resources: [cm.yaml]\nnamespace: theirs\n"), options: Options{Path: "app", TargetNamespace: "ours"},
			want: []string{"ConfigMap/ours/a < app/cm.yaml"}},
		{name: "prefix and suffix", tree: one, options: Options{Path: "app", NamePrefix: "p-", NameSuffix: "-s"}, want: []string{"ConfigMap/p-a-s < app/cm.yaml"}},
		{name: "a patch after those of the file", show: []string{"data.k"},
			tree:    one.with("app/kustomization.yaml", "resources: [cm.yaml]\npatches: [{patch: '{apiVersion: v1, kind: ConfigMap, metadata: {name: a}, data: {k: file}}'}]\n"),
			options: Options{Path: "app", Patches: []Patch{{Patch: configMap("a", "k: spec")}}},
			want:    []string{"ConfigMap/a < app/cm.yaml data.k=spec"}},
		{name: "a JSON patch with a selector", tree: one.with("app/kustomization.yaml", "resources: [cm.yaml, b.yaml]\n", "app/b.yaml", configMap("b", "k: v")), show: []string{"data.k"},
			options: Options{Path: "app", Patches: []Patch{{Patch: `[{"op": "replace", "path": "/data/k", "value": "new"}]`, Target: &Selector{Kind: "ConfigMap", Name: "b|c"}}}},
			want:    []string{"ConfigMap/a < app/cm.yaml data.k=v", "ConfigMap/b < app/b.yaml data.k=new"}},
		{name: "a JSON patch that overwrites annotations hides the file behind the one that patches", tree: one, show: []string{"metadata.annotations.x"},
			options: Options{Path: "app", Patches: []Patch{{Patch: `[{"op": "add", "path": "/metadata/annotations", "value": {"x": "y"}}]`, Target: &Selector{Kind: "ConfigMap"}}}},
			want:    []string{"ConfigMap/a < app/kustomization.yaml metadata.annotations.x=y"}},
		{name: "images by name", tree: small().with("app/kustomization.yaml", "resources: [deploy.yaml]\nimages: [{name: nginx, newTag: theirs}]\n"), show: []string{image},
			options: Options{Path: "app", Images: []Image{{Name: "nginx", NewName: "caddy", NewTag: "2"}}},
			want:    []string{"Deployment/x/web < app/deploy.yaml spec.template.spec.containers.image=caddy:2"}},
		{name: "images by digest", tree: small().with("app/kustomization.yaml", "resources: [deploy.yaml]\n"), show: []string{image},
			options: Options{Path: "app", Images: []Image{{Name: "other", NewTag: "1"}, {Name: "nginx", Digest: "sha256:0123"}}},
			want:    []string{"Deployment/x/web < app/deploy.yaml spec.template.spec.containers.image=nginx@sha256:0123"}},
		{name: "components", tree: one.with("comp/kustomization.yaml", component), options: Options{Path: "app", Components: []string{"../comp"}}, want: []string{"ConfigMap/c-a < app/cm.yaml"}},
		{name: "missing components ignored", tree: one.with("comp/kustomization.yaml", component), options: Options{Path: "app", Components: []string{"../gone", "../comp"}, IgnoreMissingComponents: true},
			want: []string{"ConfigMap/c-a < app/cm.yaml"}},
		{name: "common metadata wins", tree: one.with("app/kustomization.yaml", "resources: [cm.yaml]\ncommonLabels: {a: theirs}\n"), show: []string{"metadata.labels.a", "metadata.annotations.b"},
			options: Options{Path: "app", Labels: map[string]string{"a": "ours"}, Annotations: map[string]string{"b": "${notSubstituted}"}, Substitute: Always},
			want:    []string{"ConfigMap/a < app/cm.yaml metadata.labels.a=ours metadata.annotations.b=${notSubstituted}"}},
		{name: "origin annotations only if asked for", tree: one, show: []string{"metadata.annotations.config,kubernetes,io/origin"}, options: Options{Path: "app"}, want: []string{"ConfigMap/a < app/cm.yaml"}},
		{name: "generated: a manifest beside others", tree: mapTree{"app/b.yml": configMap("b", ""), "app/a.yaml": configMap("a", ""), "app/README.md": "x", "app/c.json": "{}"}, options: Options{Path: "app"},
			want: []string{"ConfigMap/a < app/a.yaml", "ConfigMap/b < app/b.yml"}},
		{name: "generated: below, in the order of a walk", tree: mapTree{"app/z.yaml": configMap("z", ""), "app/m/n/n.yaml": configMap("n", ""), "app/m/a.yaml": configMap("ma", ""), "app/a.yaml": configMap("a", "")}, options: Options{Path: "app"},
			want: []string{"ConfigMap/a < app/a.yaml", "ConfigMap/ma < app/m/a.yaml", "ConfigMap/n < app/m/n/n.yaml", "ConfigMap/z < app/z.yaml"}},
		{name: "generated: a directory with a kustomization stands for what is in it", options: Options{Path: "app"},
			tree: mapTree{"app/a.yaml": configMap("a", ""), "app/sub/kustomization.yml": "resources: [in.yaml]\nnamePrefix: sub-\n", "app/sub/in.yaml": configMap("in", ""), "app/sub/out.yaml": "not: [valid"},
			want: []string{"ConfigMap/a < app/a.yaml", "ConfigMap/sub-in < app/sub/in.yaml"}},
		{name: "generated: options apply", tree: mapTree{"app/a.yaml": configMap("a", "")}, options: Options{Path: "app", TargetNamespace: "n", NamePrefix: "p-"}, want: []string{"ConfigMap/n/p-a < app/a.yaml"}},
		{name: "generated: the root", tree: mapTree{"a.yaml": configMap("a", ""), "d/b.yaml": configMap("b", "")}, want: []string{"ConfigMap/a < a.yaml", "ConfigMap/b < d/b.yaml"}},
		{name: "generated: nothing", tree: mapTree{"app/README.md": "x"}, options: Options{Path: "app"}, want: []string{}},
		{name: "generated: empty documents", tree: mapTree{"app/a.yaml": "# nothing\n---\n"}, options: Options{Path: "app"}, want: []string{}},
		{name: "only local configuration", tree: one.with("app/cm.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, annotations: {config.kubernetes.io/local-config: 'true'}}\n"), options: Options{Path: "app"}, want: []string{}},
		{name: "what a generator makes comes from where it is configured", tree: mapTree{"app/kustomization.yaml": "configMapGenerator: [{name: g, literals: [a=b], options: {disableNameSuffixHash: true}}]\n"}, options: Options{Path: "app"},
			want: []string{"ConfigMap/g < app/kustomization.yaml"}},
	}
	p := newPool(t, PoolOptions{})
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r, err := p.Build(t.Context(), Request{Tree: tt.tree, Options: tt.options})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, summary(r.Objects, tt.show...)); diff != "" {
				t.Errorf("objects (-want +got):\n%s", diff)
			}
			if r.Empty() != (len(tt.want) == 0) {
				t.Errorf("Empty() = %t with %d objects", r.Empty(), len(tt.want))
			}
			if !r.Inputs.UnchangedIn(tt.tree) {
				t.Error("the inputs changed in the very tree that was built")
			}
		})
	}
}
