package worker

import (
	"errors"
	"strings"
	"testing"

	"github.com/leat-dev/leat/pkg/build/protocol"
)

func TestIsRemote(t *testing.T) {
	tests := []struct {
		value              string
		remote, repository bool
	}{
		{"base", false, false}, {"../base", false, false}, {"./a/b.yaml", false, false}, {"a:b", false, false}, {"c:/x", false, false}, {"github.com", false, false},
		{"github.community/x", false, false}, {"a@b", false, false}, {"dir/user@host:x", false, false}, {"key=path", false, false}, {"http", false, false}, {"https/x", false, false},
		{"https://example.com/x", true, false}, {"HTTPS://example.com", true, false}, {"http:x", true, false}, {" http://x", true, false}, {"ssh://git@x/y", true, false},
		{"file:///x", true, false}, {"git::x/y", true, false}, {"GIT::x", true, false}, {"oci://x", true, false}, {"s3+x://y", true, false},
		{"github.com/org/repo", false, true}, {"GitHub.com/org/repo", false, true}, {"github.com:org/repo", false, true}, {"git@github.com:org/repo", false, true},
		{"user@host/org/repo", false, true}, {"org-1@x:y", false, true},
	}
	for _, tt := range tests {
		if got := isRemote(tt.value); got != tt.remote {
			t.Errorf("isRemote(%q) = %t", tt.value, got)
		}
		if got := isRepository(tt.value); got != tt.repository {
			t.Errorf("isRepository(%q) = %t", tt.value, got)
		}
	}
}

func TestResolve(t *testing.T) {
	tests := []struct {
		dir, value, path string
		ok               bool
	}{
		{".", "a.yaml", "a.yaml", true}, {"app", "./a.yaml", "app/a.yaml", true}, {"app", "../b", "b", true}, {"app", "..", ".", true},
		{"app", "../..", "..", false}, {"app", "../../app/x", "../app/x", false}, {".", "..", "..", false}, {"app", "/app/x", "", false}, {"a/b", "../../../x", "../x", false},
		{"app", "..x", "app/..x", true}, {"app", "../..x", "..x", true},
	}
	for _, tt := range tests {
		path, ok := resolve(tt.dir, tt.value)
		if path != tt.path || ok != tt.ok {
			t.Errorf("resolve(%q, %q) = %q, %t", tt.dir, tt.value, path, ok)
		}
	}
}

func TestRedact(t *testing.T) {
	for address, want := range map[string]string{
		"https://user:hunter2@x/y?sig=hunter2": "https://x/y",
		"git@github.com:org/repo":              "…@github.com:org/repo",
		"ssh://git:hunter2@x/y":                "ssh://x/y",
		"../base":                              "../base",
	} {
		if got := redact(address); got != want {
			t.Errorf("redact(%q) = %q, want %q", address, got, want)
		}
	}
}

func TestReadable(t *testing.T) {
	for message, want := range map[string]string{
		"accumulating resources: accumulation err='accumulating resources from '../base': read base: is a directory': recursed accumulation of path '/.leat-tree/base': x": "accumulating resources: recursed accumulation of path 'base': x",
		"a: accumulation err='accumulating resources from 'a.yaml': missing name': must build at directory: '/.leat-tree/a.yaml': file is not directory":                   "a: accumulating resources from 'a.yaml': missing name",
		"empty item at x in object {kind: Secret\nhunter2}":                "empty item at x",
		"trouble configuring builtin X with config: `\na: hunter2\n`: bad": "trouble configuring builtin X: bad",
		"expected 1 resource, found 2 in [104 117 110]":                    "expected 1 resource, found 2",
		"cannot unmarshal !!str `hunter2` into int":                        "cannot unmarshal !!str into int",
		"bad \xff bytes":              "bad  bytes",
		strings.Repeat("x", 5000):     strings.Repeat("x", maxMessage) + "…",
		"at '/.leat-tree' and beyond": "at './' and beyond",
	} {
		if got := readable(message); got != want {
			t.Errorf("readable(%.100q)\n got %.200q\nwant %.200q", message, got, want)
		}
	}
}

func TestFileSystem(t *testing.T) {
	fs := fileSystem{newFiles(mapAsk(map[string]string{"app/a.yaml": "a"}))}
	if content, err := fs.ReadFile(mount + "/app/../app/a.yaml"); err != nil || string(content) != "a" {
		t.Errorf("ReadFile: %q, %v", content, err)
	}
	for _, p := range []string{"/etc/passwd", mount + "/../etc/passwd", mount + "x/a.yaml", "../a", mount + "/app/../../x"} {
		if _, err := fs.ReadFile(p); !errors.Is(err, errOutside) {
			t.Errorf("ReadFile(%q): %v, want that it %v", p, err, errOutside)
		}
		if _, _, err := fs.CleanedAbs(p); !errors.Is(err, errOutside) {
			t.Errorf("CleanedAbs(%q): %v, want that it %v", p, err, errOutside)
		}
		if fs.Exists(p) || fs.IsDir(p) {
			t.Errorf("%q exists", p)
		}
	}
	if dir, file, err := fs.CleanedAbs(mount + "/app/a.yaml"); err != nil || dir.String() != mount+"/app" || file != "a.yaml" {
		t.Errorf("CleanedAbs of a file: %q, %q, %v", dir, file, err)
	}
	if !fs.IsDir(mount+"/app") || !fs.IsDir(mount) || fs.IsDir(mount+"/app/a.yaml") || !fs.Exists("app/a.yaml") {
		t.Error("what is a directory is not told from what is a file")
	}
	if err := fs.WriteFile(mount+"/app/a.yaml", nil); !errors.Is(err, errReadOnly) {
		t.Errorf("WriteFile: %v", err)
	}
}

// mapAsk answers from files by path.
func mapAsk(tree map[string]string) ask {
	return func(questions []protocol.Question) ([]protocol.Found, error) {
		found := make([]protocol.Found, len(questions))
		for i, q := range questions {
			found[i] = findIn(tree, q)
		}
		return found, nil
	}
}

func findIn(tree map[string]string, q protocol.Question) protocol.Found {
	if content, ok := tree[q.Path]; ok {
		return protocol.Found{State: protocol.File, Content: []byte(content)}
	}
	names := make(map[string]bool)
	for file := range tree {
		rest, ok := strings.CutPrefix(file, q.Path+"/")
		if q.Path == rootDir {
			rest, ok = file, true
		}
		if ok {
			name, _, dir := strings.Cut(rest, "/")
			names[name] = dir
		}
	}
	if len(names) == 0 {
		return protocol.Found{State: protocol.Absent}
	}
	found := protocol.Found{State: protocol.Dir}
	if q.Op == protocol.Manifests {
		for name, dir := range names {
			found.Names = append(found.Names, protocol.Name{Name: name, Dir: dir})
		}
	}
	return found
}

// FuzzKustomization builds a kustomization file of any content beside files
// that it may refer to. The build must end in a reply, must ask for clean paths
// only, and must not get past the checks to anything remote.
func FuzzKustomization(f *testing.F) {
	for _, seed := range []string{
		"resources: [cm.yaml, ../base]\n", "bases: [../base]\n", "components: [../c]\n", "crds: [cm.yaml]\n", "configurations: [cm.yaml]\n",
		"patches: [{path: cm.yaml}]\n", "patchesStrategicMerge: [cm.yaml]\n", "transformers: [cm.yaml]\n", "transformers: ['{apiVersion: builtin, kind: PrefixTransformer, metadata: {name: a}, prefix: a}']\n",
		"configMapGenerator: [{name: a, files: [x=cm.yaml], envs: [cm.yaml], literals: [a=b]}]\n", "openapi: {path: cm.yaml}\n", "replacements: [{path: cm.yaml}]\n",
		"resources: ['https://x/y']\n", "resources: ['git@x:y/z']\n", "resources: [/etc]\n", "resources: &a [*a]\n", "vars: [{name: A, objref: {kind: ConfigMap, name: a}}]\nresources: [cm.yaml]\n",
		"resources: [cm.yaml]\nimages: [{name: a, newTag: b}]\nreplicas: [{name: a, count: 3}]\nlabels: [{pairs: {a: b}}]\n", "helmCharts: [{name: a}]\n", "", "{}", "[]", "a: b: c",
	} {
		f.Add(seed)
	}
	if err := silence(); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, kustomization string) {
		tree := map[string]string{
			"app/kustomization.yaml":  kustomization,
			"app/cm.yaml":             "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {a: b}\n",
			"base/kustomization.yaml": "resources: [cm.yaml]\n",
			"base/cm.yaml":            "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: b}\n",
		}
		answer := mapAsk(tree)
		checked := func(questions []protocol.Question) ([]protocol.Found, error) {
			for _, q := range questions {
				if p, ok := resolve(rootDir, q.Path); !ok || p != q.Path {
					t.Errorf("asked for %q", q.Path)
				}
			}
			return answer(questions)
		}
		reply := render(checked, &protocol.Build{Options: protocol.Options{Path: "app"}, Limits: protocol.Limits{Depth: 8, Objects: 100, ResultBytes: 1 << 20}})
		failed, ok := reply.(*protocol.Failed)
		if ok && failed.Message == "" {
			t.Error("failed without a message")
		}
		if ok && failed.Reason == reasonRemote && failed.File == "" {
			t.Errorf("something remote was found only when it was fetched: %s", failed.Message)
		}
	})
}
