package build

import (
	"bytes"
	"encoding/json"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/api/types"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/kustomize/kyaml/openapi"
	"sigs.k8s.io/yaml"

	"github.com/leat-dev/leat/pkg/object"
)

// readTree reads a tree from a file in which a line "-- path --" begins each
// file.
func readTree(tb testing.TB, file string) mapTree {
	tb.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		tb.Fatal(err)
	}
	tree := mapTree{}
	var name string
	for line := range strings.Lines(string(text)) {
		if trimmed := strings.TrimSpace(line); strings.HasPrefix(trimmed, "-- ") && strings.HasSuffix(trimmed, " --") {
			name = strings.TrimSuffix(strings.TrimPrefix(trimmed, "-- "), " --")
			tree[name] = ""
			continue
		}
		tree[name] += line
	}
	return tree
}

func treeFiles(tb testing.TB) []string {
	tb.Helper()
	files, err := filepath.Glob("testdata/trees/*.txt")
	if err != nil {
		tb.Fatal(err)
	}
	if len(files) < 30 {
		tb.Fatalf("found %d trees, want 30 at least", len(files))
	}
	return files
}

// writeTo writes the tree to disk.
func (t mapTree) writeTo(tb testing.TB, dir string) {
	tb.Helper()
	for file, content := range t {
		p := filepath.Join(dir, filepath.FromSlash(file))
		if err := os.MkdirAll(filepath.Dir(p), 0o700); err != nil {
			tb.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(content), 0o600); err != nil {
			tb.Fatal(err)
		}
	}
}

// plainKustomize builds a directory on disk with kustomize as it is. It must
// not run in parallel to itself: schemas are global.
func plainKustomize(tb testing.TB, dir string) []string {
	tb.Helper()
	openapi.ResetOpenAPI()
	options := krusty.MakeDefaultOptions()
	options.LoadRestrictions = types.LoadRestrictionsNone
	m, err := krusty.MakeKustomizer(options).Run(filesys.MakeFsOnDisk(), dir)
	if err != nil {
		tb.Fatalf("plain kustomize: %v", err)
	}
	var objects []string
	for _, r := range m.Resources() {
		text, err := r.AsYAML()
		if err != nil {
			tb.Fatal(err)
		}
		text, err = yaml.YAMLToJSON(text)
		if err != nil {
			tb.Fatal(err)
		}
		objects = append(objects, canonical(tb, text))
	}
	return objects
}

// canonical returns JSON with sorted keys, and numbers as they are.
func canonical(tb testing.TB, text []byte) string {
	tb.Helper()
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		tb.Fatal(err)
	}
	out, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		tb.Fatal(err)
	}
	return string(out)
}

func texts(tb testing.TB, objects []object.Object) []string {
	tb.Helper()
	var list []string
	for _, o := range objects {
		text, err := json.Marshal(o.Object)
		if err != nil {
			tb.Fatal(err)
		}
		list = append(list, canonical(tb, text))
	}
	return list
}

func TestSameAsPlainKustomize(t *testing.T) {
	p := newPool(t, PoolOptions{})
	for _, file := range treeFiles(t) {
		name := strings.TrimSuffix(filepath.Base(file), ".txt")
		t.Run(name, func(t *testing.T) {
			tree := readTree(t, file)
			dir := t.TempDir()
			tree.writeTo(t, dir)
			want := plainKustomize(t, filepath.Join(dir, "app"))
			got, err := p.Build(t.Context(), Request{Tree: tree, Options: Options{Path: "./app"}})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, texts(t, got.Objects)); diff != "" {
				t.Errorf("differs from kustomize on disk (-kustomize +leat):\n%s", diff)
			}
			for _, o := range got.Objects {
				if _, ok := tree[o.File]; !ok && !strings.HasPrefix(path.Base(o.File), "kustomization.") {
					t.Errorf("%s comes from %q, which is no file of the tree", o.Key(), o.File)
				}
			}
		})
	}
}
