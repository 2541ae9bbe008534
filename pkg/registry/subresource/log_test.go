package subresource

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apiserver/pkg/endpoints/request"
	clocktesting "k8s.io/utils/clock/testing"

	leatv1alpha1 "github.com/leat-dev/leat/pkg/apis/leat/v1alpha1"
	"github.com/leat-dev/leat/pkg/record"
	"github.com/leat-dev/leat/pkg/registry/generic"
	"github.com/leat-dev/leat/pkg/runlog"
)

// noStore keeps nothing: these tests are about what is in memory.
type noStore struct{}

func (noStore) Get(context.Context, string, string) ([]byte, error) { return nil, record.ErrNotFound }
func (noStore) Put(context.Context, string, string, []byte) error   { return nil }
func (noStore) Delete(context.Context, string, string) error        { return nil }
func (noStore) List(context.Context, string) ([]string, error)      { return nil, nil }

// logServer serves the log of one object over a real connection.
type logServer struct {
	log   *runlog.Log
	clock *clocktesting.FakeClock
	url   string
	ended chan struct{} // a token for each request that has ended
}

func serveLog(t *testing.T, o runlog.Options) *logServer {
	t.Helper()
	clock := clocktesting.NewFakeClock(time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC))
	o.Clock = clock
	obj := kustomization("", "", "")
	obj.UID = "uid"
	s := &logServer{log: runlog.New(noStore{}, o), clock: clock, ended: make(chan struct{}, 100)}
	r := NewLog(newKustomizations(obj), s.log, generic.Environment{Clock: clock})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		defer func() { s.ended <- struct{}{} }()
		opts := &leatv1alpha1.LogOptions{}
		err := readLogOptions(req.URL.Query(), opts)
		var handler http.Handler
		responder := &statusResponder{w}
		if err == nil {
			handler, err = r.Connect(request.WithNamespace(req.Context(), "team"), strings.Trim(req.URL.Path, "/"), opts, responder)
		}
		if err != nil {
			responder.Error(err)
			return
		}
		handler.ServeHTTP(w, req)
	}))
	t.Cleanup(server.Close)
	s.url = server.URL
	return s
}

// statusResponder writes the code of an error.
type statusResponder struct{ http.ResponseWriter }

func (r *statusResponder) Object(int, runtime.Object) {}
func (r *statusResponder) Error(err error) {
	var status apierrors.APIStatus
	if errors.As(err, &status) {
		r.WriteHeader(int(status.Status().Code))
		return
	}
	r.WriteHeader(http.StatusInternalServerError)
}

func (s *logServer) get(ctx context.Context, t *testing.T, query string) *http.Response {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url+"/app"+query, nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = response.Body.Close() })
	return response
}

func TestHeartbeats(t *testing.T) {
	s := serveLog(t, runlog.Options{})
	ctx, cancel := context.WithCancel(t.Context())
	response := s.get(ctx, t, "?follow=true&output=ndjson")
	lines := bufio.NewReader(response.Body)
	for range 3 {
		eventually(t, s.clock.HasWaiters)
		s.clock.Step(heartbeat)
		if line, err := lines.ReadString('\n'); err != nil || line != "\n" {
			t.Fatalf("got %q, %v", line, err)
		}
	}
	// A record comes at once, whatever the clock says.
	s.log.Begin(runlog.RunOptions{UID: "uid", ID: "1"}).Info("live")
	for _, want := range []string{"run started", "live"} {
		var r leatv1alpha1.LogRecord
		line, err := lines.ReadBytes('\n')
		if err != nil || json.Unmarshal(line, &r) != nil || r.Message != want {
			t.Errorf("got %q, %v, want %s", line, err, want)
		}
	}
	cancel()
	<-s.ended // with the client
}

// eventually waits for another goroutine to get where it goes by itself.
func eventually(t *testing.T, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !condition(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it did not happen within 30 s")
		}
	}
}

// A reader that reads nothing holds up nobody: the run goes on, and the reader is
// told at the end that it was too slow.
func TestSlowReaders(t *testing.T) {
	s := serveLog(t, runlog.Options{Records: 100, Bytes: 1 << 30})
	response := s.get(t.Context(), t, "?follow=true")
	run := s.log.Begin(runlog.RunOptions{UID: "uid", ID: "1"})
	message := strings.Repeat("x", 4000)
	for range 20_000 { // far more than connections hold
		run.Info(message)
	}
	last := ""
	for lines := bufio.NewScanner(response.Body); lines.Scan(); {
		last = lines.Text()
	}
	if !strings.Contains(last, "warning: the log ends here: the reader is too slow") {
		t.Errorf("the last line is %q", last)
	}
	<-s.ended
}

// A client that has gone to sleep is given up.
func TestSleepingReadersAreGivenUp(t *testing.T) {
	done := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		defer close(done)
		l := newLogWriter(w, asText)
		l.timeout = 100 * time.Millisecond
		for l.write([]byte(strings.Repeat("x", 1<<20))) {
		}
	}))
	defer server.Close()
	response, err := http.Get(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	select {
	case <-done:
	case <-time.After(30 * time.Second):
		t.Error("a write waits for ever for somebody to read")
	}
}

func TestReadersThatAreTooMany(t *testing.T) {
	s := serveLog(t, runlog.Options{Readers: 1})
	s.get(t.Context(), t, "?follow=true")
	if r := s.get(t.Context(), t, "?follow=true"); r.StatusCode != http.StatusTooManyRequests {
		t.Errorf("the second reader gets %s", r.Status)
	}
	if r := s.get(t.Context(), t, ""); r.StatusCode != http.StatusOK {
		t.Errorf("who does not follow gets %s", r.Status)
	}
}

func TestLinesOfText(t *testing.T) {
	at := time.Date(2026, 11, 21, 12, 0, 0, 123_456_789, time.UTC)
	for _, tt := range []struct {
		r    runlog.Record
		want string
	}{
		{runlog.Record{Level: runlog.Info, Message: "run started: Source"}, "2026-11-21T12:00:00.123Z          run started: Source\n"},
		{runlog.Record{Level: runlog.Info, Stage: runlog.Build, Message: "rendered", Duration: 35_400 * time.Microsecond}, "2026-11-21T12:00:00.123Z build    rendered (35ms)\n"},
		{runlog.Record{Level: runlog.Error, Stage: runlog.Validate, Object: "Service/team/web", Message: "refused"}, "2026-11-21T12:00:00.123Z validate error: Service/team/web refused\n"},
		{runlog.Record{Level: runlog.Error, Phase: runlog.Failed, Message: "two\nlines", Duration: 90 * time.Second}, "2026-11-21T12:00:00.123Z          Failed: two\n" + strings.Repeat(" ", 34) + "lines (1m30s)\n"},
	} {
		tt.r.Time = at
		if diff := cmp.Diff(tt.want, string(textLine(&tt.r))); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
	record := runlog.Record{Time: at, RequestID: "1", Stage: runlog.Health, Level: runlog.Info, Message: "a\nb", Object: "Pod/n/p", Duration: 1500 * time.Millisecond}
	want := `{"time":"2026-11-21T12:00:00.123456Z","requestID":"1","stage":"health","level":"info","message":"a\nb","object":"Pod/n/p","durationMS":1500}` + "\n"
	if diff := cmp.Diff(want, string(jsonLine(&record))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestHistoryAsText(t *testing.T) {
	got := string(historyText([]runlog.Entry{
		{StartedAt: time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC), Phase: runlog.Succeeded, Triggers: []string{"Spec", "Source"}, User: "ann", Revision: "main@sha1:1", Created: 1, Updated: 22, Duration: 1500 * time.Millisecond, Message: "Applied"},
		{StartedAt: time.Date(2026, 11, 21, 11, 0, 0, 0, time.UTC), Phase: runlog.Failed, Message: "no\tway\nat all"},
	}))
	want := `STARTED               PHASE      TRIGGER      USER  REVISION     +  ~   -  DURATION  MESSAGE
2026-11-21T12:00:00Z  Succeeded  Spec,Source  ann   main@sha1:1  1  22  0  1.5s      Applied
2026-11-21T11:00:00Z  Failed     -            -     -            0  0   0  0s        no way …
`
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
