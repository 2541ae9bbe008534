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
	// lookEvery is how often the wall clock is looked at for whether a certificate
	// is due. A timer counts the time that passes, and a certificate goes by the
	// date: after the machine has slept, or its clock was set, the two differ.
	lookEvery = 10 * time.Second
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
		switch err := m.RunOnce(ctx); {
		case err == nil:
			retry = newRetry()
			m.awaitDue(ctx, changed)
		case ctx.Err() == nil:
			pause := retry.Step()
			logger.Error(err, "Certificates could not be brought up to date", "retryIn", pause)
			m.pause(ctx, changed, pause)
		}
		if ctx.Err() != nil {
			return
		}
	}
}

func newRetry() wait.Backoff {
	return wait.Backoff{Duration: firstRetry, Factor: 2, Jitter: 0.1, Steps: 1 << 30, Cap: lastRetry}
}

// awaitDue returns when the Secret has changed or something has to be done though
// nothing happened.
func (m *Manager) awaitDue(ctx context.Context, changed <-chan struct{}) {
	due := m.current.Load().due
	for {
		left := max(due.Sub(m.options.Clock.Now()), firstRetry)
		if interrupted := m.pause(ctx, changed, min(left, lookEvery)); interrupted || !m.options.Clock.Now().Before(due) {
			return
		}
	}
}

// pause lets time pass and says whether it was cut short, by a change of the Secret
// or by the end of ctx.
func (m *Manager) pause(ctx context.Context, changed <-chan struct{}, d time.Duration) (interrupted bool) {
	timer := m.options.Clock.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return true
	case <-changed:
		return true
	case <-timer.C():
		return false
	}
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
