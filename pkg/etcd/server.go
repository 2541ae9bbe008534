package etcd

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/embed"
	"go.uber.org/zap"
	"k8s.io/klog/v2"
)

const (
	memberName = "leat"
	// peerURL is what the member is known by in its own membership list, for
	// good. Nothing listens there and nothing dials it: being one member,
	// it has no peers.
	peerURL = "unix://leat.invalid"
	// dialTimeout is how long a client of the socket may take to connect.
	dialTimeout = 20 * time.Second
)

// Server is a running etcd.
type Server struct {
	dir      *directory
	etcd     *embed.Etcd
	endpoint string
	quota    int64

	// closing is shared with the log bridge, which is quieter once it is set.
	closing *atomic.Bool
	stop    context.CancelFunc
	stopped context.Context
	running sync.WaitGroup
	failed  chan error

	closeOnce sync.Once
	closeErr  error

	defragmentations atomic.Int64

	// upkeep is held by what changes the database as a whole. compacted is the
	// revision up to which we have dropped history.
	upkeep    sync.Mutex
	compacted int64
}

// Start starts the member and waits until it serves. ctx bounds the start and
// carries the logger; the server runs on after ctx ends, until Close: what is
// stored in it must outlive whatever ctx cancels.
func Start(ctx context.Context, config Config) (*Server, error) {
	config, err := config.complete()
	if err != nil {
		return nil, err
	}
	dir, err := openDirectory(config.Dir, config.Ephemeral)
	if err != nil {
		return nil, err
	}
	if err := dir.checkRestored(); err != nil {
		return nil, errors.Join(err, dir.close())
	}
	s, err := start(ctx, config, dir)
	if err != nil {
		return nil, errors.Join(err, dir.close())
	}
	return s, nil
}

// start does what Start does in a directory that is ours.
func start(ctx context.Context, config Config, dir *directory) (*Server, error) {
	socket, err := dir.socket()
	if err != nil {
		return nil, err
	}
	logger := klog.FromContext(ctx).WithName("etcd")
	closing := &atomic.Bool{}
	began := config.Clock.Now()
	member, err := embed.StartEtcd(memberConfig(config, socket, newZapLogger(logger, closing)))
	if err != nil {
		return nil, fmt.Errorf("starting embedded etcd in %s: %w", config.Dir, err)
	}
	if err := waitReady(ctx, member, config.StartTimeout); err != nil {
		closing.Store(true)
		member.Close()
		return nil, fmt.Errorf("starting embedded etcd in %s: %w", config.Dir, err)
	}
	logger.V(2).Info("Embedded etcd is ready", "dir", config.Dir, "quotaBytes", config.QuotaBytes,
		"sizeBytes", member.Server.Backend().Size(), "took", config.Clock.Since(began))

	s := &Server{
		dir: dir, etcd: member, endpoint: "unix://" + socket, quota: config.QuotaBytes,
		closing: closing, failed: make(chan error, 1),
	}
	s.stopped, s.stop = context.WithCancel(klog.NewContext(context.WithoutCancel(ctx), logger))
	s.running.Go(s.watchFailure)
	s.running.Go(func() { s.maintain(s.stopped, config.Clock) })
	return s, nil
}

// memberConfig translates our configuration into etcd's.
func memberConfig(config Config, socket string, logger *zap.Logger) *embed.Config {
	c := embed.NewConfig()
	c.Name = memberName
	c.Dir = config.Dir
	c.QuotaBackendBytes = config.QuotaBytes
	c.ZapLoggerBuilder = embed.NewZapLoggerBuilder(logger)
	c.EnableGRPCGateway = false
	// One writer compacts, and it is the API server (see the package comment).
	c.AutoCompactionRetention = "0"

	client := url.URL{Scheme: "unix", Path: socket}
	c.ListenClientUrls = []url.URL{client}
	c.AdvertiseClientUrls = []url.URL{client}
	c.ListenPeerUrls = nil
	c.AdvertisePeerUrls = []url.URL{{Scheme: "unix", Host: "leat.invalid"}}
	c.InitialCluster = memberName + "=" + peerURL
	return c
}

// waitReady waits until the member has elected itself.
func waitReady(ctx context.Context, member *embed.Etcd, timeout time.Duration) error {
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, fmt.Errorf("not ready after %s", timeout))
	defer cancel()
	select {
	case <-member.Server.ReadyNotify():
		return nil
	case err := <-member.Err():
		return err
	case <-member.Server.StopNotify():
		return errors.New("stopped while starting")
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Endpoints returns what a client dials, in the form that both clientv3 and
// the API server's --etcd-servers take.
func (s *Server) Endpoints() []string { return []string{s.endpoint} }

// NewClient returns a client of this server. The caller closes it, before the
// server.
func (s *Server) NewClient() (*clientv3.Client, error) {
	client, err := clientv3.New(clientv3.Config{
		Endpoints:   s.Endpoints(),
		DialTimeout: dialTimeout,
		Logger:      s.etcd.GetLogger(),
	})
	if err != nil {
		return nil, fmt.Errorf("connecting to embedded etcd: %w", err)
	}
	return client, nil
}

// Failed returns a channel that receives one error if the server stops without
// having been told to, and is closed by Close. Whoever runs the API server on
// top of it must end it then.
func (s *Server) Failed() <-chan error { return s.failed }

// watchFailure reports the end of a server that was not told to end.
func (s *Server) watchFailure() {
	var err error
	select {
	case <-s.stopped.Done():
		return
	case err = <-s.etcd.Err():
	case <-s.etcd.Server.StopNotify():
	}
	if s.closing.Load() {
		return
	}
	if err == nil {
		err = errors.New("stopped by itself")
	}
	s.failed <- fmt.Errorf("embedded etcd in %s: %w", s.dir.path, err)
}

// Close stops the server and gives the directory back. Clients are to be closed
// before it: it waits several seconds for those that are not. It can be called
// more than once.
func (s *Server) Close() error {
	s.closeOnce.Do(func() {
		s.closing.Store(true)
		s.stop()
		s.running.Wait()
		s.etcd.Close()
		close(s.failed)
		s.closeErr = s.dir.close()
	})
	return s.closeErr
}
