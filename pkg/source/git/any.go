package git

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
)

const (
	// maxAny bounds what is taken for a name of a commit: longer than any
	// reference that a file system can hold.
	maxAny = 1024
	// minAbbreviated is how many digits of an ID are enough to look for it.
	minAbbreviated = 7
	// maxNamesakes bounds how many objects are looked at that begin with the
	// same digits.
	maxNamesakes = 64
)

// AmbiguousError says that several commits begin with what was taken for the
// beginning of an ID. It holds nothing but words of the Ref.
type AmbiguousError struct{ what string }

func (e *AmbiguousError) Error() string {
	return e.what + " is the beginning of more than one commit's id: give all of its 40 digits"
}

// meant finds what a person calls name.
//
//	name                                   what it is
//	refs/…, HEAD                           that reference, and nothing else
//	a branch                               the branch
//	a tag                                  the tag
//	40 hex digits                          the commit, if the server hands it out
//	7 to 39 hex digits                     the only commit that begins so, among
//	                                       tips and what the copy holds
func (a *attempt) meant(name string) (*target, error) {
	all := a.refs
	if len(all.hashes) == 0 {
		return nil, errEmpty
	}
	what := fmt.Sprintf("reference %.120q", name)
	if len(name) > maxAny {
		return nil, &NotFoundError{what}
	}
	if strings.HasPrefix(name, "refs/") || name == plumbing.HEAD.String() {
		return all.target(name, name, what)
	}
	for _, prefix := range []string{"refs/heads/", "refs/tags/"} {
		if _, ok := all.hashes[prefix+name]; ok {
			return all.target(name, prefix+name, what)
		}
	}
	if !isHex(name) {
		return nil, &NotFoundError{fmt.Sprintf("branch, tag or commit %.120q", name)}
	}
	return a.meantID(strings.ToLower(name))
}

// meantID finds a commit by its ID, or the beginning of that.
func (a *attempt) meantID(id string) (*target, error) {
	switch n := len(id); {
	case n == 64:
		return nil, &NotFoundError{fmt.Sprintf("commit %s (only ids of 40 digits, sha1, are supported)", id)}
	case n > 40 || n < minAbbreviated:
		return nil, &NotFoundError{fmt.Sprintf("branch, tag or commit %q", id)}
	}
	tips := a.advertised(id)
	if len(tips) > 1 {
		return nil, &AmbiguousError{fmt.Sprintf("%q", id)}
	}
	if len(id) == 40 {
		if len(tips) == 1 {
			return tips[0], nil
		}
		return &target{commit: plumbing.NewHash(id), cheap: true}, nil
	}
	if err := a.open(); err != nil {
		return nil, err
	}
	return a.only(id, tips)
}

// advertised returns the commits that references name and that begin with id.
func (a *attempt) advertised(id string) []*target {
	found := map[plumbing.Hash]*target{}
	for name, h := range a.refs.hashes {
		t := &target{want: h, commit: h, cheap: true}
		if peeled, ok := a.refs.peeled[name]; ok {
			t.commit = peeled
			if strings.HasPrefix(h.String(), id) {
				found[t.commit] = t // the tag itself was named
			}
		}
		if strings.HasPrefix(t.commit.String(), id) {
			found[t.commit] = t
		}
	}
	list := make([]*target, 0, len(found))
	for _, t := range found {
		list = append(list, t)
	}
	return list
}

// only returns the only commit that begins with id among tips, of which there
// is at most one, and what the copy holds.
func (a *attempt) only(id string, tips []*target) (*target, error) {
	namesakes, err := a.mirror.beginning(id)
	if err != nil {
		return nil, err
	}
	if len(namesakes) > maxNamesakes {
		return nil, &AmbiguousError{fmt.Sprintf("%q", id)}
	}
	for _, h := range namesakes {
		o, err := a.mirror.get(plumbing.AnyObject, h)
		if err != nil {
			return nil, err
		}
		if o.Type() != plumbing.CommitObject || len(tips) == 1 && tips[0].commit == h {
			continue
		}
		tips = append(tips, &target{commit: h, cheap: true})
	}
	switch len(tips) {
	case 0:
		return nil, &NotFoundError{fmt.Sprintf("commit that begins with %s (give all 40 digits of one that is not the tip of a branch or tag)", id)}
	case 1:
		return tips[0], nil
	}
	return nil, &AmbiguousError{fmt.Sprintf("%q", id)}
}

func isHex(s string) bool {
	return s != "" && strings.Trim(s, "0123456789abcdefABCDEF") == ""
}

// beginning returns the objects whose IDs begin with these hex digits, one more
// than maxNamesakes at most.
func (p *packs) beginning(digits string) ([]plumbing.Hash, error) {
	first, err := hex.DecodeString(digits[:2])
	if err != nil {
		return nil, fmt.Errorf("%q: %w", digits, err)
	}
	var found []plumbing.Hash
	seen := map[plumbing.Hash]bool{}
	for _, pack := range p.list {
		// The names are in buckets by their first byte.
		bucket := pack.index.FanoutMapping[first[0]]
		if bucket < 0 || bucket >= len(pack.index.Names) {
			continue
		}
		var h plumbing.Hash
		for names := bytes.NewReader(pack.index.Names[bucket]); ; {
			if n, _ := names.Read(h[:]); n < len(h) {
				break
			}
			if !seen[h] && strings.HasPrefix(h.String(), digits) {
				seen[h] = true
				if found = append(found, h); len(found) > maxNamesakes {
					return found, nil
				}
			}
		}
	}
	return found, nil
}
