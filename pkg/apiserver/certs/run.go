package certs

import (
	"context"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/tools/cache"
	"k8s.io/klog/v2"
)

const (
	// firstRetry and lastRetry are the pauses between attempts on a host cluster
	// that does not answer. The last one is short: the server is not ready before
	// it has its certificate.
	firstRetry = 200 * time.Millisecond
	lastRetry  = 5 * time.Second
)

// Run keeps the certificate true until ctx ends: it acts when the Secret changes,
// when a certificate is due, and again after failures. The generic server calls it
// for the certificate that it serves with.
func (m *Manager) Run(ctx context.Context, _ int) {
	logger := klog.FromContext(ctx).WithName("certs")
	ctx = klog.NewContext(ctx, logger)
	changed := make(chan struct{}, 1)
	stopWatching := m.watch(ctx, changed)
	defer stopWatching()

	retry := newRetry()
	for {
		var wakeUp time.Duration
		switch err := m.RunOnce(ctx); {
		case err == nil:
			retry, wakeUp = newRetry(), m.untilDue()
		case ctx.Err() != nil:
			return
		default:
			wakeUp = retry.Step()
			logger.Error(err, "Certificates could not be brought up to date", "retryIn", wakeUp)
		}
		timer := m.options.Clock.NewTimer(wakeUp)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-changed:
			timer.Stop()
		case <-timer.C():
		}
	}
}

func newRetry() wait.Backoff {
	return wait.Backoff{Duration: firstRetry, Factor: 2, Jitter: 0.1, Steps: 1 << 30, Cap: lastRetry}
}

// untilDue is the time until something has to be done though nothing happened.
func (m *Manager) untilDue() time.Duration {
	return max(m.current.Load().due.Sub(m.options.Clock.Now()), firstRetry)
}

// watch has changed filled whenever the Secret may have changed, until the returned
// function is called.
func (m *Manager) watch(ctx context.Context, changed chan<- struct{}) (stop func()) {
	enqueue := func(any) {
		select {
		case changed <- struct{}{}:
		default: // it is known already
		}
	}
	factory := informers.NewSharedInformerFactoryWithOptions(m.options.Client, 0,
		informers.WithNamespace(m.options.Namespace),
		informers.WithTweakListOptions(func(options *metav1.ListOptions) {
			options.FieldSelector = fields.OneTermEqualSelector(metav1.ObjectNameField, m.options.SecretName).String()
		}))
	// The error is for informers that have been stopped.
	_, _ = factory.Core().V1().Secrets().Informer().AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    enqueue,
		UpdateFunc: func(_, obj any) { enqueue(obj) },
		DeleteFunc: enqueue,
	})
	ctx, cancel := context.WithCancel(ctx)
	factory.StartWithContext(ctx)
	return func() {
		cancel()
		factory.Shutdown()
	}
}
