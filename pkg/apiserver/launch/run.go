package launch

import (
	"context"
	"errors"
	"fmt"
	"os"

	"k8s.io/apiserver/pkg/storage/storagebackend"
	"k8s.io/klog/v2"
	"k8s.io/utils/clock"

	"github.com/leat-dev/leat/pkg/apis/schema"
	"github.com/leat-dev/leat/pkg/apiserver"
	"github.com/leat-dev/leat/pkg/apiserver/options"
	"github.com/leat-dev/leat/pkg/etcd"
	"github.com/leat-dev/leat/pkg/generated/openapi"
	"github.com/leat-dev/leat/pkg/registry/subresource"
	"github.com/leat-dev/leat/pkg/version"
)

// launcher does with options what this package does.
type launcher struct {
	*options.Options
}

// Run starts a server, where there are several when it is its turn, and serves
// until ctx ends or etcd fails.
func Run(ctx context.Context, o *options.Options) error {
	if o.LeaderElect {
		return launcher{o}.runElected(ctx)
	}
	return run(ctx, o)
}

func run(ctx context.Context, o *options.Options) error {
	p, err := Prepare(ctx, o)
	if err != nil {
		return err
	}
	if err := p.countSpace(); err != nil {
		return errors.Join(err, p.Close())
	}
	return p.Run(ctx)
}

// Process is a server with all that it stands on.
//
// What is started here ends in reverse: first the server, which answers what it
// has accepted, then the engines and stores, and etcd last, when nobody is left
// to write to it.
//
//	etcd ─► stores ─► engines ─► server ─► (ctx ends) ─► server ─► engines ─► stores ─► etcd
type Process struct {
	// Engines are what the server works with. They are closed when Run returns.
	Engines *Engines

	// Previews are those of all kinds that can make some.
	Previews *subresource.Previews

	transport storagebackend.TransportConfig
	etcd      *etcd.Server // nil with an external one
	directory *subresource.Directory
	trees     *subresource.Trees
	work      *apiserver.Background
	server    *apiserver.Server
	failed    chan error
	closers   closers
}

// Prepare does all that can fail before the server listens. What it returns must
// be run, or closed.
func Prepare(ctx context.Context, opts *options.Options) (_ *Process, err error) {
	o := launcher{opts}
	if err := o.Complete(); err != nil {
		return nil, err
	}
	if err := o.Validate(); err != nil {
		return nil, err
	}
	klog.FromContext(ctx).Info("Starting", "version", version.Get(), "dataDir", o.DataDir, "embeddedEtcd", o.Embedded())
	if err := os.MkdirAll(o.DataDir, 0o700); err != nil {
		return nil, fmt.Errorf("creating the data directory: %w", err)
	}
	p := &Process{directory: subresource.NewDirectory(), trees: &subresource.Trees{}, failed: make(chan error, 1)}
	defer func() {
		if err != nil {
			err = errors.Join(err, p.Close())
		}
	}()
	// Before all that takes time: the namespace controller waits after this as long
	// as a start takes.
	o.remindHost(ctx)
	if p.transport, err = o.startEtcd(ctx, p); err != nil {
		return nil, err
	}
	if p.Engines, err = o.openEngines(ctx, p.transport, &p.closers); err != nil {
		return nil, err
	}
	p.Previews = subresource.NewPreviews(ctx, subresource.PreviewLimits{}, p.Engines.Artifacts, clock.RealClock{})
	p.work = apiserver.NewBackground(ctx, p.fail)
	config, err := o.config(ctx, p)
	if err != nil {
		return nil, err
	}
	if o.Reconcile {
		if err := o.addReconcilers(ctx, config, p); err != nil {
			return nil, err
		}
	}
	// Before the engines are closed nothing may work with them any more, also
	// where the server ended without stopping in order.
	p.closers.add(p.work.Stop)
	p.closers.add(p.Previews.Close)
	p.server, err = config.Complete().New()
	return p, err
}

// fail ends the server, now or as soon as it runs. The first reason counts.
func (p *Process) fail(reason error) {
	select {
	case p.failed <- reason:
	default:
	}
}

// Run serves until ctx ends or something fails that the server cannot be without.
func (p *Process) Run(ctx context.Context) (err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer func() {
		if closeErr := p.Close(); err == nil {
			err = closeErr
		}
	}()
	go func() {
		select {
		case reason := <-p.failed:
			cancel(reason)
		case <-ctx.Done():
		}
	}()
	if err := p.server.Run(ctx); err != nil {
		return err
	}
	if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, context.Canceled) {
		return cause
	}
	return nil
}

// Close closes a process that was not run. It can be called more than once.
func (p *Process) Close() error { return p.closers.close() }

// config makes the configuration of a server from the options. etcd must run.
func (o launcher) config(ctx context.Context, p *Process) (*apiserver.Config, error) {
	groups := newGroups(p.Engines.Artifacts, p.Engines.Log, p.Previews, p.trees, p.directory)
	scheme, err := apiserver.NewScheme(types(groups)...)
	if err != nil {
		return nil, err
	}
	definitions, err := schema.Published(scheme.External, openapi.GetOpenAPIDefinitions)
	if err != nil {
		return nil, err
	}
	validator, err := schema.New(definitions)
	if err != nil {
		return nil, err
	}
	generic, certificates, err := o.genericConfig(ctx, p.Engines.Host, p.transport, scheme, definitions)
	if err != nil {
		return nil, err
	}
	p.watchSpace(generic)
	config := &apiserver.Config{
		GenericConfig: generic,
		ExtraConfig: apiserver.ExtraConfig{
			Scheme:  scheme,
			Schema:  validator,
			Groups:  groups,
			Clock:   clock.RealClock{},
			Authors: p.Engines.Log,
			Start: []apiserver.Hook{p.work.Hook("write-histories", func(ctx context.Context) error {
				p.Engines.Log.Run(ctx)
				return nil
			})},
			Stop: []apiserver.StopHook{p.work.StopHook()},
		},
	}
	if o.RegisterAPIServices {
		if err := o.addRegistration(config, p.Engines.Host, certificates, p.work); err != nil {
			return nil, err
		}
	}
	return config, nil
}
