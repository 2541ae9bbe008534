package git

import (
	"fmt"
	"strings"

	"github.com/Masterminds/semver/v3"
	"github.com/go-git/go-git/v5/plumbing"
)

// Ref says which commit of a repository is wanted. Of several fields the first
// of Commit, Name, SemVer, Tag and Branch counts; only Commit and Branch work
// together. None means the branch master.
type Ref struct {
	Branch string
	Tag    string
	// SemVer is a range of versions, of which the highest tag is taken.
	SemVer string
	// Name is a full reference name, like refs/pull/1/head.
	Name string
	// Commit is the ID of a commit, on Branch if that is set.
	Commit string
	// Any is what a person calls a commit: the full name of a reference, a
	// branch, a tag, or a commit's ID, the first of these that there is. If it
	// is set no other field counts. It is for looking at a commit, so what would
	// take a download of the whole history is not done.
	Any string
}

const defaultBranch = "master"

// refs is what a repository advertises.
type refs struct {
	hashes map[string]plumbing.Hash
	// peeled has, for annotated tags, the object that the tag is on.
	peeled map[string]plumbing.Hash
	// anyCommit says that commits can be asked for which no reference names.
	anyCommit bool
}

// target is what a Ref resolved to.
type target struct {
	// label is the part of the revision before the "@". It may be empty.
	label string
	// want is the advertised object to ask for, commit the commit that it is
	// or is a tag on. want is zero for a commit that is not advertised.
	want, commit plumbing.Hash
	// branch is where to look for such a commit: a full name or empty.
	branch string
	// cheap says that the whole history is not to be searched for it.
	cheap bool
}

// revision is the target in the form of status.artifact.revision.
func (t *target) revision() string {
	id := "sha1:" + t.commit.String()
	if t.label == "" {
		return id
	}
	return t.label + "@" + id
}

// pinned returns the target of a Ref with a commit, which needs no listing, or
// nil.
func (r *Ref) pinned() (*target, error) {
	if r.Commit == "" || r.Any != "" {
		return nil, nil
	}
	if !plumbing.IsHash(r.Commit) {
		return nil, &Error{ReasonGitOperationFailed, true, fmt.Errorf("commit %q: want 40 hex digits", r.Commit)}
	}
	t := &target{commit: plumbing.NewHash(r.Commit), label: r.Branch}
	if r.Branch != "" {
		t.branch = "refs/heads/" + r.Branch
	}
	return t, nil
}

// resolve finds what r asks for among what is advertised.
func (r *Ref) resolve(all *refs) (*target, error) {
	if len(all.hashes) == 0 {
		return nil, errEmpty
	}
	switch {
	case r.Commit != "":
		return r.resolveCommit(all)
	case r.Name != "":
		return all.target(r.Name, r.Name, fmt.Sprintf("reference %q", r.Name))
	case r.SemVer != "":
		return r.resolveSemVer(all)
	case r.Tag != "":
		return all.target(r.Tag, "refs/tags/"+r.Tag, fmt.Sprintf("tag %q", r.Tag))
	}
	branch := r.Branch
	if branch == "" {
		branch = defaultBranch
	}
	return all.target(branch, "refs/heads/"+branch, fmt.Sprintf("branch %q", branch))
}

func (r *Ref) resolveCommit(all *refs) (*target, error) {
	t, err := r.pinned()
	if err != nil {
		return nil, err
	}
	if t.branch != "" {
		tip, ok := all.hashes[t.branch]
		if !ok {
			return nil, &NotFoundError{fmt.Sprintf("branch %q", r.Branch)}
		}
		if tip == t.commit {
			t.want = tip
		}
		return t, nil
	}
	for _, h := range all.hashes {
		if h == t.commit {
			t.want = h
		}
	}
	return t, nil
}

// resolveSemVer takes the tag with the highest version in range. Of tags with
// the same version (v1.0.0 and 1.0.0, or other build metadata) it takes the one
// that sorts last.
func (r *Ref) resolveSemVer(all *refs) (*target, error) {
	within, err := semver.NewConstraint(r.SemVer)
	if err != nil {
		return nil, &Error{ReasonGitOperationFailed, true, fmt.Errorf("semver range %q: %w", r.SemVer, err)}
	}
	var best *semver.Version
	var tag string
	for name := range all.hashes {
		text, ok := strings.CutPrefix(name, "refs/tags/")
		if !ok {
			continue
		}
		v, err := semver.StrictNewVersion(strings.TrimPrefix(text, "v"))
		if err != nil || !within.Check(v) {
			continue // most repositories have other tags too
		}
		if best == nil || v.GreaterThan(best) || v.Equal(best) && text > tag {
			best, tag = v, text
		}
	}
	if best == nil {
		return nil, &NotFoundError{fmt.Sprintf("tag with a version in range %q", r.SemVer)}
	}
	return all.target(tag, "refs/tags/"+tag, fmt.Sprintf("tag %q", tag))
}

func (a *refs) target(label, name, what string) (*target, error) {
	want, ok := a.hashes[name]
	if !ok {
		return nil, &NotFoundError{what}
	}
	t := &target{label: label, want: want, commit: want}
	if peeled, ok := a.peeled[name]; ok {
		t.commit = peeled
	}
	return t, nil
}
