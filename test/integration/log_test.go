package integration

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"

	leatv1alpha1 "github.com/leat-dev/leat/pkg/apis/leat/v1alpha1"
	"github.com/leat-dev/leat/pkg/runlog"
)

// ran records a run of an object, as a reconciler does.
func ran(uid, id string, generation int64, messages ...string) {
	run := server.log.Begin(runlog.RunOptions{UID: uid, ID: id, Triggers: []string{"Source"}, Generation: generation})
	for _, m := range messages {
		run.Info(m)
	}
	run.Did(runlog.Work{Updated: 1})
	run.End(runlog.Outcome{Phase: runlog.Succeeded, Message: "done " + id})
}

// ask sends a GET and returns the code, the headers and the body.
func ask(ctx context.Context, t *testing.T, config *rest.Config, method, path, accept string) (int, http.Header, string) {
	t.Helper()
	client, err := rest.HTTPClientFor(config)
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(ctx, method, config.Host+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if accept != "" {
		req.Header.Set("Accept", accept)
	}
	response, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	var body strings.Builder
	if _, err := bufio.NewReader(response.Body).WriteTo(&body); err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, response.Header, body.String()
}

func TestLogRepresentations(t *testing.T) {
	t.Parallel()
	c, ctx, ns := newClients(t, cluster.Config), testContext(t), cluster.Namespace(t)
	obj := c.create(ctx, t, gitRepositories, ns, repositoryYAML)
	ran(string(obj.GetUID()), "first", 1, "fetching")
	ran(string(obj.GetUID()), "second", 1, "fetching again")
	path := collection(gitRepositories, ns) + "/demo/log"

	for _, tt := range []struct {
		query, accept, contentType string
		want                       []string // what the lines end in
	}{
		{"", "", "text/plain", []string{"run started: Spec,Source by ", "fetching", "done first", "run started: Source", "fetching again", "done second"}},
		{"?output=text", "application/json, */*", "text/plain", []string{"run started: Spec,Source by ", "fetching", "done first", "run started: Source", "fetching again", "done second"}},
		{"?tail=2", "", "text/plain", []string{"fetching again", "done second"}},
		{"?requestID=first&tail=1", "", "text/plain", []string{"done first"}},
		{"?since=1h", "", "text/plain", []string{"run started: Spec,Source by ", "fetching", "done first", "run started: Source", "fetching again", "done second"}},
		{"?since=1ns", "", "text/plain", nil},
		{"?output=ndjson&tail=1", "", "application/x-ndjson", []string{`"phase":"Succeeded"}`}},
		{"?tail=1", "application/x-ndjson", "application/x-ndjson", []string{`"phase":"Succeeded"}`}},
	} {
		code, header, body := ask(ctx, t, cluster.Config, http.MethodGet, path+tt.query, tt.accept)
		if code != http.StatusOK || !strings.HasPrefix(header.Get("Content-Type"), tt.contentType) || !strings.Contains(strings.Join(header.Values("Cache-Control"), ","), "no-store") {
			t.Errorf("%q: %d %v\n%s", tt.query, code, header, body)
			continue
		}
		lines := strings.Split(strings.TrimSuffix(body, "\n"), "\n")
		if body == "" {
			lines = nil
		}
		if len(lines) != len(tt.want) {
			t.Errorf("%q: got\n%s\nwant lines with %q", tt.query, body, tt.want)
			continue
		}
		for i, want := range tt.want {
			if !strings.Contains(lines[i], want) {
				t.Errorf("%q: line %d is %q, want %q in it", tt.query, i, lines[i], want)
			}
		}
	}
	if code, _, body := ask(ctx, t, cluster.Config, http.MethodHead, path+"?follow=true", ""); code != http.StatusOK || body != "" {
		t.Errorf("HEAD: %d %q", code, body)
	}
}

func TestLogRefusals(t *testing.T) {
	t.Parallel()
	c := newClients(t, cluster.Config)
	bothKinds(t, func(t *testing.T, resource schema.GroupVersionResource, manifest string) {
		ctx, ns := testContext(t), cluster.Namespace(t)
		c.create(ctx, t, resource, ns, manifest)
		for _, tt := range []struct {
			path, accept string
			code         int
			want         string
		}{
			{"/absent/log", "", 404, "absent"},
			{"/demo/log?output=zip", "", 400, "text, ndjson"},
			{"/demo/log?tail=-1", "", 400, "tail"},
			{"/demo/log?tail=many", "", 400, "tail"},
			{"/demo/log?since=yesterday", "", 400, "since"},
			{"/demo/log?since=-5m", "", 400, "since"},
			{"/demo/log?follow=perhaps", "", 400, "follow"},
			{"/demo/log?dryRun=All", "", 400, "dryRun"},
			{"/demo/log", "text/html", 406, "text/plain"},
		} {
			code, _, body := ask(ctx, t, cluster.Config, http.MethodGet, collection(resource, ns)+tt.path, tt.accept)
			var status metav1.Status
			if err := json.Unmarshal([]byte(body), &status); code != tt.code || err != nil || !strings.Contains(status.Message, tt.want) {
				t.Errorf("%s: got %d %s, want %d and %q", tt.path, code, body, tt.code, tt.want)
			}
		}
	})
}

func TestLogIsFollowed(t *testing.T) {
	t.Parallel()
	c, ns := newClients(t, cluster.Config), cluster.Namespace(t)
	ctx, cancel := context.WithCancel(testContext(t))
	defer cancel()
	obj := c.create(ctx, t, kustomizations, ns, kustomizationYAML)
	stream, err := c.rest.Get().AbsPath(collection(kustomizations, ns)+"/demo/log").Param("follow", "true").Param("output", "ndjson").Stream(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = stream.Close() }()
	run := server.log.Begin(runlog.RunOptions{UID: string(obj.GetUID()), ID: "live"})
	lines := bufio.NewScanner(stream)
	for i := range 5 {
		message := fmt.Sprint("step ", i)
		run.Info(message)
		for {
			if !lines.Scan() {
				t.Fatalf("the log ended: %v", lines.Err())
			}
			var r leatv1alpha1.LogRecord
			if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
				t.Fatalf("%v: %s", err, lines.Bytes())
			}
			if r.Message == message {
				if r.RequestID != "live" || r.Time.IsZero() || r.Level != "info" || r.Phase != "" {
					t.Errorf("got %+v", r)
				}
				break
			}
		}
	}
}

func TestHistoryRepresentations(t *testing.T) {
	t.Parallel()
	c, ctx, ns := newClients(t, cluster.Config), testContext(t), cluster.Namespace(t)
	obj := c.create(ctx, t, kustomizations, ns, kustomizationYAML)
	uid := string(obj.GetUID())
	ran(uid, "first", 1)
	ran(uid, "second", 1)
	path := collection(kustomizations, ns) + "/demo/history"
	who, _, err := cluster.Kubectl(ctx, "auth", "whoami", "-o", "jsonpath={.status.userInfo.username}")
	if err != nil {
		t.Fatal(err)
	}

	code, header, body := ask(ctx, t, cluster.Config, http.MethodGet, path, "application/json, */*")
	var h leatv1alpha1.History
	if err := json.Unmarshal([]byte(body), &h); code != http.StatusOK || err != nil || header.Get("Content-Type") != "application/json" {
		t.Fatalf("%d %v %v\n%s", code, err, header, body)
	}
	if h.Kind != "History" || h.APIVersion != "leat.dev/v1alpha1" || h.Name != "demo" || h.Namespace != ns || len(h.Entries) != 2 {
		t.Fatalf("got %s", body)
	}
	want := leatv1alpha1.HistoryEntry{
		ID: "first", StartedAt: h.Entries[1].StartedAt, Duration: h.Entries[1].Duration, Trigger: "Spec,Source", User: who,
		Phase: leatv1alpha1.RequestSucceeded, Updated: 1, Message: "done first",
	}
	if diff := cmp.Diff(want, h.Entries[1]); diff != "" || time.Since(want.StartedAt.Time) > testTimeout {
		t.Errorf("the first run, caused by a create (-want +got):\n%s", diff)
	}
	if e := h.Entries[0]; e.ID != "second" || e.User != "" || e.Trigger != "Source" {
		t.Errorf("the second run, caused by a source: %+v", e)
	}
	if _, _, body = ask(ctx, t, cluster.Config, http.MethodGet, path+"?limit=1", ""); !strings.Contains(body, "second") || strings.Contains(body, "first") {
		t.Errorf("limit=1 gives %s", body)
	}
	code, header, body = ask(ctx, t, cluster.Config, http.MethodGet, path+"?output=text", "application/json")
	if code != http.StatusOK || !strings.HasPrefix(header.Get("Content-Type"), "text/plain") || !strings.HasPrefix(body, "STARTED ") || strings.Count(body, "\n") != 3 || !strings.Contains(body, who) {
		t.Errorf("%d %v\n%s", code, header, body)
	}
	for query, want := range map[string]int{"?output=xml": 400, "?limit=-1": 400, "?dryRun=All": 400} {
		if code, _, body := ask(ctx, t, cluster.Config, http.MethodGet, path+query, ""); code != want {
			t.Errorf("%s: %d %s, want %d", query, code, body, want)
		}
	}
}

// The log learns who changed a spec and who asked for a run, by whatever verb, and
// nothing from what changes neither.
func TestWhoMakesObjectsRun(t *testing.T) {
	t.Parallel()
	c, ctx, ns := newClients(t, cluster.Config), testContext(t), cluster.Namespace(t)
	obj := c.create(ctx, t, kustomizations, ns, kustomizationYAML)
	uid := string(obj.GetUID())
	ran(uid, "created", 1)
	editor := c.user(ctx, t, ns, "editor", allow("kustomize.toolkit.fluxcd.io", "kustomizations kustomizations/status", "get patch update"))
	theirs := newClients(t, editor.Config).dynamic.Resource(kustomizations).Namespace(ns)
	name := "editor-" + ns
	patch := func(body string, options metav1.PatchOptions, subresources ...string) {
		t.Helper()
		if _, err := theirs.Patch(ctx, "demo", "application/merge-patch+json", []byte(body), options, subresources...); err != nil {
			t.Fatal(err)
		}
	}
	last := func(id string) string {
		t.Helper()
		entries, err := server.log.History(ctx, uid)
		if err != nil || len(entries) == 0 || entries[0].ID != id {
			t.Fatalf("%v: %+v", err, entries)
		}
		return entries[0].Trigger() + " by " + entries[0].User
	}
	patch(`{"spec":{"path":"./other"}}`, metav1.PatchOptions{DryRun: []string{"All"}})
	patch(`{"metadata":{"labels":{"a":"b"}}}`, metav1.PatchOptions{})
	patch(`{"status":{"observedGeneration":1}}`, metav1.PatchOptions{}, "status")
	ran(uid, "nothing", 1)
	if got := last("nothing"); got != "Source by " {
		t.Errorf("what changes nothing: %s", got)
	}
	patch(`{"spec":{"path":"./other"}}`, metav1.PatchOptions{})
	ran(uid, "spec", 2)
	if got := last("spec"); got != "Spec,Source by "+name {
		t.Errorf("a change of the spec: %s", got)
	}
	patch(`{"metadata":{"annotations":{"reconcile.fluxcd.io/requestedAt":"now"}}}`, metav1.PatchOptions{})
	run := server.log.Begin(runlog.RunOptions{UID: uid, ID: "own", Triggers: []string{"Request"}})
	run.Answers(2, "now")
	run.End(runlog.Outcome{Phase: runlog.Succeeded, News: true})
	if got := last("now"); got != "Request by "+name {
		t.Errorf("a request: %s", got)
	}
}

func TestLogAndHistoryNeedRights(t *testing.T) {
	t.Parallel()
	c, ctx, ns := newClients(t, cluster.Config), testContext(t), cluster.Namespace(t)
	c.create(ctx, t, gitRepositories, ns, repositoryYAML)
	c.create(ctx, t, kustomizations, ns, kustomizationYAML)
	reader := c.user(ctx, t, ns, "reader", allow("kustomize.toolkit.fluxcd.io", "kustomizations/log kustomizations/history", "get"), allow("source.toolkit.fluxcd.io", "gitrepositories/log", "get"))
	other := c.user(ctx, t, ns, "other", allow("kustomize.toolkit.fluxcd.io", "kustomizations", "get list watch"), allow("source.toolkit.fluxcd.io", "gitrepositories", "get list watch"))
	for _, path := range []string{
		collection(gitRepositories, ns) + "/demo/log", collection(kustomizations, ns) + "/demo/log", collection(kustomizations, ns) + "/demo/history",
	} {
		if _, _, err := getWith(ctx, t, reader.Config, path, nil); err != nil {
			t.Errorf("%s with the right: %v", path, err)
		}
		if _, _, err := getWith(ctx, t, other.Config, path, nil); !apierrors.IsForbidden(err) {
			t.Errorf("%s without the right: got %v, want Forbidden", path, err)
		}
	}
}

// What is published of the API names the parameters, and says what they are for.
func TestParametersAreDescribed(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	_, _, body := ask(ctx, t, cluster.Config, http.MethodGet, "/openapi/v3/apis/kustomize.toolkit.fluxcd.io/v1", "")
	type parameter struct{ Name, In, Description string }
	var document struct {
		Paths map[string]struct {
			Parameters []parameter
			Get        struct{ Parameters []parameter }
		}
	}
	if err := json.Unmarshal([]byte(body), &document); err != nil {
		t.Fatal(err)
	}
	for subresource, want := range map[string]string{"log": "follow output requestID since tail", "history": "limit output", "tree": "output"} {
		path := document.Paths["/apis/kustomize.toolkit.fluxcd.io/v1/namespaces/{namespace}/kustomizations/{name}/"+subresource]
		var got []string
		for _, p := range append(path.Parameters, path.Get.Parameters...) {
			if p.In == "query" && p.Name != "pretty" {
				got = append(got, p.Name)
				if p.Description == "" {
					t.Errorf("%s: nothing says what %s is for", subresource, p.Name)
				}
			}
		}
		slices.Sort(got)
		if diff := cmp.Diff(strings.Fields(want), got); diff != "" {
			t.Errorf("parameters of %s (-want +got):\n%s", subresource, diff)
		}
	}
}
