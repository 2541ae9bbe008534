package apiserver_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	genericapiserver "k8s.io/apiserver/pkg/server"

	"github.com/leat-dev/leat/pkg/apiserver"
)

func TestBackgroundEndsWhileTheServerServes(t *testing.T) {
	failures := make(chan error, 1)
	b := apiserver.NewBackground(t.Context(), func(err error) { failures <- err })
	started, ended := make(chan struct{}), make(chan struct{})
	hook := b.Hook("worker", func(ctx context.Context) error {
		close(started)
		<-ctx.Done()
		close(ended)
		return ctx.Err()
	})
	if hook.Name != "worker" {
		t.Errorf("the hook is called %s", hook.Name)
	}
	if err := hook.Run(genericapiserver.PostStartHookContext{Context: t.Context()}); err != nil {
		t.Fatal(err)
	}
	<-started
	if err := b.StopHook().Run(); err != nil {
		t.Error(err)
	}
	select {
	case <-ended:
	default:
		t.Error("stop returned before the work had ended")
	}
	if err := b.Stop(); err != nil {
		t.Errorf("the second stop: %v", err)
	}
	select {
	case err := <-failures:
		t.Errorf("work that was told to end is taken for failed: %v", err)
	default:
	}
}

func TestBackgroundThatFailsEndsTheServer(t *testing.T) {
	broken := errors.New("broken")
	failures := make(chan error, 1)
	b := apiserver.NewBackground(t.Context(), func(err error) { failures <- err })
	hook := b.Hook("worker", func(context.Context) error { return broken })
	if err := hook.Run(genericapiserver.PostStartHookContext{Context: t.Context()}); err != nil {
		t.Fatal(err)
	}
	if err := <-failures; !errors.Is(err, broken) || !strings.HasPrefix(err.Error(), "worker: ") {
		t.Errorf("got %v", err)
	}
	if err := b.Stop(); err != nil {
		t.Error(err)
	}
}
