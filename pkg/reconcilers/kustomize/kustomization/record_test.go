package kustomization

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	kustomizev1 "github.com/leat-dev/leat/pkg/apis/kustomize/v1"
	"github.com/leat-dev/leat/pkg/apis/meta"
	"github.com/leat-dev/leat/pkg/apply"
	"github.com/leat-dev/leat/pkg/object"
	records "github.com/leat-dev/leat/pkg/record"
	"github.com/leat-dev/leat/pkg/runlog"
)

// noStore keeps no histories: those of these tests are never written.
type noStore struct{}

func (noStore) Get(context.Context, string, string) ([]byte, error) { return nil, records.ErrNotFound }
func (noStore) Put(context.Context, string, string, []byte) error   { return nil }
func (noStore) Delete(context.Context, string, string) error        { return nil }
func (noStore) List(context.Context, string) ([]string, error)      { return nil, nil }

// history is what the runs of a Kustomization have left, the first run first: its
// triggers, how it ended, and the numbers of objects that it changed.
func (w *world) history(name string) []string {
	w.t.Helper()
	w.awaitIdle()
	k, _ := w.kustomizations.Get("demo", name)
	entries, err := w.log.History(context.Background(), string(k.UID))
	if err != nil {
		w.t.Fatal(err)
	}
	all := []string{}
	for _, e := range entries {
		line := e.Trigger() + " " + string(e.Phase) + ": " + e.Message
		for _, c := range []struct {
			n    int
			what string
		}{{e.Created, "created"}, {e.Updated, "updated"}, {e.Deleted, "deleted"}} {
			if c.n > 0 {
				line += " " + c.what
			}
		}
		all = append([]string{line}, all...)
	}
	return all
}

// lines is the log of a Kustomization, as stage and message.
func (w *world) lines(name string) []string {
	w.t.Helper()
	w.awaitIdle()
	k, _ := w.kustomizations.Get("demo", name)
	reader, err := w.log.Read(context.Background(), string(k.UID), runlog.Query{Tail: -1})
	if err != nil {
		w.t.Fatal(err)
	}
	defer reader.Close()
	lines := []string{}
	for {
		records, err := reader.Next(context.Background())
		for _, r := range records {
			lines = append(lines, strings.TrimSpace(string(r.Stage)+" "+r.Message))
		}
		if err != nil {
			return lines
		}
	}
}

func TestRunsAreRecorded(t *testing.T) {
	w := newWorld(t)
	w.kustomizations.Create(kustomization("a", waiting))
	w.awaitIdle()
	if got := w.history("a"); len(got) > 0 {
		t.Errorf("waiting for a source that is about to come is history: %q", got)
	}
	first := w.push("1", map[string]string{"a/one.yaml": configMap("one", "1")})
	w.awaitReady("a", first)
	want := []string{"Spec,Source Succeeded: Applied revision: " + first + " created"}
	if diff := cmp.Diff(want, w.history("a")); diff != "" {
		t.Errorf("created (-want +got):\n%s", diff)
	}
	lines := w.lines("a")
	for _, wanted := range []string{
		"run started: Spec,Source", "build rendered 1 object(s) from ./a",
		"health waiting for 1 object(s) with a timeout of 9m30s", "health 1 object(s) are ready", "Applied revision: " + first,
	} {
		if !strings.Contains(strings.Join(lines, "\n")+"\n", wanted+"\n") {
			t.Errorf("the log does not say %q:\n%s", wanted, strings.Join(lines, "\n"))
		}
	}

	// What changes nothing for this object, and an interval that finds all in
	// order, are no news.
	other := w.push("2", map[string]string{"a/one.yaml": configMap("one", "1"), "b/other.yaml": configMap("other", "1")})
	w.awaitReady("a", other)
	w.step(10 * time.Minute)
	w.step(10 * time.Minute)
	if diff := cmp.Diff(want, w.history("a")); diff != "" {
		t.Errorf("without news (-want +got):\n%s", diff)
	}

	second := w.push("3", map[string]string{"a/one.yaml": configMap("one", "2")})
	w.awaitReady("a", second)
	want = append(want, "Source Succeeded: Applied revision: "+second+" updated")
	w.push("4", map[string]string{"a/kustomization.yaml": "resources: [absent.yaml]"})
	failed := ready(w.awaitReason("a", meta.BuildFailedReason)).Message
	want = append(want, "Source Failed: "+failed)
	w.step(time.Minute)
	want = append(want, "Retry Failed: "+failed)
	if diff := cmp.Diff(want, w.history("a")); diff != "" {
		t.Errorf("failing (-want +got):\n%s", diff)
	}
}

func TestRequestsAreHistory(t *testing.T) {
	w := newWorld(t)
	revision := w.push("1", map[string]string{"a/one.yaml": configMap("one", "1")})
	k := w.kustomizations.Create(kustomization("a"))
	w.awaitReady("a", revision)
	w.log.Note(string(k.UID), runlog.Note{Request: "2026-01-02T03:04:06Z", User: "ann"})
	if err := w.kustomizations.Update("demo", "a", func(k *kustomizev1.Kustomization) {
		k.Annotations = map[string]string{meta.ReconcileRequestAnnotation: "2026-01-02T03:04:06Z"}
	}); err != nil {
		t.Fatal(err)
	}
	w.await("a", "run", func(k *kustomizev1.Kustomization) bool {
		return k.Status.LastHandledReconcileAt == "2026-01-02T03:04:06Z"
	})
	w.awaitIdle()
	entries, err := w.log.History(t.Context(), string(k.UID))
	if err != nil {
		t.Fatal(err)
	}
	if e := entries[0]; len(entries) != 2 || e.ID != "2026-01-02T03:04:06Z" || e.Trigger() != "Request" || e.User != "ann" || e.Digest == "" {
		t.Errorf("of %d entries the last is %+v", len(entries), e)
	}
}

// A dependency that is not ready is no failure of who waits for it.
func TestWaitingIsNoHistory(t *testing.T) {
	w := newWorld(t)
	w.push("1", map[string]string{"a/one.yaml": configMap("one", "1")})
	w.kustomizations.Create(kustomization("a", dependsOn("b")))
	w.awaitIdle()
	w.step(3 * time.Second)
	w.awaitReason("a", meta.DependencyNotReadyReason)
	if got := w.history("a"); len(got) > 0 {
		t.Errorf("history: %q", got)
	}
	if lines := w.lines("a"); len(lines) != 2 || !strings.Contains(lines[1], "demo/b") {
		t.Errorf("the log does not say what it waits for: %q", lines)
	}
}

// What a run did before it failed is told with the failure.
func TestFailedRunsTellWhatTheyDid(t *testing.T) {
	w := newWorld(t)
	w.cluster.fail(errors.New("the second object was refused"))
	w.cluster.failed = &apply.Result{Changes: []apply.Change{{Key: object.Key{Kind: "ConfigMap", Namespace: "demo", Name: "one"}, Action: apply.ActionCreated}}}
	w.push("1", map[string]string{"a/one.yaml": configMap("one", "1")})
	w.kustomizations.Create(kustomization("a"))
	w.awaitReason("a", meta.ReconciliationFailedReason)
	if diff := cmp.Diff([]string{"Spec Failed: the second object was refused created"}, w.history("a")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
