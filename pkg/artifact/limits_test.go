package artifact

import (
	"errors"
	"fmt"
	"path"
	"path/filepath"
	"strings"
	"testing"
)

func TestPaths(t *testing.T) {
	s := openStore(t, t.TempDir(), Options{})
	w, err := s.NewWriter(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer w.Abort()
	for _, p := range []string{"a", "b/c", `dev-disk\x2dby.mount`, "sp ace", "ü", "...", "..a", "a..", "\xff", "new\nline", `a\b`} {
		if _, err := w.File(p, false, strings.NewReader("")); err != nil {
			t.Errorf("%q: %v", p, err)
		}
	}
	for _, p := range []string{
		"", ".", "..", "/a", "a/", "//", "x//y", "./x", "x/.", "../x", "x/../y", "x/..", "nul\x00", strings.Repeat("n", 256),
		`\x`, `C:\x`, `x\..\y`, `..\x`, `x\..`, // backslashes
		"a", "b/c", // there already
		"b", "a/x", // file and directory
	} {
		for name, add := range map[string]func() error{
			"File":     func() error { _, err := w.File(p, false, strings.NewReader("")); return err },
			"Known":    func() error { return w.Known(p, false, DigestOf(nil), 0) },
			"KnownDir": func() error { return w.KnownDir(p, DigestOf(nil)) },
		} {
			var bad *PathError
			if err := add(); !errors.As(err, &bad) {
				t.Errorf("%s(%q) = %v, want a PathError", name, p, err)
			}
		}
	}
	if _, err := w.Commit(); err != nil {
		t.Fatal(err)
	}
}

func TestLimits(t *testing.T) {
	const kib = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	mib := strings.Repeat(kib, 1<<14)
	deep := strings.Repeat("d/", 9) + "f"
	tests := []struct {
		name   string
		limits Limits
		files  []file
		want   LimitError
	}{
		{"files", Limits{Files: 2}, []file{{"a", "", false}, {"b", "", false}, {"c", "", false}}, LimitError{"files in a tree", 2, "c"}},
		{"file size", Limits{FileSize: 3}, []file{{"a", "123", false}, {"b", "1234", false}}, LimitError{"file size", 3, "b"}},
		{"size of a large file", Limits{FileSize: 2 << 20}, []file{{"a", mib + mib + "x", false}}, LimitError{"file size", 2 << 20, "a"}},
		{"total size", Limits{TotalSize: 5}, []file{{"a", "123", false}, {"b", "12", false}, {"c", "1", false}}, LimitError{"bytes in a tree", 5, "c"}},
		{"path length", Limits{PathLength: 5}, []file{{"12345", "", false}, {"123456", "", false}}, LimitError{"path length", 5, "123456"}},
		{"path depth", Limits{Depth: 9}, []file{{deep[2:], "", false}, {"x/" + deep[2:], "", false}}, LimitError{"path depth", 9, "x/" + deep[2:]}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := openStore(t, t.TempDir(), Options{Limits: tt.limits})
			w, err := s.NewWriter(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			defer w.Abort()
			for i, f := range tt.files {
				_, err := w.File(f.path, false, strings.NewReader(f.content))
				var limit *LimitError
				switch last := i == len(tt.files)-1; {
				case !last && err != nil:
					t.Errorf("File(%q) = %v", f.path, err)
				case last && (!errors.As(err, &limit) || *limit != tt.want):
					t.Errorf("File(%q) = %v, want %v", f.path, err, &tt.want)
				case last && !strings.Contains(err.Error(), fmt.Sprint(tt.want.Max)):
					t.Errorf("%v does not say what the limit is", err)
				}
			}
		})
	}
}

// Limits hold for directories that are added as a whole, and for content that
// is known.
func TestLimitsOfKnownContent(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir, Options{})
	tree := ingest(t, s, file{"a/b/c", "12345", false}, file{"a/b/d", "12345", false})
	a, _ := tree.Lookup("a")
	c, _ := tree.Lookup("a/b/c")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for _, limits := range []Limits{{Files: 1}, {TotalSize: 9}, {Depth: 2}, {PathLength: 4}} {
		s := openStore(t, dir, Options{Limits: limits})
		w, err := s.NewWriter(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		var limit *LimitError
		if err := w.KnownDir("x", a.Digest); !errors.As(err, &limit) {
			t.Errorf("limits %+v: KnownDir() = %v", limits, err)
		}
		w.Abort()
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	s = openStore(t, dir, Options{Limits: Limits{Files: 1}})
	w, err := s.NewWriter(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer w.Abort()
	if err := w.Known("x", false, c.Digest, c.Size); err != nil {
		t.Fatal(err)
	}
	var limit *LimitError
	if err := w.Known("y", false, c.Digest, c.Size); !errors.As(err, &limit) {
		t.Errorf("Known() = %v", err)
	}
	if _, err := s.ReadFile(c.Digest, 4); !errors.As(err, &limit) {
		t.Errorf("ReadFile() = %v", err)
	}
}

func FuzzPath(f *testing.F) {
	for _, p := range []string{"a/b", "../a", "/a", "a//b", `a\..\b`, "a/./b", "", "a\x00", `C:\x`, strings.Repeat("d/", 70)} {
		f.Add(p)
	}
	limits := Options{}.complete().Limits
	f.Fuzz(func(t *testing.T, p string) {
		if checkPath(p, limits) != nil {
			return
		}
		for _, separated := range []string{p, strings.ReplaceAll(p, `\`, "/")} {
			if !filepath.IsLocal(separated) {
				t.Errorf("%q is accepted, and %q is not local", p, separated)
			}
		}
		if path.Clean(p) != p || len(p) > limits.PathLength || strings.Count(p, "/") >= limits.Depth {
			t.Errorf("%q is accepted", p)
		}
	})
}

func FuzzManifest(f *testing.F) {
	f.Add(encodeManifest(nil))
	f.Add(encodeManifest([]child{{name: "a", kind: kindFile, size: 300}, {name: "b", kind: kindDir}}))
	f.Add([]byte(manifestMagic + "f\x81\x00a"))
	f.Fuzz(func(t *testing.T, b []byte) {
		entries, err := decodeManifest(b)
		if err != nil {
			return
		}
		if again := encodeManifest(entries); string(again) != string(b) {
			t.Errorf("%q decodes to what encodes to %q", b, again)
		}
		for i, e := range entries {
			if checkName(e.name) != "" || i > 0 && entries[i-1].name >= e.name {
				t.Errorf("%q decodes to an entry %q", b, e.name)
			}
		}
	})
}

func FuzzRecords(f *testing.F) {
	f.Add([]byte(`{"owner":{"kind":"K"},"records":[{"revision":"r"}]}`))
	f.Add([]byte(`{"records":[]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		if _, err := decodeRecords(body); err == nil {
			t.Errorf("%q has no digest and is accepted", body)
		}
		kept, err := decodeRecords(append([]byte(DigestOf(body)+"\n"), body...))
		if err == nil && len(kept.Records) == 0 {
			t.Errorf("%q gives no record", body)
		}
	})
}
