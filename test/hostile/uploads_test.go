package hostile

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
)

// manifest is what an honest tree holds.
const manifest = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: one}\ndata: {value: \"2\"}\n"

// archive is a tar.gz that is made while it is sent, so that one that is refused
// early is not made to its end.
func archive(fill func(*tar.Writer) error) func() io.Reader {
	return func() io.Reader {
		reader, writer := io.Pipe()
		go func() {
			packed, err := gzip.NewWriterLevel(writer, gzip.BestSpeed)
			if err != nil {
				panic(err)
			}
			unpacked := tar.NewWriter(packed)
			err = fill(unpacked)
			if err == nil {
				err = unpacked.Close()
			}
			if err == nil {
				err = packed.Close()
			}
			if err != nil {
				err = fmt.Errorf("making an archive: %w", err)
			}
			writer.CloseWithError(err)
		}()
		return reader
	}
}

// of is an archive of these entries with nothing in them but what their size says.
func of(entries ...tar.Header) func() io.Reader {
	return archive(func(w *tar.Writer) error {
		for _, h := range entries {
			if h.Typeflag != tar.TypeXGlobalHeader {
				h.Mode = 0o644
			}
			if err := w.WriteHeader(&h); err != nil {
				return err
			}
			if h.Typeflag != tar.TypeReg {
				continue
			}
			if _, err := io.CopyN(w, zeros{}, h.Size); err != nil {
				return err
			}
		}
		return nil
	})
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func file(name string) tar.Header { return tar.Header{Name: name, Typeflag: tar.TypeReg} }

// tree is an archive of text files.
func tree(files ...string) func() io.Reader {
	return archive(func(w *tar.Writer) error {
		for i := 0; i < len(files); i += 2 {
			if err := w.WriteHeader(&tar.Header{Name: files[i], Mode: 0o644, Size: int64(len(files[i+1])), Typeflag: tar.TypeReg}); err != nil {
				return err
			}
			if _, err := io.WriteString(w, files[i+1]); err != nil {
				return err
			}
		}
		return nil
	})
}

// bytesOf is the whole archive, to be damaged.
func bytesOf(make func() io.Reader) []byte {
	data, err := io.ReadAll(make())
	if err != nil {
		panic(err)
	}
	return data
}

func data(b []byte) func() io.Reader { return func() io.Reader { return bytes.NewReader(b) } }

func TestUploads(t *testing.T) {
	honest := attack{name: "honest tree", path: app + "/diff", body: tree("deploy/one.yaml", manifest), code: 200}
	runAll(t, []attack{honest}, uploadNames(), uploadKinds(), uploadSizes(), uploadFormats(), []attack{honest})
}

func uploadNames() []attack {
	var all []attack
	for name, says := range map[string]string{
		"../evil":                            "../evil",
		"../../../../etc/cron.d/evil":        "../../../../etc/cron.d/evil",
		"deploy/../../evil":                  "deploy/../../evil",
		"./../evil":                          "../evil",
		"..":                                 "..",
		"/etc/passwd":                        "/etc/passwd",
		"//etc/passwd":                       "/etc/passwd",
		`..\evil`:                            `..\\evil`,
		`C:\evil`:                            `C:`,
		`deploy\..\..\evil`:                  `deploy\\`,
		"deploy//one.yaml":                   "deploy//one.yaml",
		"deploy/./one.yaml":                  "deploy/./one.yaml",
		"deploy/" + strings.Repeat("x", 300): "255",
	} {
		all = append(all, attack{name: fmt.Sprintf("name %.30q", name), path: app + "/diff", body: of(file(name)), code: 400, says: []string{says}})
	}
	return append(all,
		attack{name: "name of 10 KiB", path: app + "/diff", body: of(file(strings.Repeat("x", 10<<10))), code: 413, says: []string{"path length", "1024"}},
		attack{name: "name of depth 100", path: app + "/diff", body: of(file(strings.Repeat("d/", 100) + "one")), code: 413, says: []string{"path depth", "64"}},
		attack{name: "names that are no text", path: app + "/diff", body: of(file("deploy/one\nyaml"), file("deploy/one\x1byaml"), file("deploy/\xff\xfe")), code: 422, says: []string{"no objects"}},
		attack{name: "name twice", path: app + "/diff", body: of(file("deploy/one.yaml"), file("deploy/one.yaml")), code: 400, says: []string{"deploy/one.yaml"}},
		attack{name: "name twice, once with dots", path: app + "/build", body: of(file("deploy/one.yaml"), file("./deploy/one.yaml")), code: 400, says: []string{"deploy/one.yaml"}},
		attack{name: "file and directory", path: app + "/diff", body: of(file("deploy"), file("deploy/one.yaml")), code: 400, says: []string{"deploy"}},
		attack{name: "directory and file", path: app + "/diff", body: of(file("deploy/one.yaml"), file("deploy")), code: 400, says: []string{"deploy"}},
	)
}

func uploadKinds() []attack {
	all := []attack{}
	for _, kind := range []struct {
		flag   byte
		target string
		says   string
	}{
		{tar.TypeSymlink, "/etc/passwd", "symbolic link"},
		{tar.TypeSymlink, "one.yaml", "symbolic link"},
		{tar.TypeLink, "../../../../proc/self/environ", "hard link"},
		{tar.TypeChar, "", "device"},
		{tar.TypeBlock, "", "device"},
		{tar.TypeFifo, "", "pipe"},
		{'Z', "", "type"},
	} {
		entry := tar.Header{Name: "deploy/two.yaml", Typeflag: kind.flag, Linkname: kind.target}
		all = append(all, attack{name: fmt.Sprintf("entry of type %q to %q", kind.flag, kind.target), path: app + "/diff", body: of(file("deploy/one.yaml"), entry), code: 400, says: []string{"deploy/two.yaml", kind.says}})
	}
	through := of(tar.Header{Name: "deploy", Typeflag: tar.TypeSymlink, Linkname: "/etc"}, file("deploy/passwd"))
	global := tar.Header{Typeflag: tar.TypeXGlobalHeader, PAXRecords: map[string]string{"path": "/etc/passwd"}}
	return append(all,
		attack{name: "file through a link", path: app + "/build", body: through, code: 400, says: []string{"symbolic link"}},
		attack{name: "global header with a path", path: app + "/diff", body: of(global, file("deploy/one.yaml")), code: 400, says: []string{"path"}},
		attack{name: "sparse file", path: app + "/diff", body: rawTar(map[string]string{"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.name": "deploy/one.yaml", "GNU.sparse.realsize": "1099511627776"}), code: 400, says: []string{"archive"}},
		attack{name: "size of another header", path: app + "/diff", body: rawTar(map[string]string{"size": "9223372036854775807"}), code: 413, says: []string{"33554432"}},
		attack{name: "size below zero", path: app + "/diff", body: rawTar(map[string]string{"size": "-1"}), code: 400},
		attack{name: "path of another header", path: app + "/diff", body: rawTar(map[string]string{"path": "../../evil"}), code: 400, says: []string{"../../evil"}},
		attack{name: "path with a NUL", path: app + "/diff", body: rawTar(map[string]string{"path": "deploy/a\x00b"}), code: 400},
		attack{name: "extended header of 3 MiB", path: app + "/diff", body: rawTar(map[string]string{"comment": strings.Repeat("x", 3*mebibyte)}), code: 400},
		attack{name: "extended attributes", path: app + "/diff", body: rawTar(map[string]string{"SCHILY.xattr.security.capability": "\x01\x00\x00\x02", "mtime": "1e9", "uid": "0"}), code: 400},
	)
}

// rawTar is an archive of one empty file with records that no library writes.
func rawTar(records map[string]string) func() io.Reader {
	var extended bytes.Buffer
	for key, value := range records {
		// The length of a record counts its own digits.
		size := len(key) + len(value) + 3
		total := size + len(fmt.Sprint(size))
		if total = size + len(fmt.Sprint(total)); total != size+len(fmt.Sprint(total)) {
			total++
		}
		fmt.Fprintf(&extended, "%d %s=%s\n", total, key, value)
	}
	var b bytes.Buffer
	packed := gzip.NewWriter(&b)
	for _, block := range [][]byte{rawHeader("PaxHeaders.0/x", 'x', extended.Len()), padded(extended.Bytes()), rawHeader("deploy/one.yaml", '0', 0), make([]byte, 1024)} {
		if _, err := packed.Write(block); err != nil {
			panic(err)
		}
	}
	if err := packed.Close(); err != nil {
		panic(err)
	}
	return data(b.Bytes())
}

func padded(b []byte) []byte { return append(b, make([]byte, (512-len(b)%512)%512)...) }

func rawHeader(name string, flag byte, size int) []byte {
	h := make([]byte, 512)
	copy(h, name)
	copy(h[100:], "0000644\x000000000\x000000000\x00")
	copy(h[124:], fmt.Sprintf("%011o\x00%011o\x00        ", size, 0))
	h[156] = flag
	copy(h[257:], "ustar\x0000")
	sum := 0
	for _, c := range h {
		sum += int(c)
	}
	copy(h[148:], fmt.Sprintf("%06o\x00 ", sum))
	return h
}

func uploadSizes() []attack {
	count := func(n int) func(*tar.Writer) error {
		return func(w *tar.Writer) error {
			for i := range n {
				if err := w.WriteHeader(&tar.Header{Name: fmt.Sprintf("d/%d", i), Mode: 0o644, Typeflag: tar.TypeReg}); err != nil {
					return err
				}
			}
			return nil
		}
	}
	many := make([]tar.Header, 20)
	for i := range many {
		many[i] = tar.Header{Name: fmt.Sprintf("deploy/%d", i), Typeflag: tar.TypeReg, Size: 32 * mebibyte}
	}
	noise := func() io.Reader {
		source := rand.NewChaCha8([32]byte{1})
		return archive(func(w *tar.Writer) error {
			for i := range 70 {
				if err := w.WriteHeader(&tar.Header{Name: fmt.Sprint(i), Mode: 0o644, Typeflag: tar.TypeReg, Size: mebibyte}); err != nil {
					return err
				}
				if _, err := io.CopyN(w, source, mebibyte); err != nil {
					return err
				}
			}
			return nil
		})()
	}
	return []attack{
		{name: "a million entries", path: app + "/diff", body: archive(count(1_000_000)), to: through, code: 413, says: []string{"entries", "100000"}},
		{name: "file of 8 GiB", path: app + "/diff", body: gzipped(bytes.NewReader(rawHeader("deploy/one.yaml", '0', 1<<33-1))), code: 413, says: []string{"deploy/one.yaml", "33554432"}},
		{name: "bomb of 640 MiB", path: app + "/diff", to: direct, body: of(many...), code: 413, says: []string{"bytes in a tree", "536870912"}},
		{name: "bomb behind the end", path: app + "/diff", body: gzipped(io.LimitReader(zeros{}, 64*mebibyte)), code: 413, says: []string{"after the end", "1048576"}},
		{name: "70 MiB of noise", path: app + "/diff", body: noise, code: 413, says: []string{"compressed", "67108864"}},
	}
}

func uploadFormats() []attack {
	good := bytesOf(tree("deploy/one.yaml", manifest))
	diff := app + "/diff"
	broken := bytes.Clone(good)
	broken[len(broken)-6] ^= 1
	header := bytes.Clone(good)
	header[3] = 0xff
	unpacked, err := gzip.NewReader(bytes.NewReader(good))
	if err != nil {
		panic(err)
	}
	plain, err := io.ReadAll(unpacked)
	if err != nil {
		panic(err)
	}
	wrongSum := bytes.Clone(plain)
	wrongSum[148] = '9'
	named := append([]byte{0x1f, 0x8b, 8, 8, 0, 0, 0, 0, 0, 0}, bytes.Repeat([]byte("x"), mebibyte)...)
	return []attack{
		{name: "truncated", path: diff, body: data(good[:len(good)/2]), code: 400, says: []string{"truncated"}},
		{name: "only a magic", path: diff, body: data(good[:2]), code: 400, says: []string{"archive"}},
		{name: "truncated in the tar", path: diff, body: gzipped(bytes.NewReader(plain[:550])), code: 400, says: []string{"truncated"}},
		{name: "wrong checksum", path: diff, body: data(broken), code: 400, says: []string{"gzip"}},
		{name: "reserved flags", path: diff, body: data(header), code: 400},
		{name: "name of the stream of 1 MiB", path: diff, body: data(named), code: 400, says: []string{"gzip"}},
		{name: "wrong checksum of an entry", path: diff, body: gzipped(bytes.NewReader(wrongSum)), code: 400, says: []string{"tar header"}},
		{name: "data after it", path: diff, body: data(append(bytes.Clone(good), "more"...)), code: 400, says: []string{"after the gzip stream"}},
		{name: "two of them", path: diff, body: data(append(bytes.Clone(good), good...)), code: 400, says: []string{"after the gzip stream"}},
		{name: "data in it after the tar", path: diff, body: gzipped(bytes.NewReader(append(bytes.Clone(plain), "more"...))), code: 400, says: []string{"after the end"}},
		{name: "packed twice", path: diff, body: gzipped(bytes.NewReader(good)), code: 400, says: []string{"archive"}},
		{name: "not packed", path: diff, body: data(plain), code: 400, says: []string{"tar.gz"}},
		{name: "zip", path: diff, body: text("PK\x03\x04aaaa"), code: 415, says: []string{"zip", "tar.gz"}},
		{name: "zstd", path: diff, body: text("\x28\xb5\x2f\xfdaaaa"), code: 415, says: []string{"zstd", "tar.gz"}},
		{name: "announced as an encoding", path: diff, header: http.Header{"Content-Encoding": {"gzip"}}, body: data(plain), code: 415, says: []string{"Content-Encoding"}},
		{name: "announced as JSON", path: diff, header: contentType(asJSON), body: data(good), code: 200},
		{name: "to an action", path: app + "/reconcile", body: data(good), code: 400},
		{name: "to the collection", path: kustomizations, body: data(good), code: 400},
		{name: "to a source", path: repo + "/diff", body: data(good), code: 404},
		{name: "by PUT", method: http.MethodPut, path: diff, body: data(good), code: 405},
	}
}
