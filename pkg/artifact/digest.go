package artifact

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
)

const digestPrefix = "sha256:"

// Digest names content by its SHA-256: "sha256:" and 64 lower-case hex digits.
type Digest string

// ParseDigest checks that s has the form of a Digest.
func ParseDigest(s string) (Digest, error) {
	if _, err := Digest(s).sum(); err != nil {
		return "", err
	}
	return Digest(s), nil
}

// DigestOf returns the digest of data.
func DigestOf(data []byte) Digest { return sum(sha256.Sum256(data)).digest() }

// Hex returns the digest without its algorithm.
func (d Digest) Hex() string { return strings.TrimPrefix(string(d), digestPrefix) }

func (d Digest) sum() (sum, error) {
	var s sum
	text, ok := strings.CutPrefix(string(d), digestPrefix)
	if !ok || len(text) != hex.EncodedLen(len(s)) {
		return s, fmt.Errorf("digest %.80q: want %s and %d hex digits", string(d), digestPrefix, hex.EncodedLen(len(s)))
	}
	if _, err := hex.Decode(s[:], []byte(text)); err != nil {
		return s, fmt.Errorf("digest %q: %w", string(d), err)
	}
	if text != strings.ToLower(text) {
		return s, fmt.Errorf("digest %q: hex digits must be lower case", string(d))
	}
	return s, nil
}

// sum is a Digest as the index keeps it: half the size and no allocation.
type sum [sha256.Size]byte

func (s sum) digest() Digest { return Digest(digestPrefix + hex.EncodeToString(s[:])) }
