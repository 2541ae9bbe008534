package artifact

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
)

// bomb is a gzip stream of n zeros.
func bomb(t testing.TB, head []byte, n int64) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(head); err != nil {
		t.Fatal(err)
	}
	zeros := make([]byte, 1<<20)
	for ; n > 0; n -= int64(len(zeros)) {
		if _, err := w.Write(zeros[:min(n, int64(len(zeros)))]); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// header is a tar header of a file of this size, without the file.
func header(t testing.TB, name string, size int64) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := tar.NewWriter(&b).WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Size: size, Format: tar.FormatGNU}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// raw is an entry that no writer of tars would write.
func raw(t testing.TB, flag byte, name, content string) []byte {
	t.Helper()
	block := header(t, name, int64(len(content)))[:512]
	block[156] = flag
	copy(block[148:156], "        ")
	sum := 0
	for _, c := range block {
		sum += int(c)
	}
	copy(block[148:156], fmt.Sprintf("%06o\x00 ", sum))
	block = append(block, content...)
	return append(block, make([]byte, -len(content)&511)...)
}

// sparse is a file of 64 KiB of which one byte is there.
func sparse(t testing.TB) []byte {
	t.Helper()
	var records string
	for _, kv := range []string{"GNU.sparse.major=1", "GNU.sparse.minor=0", "GNU.sparse.name=holes", "GNU.sparse.realsize=65536"} {
		records += fmt.Sprintf("%d %s\n", len(kv)+4, kv)
	}
	out := raw(t, tar.TypeXHeader, "PaxHeaders/holes", records)
	out = append(out, raw(t, tar.TypeReg, "GNUSparseFile/holes", "1\n0\n1\n"+strings.Repeat("\x00", 505)+"x")...)
	return append(out, make([]byte, 1024)...)
}

func TestImportRefuses(t *testing.T) {
	s := openStore(t, t.TempDir(), Options{})
	good := upload(t, regular("a.yaml", "a: 1"))
	many := make([]entry, 200)
	for i := range many {
		many[i] = regular(fmt.Sprintf("f%d", i), "x")
	}
	dirs := make([]entry, 200)
	for i := range dirs {
		dirs[i] = typed(tar.TypeDir, fmt.Sprintf("d%d/", i))
	}
	damaged := bytes.Clone(upload(t, regular("a.yaml", strings.Repeat("abcdefgh", 1000)), regular("b.yaml", "b")))
	damaged[len(damaged)-8] ^= 1 // of the checksum
	xattr := regular("a.yaml", "a")
	xattr.PAXRecords = map[string]string{"SCHILY.xattr.user.x": "y"}
	evil := entry{Header: tar.Header{Typeflag: tar.TypeXGlobalHeader, PAXRecords: map[string]string{"path": "../x"}}}
	limits := ImportLimits{Compressed: 1 << 20, Entries: 100, FileSize: 1 << 20, TotalSize: 4 << 20}
	total := make([]entry, 8)
	for i := range total {
		total[i] = regular(fmt.Sprintf("f%d", i), strings.Repeat("x", 1<<20))
	}

	for _, tt := range []struct {
		name    string
		archive []byte
		says    []string
	}{
		{"dots", upload(t, regular("../evil.yaml", "x")), []string{"../evil.yaml", "element .."}},
		{"dots inside", upload(t, regular("a/../../evil.yaml", "x")), []string{"a/../../evil.yaml", "element .."}},
		{"dots of a directory", upload(t, typed(tar.TypeDir, "../evil/")), []string{"../evil", "element .."}},
		{"absolute", upload(t, regular("/etc/evil.yaml", "x")), []string{"/etc/evil.yaml", "absolute"}},
		{"absolute after a dot", upload(t, regular(".//etc/evil.yaml", "x")), []string{"/etc/evil.yaml", "absolute"}},
		{"two dots to begin with", upload(t, regular("././a", "x")), []string{"./a", "element ."}},
		{"backslashes", upload(t, regular(`..\evil.yaml`, "x")), []string{"evil.yaml", "backslashes"}},
		{"drive", upload(t, regular(`c:\evil.yaml`, "x")), []string{"evil.yaml", "backslashes"}},
		{"empty name", upload(t, regular("", "x")), []string{"empty"}},
		{"empty element", upload(t, regular("a//b", "x")), []string{"a//b", "empty element"}},
		{"file called like the root", upload(t, regular(".", "x")), []string{"element ."}},
		{"long element", upload(t, regular(strings.Repeat("n", 256), "x")), []string{"255 bytes"}},
		{"long path", upload(t, regular(strings.Repeat("nnnnnnnnnnnnnnn/", 100)+"x", "x")), []string{"path length", "1024"}},
		{"deep path", upload(t, regular(strings.Repeat("d/", 100)+"x", "x")), []string{"path depth", "64"}},
		{"symbolic link", upload(t, regular("a", "x"), typed(tar.TypeSymlink, "link")), []string{`"link"`, "symbolic link"}},
		{"hard link", upload(t, typed(tar.TypeLink, "link")), []string{`"link"`, "hard link"}},
		{"character device", upload(t, typed(tar.TypeChar, "tty")), []string{`"tty"`, "device"}},
		{"block device", upload(t, typed(tar.TypeBlock, "sda")), []string{`"sda"`, "device"}},
		{"pipe", upload(t, typed(tar.TypeFifo, "pipe")), []string{`"pipe"`, "named pipe"}},
		{"unknown type", upload(t, typed('Z', "what")), []string{`"what"`, "'Z'"}},
		{"sparse", gzipped(t, sparse(t)), []string{`"holes"`, "sparse"}},
		{"sparse, the old way", gzipped(t, raw(t, tar.TypeGNUSparse, "holes", "")), []string{"holes"}},
		{"global header", upload(t, evil, regular("a", "x")), []string{`"path"`}},
		{"duplicate", upload(t, regular("a", "1"), regular("b", "2"), regular("a", "3")), []string{`"a"`, "twice"}},
		{"duplicate by another name", upload(t, regular("./a", "1"), regular("a", "3")), []string{`"a"`, "twice"}},
		{"file in a file", upload(t, regular("a", "1"), regular("a/b", "2")), []string{`"a"`, "twice"}},
		{"file for a directory", upload(t, regular("a/b", "1"), regular("a", "2")), []string{`"a"`, "twice"}},
		{"file for an empty directory", upload(t, typed(tar.TypeDir, "a/"), regular("a", "2")), []string{`"a"`, "twice"}},
		{"empty directory for a file", upload(t, regular("a", "2"), typed(tar.TypeDir, "a/")), []string{`"a"`, "twice"}},
		{"directory in a file", upload(t, regular("a", "2"), typed(tar.TypeDir, "a/b/c/")), []string{`"a"`, "twice"}},
		{"many entries", upload(t, many...), []string{`"f100"`, "entries", "100"}},
		{"many directories", upload(t, dirs...), []string{`"d100/"`, "entries", "100"}},
		{"large file", upload(t, regular("a", "1"), regular("large", strings.Repeat("x", 1<<20+1))), []string{`"large"`, "file size", "1048576"}},
		{"large file, by its header", gzipped(t, header(t, "huge", 1<<40)), []string{`"huge"`, "file size", "1048576"}},
		{"large in all", upload(t, total...), []string{`"f4"`, "bytes in a tree", "4194304"}},
		{"incompressible", noise(t, 2<<20), []string{"compressed", "1048576"}},
		{"bomb in a file", bomb(t, header(t, "a", 1<<20), 8<<20), []string{"end of a tar"}},
		{"bomb behind the end", bomb(t, tarOf(t, regular("a", "x")), 8<<20), []string{"end of a tar", "1048576"}},
		{"bomb of headers", bombOfHeaders(t), []string{"bytes in a tree", "4194304"}},
		{"no gzip", tarOf(t, regular("a", "x")), []string{"gzip"}},
		{"no tar", gzipped(t, []byte(strings.Repeat("kind: ConfigMap\n", 100))), []string{"tar header"}},
		{"nothing", nil, []string{"gzip"}},
		{"truncated gzip", good[:len(good)-10], []string{"truncated"}},
		{"truncated in a file", gzipped(t, tarOf(t, regular("a", strings.Repeat("x", 5000)))[:2000]), []string{`"a"`, "truncated"}},
		{"damaged", damaged, []string{"damaged"}},
		{"garbage behind", append(bytes.Clone(good), "garbage"...), []string{"after the gzip stream"}},
		{"another member", append(bytes.Clone(good), good...), []string{"after the gzip stream"}},
		{"an empty member", append(bytes.Clone(good), gzipped(t, nil)...), []string{"after the gzip stream"}},
		{"another tar", gzipped(t, append(tarOf(t, regular("a", "x")), tarOf(t, regular("b", "x"))...)), []string{"after the end of the tar"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tree, err := s.Import(t.Context(), bytes.NewReader(tt.archive), limits)
			if err == nil {
				var names []string
				for e := range tree.Files() {
					names = append(names, e.Path)
				}
				t.Fatalf("imported as %v", names)
			}
			if !errors.As(err, new(*ArchiveError)) && !errors.As(err, new(*PathError)) && !errors.As(err, new(*LimitError)) {
				t.Errorf("%T is not the client's fault: %v", err, err)
			}
			for _, want := range tt.says {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error %q, want one with %q", err, want)
				}
			}
			if len(err.Error()) > 600 {
				t.Errorf("a message of %d bytes", len(err.Error()))
			}
		})
	}
	// Attributes of file systems are nobody's business, and no reason to refuse.
	if _, err := s.Import(t.Context(), bytes.NewReader(upload(t, xattr)), limits); err != nil {
		t.Errorf("extended attributes: %v", err)
	}
}

// noise is a gzip stream that is as large as what it holds.
func noise(t testing.TB, size int) []byte {
	t.Helper()
	content := make([]byte, size)
	for i, x := 0, uint64(88172645463325252); i < len(content); i++ {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
		content[i] = byte(x)
	}
	return upload(t, regular("a", string(content[:size/3])), regular("b", string(content[size/3:2*size/3])), regular("c", string(content[2*size/3:])))
}

// bombOfHeaders has extended headers of the largest size for one file.
func bombOfHeaders(t testing.TB) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for i := range 6 {
		h := &tar.Header{Typeflag: tar.TypeReg, Name: fmt.Sprint("f", i), PAXRecords: map[string]string{"VENDOR.x": strings.Repeat("0", 1<<20-100)}}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return gzipped(t, b.Bytes())
}

// A million entries are refused after as many as the limit allows.
func TestImportOfAMillionEntries(t *testing.T) {
	s := openStore(t, t.TempDir(), Options{})
	pr, pw := io.Pipe()
	go func() {
		zw, _ := gzip.NewWriterLevel(pw, gzip.BestSpeed)
		tw := tar.NewWriter(zw)
		for i := range 1_000_000 {
			if err := tw.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: fmt.Sprintf("d%d/f%d", i%1000, i)}); err != nil {
				break
			}
		}
		_ = pw.CloseWithError(errors.Join(tw.Close(), zw.Close()))
	}()
	_, err := s.Import(t.Context(), pr, ImportLimits{})
	_ = pr.Close()
	var limit *LimitError
	if !errors.As(err, &limit) || limit.Max != 100_000 || limit.Limit != "entries of an archive" {
		t.Errorf("error %v", err)
	}
}

// Whatever comes in, it is refused as the client's fault or makes a tree that
// has only good paths. Nothing is committed, so that each run finds the store as
// the first one did.
func FuzzImport(f *testing.F) {
	s := openStore(f, f.TempDir(), Options{})
	f.Add(tarOf(f, regular("a.yaml", "a: 1"), typed(tar.TypeDir, "b/"), regular("b/c", "x")))
	f.Add(tarOf(f, regular("../a", "x"), typed(tar.TypeSymlink, "l")))
	f.Add(header(f, "huge", 1<<40))
	f.Add(upload(f, regular("a", "x")))
	f.Fuzz(func(t *testing.T, content []byte) {
		limits := ImportLimits{Compressed: 1 << 20, Entries: 50, FileSize: 1 << 16, TotalSize: 1 << 18}
		for _, archive := range [][]byte{content, gzipped(t, content)} {
			w, err := s.NewWriter(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			defer w.Abort()
			err = newImporter(w, bytes.NewReader(archive), limits).run(t.Context())
			if err != nil && !errors.As(err, new(*ArchiveError)) && !errors.As(err, new(*PathError)) && !errors.As(err, new(*LimitError)) {
				t.Fatalf("%T: %v", err, err)
			}
			if err != nil {
				continue
			}
			if w.files > limits.Entries || w.bytes > limits.TotalSize {
				t.Fatalf("%d files of %d bytes", w.files, w.bytes)
			}
			for dir, d := range w.dirs {
				for name := range d.entries {
					if err := checkPath(join(dir, name), s.options.Limits); err != nil {
						t.Fatal(err)
					}
				}
			}
		}
	})
}
