package git

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp/capability"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp/sideband"
	"github.com/go-git/go-git/v5/plumbing/transport"
	githttp "github.com/go-git/go-git/v5/plumbing/transport/http"
)

// remote is a repository elsewhere, for one fetch. It is the place for other
// protocols, and for other implementations of this one.
type remote interface {
	// list returns what the repository advertises. It is called once, first.
	list(ctx context.Context) (*refs, error)
	// fetch asks for objects. The caller closes the pack.
	fetch(ctx context.Context, r packRequest) (*pack, error)
}

// packRequest says which commits are wanted and what is there.
type packRequest struct {
	// wants are wanted with depth commits of their history, 0 for all of it.
	wants []plumbing.Hash
	depth int
	// haves are commits that are there with their history, up to those among
	// shallows, whose parents are not there.
	haves, shallows []plumbing.Hash
}

// allHistory is the depth by which Git asks for a whole history of which it
// has the most recent part.
const allHistory = 0x7fffffff

// pack is a stream in the format of a packfile.
type pack struct {
	io.Reader
	io.Closer
	// shallows are commits that are there without their parents after the
	// pack was received, unshallows those that are not so any more.
	shallows, unshallows []plumbing.Hash
}

// httpRemote speaks Git's smart HTTP protocol, version 0, by go-git. It uses
// the transport and not go-git's Remote: that lists the references twice, and
// downloads a shallow commit as a whole though all but a few of its objects
// are there.
type httpRemote struct {
	session transport.UploadPackSession
	caps    *capability.List
}

func (f *Fetcher) newRemote(e *endpoint) (remote, error) {
	client := githttp.NewClientWithOptions(f.transports.client(e), &githttp.ClientOptions{
		// A redirect of the listing is followed, and the pack asked for
		// there; go-git takes credentials off where the host changes.
		RedirectPolicy: githttp.FollowInitialRedirects,
	})
	var auth transport.AuthMethod
	if e.auth != nil {
		auth = e.auth
	}
	session, err := client.NewUploadPackSession(e.Endpoint, auth)
	if err != nil {
		return nil, err
	}
	return &httpRemote{session: session}, nil
}

func (r *httpRemote) list(ctx context.Context) (*refs, error) {
	adv, err := r.session.AdvertisedReferencesContext(ctx)
	if errors.Is(err, transport.ErrRepositoryNotFound) {
		return nil, fmt.Errorf("listing references: %w", missing(err))
	}
	if err != nil {
		return nil, fmt.Errorf("listing references: %w", err)
	}
	if format := adv.Capabilities.Get(capability.Capability("object-format")); len(format) > 0 && format[0] != "sha1" {
		return nil, fmt.Errorf("repository has object format %q: only sha1 is supported", format[0])
	}
	r.caps = adv.Capabilities
	all := &refs{hashes: adv.References, peeled: adv.Peeled}
	if adv.Head != nil {
		all.hashes[plumbing.HEAD.String()] = *adv.Head
	}
	for _, c := range []capability.Capability{capability.AllowTipSHA1InWant, capability.AllowReachableSHA1InWant} {
		all.anyCommit = all.anyCommit || r.caps.Supports(c)
	}
	return all, nil
}

// missing says more about a repository that is not found, where the server said
// nothing. Servers answer so also for what must not be seen.
func missing(err error) error {
	said := strings.Trim(strings.TrimPrefix(err.Error(), transport.ErrRepositoryNotFound.Error()), ": \r\n\t")
	if said == "" {
		said = "the url is wrong, or the credentials do not allow to read it"
	}
	return fmt.Errorf("%w: %s", transport.ErrRepositoryNotFound, said)
}

func (r *httpRemote) fetch(ctx context.Context, want packRequest) (*pack, error) {
	req := packp.NewUploadPackRequestFromCapabilities(r.caps)
	req.Wants, req.Haves, req.Shallows = want.wants, want.haves, want.shallows
	if want.depth != 0 || len(want.shallows) > 0 {
		if !r.caps.Supports(capability.Shallow) {
			return nil, errors.New("the server does not support shallow fetches")
		}
		if err := req.Capabilities.Set(capability.Shallow); err != nil {
			return nil, err
		}
		req.Depth = packp.DepthCommits(want.depth)
	}
	if len(want.haves) > 0 {
		// go-git takes this out of what a server advertises. A server that
		// does not know it ignores it.
		if err := req.Capabilities.Set(capability.ThinPack); err != nil {
			return nil, err
		}
	}
	if r.caps.Supports(capability.NoProgress) {
		if err := req.Capabilities.Set(capability.NoProgress); err != nil {
			return nil, err
		}
	}
	res, err := r.session.UploadPack(ctx, req)
	if err != nil {
		return nil, fmt.Errorf("asking for objects: %w", err)
	}
	p := &pack{Reader: res, Closer: res, shallows: res.Shallows, unshallows: res.Unshallows}
	switch {
	case req.Capabilities.Supports(capability.Sideband64k):
		p.Reader = sideband.NewDemuxer(sideband.Sideband64k, res)
	case req.Capabilities.Supports(capability.Sideband):
		p.Reader = sideband.NewDemuxer(sideband.Sideband, res)
	}
	return p, nil
}
