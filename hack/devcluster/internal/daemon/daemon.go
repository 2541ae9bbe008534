package daemon

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"sync"
	"time"

	"k8s.io/klog/v2"

	"github.com/leat-dev/leat/hack/devcluster/internal/controlplane"
	"github.com/leat-dev/leat/hack/devcluster/internal/instance"
	"github.com/leat-dev/leat/hack/devcluster/internal/supervisor"
)

const (
	// APIServerPort is the name of kube-apiserver's port in the file "ports".
	APIServerPort = "kube-apiserver"

	startTimeout = 2 * time.Minute
	// stopTimeout bounds the end of the control plane; kube-apiserver waits
	// for requests in flight as long as they may take.
	stopTimeout = 20 * time.Second
)

// Phase says how far the control plane is.
type Phase string

// A control plane goes through its phases in this order.
const (
	Starting Phase = "Starting"
	Ready    Phase = "Ready"
	Stopping Phase = "Stopping"
)

// daemon is the running process.
type daemon struct {
	dir        string
	config     Config
	supervisor *supervisor.Supervisor

	mu      sync.Mutex
	phase   Phase
	started time.Time
	readyIn time.Duration
}

// Run runs the cluster of a directory until ctx ends or a part of the control
// plane fails.
func Run(ctx context.Context, dir string) (err error) {
	lock, err := instance.Acquire(dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lock.Release()) }()
	config, err := LoadConfig(dir)
	if err != nil {
		return err
	}
	listener, err := listen(dir)
	if err != nil {
		return err
	}
	d := &daemon{dir: dir, config: config, phase: Starting, started: time.Now()}
	d.supervisor = supervisor.New(supervisor.Options{LogDir: logDir(dir)})
	closeSocket, err := d.serve()
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	defer closeSocket()
	return d.run(ctx, listener)
}

func (d *daemon) run(ctx context.Context, listener net.Listener) error {
	startCtx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	cp, err := controlplane.Start(startCtx, controlplane.Options{
		Dir:           d.dir,
		Listener:      listener,
		Nodes:         d.config.Nodes,
		Fast:          d.config.Fast,
		APIServerArgs: d.config.APIServerArgs,
	})
	if err != nil {
		return err
	}
	d.enter(Ready)
	klog.FromContext(ctx).Info("Control plane is ready", "seconds", time.Since(d.started).Seconds())
	d.supervisor.Start()

	select {
	case <-ctx.Done():
	case err = <-cp.Failed():
		klog.FromContext(ctx).Error(err, "Control plane failed")
	}
	d.enter(Stopping)
	d.supervisor.Stop()
	return errors.Join(err, stop(cp))
}

func (d *daemon) enter(p Phase) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.phase = p
	if p == Ready {
		d.readyIn = time.Since(d.started)
	}
}

func stop(cp *controlplane.ControlPlane) error {
	done := make(chan struct{})
	go func() {
		defer close(done)
		cp.Stop()
	}()
	select {
	case <-done:
		return nil
	case <-time.After(stopTimeout):
		return fmt.Errorf("stopping the control plane: not done after %s", stopTimeout)
	}
}

// listen opens kube-apiserver's port, which is chosen once for a directory.
func listen(dir string) (net.Listener, error) {
	port, err := instance.Port(dir, APIServerPort)
	if err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		return nil, fmt.Errorf("opening kube-apiserver's port (to have another one chosen, remove its line from %s/ports): %w", dir, err)
	}
	return listener, nil
}
