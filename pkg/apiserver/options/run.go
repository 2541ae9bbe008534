package options

import (
	"context"
	"errors"
	"fmt"
	"os"

	"k8s.io/klog/v2"
	"k8s.io/utils/clock"

	"github.com/leat-dev/leat/pkg/apis/schema"
	"github.com/leat-dev/leat/pkg/apiserver"
	"github.com/leat-dev/leat/pkg/generated/openapi"
	"github.com/leat-dev/leat/pkg/version"
)

// Run starts the server and serves until ctx ends or etcd fails.
//
// What is started here ends in reverse: first the server, which answers what it
// has accepted, then the engines and stores, and etcd last, when nobody is left
// to write to it.
//
//	etcd ─► stores ─► engines ─► server ─► (ctx ends) ─► server ─► engines ─► stores ─► etcd
func (o *Options) Run(ctx context.Context) (err error) {
	if err := o.Complete(); err != nil {
		return err
	}
	if err := o.Validate(); err != nil {
		return err
	}
	logger := klog.FromContext(ctx)
	logger.Info("Starting", "version", version.Get(), "dataDir", o.DataDir, "embeddedEtcd", o.Embedded())
	if err := os.MkdirAll(o.DataDir, 0o700); err != nil {
		return fmt.Errorf("creating the data directory: %w", err)
	}

	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	closers := &closers{}
	defer func() {
		if closeErr := closers.close(); err == nil {
			err = closeErr
		}
	}()

	if err := o.startEtcd(ctx, cancel, closers); err != nil {
		return err
	}
	engines, err := o.openEngines(ctx, closers)
	if err != nil {
		return err
	}
	work := newBackground(ctx, cancel)
	config, err := o.Config(ctx, engines, work)
	if err != nil {
		return err
	}
	if o.Reconcile {
		if err := o.addReconcilers(ctx, config, engines, work, closers); err != nil {
			return err
		}
	}
	// Before the engines are closed nothing may work with them any more, also
	// where the server ended without stopping in order.
	closers.add(work.stop)
	server, err := config.Complete().New()
	if err != nil {
		return err
	}
	if err := server.Run(ctx); err != nil {
		return err
	}
	if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, context.Canceled) {
		return cause
	}
	return nil
}

// Config makes the configuration of a server from the options. etcd must run.
func (o *Options) Config(ctx context.Context, engines *Engines, work *background) (*apiserver.Config, error) {
	groups := newGroups(engines.Artifacts)
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
	generic, certificates, err := o.genericConfig(ctx, engines.Host, scheme, definitions)
	if err != nil {
		return nil, err
	}
	config := &apiserver.Config{
		GenericConfig: generic,
		ExtraConfig: apiserver.ExtraConfig{
			Scheme: scheme,
			Schema: validator,
			Groups: groups,
			Clock:  clock.RealClock{},
			Stop:   []apiserver.StopHook{work.stopHook()},
		},
	}
	if o.RegisterAPIServices {
		if err := o.addRegistration(config, engines.Host, certificates, work); err != nil {
			return nil, err
		}
	}
	return config, nil
}
