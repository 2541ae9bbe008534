package build

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The point of recording: what a build did not read does not matter to it, and
// what it did read does.
func TestInputsAreExact(t *testing.T) {
	p := newPool(t, PoolOptions{})
	for _, file := range treeFiles(t) {
		tree := readTree(t, file).with("app/unused.txt", "x", "app/notes/readme.md", "x", "other/kustomization.yaml", "resources: [../app]\n", "base/unused.yaml", configMap("u", ""), "app/unused.yaml", configMap("u", ""))
		request := Request{Tree: tree, Options: Options{Path: "app"}}
		want, err := p.Build(t.Context(), request)
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		read := slices.Collect(want.Inputs.Files())
		for path := range tree {
			changed := tree.with(path, tree[path]+"\n# changed\n")
			removed := tree.with(path, "")
			used := slices.Contains(read, path)
			for _, other := range []mapTree{changed, removed} {
				if got := want.Inputs.UnchangedIn(other); got == used {
					t.Errorf("%s: %s is read: %t, but UnchangedIn a tree with it changed = %t", file, path, used, got)
				}
				if used {
					continue
				}
				got, err := p.Build(t.Context(), Request{Tree: other, Options: request.Options})
				if err != nil {
					t.Errorf("%s: %s is not read, but the build fails without it: %v", file, path, err)
				} else if got.Digest != want.Digest || got.InputDigest != want.InputDigest {
					t.Errorf("%s: %s is not read, but the result changes with it", file, path)
				}
			}
		}
	}
}

func TestInputsThatAppear(t *testing.T) {
	generated := mapTree{"app/a.yaml": configMap("a", ""), "app/sub/b.yaml": configMap("b", ""), "app/own/kustomization.yaml": "resources: [c.yaml]\n", "app/own/c.yaml": configMap("c", "")}
	tests := []struct {
		name    string
		tree    mapTree
		options Options
		path    string
		content string
		matters bool
	}{
		{"another manifest", generated, Options{}, "app/z.yaml", configMap("z", ""), true},
		{"another manifest below", generated, Options{}, "app/sub/z.yml", configMap("z", ""), true},
		{"a manifest in another directory below", generated, Options{}, "app/new/z.yaml", configMap("z", ""), true},
		{"a kustomization", generated, Options{}, "app/kustomization.yaml", "resources: [a.yaml]\n", true},
		{"a kustomization of another name", generated, Options{}, "app/Kustomization", "resources: [a.yaml]\n", true},
		{"a kustomization below", generated, Options{}, "app/sub/Kustomization", "resources: [b.yaml]\nnamePrefix: x-\n", true},
		{"something that is no manifest", generated, Options{}, "app/README.md", "x", false},
		{"something that is no manifest below", generated, Options{}, "app/sub/values.json", "x", false},
		{"a manifest that a kustomization does not name", generated, Options{}, "app/own/z.yaml", configMap("z", ""), false},
		{"a manifest elsewhere", generated, Options{}, "lib/z.yaml", configMap("z", ""), false},
		{"a second kustomization file", small(), Options{}, "app/kustomization.yml", "resources: []\n", true},
		{"a manifest that the kustomization does not name", small(), Options{}, "app/z.yaml", configMap("z", ""), false},
		{"the component that was missing", small(), Options{Components: []string{"../c"}, IgnoreMissingComponents: true}, "c/kustomization.yaml", "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\nnamePrefix: c-\n", true},
	}
	p := newPool(t, PoolOptions{})
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.options.Path = "app"
			before, err := p.Build(t.Context(), Request{Tree: tt.tree, Options: tt.options})
			if err != nil {
				t.Fatal(err)
			}
			tree := tt.tree.with(tt.path, tt.content)
			if got := before.Inputs.UnchangedIn(tree); got == tt.matters {
				t.Errorf("UnchangedIn = %t with %s", got, tt.path)
			}
			after, err := p.Build(t.Context(), Request{Tree: tree, Options: tt.options})
			if changed := err != nil || after.Digest != before.Digest; changed && !tt.matters {
				t.Errorf("%s changes the result", tt.path)
			}
		})
	}
}

// Over random changes: as long as the inputs are unchanged, so is the result.
func TestUnchangedInputsMeanUnchangedResult(t *testing.T) {
	const seed = 20261121
	random := rand.New(rand.NewPCG(seed, seed))
	p := newPool(t, PoolOptions{})
	files := treeFiles(t)
	var kept, changed int
	for range 300 {
		tree := readTree(t, files[random.IntN(len(files))])
		before, err := p.Build(t.Context(), Request{Tree: tree, Options: Options{Path: "app"}})
		if err != nil {
			t.Fatal(err)
		}
		other := mutate(random, tree)
		after, err := p.Build(t.Context(), Request{Tree: other, Options: Options{Path: "app"}})
		if !before.Inputs.UnchangedIn(other) {
			changed++
			continue
		}
		kept++
		if err != nil {
			t.Errorf("seed %d: the inputs are unchanged, but the build fails: %v\n%v", seed, err, other)
		} else if diff := cmp.Diff(texts(t, before.Objects), texts(t, after.Objects)); diff != "" {
			t.Errorf("seed %d: the inputs are unchanged, but the result is not:\n%s", seed, diff)
		}
	}
	if kept < 50 || changed < 50 {
		t.Errorf("%d unchanged and %d changed: the test says little", kept, changed)
	}
}

// mutate changes a tree in one random way.
func mutate(random *rand.Rand, tree mapTree) mapTree {
	paths := slices.Sorted(tree.paths())
	any := paths[random.IntN(len(paths))]
	names := []string{"new.yaml", "kustomization.yml", "Kustomization", "README.md", "sub/new.yaml", "base/x.yaml"}
	dirs := []string{"app/", "base/", "comp/", "", "mid/"}
	switch random.IntN(4) {
	case 0:
		return tree.with(any, "")
	case 1:
		return tree.with(any, tree[any]+"\n")
	default:
		return tree.with(dirs[random.IntN(len(dirs))]+names[random.IntN(len(names))], configMap("new", "k: v"))
	}
}

func TestInputDigest(t *testing.T) {
	p := newPool(t, PoolOptions{Workers: 1, DigestKey: []byte("key")})
	other := newPool(t, PoolOptions{Workers: 1})
	build := func(p *Pool, r Request) *Result {
		t.Helper()
		r.Options.Path = "app"
		result, err := p.Build(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		return result
	}
	base := build(p, Request{Tree: small(), Variables: []Variable{{Name: "a", Value: "b"}}})
	same := []Request{
		{Tree: small(), Variables: []Variable{{Name: "a", Value: "b"}}},
		{Tree: small().with("README.md", "x"), Variables: []Variable{{Name: "a", Value: "overridden"}, {Name: "a", Value: "b"}}},
	}
	for i, r := range same {
		if got := build(p, r); got.InputDigest != base.InputDigest {
			t.Errorf("same %d: the input digest differs", i)
		}
	}
	different := []Request{
		{Tree: small()},
		{Tree: small(), Variables: []Variable{{Name: "a", Value: "c"}}},
		{Tree: small(), Variables: []Variable{{Name: "a", Value: "b", Tainted: true}}},
		{Tree: small(), Variables: []Variable{{Name: "a", Value: "b"}}, Options: Options{NamePrefix: "p-"}},
		{Tree: small().with("app/sa.yaml", small()["app/sa.yaml"]+"\n"), Variables: []Variable{{Name: "a", Value: "b"}}},
	}
	for i, r := range different {
		if got := build(p, r); got.InputDigest == base.InputDigest {
			t.Errorf("different %d: the input digest is the same", i)
		}
	}
	if got := build(other, same[0]); got.InputDigest == base.InputDigest {
		t.Error("pools with different keys have the same input digest: values of Secrets can be guessed from it")
	}
	if got := base.InputDigest; got != p.InputDigest(base.Inputs, Options{Path: "app"}, same[0].Variables) {
		t.Error("InputDigest is not what the result has")
	}
}

// The digest is of the set, whatever order it comes in and whatever files.
func TestDigest(t *testing.T) {
	p := newPool(t, PoolOptions{})
	digest := func(tree mapTree) string {
		t.Helper()
		r, err := p.Build(t.Context(), Request{Tree: tree})
		if err != nil {
			t.Fatal(err)
		}
		return r.Digest
	}
	a, b := configMap("a", "k: v, l: w"), configMap("b", "")
	base := digest(mapTree{"1.yaml": a, "2.yaml": b})
	for name, tree := range map[string]mapTree{
		"other order": {"1.yaml": b, "2.yaml": a},
		"one file":    {"all.yaml": b + "---\n" + a},
		"other text":  {"1.yaml": "# comment\n" + configMap("a", "l: w, 'k': \"v\""), "2.yaml": b},
	} {
		if digest(tree) != base {
			t.Errorf("%s: the digest differs", name)
		}
	}
	for name, tree := range map[string]mapTree{
		"another value":    {"1.yaml": configMap("a", "k: x, l: w"), "2.yaml": b},
		"an object less":   {"1.yaml": a},
		"another name":     {"1.yaml": a, "2.yaml": configMap("c", "")},
		"nothing rendered": {"README": "x"},
	} {
		if digest(tree) == base {
			t.Errorf("%s: the digest is the same", name)
		}
	}
}

// A digest that covers a secret value cannot be computed without the key, and
// one that covers none is the same everywhere.
func TestDigestOfSecretsIsKeyed(t *testing.T) {
	one := newPool(t, PoolOptions{Workers: 1, DigestKey: []byte("one")})
	two := newPool(t, PoolOptions{Workers: 1, DigestKey: []byte("two")})
	for _, tt := range []struct {
		name     string
		manifest string
		value    Variable
		keyed    bool
	}{
		{"a plain value", configMap("a", "k: '${x}'"), Variable{Name: "x", Value: "1"}, false},
		{"a secret value", configMap("a", "k: '${x}'"), Variable{Name: "x", Value: "1", Tainted: true}, true},
		{"a secret value that is not used", configMap("a", "k: v"), Variable{Name: "x", Value: "1", Tainted: true}, false},
		{"a Secret", "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\n", Variable{Name: "x"}, true},
	} {
		var digests []string
		for _, p := range []*Pool{one, two, one} {
			r, err := p.Build(t.Context(), Request{Tree: mapTree{"a.yaml": tt.manifest}, Variables: []Variable{tt.value}})
			if err != nil {
				t.Fatal(err)
			}
			digests = append(digests, r.Digest)
		}
		if keyed := digests[0] != digests[1]; keyed != tt.keyed || strings.HasPrefix(digests[0], "hmac-") != tt.keyed {
			t.Errorf("%s: %q, want keyed %t", tt.name, digests, tt.keyed)
		}
		if digests[0] != digests[2] {
			t.Errorf("%s: the digest of one pool differs: %q", tt.name, digests)
		}
	}
}
