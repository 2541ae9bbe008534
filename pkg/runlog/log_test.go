package runlog

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

type text string

func (t text) String() string { return string(t) }

// work is a run that does something.
func work(l *Log, uid, id string, messages ...string) {
	run := l.Begin(RunOptions{UID: uid, ID: id, Triggers: []string{"Source"}})
	for _, m := range messages {
		run.Info(m)
	}
	run.Did(Work{Updated: 1})
	run.End(Outcome{Phase: Succeeded, Message: "done " + id})
}

func TestRecordsOfARun(t *testing.T) {
	l, _, clock := newLog(Options{})
	var observed []string
	run := l.Begin(RunOptions{UID: "u", ID: "own", Triggers: []string{"Source"}, Observe: func(s Stage, d time.Duration) {
		observed = append(observed, fmt.Sprintf("%s %s", s, d))
	}})
	run.On("main@sha1:1")
	build := run.Stage(Build, "")
	clock.Step(20 * time.Millisecond)
	build.End(nil, "rendered 2 objects")
	apply := run.Stage(Apply, "")
	run.Object(Info, text("ConfigMap/team/one"), "created")
	clock.Step(30 * time.Millisecond)
	apply.End(errors.New("refused"), "applied")
	run.End(Outcome{Phase: Failed, Message: "it was refused", News: true})
	run.Info("too late")

	base := Record{RequestID: "own", Revision: "main@sha1:1", Level: Info}
	record := func(at int, change func(*Record)) Record {
		r := base
		r.Time = noon.Add(time.Duration(at) * time.Millisecond)
		change(&r)
		return r
	}
	want := []Record{
		record(0, func(r *Record) { r.Message = "run started: Source" }),
		record(20, func(r *Record) { r.Stage, r.Message, r.Duration = Build, "rendered 2 objects", 20*time.Millisecond }),
		record(20, func(r *Record) { r.Stage, r.Object, r.Message = Apply, "ConfigMap/team/one", "created" }),
		record(50, func(r *Record) {
			r.Stage, r.Level, r.Message, r.Duration = Apply, Error, "apply failed", 30*time.Millisecond
		}),
		record(50, func(r *Record) {
			r.Level, r.Message, r.Duration, r.Phase = Error, "it was refused", 50*time.Millisecond, Failed
		}),
	}
	if diff := cmp.Diff(want, all(t, l, "u", everything)); diff != "" {
		t.Errorf("records (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"build 20ms", "apply 30ms"}, observed); diff != "" {
		t.Errorf("observed stages (-want +got):\n%s", diff)
	}
}

func TestARunIsInTheContext(t *testing.T) {
	if r := FromContext(t.Context()); r != nil {
		t.Errorf("a context without a run has %v", r)
	}
	l, _, _ := newLog(Options{})
	run := l.Begin(RunOptions{UID: "u"})
	if FromContext(NewContext(t.Context(), run)) != run {
		t.Error("the run is not found")
	}
	// A run that nobody records takes everything.
	var none *Run
	none.Answers(1, "x")
	none.Did(Work{})
	none.On("r")
	none.Info("m")
	none.Object(Info, text("o"), "m")
	none.Stage(Plan, "m").End(nil, "m")
	none.End(Outcome{})
}

func TestWhatDoesNothingLeavesNothing(t *testing.T) {
	l, store, _ := newLog(Options{})
	// Nothing recorded, no news.
	l.Begin(RunOptions{UID: "u", ID: "1"}).End(Outcome{Phase: Succeeded, Message: "all is well"})
	if got := all(t, l, "u", everything); len(got) > 0 || len(l.objects) > 0 {
		t.Errorf("an idle run left %v, and %d objects", got, len(l.objects))
	}
	work(l, "u", "2", "worked")
	idle := func(id string) {
		run := l.Begin(RunOptions{UID: "u", ID: id, Triggers: []string{"Interval"}})
		run.Info("looked " + id)
		run.End(Outcome{Phase: Succeeded, Message: "nothing to do"})
	}
	for i := range 100 {
		idle(fmt.Sprint(i))
	}
	// The last look stays until the next one begins.
	want := []string{"run started: Source", "worked", "done 2", "run started: Interval", "looked 99", "nothing to do"}
	if diff := cmp.Diff(want, messages(all(t, l, "u", everything))); diff != "" {
		t.Errorf("records (-want +got):\n%s", diff)
	}
	work(l, "u", "3", "worked again")
	want = []string{"run started: Source", "worked", "done 2", "run started: Source", "worked again", "done 3"}
	if diff := cmp.Diff(want, messages(all(t, l, "u", everything))); diff != "" {
		t.Errorf("records (-want +got):\n%s", diff)
	}
	if err := l.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := len(history(t, l, "u")); got != 2 || store.count() != 1 {
		t.Errorf("%d entries in %d writes, want 2 in 1", got, store.count())
	}
}

func TestReasonsArePassedOn(t *testing.T) {
	l, _, _ := newLog(Options{})
	wait := l.Begin(RunOptions{UID: "u", ID: "1", Triggers: []string{"Spec", "Retry"}})
	wait.End(Outcome{Message: "waiting for the source", Postponed: true})
	if diff := cmp.Diff([]string{"run started: Spec,Retry", "waiting for the source"}, messages(all(t, l, "u", everything))); diff != "" {
		t.Errorf("while it waits (-want +got):\n%s", diff)
	}
	work(l, "u", "2")
	if got := history(t, l, "u"); len(got) != 1 || got[0].Trigger() != "Spec,Source" {
		t.Errorf("got %+v, want one entry for Spec,Source", got)
	}
	work(l, "u", "3")
	if got := history(t, l, "u")[0]; got.Trigger() != "Source" {
		t.Errorf("the reason was passed on twice: %s", got.Trigger())
	}
	// Waiting that is not told leaves no line.
	l.Begin(RunOptions{UID: "v", ID: "1", Triggers: []string{"Spec"}}).End(Outcome{Postponed: true})
	if got := all(t, l, "v", everything); len(got) > 0 {
		t.Errorf("a silent wait left %v", messages(got))
	}
}

func TestLimitsOfOneObject(t *testing.T) {
	l, _, _ := newLog(Options{Records: 4})
	work(l, "u", "1", "a", "b", "c", "d")
	if diff := cmp.Diff([]string{"b", "c", "d", "done 1"}, messages(all(t, l, "u", everything))); diff != "" {
		t.Errorf("4 records (-want +got):\n%s", diff)
	}
	l, _, _ = newLog(Options{Bytes: 2000})
	work(l, "u", "1", strings.Repeat("x", 1000), strings.Repeat("y", 1000))
	if got := messages(all(t, l, "u", everything)); len(got) != 2 || got[1] != "done 1" {
		t.Errorf("2000 bytes hold %d records", len(got))
	}
}

func TestLimitOfAllObjects(t *testing.T) {
	l, _, _ := newLog(Options{TotalBytes: 10_000})
	for i := range 100 {
		work(l, fmt.Sprint(i), "1", strings.Repeat("x", 100))
	}
	if l.bytes > 10_000 {
		t.Errorf("%d bytes are kept, limit 10000", l.bytes)
	}
	if got := all(t, l, "99", everything); len(got) != 3 {
		t.Errorf("the last object has %d records, want 3", len(got))
	}
	sum := 0
	for _, o := range l.objects {
		for i := range o.lines {
			sum += o.lines[i].size()
		}
	}
	if sum != l.bytes {
		t.Errorf("%d bytes are counted, %d are there", l.bytes, sum)
	}
	for i := range 100 {
		l.Forget(fmt.Sprint(i))
	}
	if len(l.objects) != 0 || l.used.Len() != 0 || l.bytes != 0 {
		t.Errorf("after all were forgotten: %d objects, %d in use, %d bytes", len(l.objects), l.used.Len(), l.bytes)
	}
}

func TestMessagesAreClean(t *testing.T) {
	l, _, _ := newLog(Options{})
	run := l.Begin(RunOptions{UID: "u"})
	run.Info("red \x1b[31mtext\r\n\tand\x00 more\u202e \xff.")
	run.Info(strings.Repeat("ä", 5000))
	got := messages(all(t, l, "u", everything))[1:]
	if want := "red \ufffd[31mtext\ufffd\n\tand\ufffd more\ufffd \ufffd."; got[0] != want {
		t.Errorf("got %q, want %q", got[0], want)
	}
	if len(got[1]) > maxMessage || !strings.HasSuffix(got[1], "ä … (cut at 4096 bytes)") {
		t.Errorf("a long message ends in %q and has %d bytes", got[1][len(got[1])-40:], len(got[1]))
	}
}
