package kubectl

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/leat-dev/leat/test/framework"
	"github.com/leat-dev/leat/test/gitserver"
	"github.com/leat-dev/leat/test/leatserver"
)

// What the tests share: one control plane of their own, one Leat registered in
// it, one Git server.
var (
	root      string
	cluster   *framework.Cluster
	gitServer *gitserver.Server
	leat      *leatserver.Server
	// leatDir is where Leat keeps what it has, auditLog what it was asked for.
	leatDir, auditLog string
)

const auditPolicy = `apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- {level: None, nonResourceURLs: ["/*"]}
- {level: None, verbs: [watch]}
- {level: Metadata}
`

func TestMain(m *testing.M) {
	// Tests wait for others more than they work: for the garbage collector, for the
	// controller of quotas.
	flag.Parse()
	if err := flag.Set("test.parallel", "6"); err != nil {
		fmt.Fprintln(os.Stderr, "kubectl:", err)
		os.Exit(1)
	}
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, "kubectl:", err)
		code = 1
	}
	os.Exit(code)
}

func run(m *testing.M) (code int, err error) {
	ctx := context.Background()
	if root, err = framework.Root(); err != nil {
		return 0, err
	}
	dir, err := os.MkdirTemp("", "leat-kubectl-")
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
	if gitServer, err = gitserver.Start(filepath.Join(dir, "git"), gitserver.Options{}); err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, gitServer.Close()) }()
	if err := startLeat(ctx, dir); err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, leat.Stop()) }()
	return m.Run(), nil
}

// startLeat starts Leat with a service account of its own and an audit log, and
// gives the cluster the roles that it is installed with.
func startLeat(ctx context.Context, dir string) error {
	for _, args := range [][]string{
		{"apply", "-f", filepath.Join(root, "artifacts", "install", "base", "user-roles.yaml")},
		{"create", "namespace", "leat-system"},
		{"create", "serviceaccount", "--namespace=leat-system", "leat-apiserver"},
		{"create", "clusterrolebinding", "leat-apiserver", "--clusterrole=cluster-admin", "--serviceaccount=leat-system:leat-apiserver"},
	} {
		if _, _, err := cluster.Kubectl(ctx, args...); err != nil {
			return err
		}
	}
	token, _, err := cluster.Kubectl(ctx, "create", "token", "--namespace=leat-system", "leat-apiserver", "--duration=24h")
	if err != nil {
		return err
	}
	kubeconfig := filepath.Join(dir, "leat.kubeconfig")
	if err := writeKubeconfig(kubeconfig, cluster.Config, strings.TrimSpace(token)); err != nil {
		return err
	}
	policy := filepath.Join(dir, "audit-policy.yaml")
	if err := os.WriteFile(policy, []byte(auditPolicy), 0o600); err != nil {
		return err
	}
	leatDir, auditLog = filepath.Join(dir, "leat"), filepath.Join(dir, "audit.log")
	// The directory for temporary files may be one in memory.
	leat, err = leatserver.New(leatDir, kubeconfig, "--etcd-ephemeral",
		"--audit-policy-file", policy, "--audit-log-path", auditLog, "--audit-log-mode=blocking")
	if err != nil {
		return err
	}
	if err := leat.Start(ctx); err != nil {
		return err
	}
	return leatserver.WaitRegistered(ctx, cluster)
}
