package artifact

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
)

// A manifest is the stored form of a directory, and what its digest is taken
// of. There is exactly one manifest for a directory:
//
//	manifest = magic *entry
//	entry    = kind name size sum     ; in ascending order of names
//	kind     = "f" | "x" | "d"        ; file, executable file, directory
//	name     = uvarint *OCTET         ; length, bytes
//	size     = uvarint                ; of the file, or of all files below
//	sum      = 32 OCTET               ; SHA-256 of the content or the manifest
//
// A directory's size is in its parent's manifest so that a tree's total size
// is under its digest too.
const manifestMagic = "leat tree 1\n"

// encodeManifest returns the manifest of a directory with these entries, which
// are sorted.
func encodeManifest(entries []child) []byte {
	size := len(manifestMagic)
	for i := range entries {
		size += 1 + 2 + len(entries[i].name) + binary.MaxVarintLen64 + sha256.Size
	}
	b := append(make([]byte, 0, size), manifestMagic...)
	for i := range entries {
		c := &entries[i]
		b = append(b, byte(c.kind))
		b = binary.AppendUvarint(b, uint64(len(c.name)))
		b = append(b, c.name...)
		b = binary.AppendUvarint(b, uint64(c.size))
		b = append(b, c.sum[:]...)
	}
	return b
}

// decodeManifest reads what encodeManifest wrote, and nothing else.
func decodeManifest(b []byte) ([]child, error) {
	if len(b) < len(manifestMagic) || string(b[:len(manifestMagic)]) != manifestMagic {
		return nil, errors.New("not a directory manifest of this version")
	}
	b = b[len(manifestMagic):]
	entries := make([]child, 0, len(b)/(sha256.Size+16))
	for len(b) > 0 {
		c, rest, err := decodeChild(b)
		if err != nil {
			return nil, fmt.Errorf("entry %d: %w", len(entries), err)
		}
		if n := len(entries); n > 0 && entries[n-1].name >= c.name {
			return nil, fmt.Errorf("entry %d: %q is not in order", n, c.name)
		}
		entries, b = append(entries, c), rest
	}
	return entries, nil
}

var errTruncated = errors.New("truncated")

func decodeChild(b []byte) (c child, rest []byte, err error) {
	c.kind = kind(b[0])
	switch c.kind {
	case kindFile, kindExecutable, kindDir:
	default:
		return c, nil, fmt.Errorf("unknown kind %q", b[0])
	}
	length, b, err := decodeUvarint(b[1:])
	if err != nil {
		return c, nil, err
	}
	if length > maxNameLength || length > uint64(len(b)) {
		return c, nil, fmt.Errorf("name of %d bytes: limit is %d, %d are left", length, maxNameLength, len(b))
	}
	c.name, b = string(b[:length]), b[length:]
	if reason := checkName(c.name); reason != "" {
		return c, nil, &PathError{c.name, reason}
	}
	size, b, err := decodeUvarint(b)
	if err != nil {
		return c, nil, err
	}
	if c.size = int64(size); c.size < 0 {
		return c, nil, fmt.Errorf("size %d is out of range", size)
	}
	if len(b) < sha256.Size {
		return c, nil, errTruncated
	}
	return c, b[copy(c.sum[:], b):], nil
}

// decodeUvarint refuses encodings that are longer than need be, as there must
// be one manifest only for a directory.
func decodeUvarint(b []byte) (v uint64, rest []byte, err error) {
	v, n := binary.Uvarint(b)
	if n <= 0 {
		return 0, nil, errTruncated
	}
	if n > 1 && b[n-1] == 0 {
		return 0, nil, errors.New("number is not in its shortest form")
	}
	return v, b[n:], nil
}
