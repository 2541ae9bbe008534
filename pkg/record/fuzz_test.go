package record

import (
	"bytes"
	"errors"
	"testing"
)

// A head that can be read is written again as it was, and no other data than its
// own pass for what it describes.
func FuzzHead(f *testing.F) {
	f.Add(inlineHead([]byte("value")).encode(), []byte("value"))
	f.Add(chunkedHead([]byte("value"), generation{1, 2, 3}).encode(), []byte("valuf"))
	f.Add(inlineHead(nil).encode(), []byte{})
	f.Add([]byte{format, chunked, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, []byte("x"))
	f.Fuzz(func(t *testing.T, encoded, data []byte) {
		h, err := decodeHead(encoded)
		if err != nil {
			if !errors.Is(err, ErrCorrupt) {
				t.Errorf("not called corrupt: %v", err)
			}
			return
		}
		if again := h.encode(); !bytes.Equal(again, encoded) {
			t.Errorf("%x is written as %x", encoded, again)
		}
		if h.length < 0 || h.length > MaxValueBytes {
			t.Errorf("a length of %d", h.length)
		}
		if err := h.verify(data); err == nil && inlineHead(data).digest != h.digest {
			t.Errorf("%x passes for what has the digest %x", data, h.digest)
		}
		if good := inlineHead(data); good.verify(data) != nil {
			t.Errorf("%x does not pass for itself", data)
		}
	})
}
