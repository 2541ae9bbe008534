package ignore

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/leat-dev/leat/pkg/artifact"
)

func TestSift(t *testing.T) {
	store, err := artifact.Open(t.TempDir(), artifact.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	rules := "!deep/kept.txt\n*.md"
	for _, tt := range []struct {
		name     string
		files    []string
		spec     *string
		want     []string
		refusals string
	}{
		{"defaults", []string{"a.yaml", "b.jpg", ".git/config", ".github/x.yaml", "sub/.gitignore", "sub/c.yaml"}, nil, []string{"a.yaml", "sub/c.yaml"}, ""},
		{"a file of the tree", []string{"a.yaml", "b.jpg", ".sourceignore=*.yaml", "deep/c.yaml", "deep/d.txt"}, nil, []string{".sourceignore", "b.jpg", "deep/d.txt"}, ""},
		{"below its directory only", []string{"a.yaml", "deep/.sourceignore=*.yaml", "deep/er/c.yaml"}, nil, []string{"a.yaml", "deep/.sourceignore"}, ""},
		{"the spec goes last", []string{"a.md", ".sourceignore=deep/", "deep/kept.txt", "deep/other.txt"}, &rules, []string{".sourceignore", "deep/kept.txt"}, ""},
		{"all is left out", []string{".git/config"}, nil, nil, ""},
		{"rules too large", []string{".sourceignore=" + strings.Repeat("x", MaxFileSize+1)}, nil, nil, "limit is"},
		{"a rule too long", []string{"sub/.sourceignore=" + strings.Repeat("x", MaxPatternLength+1)}, nil, nil, "sub"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ctx := context.Background()
			w, err := store.NewWriter(ctx)
			if err != nil {
				t.Fatal(err)
			}
			defer w.Abort()
			for _, f := range tt.files {
				name, content, _ := strings.Cut(f, "=")
				if _, err := w.File(name, strings.HasSuffix(name, ".txt"), strings.NewReader(content)); err != nil {
					t.Fatal(err)
				}
			}
			tree, err := w.Commit()
			if err != nil {
				t.Fatal(err)
			}
			got, err := Sift(ctx, store, tree, tt.spec)
			if tt.refusals != "" {
				if !errors.As(err, new(*RulesError)) || !strings.Contains(err.Error(), tt.refusals) {
					t.Errorf("error %v, want one with %q", err, tt.refusals)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			var names []string
			for e := range got.Files() {
				names = append(names, e.Path)
				if before, _ := tree.Lookup(e.Path); before != e {
					t.Errorf("%s has changed from %v to %v", e.Path, before, e)
				}
			}
			if diff := cmp.Diff(tt.want, names); diff != "" {
				t.Errorf("files (-want +got):\n%s", diff)
			}
		})
	}
}
