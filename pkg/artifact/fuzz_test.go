package artifact

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A segment is refused, or all its entries are in it and its footer is what would
// be written of them. Its checksum is made right: who damages a footer by chance
// is found by that.
func FuzzSegment(f *testing.F) {
	entry := func(off, length uint64) []byte {
		return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(make([]byte, sha256.Size), off), length)
	}
	f.Add([]byte("content"), entry(8, 7), uint64(1))
	f.Add([]byte("content"), append(entry(8, 3), entry(11, 4)...), uint64(2))
	f.Add([]byte(""), entry(8, 1<<63), uint64(1))
	f.Add([]byte("x"), entry(1<<63-1, 1<<63-1), uint64(1))
	f.Add([]byte(""), []byte{}, uint64(1<<60))
	f.Fuzz(func(t *testing.T, content, footer []byte, count uint64) {
		file := append([]byte(segmentMagic), content...)
		file = append(file, footer...)
		sum := sha256.Sum256(footer)
		file = append(append(binary.BigEndian.AppendUint64(file, count), sum[:]...), segmentEnd...)
		name := filepath.Join(t.TempDir(), "1"+segmentSuffix)
		if err := os.WriteFile(name, file, 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := openSegment(name, 1)
		if err != nil {
			var corrupt *CorruptError
			if !errors.As(err, &corrupt) {
				t.Errorf("not called corrupt: %v", err)
			}
			return
		}
		defer s.close()
		if uint64(len(s.entries)) != count || len(footer) != len(s.entries)*footerEntry {
			t.Errorf("%d entries of %d in a footer of %d bytes", len(s.entries), count, len(footer))
		}
		for _, e := range s.entries {
			if end := e.off + e.length; e.length < 0 || e.off < int64(len(segmentMagic)) || end < e.off || end > int64(len(segmentMagic)+len(content)) {
				t.Errorf("entry from %d of %d bytes in %d bytes of content", e.off, e.length, len(content))
			}
		}
	})
}

func FuzzParseDigest(f *testing.F) {
	for _, s := range []string{string(DigestOf(nil)), "sha256:", "sha512:00", "sha256:" + strings.Repeat("A", 64), "sha256:../../" + strings.Repeat("0", 58), ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		d, err := ParseDigest(s)
		if err != nil {
			return
		}
		sum, err := d.sum()
		if err != nil || sum.digest() != d || string(d) != s || !filepath.IsLocal(d.Hex()) || len(d.Hex()) != 2*sha256.Size {
			t.Errorf("%q is read as %q, %v", s, d, err)
		}
	})
}
