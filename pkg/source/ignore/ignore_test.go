package ignore

import (
	"fmt"
	"strings"
	"testing"
)

func TestExcludes(t *testing.T) {
	spec := func(s string) *string { return &s }
	tests := []struct {
		name  string
		files []File
		spec  *string
		out   []string // paths that are left out
		in    []string
	}{
		{
			name: "defaults",
			out: []string{
				".git/config", ".gitignore", "sub/.gitmodules", ".gitattributes", "a.jpg", "x/y/b.png", "c.tar.gz",
				".github/workflows/ci.yaml", "sub/.github/x", ".travis.yml", "cloudbuild.yaml", "sub/.sops.yaml", ".flux.yaml",
			},
			in: []string{"a.yaml", "x/y.txt", "github/x", "tar.gz", "jpg", ".sourceignore", ".githubx"},
		},
		{
			name:  "a file with rules ends the defaults",
			files: []File{{Dir: ".", Content: []byte("*.txt\n")}},
			out:   []string{"a.txt", "x/a.txt", ".git/config", ".gitignore"},
			in:    []string{"a.jpg", ".github/x", ".sops.yaml"},
		},
		{
			name:  "a file of comments does not",
			files: []File{{Dir: ".", Content: []byte("# nothing\n\n   \n")}},
			out:   []string{"a.jpg"},
			in:    []string{"a.txt"},
		},
		{
			name:  "a nested file counts below its directory, and ends the defaults everywhere",
			files: []File{{Dir: "x/y", Content: []byte("/only\n*.txt")}},
			out:   []string{"x/y/only", "x/y/a.txt", "x/y/z/b.txt"},
			in:    []string{"only", "x/only", "x/y/z/only", "a.txt", "x/a.txt", "a.jpg", "xx/y/a.txt"},
		},
		{
			name:  "spec.ignore wins over files",
			files: []File{{Dir: ".", Content: []byte("*.txt")}, {Dir: "x", Content: []byte("*.md")}},
			spec:  spec("!keep.txt\n!*.md\n"),
			out:   []string{"a.txt", "x/b.txt"},
			in:    []string{"keep.txt", "x/keep.txt", "x/a.md"},
		},
		{
			name: "all but one directory",
			spec: spec("# all\n/*\n# but\n!/deploy\n/deploy/**/*.md\n"),
			out:  []string{"a", "x/y", "deploy/sub/read.md", "deploy.yaml"},
			in:   []string{"deploy/a.yaml", "deploy/sub/b.yaml"},
		},
		{
			name: "a file is taken in again though its directory is out",
			spec: spec("/*\n!/deploy/app\n"),
			out:  []string{"deploy/a.yaml"},
			in:   []string{"deploy/app/b.yaml"},
		},
		{
			name: "directories only",
			spec: spec("logs/\n"),
			out:  []string{"logs/a", "x/logs/b"},
			in:   []string{"x/logs"},
		},
		{name: "empty spec.ignore", spec: spec(""), out: []string{"a.jpg"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m, err := New(tt.files, tt.spec)
			if err != nil {
				t.Fatal(err)
			}
			for _, p := range tt.out {
				if !m.Excludes(strings.Split(p, "/"), false) {
					t.Errorf("%s is in, want it out", p)
				}
			}
			for _, p := range tt.in {
				if m.Excludes(strings.Split(p, "/"), false) {
					t.Errorf("%s is out, want it in", p)
				}
			}
		})
	}
}

func TestPrunes(t *testing.T) {
	plain, again := "/out\n", "/out\n!/out/in\n"
	m, err := New(nil, &plain)
	if err != nil {
		t.Fatal(err)
	}
	if !m.Prunes([]string{"out"}) || m.Prunes([]string{"other"}) {
		t.Error("a directory that is out is not pruned, or another is")
	}
	if m, err = New(nil, &again); err != nil {
		t.Fatal(err)
	}
	if m.Prunes([]string{"out"}) {
		t.Error("a directory is pruned though a rule takes files in again")
	}
}

func TestID(t *testing.T) {
	a, b := "x\ny\n", "# comment\nx\n\ny"
	id := func(files []File, spec *string) string {
		m, err := New(files, spec)
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprint(m.ID())
	}
	if id(nil, &a) != id(nil, &b) {
		t.Error("a comment changes the ID")
	}
	different := []string{
		id(nil, nil), id(nil, &a),
		id([]File{{Dir: "d", Content: []byte("x\ny\n")}}, nil),
		id([]File{{Dir: ".", Content: []byte("x\n")}}, nil),
		id([]File{{Dir: ".", Content: []byte("xy\n")}}, nil),
	}
	for i := range different {
		for j := range i {
			if different[i] == different[j] {
				t.Errorf("rules %d and %d have the same ID", i, j)
			}
		}
	}
}

func TestLimits(t *testing.T) {
	many := make([]File, MaxFiles+1)
	for i := range many {
		many[i] = File{Dir: fmt.Sprint("d", i)}
	}
	rules := strings.Repeat("x\n", MaxPatterns)
	longRule := strings.Repeat("x", MaxPatternLength+1)
	long := strings.Repeat("x", MaxFileSize+1)
	tests := []struct {
		name  string
		files []File
		spec  *string
		want  string
	}{
		{"files", many, nil, "limit is 1000"},
		{"rules", nil, &rules, "limit of 2000"},
		{"length of a rule", nil, &longRule, "limit is 1024"},
		{"size of spec.ignore", nil, &long, "limit is 65536"},
		{"size of a file", []File{{Dir: "sub", Content: []byte(long)}}, nil, `in "sub"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := New(tt.files, tt.spec); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("New() = %v, want an error with %q", err, tt.want)
			}
		})
	}
	line := strings.Repeat("x", MaxPatternLength)
	if _, err := New(nil, &line); err != nil {
		t.Errorf("a rule of the maximal length: %v", err)
	}
}

// A rule that excludes a directory excludes all that is below it, as Prunes
// assumes, and no rule makes the matcher fail.
func FuzzPrunes(f *testing.F) {
	f.Add("/out\n", "out/a/b", 1)
	f.Add("**/a/*\n", "x/a/b/c", 3)
	f.Add("a/**\n[a-\n\\\n", "a/b", 1)
	f.Add("*/\n/\n//\n", "a/b/c", 2)
	f.Fuzz(func(t *testing.T, rules, path string, depth int) {
		m, err := New(nil, &rules)
		if err != nil {
			t.Skip()
		}
		elements := strings.Split(path, "/")
		if depth <= 0 || depth >= len(elements) || len(elements) > 64 {
			t.Skip()
		}
		if m.Prunes(elements[:depth]) && !m.Excludes(elements, false) {
			t.Errorf("rules %q prune %q but do not exclude %q", rules, elements[:depth], elements)
		}
	})
}

func BenchmarkExcludes(b *testing.B) {
	m, err := New(nil, nil)
	if err != nil {
		b.Fatal(err)
	}
	path := strings.Split("apps/team-a/service/deployment.yaml", "/")
	for b.Loop() {
		if m.Excludes(path, false) {
			b.Fatal("excluded")
		}
	}
}
