package controlplane

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/leat-dev/leat/hack/devcluster/internal/pki"
)

// auditLogMegabytes is where the audit log is moved aside once.
const auditLogMegabytes = 512

// auditPolicy records every request once it is answered, and watches also when
// they begin, since they may never end.
const auditPolicy = `apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- level: Metadata
`

// Options say how to run a control plane.
type Options struct {
	// Dir holds everything that the control plane keeps.
	Dir string
	// Listener is where kube-apiserver serves.
	Listener net.Listener
	// Nodes is the number of fake nodes.
	Nodes int
	// Fast trades the data's safety in a power cut for speed.
	Fast bool
	// APIServerArgs are flags of kube-apiserver that win over ours.
	APIServerArgs []string
}

func (o Options) path(elements ...string) string {
	return filepath.Join(append([]string{o.Dir}, elements...)...)
}

// AdminKubeconfig is the path of the administrator's kubeconfig in a directory.
func AdminKubeconfig(dir string) string { return filepath.Join(dir, "kubeconfig") }

// OpenKeys reads or makes the keys of the cluster in a directory.
func OpenKeys(dir string) (*pki.Cluster, error) {
	return pki.Open(filepath.Join(dir, "pki"), serviceIP())
}

// ControlPlane is a running control plane.
type ControlPlane struct {
	etcd       *etcd
	apiserver  *component
	components []*component // what talks to kube-apiserver
	failed     chan error
}

// Start runs a control plane and returns once Pods can run on it. ctx is about
// the start only; the control plane runs until Stop.
func Start(ctx context.Context, o Options) (cp *ControlPlane, err error) {
	for _, dir := range []string{o.path("run"), o.path("logs")} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, fmt.Errorf("starting the control plane: %w", err)
		}
	}
	// etcd asks nobody who they are: its socket's directory keeps others out,
	// also when somebody made the directory before.
	if err := os.Chmod(o.path("run"), 0o700); err != nil {
		return nil, fmt.Errorf("starting the control plane: %w", err)
	}
	if err := os.WriteFile(o.path("audit-policy.yaml"), []byte(auditPolicy), 0o600); err != nil {
		return nil, fmt.Errorf("writing the audit policy: %w", err)
	}
	keys, err := OpenKeys(o.Dir)
	if err != nil {
		return nil, err
	}
	configs, err := writeKubeconfigs(o, keys)
	if err != nil {
		return nil, err
	}

	cp = &ControlPlane{failed: make(chan error, 1)}
	defer func() {
		if err != nil {
			cp.Stop()
		}
	}()
	if cp.etcd, err = startEtcd(ctx, o.Dir, o.Fast); err != nil {
		return cp, err
	}
	cp.watchEtcd()
	return cp, cp.startComponents(ctx, o, keys, configs)
}

func (cp *ControlPlane) startComponents(ctx context.Context, o Options, keys *pki.Cluster, configs kubeconfigs) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go func() {
		select {
		case err := <-cp.failed:
			cp.fail(err) // for Failed, too
			cancel(err)
		case <-ctx.Done():
		}
	}()

	args := apiServerArgs(o, keys, cp.etcd.endpoint)
	cp.apiserver = cp.run("kube-apiserver", func(ctx context.Context) error { return runAPIServer(ctx, o, args) })
	client, err := newClient(configs.admin)
	if err != nil {
		return err
	}
	if err := waitAPIServer(ctx, client); err != nil {
		return err
	}
	cp.components = []*component{
		cp.run("kube-controller-manager", func(ctx context.Context) error {
			return runControllerManager(ctx, o, keys, configs.controllerManager)
		}),
		cp.run("kube-scheduler", func(ctx context.Context) error { return runScheduler(ctx, configs.scheduler) }),
		cp.run("kubelets", func(ctx context.Context) error { return runKubelets(ctx, configs.kubelets) }),
	}
	if err := ensureNodes(ctx, client, o.Nodes); err != nil {
		return err
	}
	return waitUsable(ctx, client, o.Nodes)
}

// Failed reports the first error that ended a part of the control plane.
func (cp *ControlPlane) Failed() <-chan error { return cp.failed }

// Stop ends what talks to kube-apiserver, then that, then etcd, and returns when
// all of it has ended.
func (cp *ControlPlane) Stop() {
	for _, c := range cp.components {
		c.cancel()
	}
	for _, c := range cp.components {
		<-c.done
	}
	if cp.apiserver != nil {
		cp.apiserver.cancel()
		<-cp.apiserver.done
	}
	if cp.etcd != nil {
		cp.etcd.close()
	}
}

// component is a part of the control plane that runs in a goroutine.
type component struct {
	cancel context.CancelFunc
	done   chan struct{}
}

// run starts a component. That it ends before it is stopped is a failure, with
// or without an error.
func (cp *ControlPlane) run(name string, f func(context.Context) error) *component {
	ctx, cancel := context.WithCancel(context.Background())
	c := &component{cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(c.done)
		err := f(ctx)
		if ctx.Err() != nil {
			return
		}
		if err == nil {
			err = errors.New("ended by itself")
		}
		cp.fail(fmt.Errorf("%s: %w", name, err))
	}()
	return c
}

func (cp *ControlPlane) watchEtcd() {
	go func() {
		if err, ok := <-cp.etcd.failed(); ok && err != nil {
			cp.fail(fmt.Errorf("etcd: %w", err))
		}
	}()
}

func (cp *ControlPlane) fail(err error) {
	select {
	case cp.failed <- err:
	default: // only the first one says why
	}
}

// kubeconfigs are the files by which the parts of the control plane and its
// administrator reach kube-apiserver; each is a user of its own, so that the
// audit log tells them apart.
type kubeconfigs struct{ admin, controllerManager, scheduler, kubelets string }

func writeKubeconfigs(o Options, keys *pki.Cluster) (kubeconfigs, error) {
	c := kubeconfigs{
		admin:             AdminKubeconfig(o.Dir),
		controllerManager: o.path("run", "controller-manager.kubeconfig"),
		scheduler:         o.path("run", "scheduler.kubeconfig"),
		kubelets:          o.path("run", "kubelets.kubeconfig"),
	}
	server := "https://" + o.Listener.Addr().String()
	for file, user := range map[string]string{
		c.admin:             "admin",
		c.controllerManager: "system:kube-controller-manager",
		c.scheduler:         "system:kube-scheduler",
		c.kubelets:          "kwok",
	} {
		if err := keys.EnsureKubeconfig(file, server, user); err != nil {
			return c, err
		}
	}
	return c, nil
}

func newClient(kubeconfig string) (kubernetes.Interface, error) {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", kubeconfig, err)
	}
	config.QPS = -1 // polls while starting; nobody else is there yet
	return kubernetes.NewForConfig(rest.AddUserAgent(config, "devcluster"))
}
