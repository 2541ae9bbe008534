package e2e

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/leat-dev/leat/test/framework"
	"github.com/leat-dev/leat/test/leatserver"
)

// What the tests share: one control plane of their own, one Leat registered in
// it, one Git server.
var (
	root      string
	cluster   *framework.Cluster
	apiProxy  *proxy
	gitServer *gitHost
	leat      *leatserver.Server
	serial    atomic.Int64
)

func TestMain(m *testing.M) {
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		code = 1
	}
	os.Exit(code)
}

func run(m *testing.M) (code int, err error) {
	ctx := context.Background()
	if root, err = framework.Root(); err != nil {
		return 0, err
	}
	dir, err := os.MkdirTemp("", "leat-e2e-")
	if err != nil {
		return 0, err
	}
	if os.Getenv(framework.KeepEnv) == "" {
		defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	}
	// Leat registers itself for the whole cluster, so it has one for itself.
	if cluster, err = framework.Start(ctx, framework.Options{Private: true}); err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, cluster.Stop()) }()
	if apiProxy, err = newProxy(cluster.Config); err != nil {
		return 0, err
	}
	defer apiProxy.server.Close()
	if gitServer, err = newGitHost(filepath.Join(dir, "git")); err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, gitServer.server.Close()) }()

	token, err := leatserver.Identity(ctx, cluster)
	if err != nil {
		return 0, err
	}
	kubeconfig := filepath.Join(dir, "leat.kubeconfig")
	if err := apiProxy.kubeconfig(kubeconfig, token); err != nil {
		return 0, err
	}
	// The directory for temporary files may be one in memory.
	if leat, err = leatserver.New(filepath.Join(dir, "leat"), kubeconfig, "--etcd-ephemeral"); err != nil {
		return 0, err
	}
	if err := leat.Start(ctx); err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, leat.Stop()) }()
	if err := leatserver.WaitRegistered(ctx, cluster); err != nil {
		return 0, err
	}
	return m.Run(), nil
}
