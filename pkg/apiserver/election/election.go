package election

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
	"k8s.io/klog/v2"
)

// The times of the lease, which are those of the components of Kubernetes: a
// server that dies is replaced within Duration, one that is told to end at once.
const (
	DefaultDuration      = 15 * time.Second
	DefaultRenewDeadline = 10 * time.Second
	DefaultRetryPeriod   = 2 * time.Second
)

// ErrLost says that the lease could not be renewed in time.
var ErrLost = errors.New("the lease was lost: another server may act now")

// Options say who stands for election, and where. Client, Namespace, Lease and
// Identity are required.
type Options struct {
	// Client reaches the host cluster.
	Client kubernetes.Interface
	// Namespace holds the Lease and the Pods of the servers, Lease is its name.
	Namespace, Lease string
	// Identity is unique to this process.
	Identity string
	// Pod is the name of this server's Pod, empty where there is none. Selector
	// selects the Pods of all servers.
	Pod, Selector string
	// Duration, RenewDeadline and RetryPeriod default to the constants above.
	Duration, RenewDeadline, RetryPeriod time.Duration
}

func (o *Options) complete() {
	setDefault(&o.Duration, DefaultDuration)
	setDefault(&o.RenewDeadline, DefaultRenewDeadline)
	setDefault(&o.RetryPeriod, DefaultRetryPeriod)
}

func setDefault(d *time.Duration, value time.Duration) {
	if *d <= 0 {
		*d = value
	}
}

// Run waits until this process is elected, calls act, and returns when that has
// returned. The context of act ends when the lease is lost; the error is ErrLost
// then. When ctx ends before, act is not called. The lease is given back at the
// end, so that another server need not wait for it to expire.
func Run(ctx context.Context, o Options, act func(context.Context) error) error {
	o.complete()
	lock := &resourcelock.LeaseLock{
		LeaseMeta:  metav1.ObjectMeta{Namespace: o.Namespace, Name: o.Lease},
		Client:     o.Client.CoordinationV1(),
		LockConfig: resourcelock.ResourceLockConfig{Identity: o.Identity},
	}
	// The lease is held until act has returned, also after ctx has ended.
	holding, letGo := context.WithCancel(context.WithoutCancel(ctx))
	defer letGo()
	elected, lost := make(chan struct{}), make(chan struct{})
	elector, err := leaderelection.NewLeaderElector(leaderelection.LeaderElectionConfig{
		// It would try to give back a lease that it could not renew either, and tell
		// of the loss only then, when the lease may have expired.
		Lock: lock, Name: o.Lease, ReleaseOnCancel: false,
		LeaseDuration: o.Duration, RenewDeadline: o.RenewDeadline, RetryPeriod: o.RetryPeriod,
		Callbacks: leaderelection.LeaderCallbacks{
			OnStartedLeading: func(context.Context) { close(elected) },
			OnStoppedLeading: func() {},
		},
	})
	if err != nil {
		return fmt.Errorf("standing for election: %w", err)
	}
	go func() {
		defer close(lost)
		elector.Run(holding)
	}()
	defer func() { letGo(); <-lost; o.giveBack(context.WithoutCancel(ctx), lock) }()

	log := klog.FromContext(ctx).WithValues("lease", klog.KRef(o.Namespace, o.Lease), "identity", o.Identity)
	log.Info("Standing by")
	select {
	case <-ctx.Done():
		return nil
	case <-lost:
		return ErrLost
	case <-elected:
	}
	log.Info("Elected")
	return o.act(ctx, lost, act)
}

// giveBack empties the lease if this process still holds it. Where that fails it
// expires.
func (o *Options) giveBack(ctx context.Context, lock resourcelock.Interface) {
	ctx, cancel := context.WithTimeout(ctx, o.RenewDeadline)
	defer cancel()
	record, _, err := lock.Get(ctx)
	if err == nil && record.HolderIdentity == o.Identity {
		record.HolderIdentity, record.LeaseDurationSeconds = "", 1
		record.RenewTime = metav1.Now()
		err = lock.Update(ctx, *record)
	}
	if err != nil && !apierrors.IsNotFound(err) {
		klog.FromContext(ctx).Error(err, "Giving back the lease failed; it expires", "lease", klog.KRef(o.Namespace, o.Lease))
	}
}

// act runs what only one server may do, until lost is closed. That is not waited
// for after marking: a cluster that cannot be told of the Pod may be one that
// takes no renewals either.
func (o *Options) act(ctx context.Context, lost <-chan struct{}, act func(context.Context) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var tasks sync.WaitGroup
	defer tasks.Wait()
	if o.Pod != "" {
		tasks.Go(func() { o.mark(ctx) })
	}
	tasks.Go(func() {
		select {
		case <-lost:
			cancel(ErrLost)
		case <-ctx.Done():
		}
	})
	err := act(ctx)
	if errors.Is(context.Cause(ctx), ErrLost) {
		err = ErrLost
	}
	cancel(nil)
	return err
}
