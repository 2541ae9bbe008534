package git

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/leat-dev/leat/pkg/artifact"
)

// Options configure a Fetcher. The zero value has the defaults.
type Options struct {
	// ConcurrentClones is how many repositories may be cloned at once, by
	// default 4. A clone takes memory by the size of the repository; later
	// fetches take little and are not counted.
	ConcurrentClones int
	// RecloneAfter is the number of fetches after which the copy of a
	// repository is made anew, which bounds its growth. The default is 64.
	RecloneAfter int
	// MemoEntries bounds what is remembered of Git objects, at about 250
	// bytes each. The default is 200 000.
	MemoEntries int
	// Limits bound what a server may send.
	Limits Limits
	// DialControl is asked before each connection whether its address (host and
	// port, resolved) may be connected to. The default is DenyMetadata.
	DialControl func(network, address string) error
}

// Limits bound what a server may send. Zero fields have the defaults.
type Limits struct {
	// RefsSize is the size of a list of references: 64 MiB by default.
	RefsSize int64
	// PackSize is the size of one response with objects: 1 GiB by default.
	PackSize int64
	// Objects is the number of objects in it: 4 million by default.
	Objects int
	// ObjectSize is the size of one object: 256 MiB by default.
	ObjectSize int64
}

func (o Options) complete() Options {
	setDefault(&o.ConcurrentClones, 4)
	setDefault(&o.RecloneAfter, 64)
	setDefault(&o.MemoEntries, 200_000)
	setDefault(&o.Limits.RefsSize, 64<<20)
	setDefault(&o.Limits.PackSize, 1<<30)
	setDefault(&o.Limits.Objects, 4_000_000)
	setDefault(&o.Limits.ObjectSize, 256<<20)
	if o.DialControl == nil {
		o.DialControl = DenyMetadata
	}
	return o
}

func setDefault[T ~int | ~int64](v *T, def T) {
	if *v <= 0 {
		*v = def
	}
}

// Request says what to fetch.
type Request struct {
	// Key names the copy that is kept of the repository: the owner's UID.
	Key string
	// URL is http:// or https://. User info in it counts as credentials if
	// Auth has none.
	URL  string
	Ref  Ref
	Auth *Auth
	// Ignore is spec.ignore, nil if it is not set.
	Ignore *string

	// What the last success was, if there was one: the revision, the Ignore of
	// that time, and the digest of the tree. If the revision and Ignore are
	// still the same and the store has the tree, there is nothing to do.
	LastRevision string
	LastIgnore   *string
	LastTree     artifact.Digest
}

// Result is what was fetched.
type Result struct {
	// Revision is in the form of status.artifact.revision, for example
	// "main@sha1:" and the commit's ID.
	Revision string
	// Commit is the ID of the commit, Subject the first line of its message.
	Commit, Subject string
	Tree            *artifact.Tree
	// Unchanged says that the last success still holds. Subject is empty then.
	Unchanged bool
}

// Fetcher fetches revisions of repositories. It is safe for concurrent use;
// requests with the same Key take turns.
type Fetcher struct {
	dir        string
	store      *artifact.Store
	options    Options
	transports *transports
	memo       memo
	locks      locks
	clones     chan struct{}
}

// New returns a Fetcher that keeps its copies of repositories in dir and puts
// trees into store.
func New(dir string, store *artifact.Store, o Options) (*Fetcher, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("creating directory for copies of repositories: %w", err)
	}
	left, err := filepath.Glob(filepath.Join(dir, "*", packsBelow, tempPack))
	if err != nil {
		return nil, fmt.Errorf("looking for what a crash left: %w", err)
	}
	for _, name := range left {
		if err := os.Remove(name); err != nil {
			return nil, fmt.Errorf("removing what a crash left: %w", err)
		}
	}
	f := &Fetcher{dir: dir, store: store, options: o.complete()}
	f.transports = newTransports(&f.options)
	f.memo = newMemo(f.options.MemoEntries)
	f.clones = make(chan struct{}, f.options.ConcurrentClones)
	return f, nil
}

// Close closes idle connections.
func (f *Fetcher) Close() { f.transports.close() }

// Fetch fetches what r asks for. Its errors are of type *Error.
func (f *Fetcher) Fetch(ctx context.Context, r Request) (*Result, error) {
	e, err := newEndpoint(&r)
	if err != nil {
		return nil, f.fail(ctx, &r, nil, err)
	}
	res, err := f.fetch(ctx, &r, e)
	if err != nil {
		return nil, f.fail(ctx, &r, e, err)
	}
	return res, nil
}

// fail makes an *Error without secrets of whatever went wrong.
func (f *Fetcher) fail(ctx context.Context, r *Request, e *endpoint, err error) error {
	classified := classify(err)
	if cause := ctx.Err(); cause != nil && !errors.Is(err, cause) {
		// The layers below do not all say that it was the deadline.
		classified = classify(fmt.Errorf("%w: %w", cause, err))
	}
	err = classified.Err
	if e != nil {
		err = fmt.Errorf("fetching %s: %w", e.url, err)
	}
	classified.Err = scrub(err, r.secrets())
	return classified
}

// attempt is the work on one request.
type attempt struct {
	*Fetcher
	request  *Request
	endpoint *endpoint
	repo     repoID
	// mirror is nil before it is opened, remote and refs before the references
	// are listed.
	mirror *mirror
	remote remote
	refs   *refs
}

func (f *Fetcher) fetch(ctx context.Context, r *Request, e *endpoint) (*Result, error) {
	release, err := f.locks.acquire(ctx, r.Key)
	if err != nil {
		return nil, err
	}
	defer release()
	a := &attempt{Fetcher: f, request: r, endpoint: e, repo: sha256.Sum256([]byte(r.Key + "\x00" + e.url))}
	defer a.close()
	t, err := a.target(ctx)
	if err != nil {
		return nil, err
	}
	if tree := a.unchanged(t); tree != nil {
		return &Result{Revision: t.revision(), Commit: t.commit.String(), Tree: tree, Unchanged: true}, nil
	}
	key := a.verdictKey(t)
	if known, ok := recall[verdict](a.memo, key); ok {
		return nil, known.err
	}
	if err := a.open(); err != nil {
		return nil, err
	}
	res, err := a.take(ctx, t)
	var damage *damageError
	if errors.As(err, &damage) && a.mirror.reused && ctx.Err() == nil {
		// The copy is only a cache. Nothing that is read from a new one can
		// be damaged by the disk.
		if err := a.mirror.reset(); err != nil {
			return nil, err
		}
		res, err = a.take(ctx, t)
	}
	if err != nil {
		a.remember(ctx, key, err)
	}
	return res, err
}

func (f *Fetcher) mirrorDir(key string) string {
	sum := sha256.Sum256([]byte(key))
	return filepath.Join(f.dir, hex.EncodeToString(sum[:16]))
}

// open opens the copy. What is unchanged does not need it.
func (a *attempt) open() (err error) {
	if a.mirror == nil {
		a.mirror, err = openMirror(a.mirrorDir(a.request.Key), a.endpoint.url)
	}
	return err
}

func (a *attempt) close() {
	if a.mirror != nil {
		a.mirror.close()
	}
}

// target finds the commit that is wanted. A commit given by its ID that is in
// the copy needs no listing.
func (a *attempt) target(ctx context.Context) (*target, error) {
	t, err := a.request.Ref.pinned()
	if err != nil {
		return nil, err
	}
	if t != nil {
		if err := a.open(); err != nil {
			return nil, err
		}
		if there, err := a.mirror.has(t.commit); err == nil && there {
			return t, nil
		}
	}
	if err := a.list(ctx); err != nil {
		return nil, err
	}
	if a.request.Ref.Any != "" {
		return a.meant(a.request.Ref.Any)
	}
	return a.request.Ref.resolve(a.refs)
}

func (a *attempt) list(ctx context.Context) (err error) {
	if a.refs != nil {
		return nil
	}
	if a.remote, err = a.newRemote(a.endpoint); err != nil {
		return err
	}
	a.refs, err = a.remote.list(ctx)
	return err
}

// unchanged returns the tree of the last success if it is still what is wanted.
func (a *attempt) unchanged(t *target) *artifact.Tree {
	r := a.request
	same := r.Ignore == nil && r.LastIgnore == nil || r.Ignore != nil && r.LastIgnore != nil && *r.Ignore == *r.LastIgnore
	if !same || r.LastTree == "" || r.LastRevision != t.revision() {
		return nil
	}
	tree, err := a.store.Tree(r.LastTree)
	if err != nil {
		return nil // it is fetched again
	}
	return tree
}

// take gets the commit into the copy, if it is not there, and from the copy
// into the store.
func (a *attempt) take(ctx context.Context, t *target) (*Result, error) {
	there, err := a.mirror.has(t.commit)
	if err != nil {
		return nil, err
	}
	if !there {
		if err := a.download(ctx, t); err != nil {
			return nil, err
		}
	}
	commit, err := a.mirror.commit(t.commit)
	if err != nil {
		return nil, err
	}
	t.commit = commit.Hash // what was wanted may be a tag whose commit was not advertised
	tree, err := a.ingest(ctx, a.mirror, a.repo, commit.TreeHash, a.request.Ignore)
	if err != nil {
		return nil, fmt.Errorf("reading commit %s: %w", t.commit, err)
	}
	return &Result{Revision: t.revision(), Commit: t.commit.String(), Subject: subject(commit.Message), Tree: tree}, nil
}

// subject returns the first line of a commit message, as far as it can be
// shown.
func subject(message string) string {
	const most = 256
	line, _, _ := strings.Cut(strings.TrimSpace(message), "\n")
	line = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == '\uFFFD' {
			return -1
		}
		return r
	}, line)
	if len(line) > most {
		line = strings.ToValidUTF8(line[:most], "")
	}
	return strings.TrimSpace(line)
}

// Forget removes the copy of the repository with this key.
// It waits for a fetch with that key to end.
func (f *Fetcher) Forget(key string) error {
	defer f.locks.wait(key)()
	if err := os.RemoveAll(f.mirrorDir(key)); err != nil {
		return fmt.Errorf("removing copy of repository: %w", err)
	}
	return nil
}
