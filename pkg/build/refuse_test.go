package build

import (
	"errors"
	"strings"
	"testing"
)

func TestRefusals(t *testing.T) {
	const remote = "https://user:hunter2@example.com/x?token=hunter2"
	kustomization := func(k string) mapTree {
		return mapTree{"app/kustomization.yaml": k + "\n", "app/cm.yaml": configMap("a", "k: v"), "outside.yaml": configMap("o", "")}
	}
	component := "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\nnamePrefix: p-\n"
	tests := []struct {
		name    string
		tree    mapTree
		options Options
		reason  Reason
		file    string
		message string
	}{
		{name: "remote resource", tree: kustomization("resources: [cm.yaml, '" + remote + "']"), reason: ReasonRemote, message: "resources: https://example.com/x is remote"},
		{name: "remote base", tree: kustomization("bases: ['" + remote + "']"), reason: ReasonRemote, message: "bases: "},
		{name: "remote component", tree: kustomization("components: ['" + remote + "']"), reason: ReasonRemote, message: "components: "},
		{name: "remote crd", tree: kustomization("crds: ['" + remote + "']"), reason: ReasonRemote, message: "crds: "},
		{name: "remote configuration", tree: kustomization("configurations: ['" + remote + "']"), reason: ReasonRemote, message: "configurations: "},
		{name: "remote patch", tree: kustomization("resources: [cm.yaml]\npatches: [{path: '" + remote + "'}]"), reason: ReasonRemote, message: "patches[0].path: "},
		{name: "remote strategic merge", tree: kustomization("patchesStrategicMerge: ['" + remote + "']"), reason: ReasonRemote, message: "patchesStrategicMerge: "},
		{name: "remote json patch", tree: kustomization("patchesJson6902: [{path: '" + remote + "', target: {version: v1, kind: ConfigMap, name: a}}]"), reason: ReasonRemote, message: "patchesJson6902[0].path: "},
		{name: "remote generator", tree: kustomization("generators: ['" + remote + "']"), reason: ReasonRemote, message: "generators: "},
		{name: "remote transformer", tree: kustomization("transformers: ['" + remote + "']"), reason: ReasonRemote, message: "transformers: "},
		{name: "remote validator", tree: kustomization("validators: ['" + remote + "']"), reason: ReasonRemote, message: "validators: "},
		{name: "remote schema", tree: kustomization("openapi: {path: '" + remote + "'}"), reason: ReasonRemote, message: "openapi.path: "},
		{name: "remote replacement", tree: kustomization("replacements: [{path: '" + remote + "'}]"), reason: ReasonRemote, message: "replacements[0].path: "},
		{name: "remote file of a ConfigMap", tree: kustomization("configMapGenerator: [{name: a, files: ['k=" + remote + "']}]"), reason: ReasonRemote, message: "configMapGenerator[0].files: "},
		{name: "remote envs of a ConfigMap", tree: kustomization("configMapGenerator: [{name: a, envs: ['" + remote + "']}]"), reason: ReasonRemote, message: "configMapGenerator[0].envs: "},
		{name: "remote env of a Secret", tree: kustomization("secretGenerator: [{name: b}, {name: a, env: '" + remote + "'}]"), reason: ReasonRemote, message: "secretGenerator[1].env: "},
		{name: "remote file of a Secret", tree: kustomization("secretGenerator: [{name: a, files: ['" + remote + "']}]"), reason: ReasonRemote, message: "secretGenerator[0].files: "},
		{name: "remote path of an inline transformer", tree: kustomization("resources: [cm.yaml]\ntransformers: ['{apiVersion: builtin, kind: PatchTransformer, metadata: {name: a}, path: \"http://x/y\"}']"), reason: ReasonRemote, message: "transformers.path: http://x/y is remote"},
		{name: "remote path in a transformer's file", tree: kustomization("resources: [cm.yaml]\ntransformers: [t.yaml]").with("app/t.yaml", "apiVersion: builtin\nkind: PatchTransformer\nmetadata: {name: a}\npath: http://x/y\n"),
			reason: ReasonRemote, file: "app/t.yaml", message: "path: http://x/y is remote"},
		{name: "remote files in a generator's file", tree: kustomization("generators: [t.yaml]").with("app/t.yaml", "apiVersion: builtin\nkind: SecretGenerator\nmetadata: {name: a}\nfiles: ['k=http://x/y']\n"),
			reason: ReasonRemote, file: "app/t.yaml", message: "files: http://x/y is remote"},
		{name: "remote replacement in a transformer's file", tree: kustomization("resources: [cm.yaml]\ntransformers: [t.yaml]").with("app/t.yaml", "apiVersion: builtin\nkind: ReplacementTransformer\nmetadata: {name: a}\nreplacements: [{path: http://x/y}]\n"),
			reason: ReasonRemote, file: "app/t.yaml", message: "replacements[0].path: http://x/y is remote"},
		{name: "remote path that a kustomization makes", reason: ReasonRemote, file: " ", message: "builds do not fetch anything",
			tree: kustomization("resources: [cm.yaml]\ntransformers: [t]").with("app/t/kustomization.yaml", "resources: [t.yaml]\npatches: [{target: {kind: PatchTransformer}, patch: '[{\"op\": \"replace\", \"path\": \"/path\", \"value\": \"http://127.0.0.1:1/y\"}]'}]\n",
				"app/t/t.yaml", "apiVersion: builtin\nkind: PatchTransformer\nmetadata: {name: a}\npath: cm.yaml\n")},
		{name: "remote in a base", tree: kustomization("resources: [../base]").with("base/kustomization.yaml", "resources: ['"+remote+"']\n"), reason: ReasonRemote, file: "base/kustomization.yaml", message: "resources: "},
		{name: "git over ssh", tree: kustomization("resources: ['git@github.com:org/repo']"), reason: ReasonRemote, message: "is remote"},
		{name: "github without scheme", tree: kustomization("resources: ['GitHub.com/org/repo//path?ref=v1']"), reason: ReasonRemote, message: "is remote"},
		{name: "forced git", tree: kustomization("resources: ['git::org/repo']"), reason: ReasonRemote, message: "is remote"},
		{name: "ssh", tree: kustomization("resources: ['ssh://git@host/repo']"), reason: ReasonRemote, message: "is remote"},
		{name: "file scheme", tree: kustomization("resources: ['file:///etc']"), reason: ReasonRemote, message: "is remote"},
		{name: "http without slashes", tree: kustomization("resources: ['HTTP:x']"), reason: ReasonRemote, message: "is remote"},
		{name: "a directory that kustomize would clone", tree: kustomization("resources: [user@host/org/repo]").with("app/user@host/org/repo/kustomization.yaml", "resources: []\n"), reason: ReasonRemote, message: "is remote"},
		{name: "helm charts", tree: kustomization("helmCharts: [{name: x, repo: 'https://x'}]"), reason: ReasonRemote, message: "helmCharts: "},
		{name: "helm chart generators", tree: kustomization("helmChartInflationGenerator: [{chartName: x}]"), reason: ReasonRemote, message: "helmChartInflationGenerator: "},
		{name: "helm chart by plug-in", tree: kustomization("generators: [t.yaml]").with("app/t.yaml", "apiVersion: builtin\nkind: HelmChartInflationGenerator\nmetadata: {name: a}\nname: x\n"), reason: ReasonRemote, file: "app/t.yaml", message: "no Helm charts"},
		{name: "exec plug-in", tree: kustomization("generators: [t.yaml]").with("app/t.yaml", "apiVersion: example.com/v1\nkind: Exec\nmetadata:\n  name: a\n  annotations: {config.kubernetes.io/function: 'exec: {path: ./x}'}\n"), reason: ReasonRemote, file: "app/t.yaml", message: "is not built in"},

		{name: "absolute resource", tree: kustomization("resources: [/etc/passwd]"), reason: ReasonRemote, message: "resources: /etc/passwd leads out of the source"},
		{name: "absolute generator file", tree: kustomization("secretGenerator: [{name: a, files: [/proc/self/environ]}]"), reason: ReasonRemote, message: "leads out"},
		{name: "absolute plug-in path", tree: kustomization("resources: [cm.yaml]\ntransformers: ['{apiVersion: builtin, kind: PatchTransformer, metadata: {name: a}, path: /etc/passwd}']"), reason: ReasonRemote, message: "leads out"},
		{name: "escape", tree: kustomization("resources: [../../outside.yaml]"), reason: ReasonRemote, message: "leads out"},
		{name: "escape by a long way", tree: kustomization("configMapGenerator: [{name: a, files: [../../../../../../etc/passwd]}]"), reason: ReasonRemote, message: "leads out"},
		{name: "escape that comes back", tree: kustomization("resources: [../../" + "x/../outside.yaml]"), reason: ReasonRemote, message: "leads out"},
		{name: "escape by a plug-in", tree: kustomization("resources: [cm.yaml]\ntransformers: ['{apiVersion: builtin, kind: PatchTransformer, metadata: {name: a}, path: ../../../etc/passwd}']"), reason: ReasonInvalid, message: "leads out"},
		{name: "component of the options with a scheme", tree: kustomization("resources: [cm.yaml]"), options: Options{Components: []string{remote}}, reason: ReasonRemote, file: " ", message: "components: https://example.com/x is not a relative path"},
		{name: "absolute component of the options", tree: kustomization("resources: [cm.yaml]"), options: Options{Components: []string{"/c"}}, reason: ReasonRemote, file: " ", message: "components: /c is not"},

		{name: "no such path", tree: kustomization("resources: [cm.yaml]"), options: Options{Path: "gone"}, reason: ReasonPathNotFound, file: "gone", message: "no such directory"},
		{name: "the path is a file", tree: kustomization("resources: [cm.yaml]"), options: Options{Path: "app/cm.yaml"}, reason: ReasonPathNotFound, file: "app/cm.yaml", message: "is a file"},
		{name: "missing resource", tree: kustomization("resources: [cm.yaml, gone.yaml]"), reason: ReasonInvalid, message: "resources: gone.yaml does not exist"},
		{name: "missing patch in a base", tree: kustomization("resources: [../base]").with("base/kustomization.yaml", "patches: [{path: p.yaml}]\n"), reason: ReasonInvalid, file: "base/kustomization.yaml", message: "patches[0].path: p.yaml does not exist"},
		{name: "missing component", tree: kustomization("resources: [cm.yaml]"), options: Options{Components: []string{"../gone"}}, reason: ReasonInvalid, message: "components: ../gone does not exist"},
		{name: "a component that is a file", tree: kustomization("components: [cm.yaml]"), reason: ReasonInvalid, message: "is a file, not a directory"},
		{name: "a patch that is a directory", tree: kustomization("patches: [{path: ../app}]"), reason: ReasonInvalid, message: "is a directory, not a file"},
		{name: "a resource without kustomization", tree: kustomization("resources: [../dir]").with("dir/x.yaml", configMap("x", "")), reason: ReasonInvalid, file: "dir", message: "has no kustomization file"},
		{name: "two kustomizations", tree: kustomization("resources: [cm.yaml]").with("app/Kustomization", "resources: []\n"), reason: ReasonInvalid, file: "app/Kustomization", message: "another kustomization file"},
		{name: "empty kustomization", tree: mapTree{"app/kustomization.yaml": "kind: Kustomization\n"}, reason: ReasonInvalid, message: "is empty"},
		{name: "unknown field", tree: kustomization("resource: [cm.yaml]"), reason: ReasonInvalid, message: `unknown field "resource"`},
		{name: "unknown field in a base", tree: kustomization("resources: [../base]").with("base/kustomization.yaml", "resource: []\n"), reason: ReasonInvalid, file: "base/kustomization.yaml", message: `unknown field`},
		{name: "kustomization that is no YAML", tree: kustomization("resources: [cm.yaml"), reason: ReasonInvalid, message: "invalid Kustomization"},
		{name: "Flux's kind of that name", tree: kustomization("apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nresources: [cm.yaml]"), reason: ReasonInvalid, message: "apiVersion"},
		{name: "resource that is no YAML", tree: kustomization("resources: [cm.yaml, broken.yaml]").with("app/broken.yaml", "a: [b\nc: d\n"), reason: ReasonInvalid, file: "app/broken.yaml", message: "yaml"},
		{name: "resource without name", tree: kustomization("resources: [cm.yaml, broken.yaml]").with("app/broken.yaml", "apiVersion: v1\nkind: Secret\nstringData: {password: hunter2}\n"), reason: ReasonInvalid, file: "app/broken.yaml", message: "missing metadata.name"},
		{name: "generated with what is no YAML", tree: mapTree{"app/ok.yaml": configMap("a", ""), "app/sub/broken.yaml": "a: [b\n"}, reason: ReasonInvalid, file: "app/sub/broken.yaml", message: "yaml"},
		{name: "generated with what is no object", tree: mapTree{"app/values.yaml": "replicas: 3\n"}, reason: ReasonInvalid, file: "app/values.yaml", message: "missing"},
		{name: "the same object twice", tree: kustomization("resources: [cm.yaml, b.yaml]").with("app/b.yaml", configMap("a", "")), reason: ReasonInvalid, message: "already registered id"},
		{name: "patch without target", tree: kustomization("resources: [cm.yaml]"), options: Options{Patches: []Patch{{Patch: configMap("other", "")}}}, reason: ReasonInvalid, message: "no matches for"},
		{name: "generator of secrets that fails", tree: kustomization("secretGenerator: [{name: a, literals: [password=hunter2, hunter2]}]"), reason: ReasonInvalid, message: "invalid literal source"},
		{name: "patch of a secret that is none", tree: kustomization("resources: [cm.yaml]\npatches: [{target: {kind: Secret}, patch: '[{\"op\": \"add\", \"value\": \"hunter2\"'}]"), reason: ReasonInvalid, message: "patch"},
		{name: "JSON patch of a secret without target", tree: kustomization("resources: [cm.yaml]\npatches: [{patch: '[{\"op\": \"add\", \"path\": \"/data/x\", \"value\": \"hunter2\"}]'}]"), reason: ReasonInvalid, message: "must specify a target"},
		{name: "JSON 6902 patch of a secret that is none", tree: kustomization("resources: [cm.yaml]\npatchesJson6902: [{target: {version: v1, kind: ConfigMap, name: a}, patch: '[{\"op\": 3, \"value\": \"hunter2\"}]'}]"), reason: ReasonInvalid, message: "unknown"},
		{name: "env file that is no text", tree: kustomization("secretGenerator: [{name: a, envs: [x]}]").with("app/x", "password=hunter2\xff\n"), reason: ReasonInvalid, message: "not valid UTF-8"},
		{name: "patch and path", tree: kustomization("resources: [cm.yaml]\npatches: [{path: cm.yaml, patch: hunter2}]"), reason: ReasonInvalid, message: "same time"},
		{name: "several merge patches with a target", tree: kustomization("resources: [cm.yaml]\npatches: [{target: {kind: ConfigMap}, patch: \"{apiVersion: v1, kind: ConfigMap, metadata: {name: a}, data: {a: hunter2}}\\n---\\n{apiVersion: v1, kind: ConfigMap, metadata: {name: a}}\"}]"), reason: ReasonInvalid, message: "Multiple Strategic-Merge Patches"},
		{name: "component among the resources", tree: kustomization("resources: [../c]").with("c/kustomization.yaml", component), reason: ReasonInvalid, message: "expected kind != 'Component'"},
		{name: "cycle", tree: kustomization("resources: [../b]").with("b/kustomization.yaml", "resources: [../app]\n"), reason: ReasonInvalid, message: "cycle"},
		{name: "itself", tree: kustomization("resources: [.]"), reason: ReasonInvalid, message: "cycle"},
		{name: "schema that is none", tree: kustomization("resources: [cm.yaml]\nopenapi: {path: s.json}\npatches: [{patch: '{apiVersion: v1, kind: ConfigMap, metadata: {name: a}, data: {k: w}}'}]").with("app/s.json", "{\"definitions\": 3}"), reason: ReasonInvalid, file: " ", message: "panicked"},
	}
	p := newPool(t, PoolOptions{})
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if tt.options.Path == "" {
				tt.options.Path = "app"
			}
			if tt.file == "" {
				tt.file = "app/kustomization.yaml"
			}
			r, err := p.Build(t.Context(), Request{Tree: tt.tree, Options: tt.options})
			if err == nil {
				t.Fatalf("built %v", summary(r.Objects))
			}
			e, ok := errors.AsType[*Error](err)
			if !ok {
				t.Fatalf("error is a %T: %v", err, err)
			}
			if !e.Input() || e.Reason != tt.reason || e.File != strings.TrimSpace(tt.file) || !strings.Contains(e.Err.Error(), tt.message) {
				t.Errorf("got  %s %q: %v\nwant %s %q: …%s…", e.Reason, e.File, e.Err, tt.reason, strings.TrimSpace(tt.file), tt.message)
			}
			for _, secret := range []string{"hunter2", "/.leat-tree"} {
				if strings.Contains(err.Error(), secret) {
					t.Errorf("the message holds %q: %v", secret, err)
				}
			}
		})
	}
}
