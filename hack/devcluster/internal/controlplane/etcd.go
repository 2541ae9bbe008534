package controlplane

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"go.etcd.io/etcd/server/v3/embed"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/leat-dev/leat/hack/devcluster/internal/instance"
)

const (
	etcdSocket = "etcd.sock"
	// etcdQuota is what a test of ten thousand objects stays far below, and a
	// runaway loop reaches before the disk is full.
	etcdQuota = 4 << 30
	// etcdSnapshotCount keeps the log in memory short: every entry that is
	// not yet covered by a snapshot stays there.
	etcdSnapshotCount = 5000
	etcdStartTimeout  = 30 * time.Second
)

// etcd is the store of the cluster. Its socket lies in a directory that only
// the user can enter, so other users of the machine cannot reach it.
type etcd struct {
	server  *embed.Etcd
	sockets *instance.SocketDir
	// endpoint is valid in this process only.
	endpoint string
	logLevel zap.AtomicLevel
}

func startEtcd(ctx context.Context, dir string, fast bool) (*etcd, error) {
	runDir := filepath.Join(dir, "run")
	if err := os.MkdirAll(runDir, 0o700); err != nil {
		return nil, fmt.Errorf("starting etcd: %w", err)
	}
	sockets, err := instance.OpenSocketDir(runDir)
	if err != nil {
		return nil, fmt.Errorf("starting etcd: %w", err)
	}
	client := url.URL{Scheme: "unix", Path: sockets.Path(etcdSocket)}
	logs := zap.NewProductionConfig()
	logs.Level = zap.NewAtomicLevelAt(zapcore.WarnLevel)
	logger, err := logs.Build()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("starting etcd: %w", err), sockets.Close())
	}
	server, err := embed.StartEtcd(etcdConfig(filepath.Join(dir, "etcd"), client, fast, logger))
	if err != nil {
		return nil, errors.Join(fmt.Errorf("starting etcd: %w", err), sockets.Close())
	}
	e := &etcd{server: server, sockets: sockets, endpoint: client.String(), logLevel: logs.Level}

	ctx, cancel := context.WithTimeout(ctx, etcdStartTimeout)
	defer cancel()
	select {
	case <-server.Server.ReadyNotify():
		return e, nil
	case err = <-server.Err():
	case <-ctx.Done():
		err = fmt.Errorf("not ready: %w", ctx.Err())
	}
	e.close()
	return nil, fmt.Errorf("starting etcd: %w", err)
}

func etcdConfig(dir string, client url.URL, fast bool, logger *zap.Logger) *embed.Config {
	cfg := embed.NewConfig()
	cfg.Name = "devcluster"
	cfg.Dir = dir
	cfg.ListenClientUrls = []url.URL{client}
	cfg.AdvertiseClientUrls = []url.URL{client}
	// The only member listens for no peers. It needs a name for itself all the
	// same, and the name must stay the same as long as its data.
	cfg.ListenPeerUrls = nil
	cfg.AdvertisePeerUrls = []url.URL{{Scheme: "http", Host: "127.0.0.1:2380"}}
	cfg.InitialCluster = cfg.InitialClusterFromName(cfg.Name)
	cfg.QuotaBackendBytes = etcdQuota
	cfg.SnapshotCount = etcdSnapshotCount
	cfg.UnsafeNoFsync = fast
	cfg.ZapLoggerBuilder = embed.NewZapLoggerBuilder(logger)
	// Ticks only matter for elections, and there is nobody to elect.
	cfg.TickMs, cfg.ElectionMs = 100, 1000
	return cfg
}

// failed reports the error that stopped etcd.
func (e *etcd) failed() <-chan error { return e.server.Err() }

func (e *etcd) close() {
	// It reports each of its listeners that is closed here as an error.
	e.logLevel.SetLevel(zapcore.FatalLevel)
	e.server.Close()
	_ = e.sockets.Close()
}
