package hostile

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/leat-dev/leat/test/framework"
	"github.com/leat-dev/leat/test/gitserver"
	"github.com/leat-dev/leat/test/leatserver"
)

const (
	// requestTimeout is the server's deadline for a request, short so that a test
	// can see it pass, and long enough for every honest request here on a busy
	// machine.
	requestTimeout = "24s"
	// namespace holds the objects that are attacked.
	namespace = "hostile"
)

// What the tests share: one control plane, one Leat registered in it, and the
// ways in.
var (
	cluster *framework.Cluster
	leat    *leatserver.Server
	logFile string
	// through leads to Leat through kube-apiserver, direct to its port. Both are
	// those of the administrator, who may send everything.
	through, direct *door
)

func TestMain(m *testing.M) {
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, "hostile:", err)
		code = 1
	}
	os.Exit(code)
}

func run(m *testing.M) (code int, err error) {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "leat-hostile-")
	if err != nil {
		return 0, err
	}
	if os.Getenv(framework.KeepEnv) == "" {
		defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	}
	if cluster, err = framework.Start(ctx, framework.Options{Private: true}); err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, cluster.Stop()) }()
	git, err := gitserver.Start(filepath.Join(dir, "git"), gitserver.Options{})
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, git.Close()) }()

	if leat, err = leatserver.New(filepath.Join(dir, "leat"), cluster.Kubeconfig, "--etcd-ephemeral", "--request-timeout", requestTimeout); err != nil {
		return 0, err
	}
	logFile = filepath.Join(dir, "leat", "leat-apiserver.log")
	if err := leat.Start(ctx); err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, leat.Stop()) }()
	if err := leatserver.WaitRegistered(ctx, cluster); err != nil {
		return 0, err
	}
	if err := makeFixtures(ctx, git); err != nil {
		return 0, err
	}
	if through, err = newDoor(cluster.Config, cluster.Config.Host); err != nil {
		return 0, err
	}
	if direct, err = newDoor(cluster.Config, leat.URL()); err != nil {
		return 0, err
	}
	watch, err := watchVitals(ctx)
	if err != nil {
		return 0, err
	}
	code = m.Run()
	return code, watch.check()
}
