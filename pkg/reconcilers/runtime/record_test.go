package runtime

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	testingclock "k8s.io/utils/clock/testing"

	"github.com/leat-dev/leat/pkg/record"
	"github.com/leat-dev/leat/pkg/runlog"
)

// noStore keeps no histories.
type noStore struct{}

func (noStore) Get(context.Context, string, string) ([]byte, error) { return nil, record.ErrNotFound }
func (noStore) Put(context.Context, string, string, []byte) error   { return nil }
func (noStore) Delete(context.Context, string, string) error        { return nil }
func (noStore) List(context.Context, string) ([]string, error)      { return nil, nil }

// A run that does not say how it ended is recorded all the same, if it is worth it.
func TestRunsThatDoNotSayHowTheyEnded(t *testing.T) {
	for name, tt := range map[string]struct {
		reconcile func(context.Context, *Run) error
		want      string // trigger, phase and message of what is left in the history
	}{
		"did nothing": {func(context.Context, *Run) error { return nil }, ""},
		"looked": {func(ctx context.Context, _ *Run) error {
			runlog.FromContext(ctx).Stage(runlog.Build, "").End(nil, "rendered")
			return nil
		}, ""},
		"failed":   {func(context.Context, *Run) error { return errors.New("no way to the API") }, "Source,Config Failed no way to the API"},
		"panicked": {func(context.Context, *Run) error { panic("nil map") }, "Source,Config Failed " + QuarantineMessage(errors.New("the reconciler panicked: nil map"))},
		"said so": {func(_ context.Context, run *Run) error {
			run.Log.Answers(1, "now")
			run.Log.End(runlog.Outcome{Phase: runlog.Succeeded, Message: "done", News: true})
			return errors.New("too late to tell")
		}, "Request,Source,Config Succeeded done"},
	} {
		t.Run(name, func(t *testing.T) {
			var g generations
			g.set(key("a/x"), 1)
			clock := testingclock.NewFakeClock(time.Unix(1_000_000, 0))
			log := runlog.New(noStore{}, runlog.Options{Clock: clock})
			s := &script{reconcile: func(ctx context.Context, run *Run) (Result, error) {
				if run.Log == nil || runlog.FromContext(ctx) != run.Log {
					t.Error("the run has no log")
				}
				return Result{}, tt.reconcile(ctx, run)
			}}
			c, err := NewController(s, ControllerOptions{Name: "test", Slots: 1, Clock: clock, Identify: g.identify, Log: log})
			if err != nil {
				t.Fatal(err)
			}
			c.Add(key("a/x"), Source|Config)
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan struct{})
			go func() { defer close(done); c.Run(ctx) }()
			for deadline := time.Now().Add(20 * time.Second); c.Busy(); time.Sleep(100 * time.Microsecond) {
				if time.Now().After(deadline) {
					t.Fatal("the run does not end")
				}
			}
			cancel()
			<-done
			entries, err := log.History(t.Context(), "u")
			if err != nil {
				t.Fatal(err)
			}
			got := ""
			for _, e := range entries {
				got += strings.Join([]string{e.Trigger(), string(e.Phase), e.Message}, " ")
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestTriggerNames(t *testing.T) {
	all := Started | Spec | Requested | Interval | Retry | Source | Dependency | Config
	if got, want := all.String(), "Start,Spec,Request,Interval,Retry,Source,Dependency,Config"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got := Trigger(0).Names(); len(got) > 0 {
		t.Errorf("no trigger has names: %q", got)
	}
}
