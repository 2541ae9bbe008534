package preview

import (
	"context"
	"sync/atomic"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// Deferred is a Previewer that is there before the one it stands for: the API is
// built before the reconcilers, whose code makes previews, and some servers have
// none. The zero value is ready to use.
type Deferred struct {
	previewer atomic.Pointer[Previewer]
	reason    atomic.Pointer[string]
}

var _ Previewer = (*Deferred)(nil)

// Set gives it the Previewer that answers from now on.
func (d *Deferred) Set(p Previewer) { d.previewer.Store(&p) }

// Refuse says why there will be no Previewer.
func (d *Deferred) Refuse(reason string) { d.reason.Store(&reason) }

// Build implements Previewer.
func (d *Deferred) Build(ctx context.Context, r Request) (*Manifests, error) {
	p, err := d.get()
	if err != nil {
		return nil, err
	}
	return p.Build(ctx, r)
}

// Diff implements Previewer.
func (d *Deferred) Diff(ctx context.Context, r Request) (*Diff, error) {
	p, err := d.get()
	if err != nil {
		return nil, err
	}
	return p.Diff(ctx, r)
}

// startRetrySeconds is how long a server may take to start.
const startRetrySeconds = 2

func (d *Deferred) get() (Previewer, error) {
	if p := d.previewer.Load(); p != nil {
		return *p, nil
	}
	if reason := d.reason.Load(); reason != nil {
		return nil, apierrors.NewServiceUnavailable(*reason)
	}
	err := apierrors.NewServiceUnavailable("previews are made once the reconcilers of this server have started; try again in some seconds")
	err.ErrStatus.Details = retryAfter(startRetrySeconds)
	return nil, err
}
