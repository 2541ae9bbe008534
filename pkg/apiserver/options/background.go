package options

import (
	"context"
	"fmt"
	"sync"
	"time"

	genericapiserver "k8s.io/apiserver/pkg/server"
	"k8s.io/klog/v2"

	"github.com/leat-dev/leat/pkg/apiserver"
)

// stopTimeout is how long work may take to end once it was told to. What is cut
// off then is taken up again after the next start.
const stopTimeout = 20 * time.Second

// background is the work beside the API: registration, reconciling, upkeep. It
// begins when the server serves, and is ended while it still does, because the
// last thing that a run does is to write a status.
type background struct {
	ctx     context.Context
	cancel  context.CancelFunc
	fail    func(error)
	running sync.WaitGroup
}

// newBackground returns background work whose failure is given to fail.
func newBackground(ctx context.Context, fail func(error)) *background {
	b := &background{fail: fail}
	b.ctx, b.cancel = context.WithCancel(context.WithoutCancel(ctx))
	return b
}

// hook starts work with the server. An error that it returns ends the server.
func (b *background) hook(name string, work func(context.Context) error) apiserver.Hook {
	return apiserver.Hook{Name: name, Run: func(genericapiserver.PostStartHookContext) error {
		b.running.Go(func() {
			ctx := klog.NewContext(b.ctx, klog.FromContext(b.ctx).WithName(name))
			if err := work(ctx); err != nil && b.ctx.Err() == nil {
				b.fail(fmt.Errorf("%s: %w", name, err))
			}
		})
		return nil
	}}
}

// stopHook ends the work before the server stops serving.
func (b *background) stopHook() apiserver.StopHook {
	return apiserver.StopHook{Name: "leat-background", Run: b.stop}
}

// stop tells the work to end and waits for it. It can be called more than once.
func (b *background) stop() error {
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
