package record

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
)

// What stands at the beginning of every head:
//
//	byte  0      format, 1
//	byte  1      layout: inline or chunked
//	bytes 2-9    length of the value, big endian
//	bytes 10-41  SHA-256 of the value
//
// followed by the value (inline) or by the 16 bytes of the generation (chunked).
const (
	format = 1

	inline  = 0
	chunked = 1

	fixedBytes      = 2 + 8 + sha256.Size
	generationBytes = 16
)

// generation names the chunks of one Put.
type generation [generationBytes]byte

func (g generation) String() string { return hex.EncodeToString(g[:]) }

// head is the decoded form of a head key's value.
type head struct {
	layout byte
	length int64
	digest [sha256.Size]byte
	// inline is the value of an inline record.
	inline []byte
	// generation names the chunks of a chunked one.
	generation generation
}

// inlineHead is the head of a small value.
func inlineHead(data []byte) head {
	return head{layout: inline, length: int64(len(data)), digest: sha256.Sum256(data), inline: data}
}

// chunkedHead is the head of a large value.
func chunkedHead(data []byte, g generation) head {
	return head{layout: chunked, length: int64(len(data)), digest: sha256.Sum256(data), generation: g}
}

// encode returns the bytes that are stored.
func (h head) encode() []byte {
	b := make([]byte, 0, fixedBytes+generationBytes+len(h.inline))
	b = append(b, format, h.layout)
	b = binary.BigEndian.AppendUint64(b, uint64(h.length))
	b = append(b, h.digest[:]...)
	if h.layout == chunked {
		return append(b, h.generation[:]...)
	}
	return append(b, h.inline...)
}

// decodeHead reads what encode wrote. The result shares b.
func decodeHead(b []byte) (head, error) {
	if len(b) < fixedBytes {
		return head{}, fmt.Errorf("%w: head of %d bytes", ErrCorrupt, len(b))
	}
	if b[0] != format {
		return head{}, fmt.Errorf("%w: head has format %d, this version reads %d", ErrCorrupt, b[0], format)
	}
	h := head{layout: b[1], length: int64(binary.BigEndian.Uint64(b[2:]))}
	copy(h.digest[:], b[10:])
	rest := b[fixedBytes:]
	if h.length < 0 || h.length > MaxValueBytes {
		return head{}, fmt.Errorf("%w: head says %d bytes, limit %d", ErrCorrupt, h.length, MaxValueBytes)
	}
	switch {
	case h.layout == inline:
		h.inline = rest
	case h.layout == chunked && len(rest) == generationBytes:
		copy(h.generation[:], rest)
	default:
		return head{}, fmt.Errorf("%w: head of layout %d with %d bytes", ErrCorrupt, h.layout, len(b))
	}
	return h, nil
}

// verify checks data against the head.
func (h head) verify(data []byte) error {
	if int64(len(data)) != h.length {
		return fmt.Errorf("%w: %d bytes of %d", ErrCorrupt, len(data), h.length)
	}
	if digest := sha256.Sum256(data); !bytes.Equal(digest[:], h.digest[:]) {
		return fmt.Errorf("%w: the digest differs", ErrCorrupt)
	}
	return nil
}
