package git

import (
	"crypto/sha256"

	"github.com/go-git/go-git/v5/plumbing"
	"k8s.io/utils/lru"

	"github.com/leat-dev/leat/pkg/artifact"
)

// memo remembers what Git objects became in the artifact store, so that what
// did not change is not read again. What it says may be outdated: the store is
// asked each time.
//
// Entries belong to one repository: an ID that two repositories give to
// different content (SHA-1 is broken) stays the problem of the one that did.
type memo struct{ *lru.Cache }

func newMemo(entries int) memo { return memo{lru.New(entries)} }

// repoID is which repository an entry belongs to.
type repoID [sha256.Size]byte

type (
	blobKey struct {
		repo repoID
		id   plumbing.Hash
	}
	// blob is a file's content.
	blob struct {
		digest artifact.Digest
		size   int64
	}

	// dirKey is a Git tree at a path under ignore rules, which decide what is
	// left of it.
	dirKey struct {
		repo repoID
		id   plumbing.Hash
		at   [sha256.Size]byte
	}
	// dir is what a Git tree became: a directory, or nothing if the digest is
	// empty.
	dir struct{ digest artifact.Digest }

	rulesKey struct {
		repo repoID
		id   plumbing.Hash
	}
	// ruleFiles are the files with ignore rules in a Git tree.
	ruleFiles []ruleFile
)

// at identifies a path under ignore rules.
func at(rules [sha256.Size]byte, path string) [sha256.Size]byte {
	return sha256.Sum256(append(rules[:], path...))
}

func recall[V any](m memo, key any) (V, bool) {
	v, ok := m.Get(key)
	if !ok {
		var none V
		return none, false
	}
	value, ok := v.(V)
	return value, ok
}
