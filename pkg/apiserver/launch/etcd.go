package launch

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.etcd.io/etcd/client/pkg/v3/transport"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	"k8s.io/apiserver/pkg/storage/storagebackend"

	"github.com/leat-dev/leat/pkg/etcd"
)

// The same as those of the client that the API server keeps its objects by.
const (
	etcdDialTimeout      = 20 * time.Second
	etcdKeepAlive        = 30 * time.Second
	etcdKeepAliveTimeout = 10 * time.Second
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

// startEtcd starts the embedded etcd, if it is to be used, and returns what leads
// to the etcd that is. The end of an embedded one, when nobody asked for it, is the
// server's end.
func (o launcher) startEtcd(ctx context.Context, p *Process) (storagebackend.TransportConfig, error) {
	transport := o.Recommended.Etcd.StorageConfig.Transport
	if !o.Embedded() {
		return transport, nil
	}
	server, err := etcd.Start(ctx, etcd.Config{Dir: o.EtcdDir(), Ephemeral: o.EtcdEphemeral})
	if err != nil {
		return transport, fmt.Errorf("starting the embedded etcd: %w", err)
	}
	p.closers.add(server.Close)
	go func() {
		if err, failed := <-server.Failed(); failed {
			p.fail(err)
		}
	}()
	transport.ServerList = server.Endpoints()
	return transport, nil
}

// newEtcdClient returns a client of the etcd that the objects are in, for what
// is kept beside them.
func newEtcdClient(t storagebackend.TransportConfig) (*clientv3.Client, error) {
	config := clientv3.Config{
		Endpoints:            t.ServerList,
		DialTimeout:          etcdDialTimeout,
		DialKeepAliveTime:    etcdKeepAlive,
		DialKeepAliveTimeout: etcdKeepAliveTimeout,
		// The client's own logs repeat what its errors say.
		Logger: zap.NewNop(),
	}
	if t.CertFile != "" || t.TrustedCAFile != "" {
		info := transport.TLSInfo{CertFile: t.CertFile, KeyFile: t.KeyFile, TrustedCAFile: t.TrustedCAFile}
		tlsConfig, err := info.ClientConfig()
		if err != nil {
			return nil, fmt.Errorf("reading the certificates for etcd: %w", err)
		}
		config.TLS = tlsConfig
	}
	client, err := clientv3.New(config)
	if err != nil {
		return nil, fmt.Errorf("connecting to etcd: %w", err)
	}
	return client, nil
}
