package git

import (
	"context"
	"fmt"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
)

// download gets the wanted commit into the copy.
//
//	what is wanted                    what is asked for
//	an advertised object              that object, without history
//	a commit on a branch              the branch, with more and more history
//	a commit that any reference has   that commit, if the server allows it;
//	                                  else, unless it is to be cheap, all branches
//	                                  and tags with history
func (a *attempt) download(ctx context.Context, t *target) error {
	if err := a.list(ctx); err != nil {
		return err
	}
	if len(a.mirror.state.Packs) >= a.options.RecloneAfter {
		if err := a.mirror.reset(); err != nil {
			return err
		}
	}
	switch {
	case !t.want.IsZero():
		return a.pull(ctx, []plumbing.Hash{t.want}, []plumbing.Hash{t.commit}, 1)
	case t.branch != "":
		return a.downloadFromBranch(ctx, t)
	}
	return a.downloadCommit(ctx, t)
}

func (a *attempt) downloadFromBranch(ctx context.Context, t *target) error {
	tip, ok := a.refs.hashes[t.branch]
	if !ok {
		return &NotFoundError{fmt.Sprintf("branch %q", strings.TrimPrefix(t.branch, "refs/heads/"))}
	}
	// Most pinned commits are recent. What an earlier step got is not sent
	// again.
	for _, depth := range []int{32, 1024, allHistory} {
		if err := a.pull(ctx, []plumbing.Hash{tip}, []plumbing.Hash{tip}, depth); err != nil {
			return err
		}
		if there, err := a.mirror.has(t.commit); there || err != nil {
			return err
		}
		if len(a.mirror.state.Shallows) == 0 {
			break
		}
	}
	return &NotFoundError{fmt.Sprintf("commit %s on branch %q", t.commit, strings.TrimPrefix(t.branch, "refs/heads/"))}
}

func (a *attempt) downloadCommit(ctx context.Context, t *target) error {
	var refused error
	if a.refs.anyCommit {
		commit := []plumbing.Hash{t.commit}
		refused = a.pull(ctx, commit, commit, 1)
		if refused == nil || ctx.Err() != nil || isFinal(refused) {
			return refused // more history would be larger still
		}
	}
	if t.cheap {
		return cheapError(t, refused)
	}
	var tips []plumbing.Hash
	seen := map[plumbing.Hash]bool{}
	for name, h := range a.refs.hashes {
		if (strings.HasPrefix(name, "refs/heads/") || strings.HasPrefix(name, "refs/tags/")) && !seen[h] {
			seen[h] = true
			tips = append(tips, h)
		}
	}
	if len(tips) > 0 {
		if err := a.pull(ctx, tips, nil, allHistory); err != nil {
			return err
		}
	}
	there, err := a.mirror.has(t.commit)
	if err != nil || there {
		return err
	}
	missing := &NotFoundError{fmt.Sprintf("commit %s", t.commit)}
	if refused != nil {
		return fmt.Errorf("%w (asked for by its id: %w)", missing, refused)
	}
	return missing
}

// cheapError says why a commit is not looked for any further. refused is why
// the server did not hand it out, nil if it does not hand out any.
func cheapError(t *target, refused error) error {
	missing := &NotFoundError{fmt.Sprintf("commit %s", t.commit)}
	if refused != nil {
		return fmt.Errorf("%w (asked for by its id: %w)", missing, refused)
	}
	return fmt.Errorf("%w among the tips of branches and tags, and the server hands out no others by their id: name a branch or a tag that has it", missing)
}

// pull fetches wants with depth commits of their history. tips are the commits
// among them.
func (a *attempt) pull(ctx context.Context, wants, tips []plumbing.Hash, depth int) error {
	s := &a.mirror.state
	if len(s.Packs) == 0 {
		select {
		case a.clones <- struct{}{}:
			defer func() { <-a.clones }()
		case <-ctx.Done():
			return fmt.Errorf("waiting for other clones: %w", ctx.Err())
		}
		if depth == allHistory {
			depth = 0
		}
	}
	p, err := a.remote.fetch(ctx, packRequest{wants: wants, depth: depth, haves: hashes(s.Tips), shallows: hashes(s.Shallows)})
	if err != nil {
		return err
	}
	id, err := a.mirror.receive(ctx, p, a.options.Limits)
	if closeErr := p.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return err
	}
	return a.mirror.received(id, p, tips, a.request.Ref.Any != "")
}
