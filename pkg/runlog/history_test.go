package runlog

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/leat-dev/leat/pkg/etcd"
	"github.com/leat-dev/leat/pkg/record"
)

// A history survives its process, in the store that it is made for.
func TestHistorySurvives(t *testing.T) {
	server, err := etcd.Start(t.Context(), etcd.Config{Dir: t.TempDir(), Ephemeral: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	client, err := clientv3.New(clientv3.Config{Endpoints: server.Endpoints(), Logger: zap.NewNop()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	store := record.New(client, "/leat")

	l := New(store, Options{})
	l.Note("u", Note{Generation: 3, User: "admin"})
	run := l.Begin(RunOptions{UID: "u", ID: "own", Triggers: []string{"Source"}, Generation: 3})
	run.Answers(3, "2026-11-21T12:00:00Z")
	run.On("main@sha1:1")
	run.Did(Work{Digest: "sha256:1", Created: 1, Updated: 2, Deleted: 3})
	run.End(Outcome{Phase: Failed, Message: "no"})
	before := history(t, l, "u")
	if err := l.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	after := history(t, New(store, Options{}), "u")
	want := []Entry{{
		ID: "2026-11-21T12:00:00Z", Revision: "main@sha1:1", Digest: "sha256:1", Triggers: []string{"Spec", "Request", "Source"}, User: "admin",
		Phase: Failed, Message: "no", Created: 1, Updated: 2, Deleted: 3, StartedAt: after[0].StartedAt, Duration: after[0].Duration,
	}}
	if diff := cmp.Diff(want, after); diff != "" {
		t.Errorf("after a restart (-want +got):\n%s", diff)
	}
	if len(before) != 1 || !before[0].is(&after[0]) {
		t.Errorf("before it was written: %+v", before)
	}

	if err := l.Sweep(t.Context(), func(context.Context) (map[string]bool, error) { return map[string]bool{"u": true}, nil }); err != nil {
		t.Fatal(err)
	}
	if got := history(t, l, "u"); len(got) != 1 {
		t.Errorf("the history of an object that exists was swept: %+v", got)
	}
	if err := l.Sweep(t.Context(), func(context.Context) (map[string]bool, error) { return nil, nil }); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if left, err := store.List(t.Context(), recordKind); err != nil || len(left) > 0 {
		t.Errorf("objects that are gone left %v, %v", left, err)
	}
}

func TestEntriesAreWrittenTogether(t *testing.T) {
	l, store, clock := newLog(Options{})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { l.Run(ctx); close(done) }()
	for i := range 5 {
		work(l, "u", fmt.Sprint(i))
	}
	if store.count() != 0 {
		t.Error("a run waited for a write")
	}
	// The writer waits for the clock; only then may it move.
	waitFor(t, clock.HasWaiters)
	clock.Step(time.Second)
	<-store.written
	cancel()
	<-done
	if got := store.count(); got != 1 {
		t.Errorf("5 runs in a second made %d writes, want 1", got)
	}
	if len(l.writer.waiting) != 0 {
		t.Errorf("%d objects still wait to be written", len(l.writer.waiting))
	}
}

// waitFor waits for another goroutine to get where it goes by itself.
func waitFor(t *testing.T, condition func() bool) {
	t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for !condition() {
		if time.Now().After(deadline) {
			t.Fatal("it did not happen within 30 s")
		}
		time.Sleep(time.Millisecond)
	}
}

func TestWhatCannotBeWrittenIsKept(t *testing.T) {
	l, store, _ := newLog(Options{})
	work(l, "u", "1")
	store.breakIt(true)
	if err := l.Close(t.Context()); !errors.Is(err, errBroken) {
		t.Errorf("got %v", err)
	}
	if _, err := l.History(t.Context(), "u"); !errors.Is(err, errBroken) {
		t.Errorf("reading: %v", err)
	}
	work(l, "u", "2")
	store.breakIt(false)
	if err := l.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := history(t, New(store, Options{}), "u"); len(got) != 2 || got[0].ID != "2" {
		t.Errorf("got %+v", got)
	}
}

func TestHistoriesOfTheFutureAreLeftAlone(t *testing.T) {
	l, store, _ := newLog(Options{})
	const future = `{"level":2,"new":true}`
	store.data[recordKind+"/u"] = []byte(future)
	work(l, "u", "1")
	if err := l.Close(t.Context()); err == nil || !strings.Contains(err.Error(), "level 2") {
		t.Errorf("got %v, want an error that names the level", err)
	}
	if got := string(store.data[recordKind+"/u"]); got != future {
		t.Errorf("it was overwritten by %s", got)
	}
	if len(l.writer.waiting) != 0 {
		t.Error("what can never be written is kept for ever")
	}
}

func TestForgottenStaysForgotten(t *testing.T) {
	l, store, _ := newLog(Options{})
	work(l, "u", "1")
	if err := l.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	run := l.Begin(RunOptions{UID: "u", ID: "2"})
	run.Info("deleting")
	l.Forget("u")
	if got := history(t, l, "u"); len(got) > 0 {
		t.Errorf("before it is written: %+v", got)
	}
	run.End(Outcome{Phase: Succeeded, News: true})
	if err := l.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(store.data) > 0 || len(l.objects) > 0 {
		t.Errorf("left in the store: %v; in memory: %d", store.data, len(l.objects))
	}
}

func TestRetriesDoNotPushOutTheRest(t *testing.T) {
	l, _, clock := newLog(Options{Entries: 5})
	fail := func(id, trigger, message string) {
		clock.Step(time.Minute)
		l.Begin(RunOptions{UID: "u", ID: id, Triggers: []string{trigger}}).End(Outcome{Phase: Failed, Message: message, News: true})
		if err := l.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	work(l, "u", "good")
	fail("bad", "Source", "it is broken")
	for i := range 100 {
		fail(fmt.Sprint(i), "Retry", "it is broken")
	}
	fail("other", "Retry", "it is broken in another way")
	var ids []string
	for _, e := range history(t, l, "u") {
		ids = append(ids, e.ID)
	}
	if diff := cmp.Diff([]string{"other", "99", "bad", "good"}, ids); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for i := range 9 {
		work(l, "u", fmt.Sprint(i))
	}
	if got := history(t, l, "u"); len(got) != 5 || got[0].ID != "8" {
		t.Errorf("%d entries, want the last 5", len(got))
	}
}

func TestWhoAsked(t *testing.T) {
	type step func(*Log)
	note := func(generation int64, request, user string) step {
		return func(l *Log) { l.Note("u", Note{Generation: generation, Request: request, User: user}) }
	}
	run := func(generation int64, request string, news bool, triggers ...string) step {
		return func(l *Log) {
			r := l.Begin(RunOptions{UID: "u", ID: "own", Triggers: triggers, Generation: generation})
			r.Answers(generation, request)
			l.o.Clock.(*clocktesting.FakeClock).Step(time.Second)
			r.End(Outcome{Phase: Succeeded, News: news})
		}
	}
	written := func(l *Log) {
		if err := l.Close(context.Background()); err != nil {
			panic(err)
		}
	}
	restart := func(l *Log) {
		written(l)
		l.objects = map[string]*object{}
	}
	for name, tt := range map[string]struct {
		steps []step
		want  string
	}{
		"nobody":                        {[]step{run(1, "", true, "Interval")}, "Interval/"},
		"a spec":                        {[]step{note(1, "", "ann"), run(1, "", true, "Spec")}, "Spec/ann"},
		"a spec, seen by a source":      {[]step{note(1, "", "ann"), run(1, "", true, "Source")}, "Spec,Source/ann"},
		"a request":                     {[]step{note(0, "t1", "bob"), run(1, "t1", true, "Request")}, "Request/bob"},
		"both":                          {[]step{note(1, "", "ann"), note(0, "t1", "bob"), run(1, "t1", true, "Spec")}, "Spec,Request/ann,bob"},
		"both by one":                   {[]step{note(1, "", "ann"), note(0, "t1", "ann"), run(1, "t1", true, "Spec")}, "Spec,Request/ann"},
		"two specs, one run":            {[]step{note(1, "", "ann"), note(2, "", "bob"), run(2, "", true, "Spec")}, "Spec/ann,bob"},
		"two requests, one run":         {[]step{note(0, "t1", "ann"), note(0, "t2", "bob"), run(1, "t2", true, "Request")}, "Request/ann,bob"},
		"a later spec is not answered":  {[]step{note(1, "", "ann"), note(2, "", "bob"), run(1, "", true, "Spec")}, "Spec/ann"},
		"another request":               {[]step{note(0, "t1", "ann"), run(1, "t0", true, "Request")}, "Request/"},
		"only once":                     {[]step{note(1, "", "ann"), run(1, "", true, "Spec"), run(1, "", true, "Retry")}, "Retry/"},
		"only once, written":            {[]step{note(1, "", "ann"), run(1, "", true, "Spec"), written, run(1, "", true, "Retry")}, "Retry/"},
		"not by a run that is not told": {[]step{note(1, "", "ann"), run(1, "", false, "Start"), run(1, "", true, "Source")}, "Spec,Source/ann"},
		"after a restart":               {[]step{note(1, "", "ann"), note(0, "t1", "bob"), restart, run(1, "t1", true, "Start")}, "Spec,Request,Start/ann,bob"},
		"the run was faster":            {[]step{run(1, "", true, "Spec"), note(1, "", "ann")}, "Spec/ann"},
		"the run was written":           {[]step{run(1, "", true, "Spec"), written, note(1, "", "ann"), run(1, "", true, "Retry")}, "Retry/"},
		"a request that came too late":  {[]step{run(1, "t1", true, "Request"), written, note(0, "t1", "ann"), run(1, "t1", true, "Retry")}, "Request,Retry/"},
	} {
		t.Run(name, func(t *testing.T) {
			l, _, _ := newLog(Options{})
			for _, s := range tt.steps {
				s(l)
			}
			e := history(t, l, "u")[0]
			if got := e.Trigger() + "/" + e.User; got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
			written(l)
			e = history(t, l, "u")[0]
			if got := e.Trigger() + "/" + e.User; got != tt.want {
				t.Errorf("when written: got %s, want %s", got, tt.want)
			}
		})
	}
}

func TestTheFirstLineNamesTheUser(t *testing.T) {
	l, _, _ := newLog(Options{})
	l.Note("u", Note{Request: "t1", User: "bob"})
	r := l.Begin(RunOptions{UID: "u", ID: "own"})
	r.Answers(1, "t1")
	r.Info("x")
	if got := messages(all(t, l, "u", everything)); got[0] != "run started: Request by bob" {
		t.Errorf("got %q", got[0])
	}
}
