package target

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"hash"
	"sync"
)

// Digest is an HMAC-SHA256. The zero value stands for "nothing known".
type Digest [sha256.Size]byte

// String returns the digest in hex, empty for the zero value.
func (d Digest) String() string {
	if d == (Digest{}) {
		return ""
	}
	return hex.EncodeToString(d[:])
}

// digester makes keyed digests. Its hashes are pooled: keying one costs two
// blocks of SHA-256, as much as digesting a small object.
type digester struct{ pool sync.Pool }

func newDigester(key []byte) *digester {
	k := append([]byte(nil), key...)
	return &digester{pool: sync.Pool{New: func() any { return hmac.New(sha256.New, k) }}}
}

func (d *digester) of(b []byte) Digest {
	h := d.get()
	h.Write(b)
	return d.sum(h)
}

func (d *digester) get() hash.Hash {
	h := d.pool.Get().(hash.Hash)
	h.Reset()
	return h
}

// sum ends the digest and gives the hash back.
func (d *digester) sum(h hash.Hash) Digest {
	var out Digest
	h.Sum(out[:0])
	d.pool.Put(h)
	return out
}
