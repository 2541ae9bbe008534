package git

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/go-git/go-git/v5/plumbing"

	"github.com/leat-dev/leat/pkg/artifact"
)

// LimitError says that what a server sends exceeds a limit.
type LimitError struct{ message string }

func (e *LimitError) Error() string { return e.message }

func overLimit(format string, args ...any) error {
	return &LimitError{fmt.Sprintf(format, args...)}
}

// verdict is why a commit cannot be taken whatever is done: it breaks a limit,
// or a rule about paths. Without it, each retry would download the repository
// again to find the same.
//
// It holds for what was asked for and what the repository advertised; nothing
// else that it depends on changes while the process lives.
type (
	verdict    struct{ err error }
	verdictKey struct {
		repo         repoID
		want, commit plumbing.Hash
		branch       string
		// ignored stands for spec.ignore, advertised for what is searched for
		// a commit that no reference names.
		ignored, advertised [sha256.Size]byte
	}
)

func (a *attempt) verdictKey(t *target) verdictKey {
	k := verdictKey{repo: a.repo, want: t.want, commit: t.commit, branch: t.branch}
	if spec := a.request.Ignore; spec != nil {
		k.ignored = sha256.Sum256([]byte(*spec))
	}
	if t.want.IsZero() && a.refs != nil {
		h := sha256.New()
		for _, name := range slices.Sorted(maps.Keys(a.refs.hashes)) {
			fmt.Fprintf(h, "%q %s\n", name, a.refs.hashes[name])
		}
		h.Sum(k.advertised[:0])
	}
	return k
}

// remember keeps err if the same attempt would end with it again.
func (a *attempt) remember(ctx context.Context, k verdictKey, err error) {
	if ctx.Err() == nil && isFinal(err) {
		a.memo.Add(k, verdict{err})
	}
}

// isFinal says whether err is about the commit itself. None of these errors
// quotes anything that is secret.
func isFinal(err error) bool {
	var (
		sent  *LimitError
		limit *artifact.LimitError
		path  *artifact.PathError
		known *Error
	)
	return errors.As(err, &sent) || errors.As(err, &limit) || errors.As(err, &path) ||
		errors.As(err, &known) && known.Reason == ReasonSourceIgnoreError
}
