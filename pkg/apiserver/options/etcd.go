package options

import (
	"context"
	"errors"
	"fmt"

	"github.com/leat-dev/leat/pkg/etcd"
)

// closers are what must be closed when the server has ended, last opened first.
type closers struct {
	funcs []func() error
}

func (c *closers) add(f func() error) { c.funcs = append(c.funcs, f) }

func (c *closers) close() error {
	var errs []error
	for i := len(c.funcs) - 1; i >= 0; i-- {
		errs = append(errs, c.funcs[i]())
	}
	c.funcs = nil
	return errors.Join(errs...)
}

// startEtcd starts the embedded etcd, if it is to be used. Its end, when nobody
// asked for it, is the server's end: cancel is called with the reason.
func (o *Options) startEtcd(ctx context.Context, cancel context.CancelCauseFunc, closers *closers) error {
	if !o.Embedded() {
		return nil
	}
	server, err := etcd.Start(ctx, etcd.Config{Dir: o.etcdDir(), Ephemeral: o.EtcdEphemeral})
	if err != nil {
		return fmt.Errorf("starting the embedded etcd: %w", err)
	}
	closers.add(server.Close)
	go func() {
		if err, failed := <-server.Failed(); failed {
			cancel(err)
		}
	}()
	o.Recommended.Etcd.StorageConfig.Transport.ServerList = server.Endpoints()
	return nil
}
