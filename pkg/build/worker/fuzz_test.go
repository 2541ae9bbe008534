package worker

import (
	"encoding/json"
	"path"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/leat-dev/leat/pkg/build/protocol"
)

// What a value refers to is in the tree, and nothing that leads out is.
func FuzzResolvePath(f *testing.F) {
	for _, seed := range [][2]string{{"app", "../base"}, {"a/b", "../../../x"}, {".", ".."}, {"app", "/etc"}, {"app", "..x"}, {"app", `..\x`}, {"a", "./b//c/."}} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, dir, value string) {
		if !filepath.IsLocal(dir) || path.Clean(dir) != dir {
			return
		}
		p, ok := resolve(dir, value)
		joined := path.Join(dir, value)
		if ok != (!path.IsAbs(value) && (joined == rootDir || filepath.IsLocal(joined))) {
			t.Errorf("%q in %q is in the tree: %t", value, dir, ok)
		}
		if !ok {
			return
		}
		if p != joined {
			t.Errorf("%q in %q is %q", value, dir, p)
		}
		// kustomize sees it under the mount, and comes back to the same.
		if back, err := inTree(mounted(p)); err != nil || back != p {
			t.Errorf("%q is mounted as %q, which is %q, %v", p, mounted(p), back, err)
		}
	})
}

// Whatever path kustomize asks for is a path in the tree or refused.
func FuzzInTree(f *testing.F) {
	for _, p := range []string{mount, mount + "/a", mount + "/../etc", "/etc/passwd", "..", "a/../..", mount + "x", mount + "//a/./b", ""} {
		f.Add(p)
	}
	f.Fuzz(func(t *testing.T, p string) {
		rel, err := inTree(p)
		if err != nil {
			return
		}
		if rel != rootDir && !filepath.IsLocal(rel) || path.Clean(rel) != rel {
			t.Errorf("%q is %q", p, rel)
		}
	})
}

// Substitution never panics; without references nothing changes; what no secret
// was put into is not tainted, and what one was put into is.
func FuzzSubstitute(f *testing.F) {
	for _, text := range []string{
		"${open}", "${secret}", "$open", "${open:=x}", "${none:-y}", "${none}", "${open:0:1}", "${open:99:-5}", "${secret/S/x}", "${open^^}", "$${open}", "${", "${open:=${secret}}", "a: b\n- c", "${#secret}", "${open:9223372036854775807:1}",
	} {
		f.Add(text, "plain")
	}
	variables := []protocol.Variable{{Name: "open", Value: "public"}, {Name: "secret", Value: "S3CRET", Tainted: true}}
	f.Fuzz(func(t *testing.T, text, other string) {
		before := map[string]any{"apiVersion": "v1", "kind": "ConfigMap", "metadata": map[string]any{"name": "one"}, "data": map[string]any{"a": text, "b": other}}
		encoded, err := json.Marshal(before)
		if err != nil {
			t.Fatal(err)
		}
		s, err := newSubstituter(protocol.Always, variables)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := evaluate(text, func(string) (string, bool) { return other, true }); err != nil && strings.Contains(err.Error(), "runtime error") {
			t.Errorf("%q: %v", text, err)
		}
		if !s.wants(encoded, before) {
			return
		}
		o := &protocol.Object{File: "one.yaml", JSON: encoded}
		fields, err := s.object(o, encoded, before)
		if err != nil {
			if strings.Contains(err.Error(), "S3CRET") {
				t.Errorf("the error tells the secret: %v", err)
			}
			return
		}
		after, err := json.Marshal(fields)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(after), "S3CRET") && !strings.Contains(text+other, "S3CRET") && !o.Tainted {
			t.Errorf("a secret in what is not tainted: %s", after)
		}
		if !strings.Contains(text+other, "$") && !reflect.DeepEqual(fields["metadata"], before["metadata"]) {
			t.Errorf("%s becomes %s", encoded, after)
		}
	})
}
