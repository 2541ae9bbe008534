package framework

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"
)

const (
	// SharedClusterEnv names the directory of a running cluster to use.
	SharedClusterEnv = "LEAT_TEST_CLUSTER"
	// KeepEnv keeps, when set, the directories of clusters that were started
	// here, with their logs.
	KeepEnv = "LEAT_TEST_KEEP"

	defaultNodes = 2
	startTimeout = 3 * time.Minute
	stopTimeout  = 2 * time.Minute
)

// Options say what a test needs of its cluster.
type Options struct {
	// Nodes is the number of simulated nodes, 2 when zero.
	Nodes int
	// APIServerArgs are flags for kube-apiserver, such as
	// "--request-timeout=10s". With any, the cluster is not shared.
	APIServerArgs []string
	// Dir is the cluster's directory, a temporary one when empty. With one,
	// the cluster is not shared, and Stop keeps its data.
	Dir string
	// Private asks for a cluster that no other package uses, for tests that
	// change what belongs to the whole cluster or count its requests.
	Private bool
	// Durable makes etcd wait for the disk, as a real one does.
	Durable bool
}

// Cluster is a running control plane, seen by its administrator.
type Cluster struct {
	*Client
	// Dir is the cluster's directory; its logs are in Dir/logs.
	Dir string

	devcluster string
	shared     bool
	temporary  bool
}

// Start returns a cluster that is ready for Pods. Stop has to be called for it.
func Start(ctx context.Context, o Options) (*Cluster, error) {
	if o.Nodes == 0 {
		o.Nodes = defaultNodes
	}
	ctx, cancel := context.WithTimeout(ctx, startTimeout+buildTimeout)
	defer cancel()
	devcluster, err := Devcluster(ctx)
	if err != nil {
		return nil, err
	}
	if dir := os.Getenv(SharedClusterEnv); dir != "" && o.shareable() {
		c := &Cluster{Dir: dir, devcluster: devcluster, shared: true}
		enough, err := c.hasNodes(ctx, o.Nodes)
		if err != nil {
			return nil, fmt.Errorf("using the cluster that %s names: %w", SharedClusterEnv, err)
		}
		if enough {
			return c, c.connect()
		}
	}
	return start(ctx, devcluster, o)
}

func (o Options) shareable() bool {
	return len(o.APIServerArgs) == 0 && o.Dir == "" && !o.Private && !o.Durable
}

func start(ctx context.Context, devcluster string, o Options) (*Cluster, error) {
	c := &Cluster{Dir: o.Dir, devcluster: devcluster}
	// The cluster ends with this process also when nobody calls Stop.
	args := []string{"up", "--owner-pid", strconv.Itoa(os.Getpid()), "--nodes", strconv.Itoa(o.Nodes), "--timeout", startTimeout.String()}
	if !o.Durable {
		args = append(args, "--fast")
	}
	if c.Dir == "" {
		dir, err := os.MkdirTemp("", "leat-cluster-")
		if err != nil {
			return nil, fmt.Errorf("starting a cluster: %w", err)
		}
		c.Dir, c.temporary = dir, true
		if os.Getenv(KeepEnv) == "" {
			args = append(args, "--ephemeral")
		}
	}
	for _, arg := range o.APIServerArgs {
		args = append(args, "--apiserver-arg="+arg)
	}
	if _, err := c.command(ctx, args...); err != nil {
		return nil, errors.Join(fmt.Errorf("starting a cluster: %w", err), c.Stop())
	}
	return c, c.connect()
}

// Stop ends a cluster that Start has started, and leaves a shared one alone.
func (c *Cluster) Stop() error {
	if c.shared {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
	defer cancel()
	if _, err := c.command(ctx, "down"); err != nil {
		return fmt.Errorf("stopping the cluster: %w", err)
	}
	if !c.temporary || os.Getenv(KeepEnv) != "" {
		return nil
	}
	return os.RemoveAll(c.Dir)
}

// Shared says whether other packages use the cluster at the same time.
func (c *Cluster) Shared() bool { return c.shared }

// User returns the view of a user, who has no rights until they are granted. The
// user exists by a client certificate that says name and groups.
func (c *Cluster) User(ctx context.Context, name string, groups ...string) (*Client, error) {
	args := []string{"user", name}
	for _, group := range groups {
		args = append(args, "--group", group)
	}
	kubeconfig, err := c.command(ctx, args...)
	if err != nil {
		return nil, fmt.Errorf("making user %s: %w", name, err)
	}
	dir := filepath.Join(c.Dir, "run", "users")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("making user %s: %w", name, err)
	}
	file, err := os.CreateTemp(dir, "*.kubeconfig")
	if err != nil {
		return nil, fmt.Errorf("making user %s: %w", name, err)
	}
	if _, err = file.Write(kubeconfig); err == nil {
		err = file.Close()
	}
	if err != nil {
		return nil, fmt.Errorf("making user %s: %w", name, err)
	}
	return newClient(c.devcluster, file.Name(), c.cacheDir())
}

func (c *Cluster) connect() (err error) {
	c.Client, err = newClient(c.devcluster, filepath.Join(c.Dir, "kubeconfig"), c.cacheDir())
	return err
}

func (c *Cluster) cacheDir() string { return filepath.Join(c.Dir, "run", "kubectl") }

// PID is the process of the control plane, for those who measure it.
func (c *Cluster) PID(ctx context.Context) (int, error) {
	s, err := c.status(ctx)
	return s.PID, err
}

func (c *Cluster) hasNodes(ctx context.Context, nodes int) (bool, error) {
	s, err := c.status(ctx)
	return s.Config.Nodes >= nodes, err
}

// status is the part of `devcluster status` that is needed here.
type status struct {
	PID    int
	Config struct{ Nodes int }
}

func (c *Cluster) status(ctx context.Context) (s status, err error) {
	out, err := c.command(ctx, "status", "--output=json")
	if err != nil {
		return s, err
	}
	if err := json.Unmarshal(out, &s); err != nil {
		return s, fmt.Errorf("reading the cluster's status: %w", err)
	}
	return s, nil
}

func (c *Cluster) command(ctx context.Context, args ...string) ([]byte, error) {
	return run(ctx, c.devcluster, append(args, "--dir", c.Dir)...)
}

// Main runs the tests of a package with a cluster and returns the exit code. It
// is what TestMain calls; *cluster is set before the first test.
func Main(m *testing.M, o Options, cluster **Cluster) int {
	c, err := Start(context.Background(), o)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	*cluster = c
	code := m.Run()
	if err := c.Stop(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}
