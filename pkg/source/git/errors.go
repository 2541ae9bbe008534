package git

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/go-git/go-git/v5/plumbing/transport"

	"github.com/leat-dev/leat/pkg/artifact"
	"github.com/leat-dev/leat/pkg/source/ignore"
)

// The reasons of errors, as they show in conditions.
const (
	// ReasonAuthenticationFailed: credentials cannot be used, or the server
	// refuses them or wants some.
	ReasonAuthenticationFailed = "AuthenticationFailed"
	// ReasonGitOperationFailed: all else that went wrong while fetching.
	ReasonGitOperationFailed = "GitOperationFailed"
	// ReasonURLInvalid: the URL cannot be one of a repository.
	ReasonURLInvalid = "URLInvalid"
	// ReasonEmptyGitRepository: the repository has no commit yet.
	ReasonEmptyGitRepository = "EmptyGitRepository"
	// ReasonSourceIgnoreError: ignore rules cannot be read.
	ReasonSourceIgnoreError = "SourceIgnoreError"
	// ReasonArchiveOperationFailed: what was fetched cannot be stored.
	ReasonArchiveOperationFailed = "ArchiveOperationFailed"
	// ReasonUnsupported: the request needs what is not built yet.
	ReasonUnsupported = "UnsupportedField"
)

// Error is what Fetch fails with.
type Error struct {
	// Reason is one of the constants.
	Reason string
	// Terminal says that trying again is of no use before the request changes.
	Terminal bool
	Err      error
}

func (e *Error) Error() string { return e.Err.Error() }

func (e *Error) Unwrap() error { return e.Err }

// UnsupportedError says that repositories cannot be fetched by this URL scheme.
type UnsupportedError struct{ Scheme string }

func (e *UnsupportedError) Error() string {
	return fmt.Sprintf("url scheme %s:// is not supported yet: use https:// or http://", e.Scheme)
}

var errEmpty = errors.New("git repository is empty: push a commit to it")

// NotFoundError says that the repository does not have what Ref asks for. It
// holds nothing but words of the Ref.
type NotFoundError struct{ what string }

func (e *NotFoundError) Error() string { return e.what + " not found in the repository" }

// classify gives an error its reason.
func classify(err error) *Error {
	var known *Error
	switch {
	case errors.As(err, &known):
		return &Error{Reason: known.Reason, Terminal: known.Terminal, Err: err}
	case errors.Is(err, transport.ErrAuthenticationRequired), errors.Is(err, transport.ErrAuthorizationFailed):
		return &Error{Reason: ReasonAuthenticationFailed, Err: err}
	case errors.Is(err, transport.ErrEmptyRemoteRepository), errors.Is(err, errEmpty):
		return &Error{Reason: ReasonEmptyGitRepository, Err: err}
	case artifact.NoRoom(err):
		return &Error{Reason: ReasonArchiveOperationFailed, Err: fmt.Errorf("no room on the disk of the data directory: %w", err)}
	case errors.Is(err, context.DeadlineExceeded):
		return &Error{Reason: ReasonGitOperationFailed, Err: fmt.Errorf("timed out: %w", err)}
	}
	return &Error{Reason: ReasonGitOperationFailed, Err: err}
}

// maxMessage bounds a message, part of which a server may have chosen.
const maxMessage = 1024

// scrubbed is an error without secrets. It answers Is and As for the error
// that it stands for, but does not hand it out: its message may hold secrets.
type scrubbed struct {
	message string
	err     error
}

func (e *scrubbed) Error() string { return e.message }

func (e *scrubbed) Is(target error) bool { return errors.Is(e.err, target) }

// As finds errors of this package and of the artifact store, which never hold
// secrets.
func (e *scrubbed) As(target any) bool {
	switch target.(type) {
	case **UnsupportedError, **NotFoundError, **AmbiguousError, **LimitError, **ignore.RulesError,
		**artifact.LimitError, **artifact.PathError, **artifact.CorruptError:
		return errors.As(e.err, target)
	}
	return false
}

// scrub takes the secrets out of err, in the forms in which they travel.
func scrub(err error, secrets []string) error {
	message := err.Error()
	for _, s := range secrets {
		if len(s) < 3 {
			continue // not a secret, and in every message
		}
		for _, form := range []string{s, url.QueryEscape(s), url.PathEscape(s), base64.StdEncoding.EncodeToString([]byte(s))} {
			message = strings.ReplaceAll(message, form, "***")
		}
	}
	// What go-git appends of an answer may be nothing.
	message = strings.TrimRight(strings.Join(strings.Fields(message), " "), ": ")
	if len(message) > maxMessage {
		message = strings.ToValidUTF8(message[:maxMessage], "") + "..."
	}
	return &scrubbed{message: message, err: err}
}
