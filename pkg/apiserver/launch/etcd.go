package launch

import (
	"context"
	"errors"
	"fmt"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"k8s.io/apiserver/pkg/server"
	"k8s.io/apiserver/pkg/storage/storagebackend"
	"k8s.io/component-base/metrics/legacyregistry"

	"github.com/leat-dev/leat/pkg/apiserver/space"
	"github.com/leat-dev/leat/pkg/etcd"
	"github.com/leat-dev/leat/pkg/etcd/migration"
)

// etcdAnswerTimeout is how long the etcd may take to answer the first request.
const etcdAnswerTimeout = 30 * time.Second

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
	server, err := etcd.Start(ctx, etcd.Config{Dir: o.EtcdDir(), Ephemeral: o.EtcdEphemeral, QuotaBytes: o.EtcdQuotaBytes})
	if err != nil {
		return transport, fmt.Errorf("starting the embedded etcd: %w", err)
	}
	p.closers.add(server.Close)
	p.etcd = server
	go func() {
		if err, failed := <-server.Failed(); failed {
			p.fail(err)
		}
	}()
	transport.ServerList = server.Endpoints()
	return transport, nil
}

// newEtcdClient returns a client of the etcd that the objects are in, for what
// is kept beside them. It refuses one that holds the objects no more, or not yet.
func newEtcdClient(ctx context.Context, t storagebackend.TransportConfig, prefix string) (*clientv3.Client, error) {
	client, err := etcd.NewClient(etcd.ClientConfig{
		Endpoints: t.ServerList, CAFile: t.TrustedCAFile, CertFile: t.CertFile, KeyFile: t.KeyFile,
	})
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, etcdAnswerTimeout)
	defer cancel()
	if err := migration.Check(ctx, client, prefix); err != nil {
		return nil, errors.Join(err, client.Close())
	}
	return client, nil
}

// What helps when the etcd takes no writes.
const (
	embeddedFullHint = "it makes room by itself where that is possible; if this stays, raise --etcd-quota-backend-bytes"
	externalFullHint = "its administrator has to compact and defragment it, or raise its quota, and disarm the alarm"
)

// watchSpace has a store without room say so wherever people look.
func (p *Process) watchSpace(config *server.RecommendedConfig) {
	if p.etcd == nil {
		config.RESTOptionsGetter = space.Answers(config.RESTOptionsGetter, externalFullHint)
		return
	}
	config.RESTOptionsGetter = space.Answers(config.RESTOptionsGetter, embeddedFullHint)
	config.AddHealthzChecks(space.Check(p.etcd))
}

// countSpace registers the metrics of the embedded etcd. They are of the whole
// process, which may have one server only.
func (p *Process) countSpace() error {
	if p.etcd == nil {
		return nil
	}
	if err := legacyregistry.CustomRegister(space.NewMetrics(p.etcd)); err != nil {
		return fmt.Errorf("registering the metrics of the embedded etcd: %w", err)
	}
	return nil
}
