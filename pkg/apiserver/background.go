package apiserver

import (
	"context"
	"fmt"
	"sync"
	"time"

	genericapiserver "k8s.io/apiserver/pkg/server"
	"k8s.io/klog/v2"
)

// stopTimeout is how long work may take to end once it was told to. What is cut
// off then is taken up again after the next start.
const stopTimeout = 20 * time.Second

// Background is the work beside the API: registration, reconciling, upkeep. It
// begins when the server serves, and is ended while it still does, because the
// last thing that a run does is to write a status.
type Background struct {
	ctx     context.Context
	cancel  context.CancelFunc
	fail    func(error)
	running sync.WaitGroup
}

// NewBackground returns background work whose failure is given to fail.
func NewBackground(ctx context.Context, fail func(error)) *Background {
	b := &Background{fail: fail}
	b.ctx, b.cancel = context.WithCancel(context.WithoutCancel(ctx))
	return b
}

// Hook starts work with the server. An error that it returns ends the server.
func (b *Background) Hook(name string, work func(context.Context) error) Hook {
	return Hook{Name: name, Run: func(genericapiserver.PostStartHookContext) error {
		b.running.Go(func() {
			ctx := klog.NewContext(b.ctx, klog.FromContext(b.ctx).WithName(name))
			if err := work(ctx); err != nil && b.ctx.Err() == nil {
				b.fail(fmt.Errorf("%s: %w", name, err))
			}
		})
		return nil
	}}
}

// StopHook ends the work before the server stops serving.
func (b *Background) StopHook() StopHook {
	return StopHook{Name: "leat-background", Run: b.Stop}
}

// Stop tells the work to end and waits for it. It can be called more than once.
func (b *Background) Stop() error {
	b.cancel()
	done := make(chan struct{})
	go func() {
		b.running.Wait()
		close(done)
	}()
	timer := time.NewTimer(stopTimeout)
	defer timer.Stop()
	select {
	case <-done:
		return nil
	case <-timer.C:
		return fmt.Errorf("background work did not end within %s", stopTimeout)
	}
}
