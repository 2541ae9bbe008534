package preview

import (
	"context"
	"sync/atomic"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// Deferred is a Previewer that is there before the one it stands for: the API is
// built, and serves, before the reconcilers know all objects, and their code is
// what makes previews. The zero value is ready to use.
type Deferred struct{ previewer atomic.Pointer[Previewer] }

var _ Previewer = (*Deferred)(nil)

// Set gives it the Previewer that answers from now on.
func (d *Deferred) Set(p Previewer) { d.previewer.Store(&p) }

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
	err := apierrors.NewServiceUnavailable("previews are made once the reconcilers of this server have started; try again in some seconds")
	err.ErrStatus.Details = retryAfter(startRetrySeconds)
	return nil, err
}
