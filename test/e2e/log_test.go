package e2e

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"path/filepath"
	"strings"
	"testing"
	"time"

	leatv1alpha1 "github.com/leat-dev/leat/pkg/apis/leat/v1alpha1"
	"github.com/leat-dev/leat/test/framework"
	"github.com/leat-dev/leat/test/leatserver"
)

const kustomizationsPath = "/apis/kustomize.toolkit.fluxcd.io/v1/namespaces/"

// history reads the history of a Kustomization, the latest run first.
func history(t *testing.T, namespace, name string) []leatv1alpha1.HistoryEntry {
	t.Helper()
	var h leatv1alpha1.History
	if err := json.Unmarshal([]byte(kubectl(t, "get", "--raw", kustomizationsPath+namespace+"/kustomizations/"+name+"/history")), &h); err != nil {
		t.Fatal(err)
	}
	return h.Entries
}

func TestHistorySaysWhoAndWhat(t *testing.T) {
	namespace, repo := cluster.Namespace(t), newRepository(t)
	first := repo.push(map[string]string{"deploy/one.yaml": configMap("one", "1"), "deploy/two.yaml": configMap("two", "1")})
	repo.source(namespace, "repo")
	kustomization(t, namespace, "app", "./deploy", "")
	waitApplied(t, namespace, "app", first)
	admin := kubectl(t, "auth", "whoami", "-o", "jsonpath={.status.userInfo.username}")

	entries := history(t, namespace, "app")
	if len(entries) != 1 {
		t.Fatalf("after the first run there are %d entries: %+v", len(entries), entries)
	}
	e := entries[0]
	if !strings.Contains(e.Trigger, "Spec") || e.User != admin || e.Revision != "main@sha1:"+first || e.Phase != "Succeeded" || e.Created != 2 || e.Digest == "" || e.Duration == "" || e.StartedAt.IsZero() {
		t.Errorf("created by %s: %+v", admin, e)
	}

	// A push: nobody asked for it.
	second := repo.push(map[string]string{"deploy/one.yaml": configMap("one", "2"), "deploy/two.yaml": ""})
	fetch(t, namespace, "repo")
	waitApplied(t, namespace, "app", second)
	e = history(t, namespace, "app")[0]
	if e.Trigger != "Source" || e.User != "" || e.Revision != "main@sha1:"+second || e.Updated != 1 || e.Deleted != 1 || e.Created != 0 {
		t.Errorf("of a push: %+v", e)
	}

	// A request of a user who may do no more than that.
	developer := "developer-" + namespace
	kubectl(t, "create", "role", developer, "--namespace", namespace, "--verb=create", "--resource=kustomizations.kustomize.toolkit.fluxcd.io/reconcile")
	client, err := cluster.User(t.Context(), developer)
	if err != nil {
		t.Fatal(err)
	}
	kubectl(t, "create", "rolebinding", developer, "--namespace", namespace, "--role", developer, "--user", developer)
	body := `{"apiVersion":"leat.dev/v1alpha1","kind":"ReconcileRequest","spec":{"waitSeconds":30}}`
	out, _, err := client.KubectlInput(t.Context(), body, "create", "--raw", kustomizationsPath+namespace+"/kustomizations/app/reconcile", "-f", "-")
	if err != nil {
		t.Fatal(err)
	}
	var answer leatv1alpha1.ReconcileRequest
	if err := json.Unmarshal([]byte(out), &answer); err != nil || answer.Status.Phase != "Succeeded" {
		t.Fatalf("%v: %s", err, out)
	}
	e = history(t, namespace, "app")[0]
	if e.Trigger != "Request" || e.User != developer || e.ID != answer.Status.RequestID || e.Created+e.Updated+e.Deleted != 0 {
		t.Errorf("of a request of %s: %+v", developer, e)
	}

	// A run that fails.
	kubectl(t, "patch", "--namespace", namespace, "kustomization", "app", "--type=merge", "-p", `{"spec":{"path":"./nowhere"}}`)
	message := waitReason(t, namespace, "kustomization/app", "ArtifactFailed")
	e = history(t, namespace, "app")[0]
	if !strings.Contains(e.Trigger, "Spec") || e.User != admin || e.Phase != "Failed" || e.Message != message {
		t.Errorf("of a change that fails: %+v\nthe condition says: %s", e, message)
	}
	logRemembers(t, namespace, second)
	historySurvives(t, namespace)
}

// logRemembers looks for what the log must hold of the runs before.
func logRemembers(t *testing.T, namespace, commit string) {
	t.Helper()
	path := kustomizationsPath + namespace + "/kustomizations/app/log"
	text := kubectl(t, "get", "--raw", path)
	for _, want := range []string{
		"run started: Source", "rendered 1 object(s) from ./deploy", "ConfigMap/" + namespace + "/one configured",
		"ConfigMap/" + namespace + "/two deleted", "Succeeded: Applied revision: main@sha1:" + commit, "Failed: ",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the log does not say %q:\n%s", want, text)
		}
	}
	if got := strings.Count(kubectl(t, "get", "--raw", path+"?tail=2"), "\n"); got != 2 {
		t.Errorf("tail=2 gives %d lines", got)
	}
}

// historySurvives restarts the server: what the history says stays, and the log
// begins with it.
func historySurvives(t *testing.T, namespace string) {
	t.Helper()
	before := history(t, namespace, "app")
	if err := leat.Stop(); err != nil {
		t.Fatal(err)
	}
	if err := leat.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := leatserver.WaitRegistered(t.Context(), cluster); err != nil {
		t.Fatal(err)
	}
	after := history(t, namespace, "app")
	for len(after) > len(before) {
		after = after[1:] // the new process has tried as well
	}
	if len(after) != len(before) || after[0].ID != before[0].ID || after[len(after)-1].User != before[len(before)-1].User {
		t.Errorf("before the restart:\n%+v\nafter it:\n%+v", before, after)
	}
	text := kubectl(t, "get", "--raw", kustomizationsPath+namespace+"/kustomizations/app/log")
	if !strings.Contains(text, "(2 created)") {
		t.Errorf("the log after a restart does not begin with the history:\n%s", text)
	}
}

// followed is a log that kubectl follows.
type followed struct {
	t       *testing.T
	records chan leatv1alpha1.LogRecord
	ended   chan error
}

func followLog(t *testing.T, client *framework.Client, path string) *followed {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	cmd := client.KubectlCommand(ctx, "get", "--raw", path+"?follow=true&output=ndjson")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	f := &followed{t: t, records: make(chan leatv1alpha1.LogRecord, 10_000), ended: make(chan error, 1)}
	go func() {
		defer close(f.records)
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			var r leatv1alpha1.LogRecord
			if json.Unmarshal(lines.Bytes(), &r) == nil {
				f.records <- r
			}
		}
		_, _ = io.Copy(io.Discard, out)
		f.ended <- cmd.Wait()
	}()
	return f
}

// until reads records up to one whose message contains text.
func (f *followed) until(text string) leatv1alpha1.LogRecord {
	f.t.Helper()
	timeout := time.After(patience)
	for {
		select {
		case r, open := <-f.records:
			if !open {
				f.t.Fatalf("the log ended before it said %q: %v", text, <-f.ended)
			}
			if strings.Contains(r.Message, text) {
				return r
			}
		case <-timeout:
			f.t.Fatalf("the log did not say %q in %s", text, patience)
		}
	}
}

// kube-apiserver and Leat give every request five seconds here. A log is followed
// for longer than that, and ends when the server does.
func TestLogIsFollowedForLongerThanRequestsMayTake(t *testing.T) {
	const limit = 5 * time.Second
	ctx := t.Context()
	strict, err := framework.Start(ctx, framework.Options{APIServerArgs: []string{"--request-timeout=" + limit.String()}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := strict.Stop(); err != nil {
			t.Error(err)
		}
	})
	server, err := leatserver.New(filepath.Join(t.TempDir(), "leat"), strict.Kubeconfig, "--etcd-ephemeral", "--request-timeout="+limit.String())
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Start(ctx); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Stop(); err != nil {
			t.Error(err)
		}
	})
	if err := leatserver.WaitRegistered(ctx, strict); err != nil {
		t.Fatal(err)
	}
	repo := newRepository(t)
	repo.push(map[string]string{"one.yaml": configMap("one", "1")})
	do := func(input string, args ...string) string {
		t.Helper()
		out, _, err := strict.KubectlInput(ctx, input, args...)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	do(`
apiVersion: source.toolkit.fluxcd.io/v1
kind: GitRepository
metadata: {name: repo, namespace: default}
spec: {url: "`+repo.url+`", interval: 1h, ref: {branch: main}}
---
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {name: app, namespace: default}
spec: {sourceRef: {kind: GitRepository, name: repo}, interval: 1h, prune: true, targetNamespace: default}
`, "apply", "-f", "-")

	app := followLog(t, strict.Client, kustomizationsPath+"default/kustomizations/app/log")
	source := followLog(t, strict.Client, "/apis/source.toolkit.fluxcd.io/v1/namespaces/default/gitrepositories/repo/log")
	began := time.Now()
	app.until("Applied revision")
	source.until("stored artifact")
	<-time.After(time.Until(began.Add(limit + 2*time.Second)))
	second := repo.push(map[string]string{"one.yaml": configMap("one", "2")})
	do(`{"apiVersion":"leat.dev/v1alpha1","kind":"ReconcileRequest","spec":{}}`, "create", "--raw",
		"/apis/source.toolkit.fluxcd.io/v1/namespaces/default/gitrepositories/repo/reconcile", "-f", "-")
	if r := source.until("fetched revision"); r.Stage != "fetch" || r.RequestID == "" {
		t.Errorf("of a fetch: %+v", r)
	}
	if r := app.until("configured"); r.Object != "ConfigMap/default/one" || r.Stage != "apply" || r.Revision != "main@sha1:"+second {
		t.Errorf("of an apply: %+v", r)
	}
	last := app.until("Applied revision")
	if late := time.Since(last.Time.Time); last.Phase != "Succeeded" || late > 5*time.Second {
		t.Errorf("the last record came after %s: %+v", late, last)
	}
	t.Logf("a record takes %s to kubectl", time.Since(last.Time.Time))

	do("", "delete", "--namespace", "default", "kustomization", "app")
	app.until("the log ends here: the object was deleted")
	stopping := time.Now()
	if err := server.Stop(); err != nil {
		t.Fatal(err)
	}
	t.Logf("the server stopped in %s with a log being followed", time.Since(stopping))
	source.until("the log ends here: the server is stopping")
	if err := <-source.ended; err != nil {
		t.Errorf("kubectl ended with %v", err)
	}
}

// Values of Secrets come into messages by the refusals of the cluster and of the
// parser. Neither log, nor history, nor status may tell them.
func TestLogTellsNoSecrets(t *testing.T) {
	const number, text, password = "70007", `'unclosed"canary{[`, "canary-of-a-password"
	namespace, repo := cluster.Namespace(t), newRepository(t)
	repo.push(map[string]string{
		"refused/service.yaml": "apiVersion: v1\nkind: Service\nmetadata:\n  name: web\nspec:\n  ports:\n  - port: ${number}\n",
		"torn/map.yaml":        "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: torn\ndata:\n  key: ${text}\n",
	})
	kubectl(t, "create", "secret", "generic", "values", "--namespace", namespace, "--from-literal=number="+number, "--from-literal=text="+text)
	kubectl(t, "create", "secret", "generic", "login", "--namespace", namespace, "--from-literal=username=me", "--from-literal=password="+password)
	repo.source(namespace, "repo")
	apply(t, `
apiVersion: source.toolkit.fluxcd.io/v1
kind: GitRepository
metadata: {name: closed, namespace: `+namespace+`}
spec: {url: "`+repo.url+`-absent", interval: 1h, ref: {branch: main}, secretRef: {name: login}}
`)
	const from = "postBuild: {substituteFrom: [{kind: Secret, name: values}]}"
	kustomization(t, namespace, "refused", "./refused", from)
	kustomization(t, namespace, "torn", "./torn", from)
	waitFor(t, namespace, "gitrepository/closed", readyIs("Ready", "status"), "False")
	for _, name := range []string{"refused", "torn"} {
		waitFor(t, namespace, "kustomization/"+name, readyIs("Ready", "status"), "False")
		told := map[string]string{"status": kubectl(t, "get", "--namespace", namespace, "kustomization/"+name, "-o", "yaml")}
		for _, sub := range []string{"log", "log?output=ndjson", "history", "history?output=text"} {
			told[sub] = kubectl(t, "get", "--raw", kustomizationsPath+namespace+"/kustomizations/"+name+"/"+sub)
		}
		if want := map[string]string{"refused": "refused as Invalid because of spec.ports[0].port", "torn": "torn/map.yaml"}[name]; !strings.Contains(told["log"], want) || !strings.Contains(told["history"], want) {
			t.Errorf("log and history of %s do not say %q:\n%s\n%s", name, want, told["log"], told["history"])
		}
		for where, words := range told {
			for _, canary := range []string{number, "unclosed", "canary"} {
				if strings.Contains(words, canary) {
					t.Errorf("%s of %s tells a secret value (%s):\n%s", where, name, canary, words)
				}
			}
		}
	}
	log := kubectl(t, "get", "--raw", "/apis/source.toolkit.fluxcd.io/v1/namespaces/"+namespace+"/gitrepositories/closed/log")
	if strings.Contains(log, password) || !strings.Contains(log, "Failed: ") {
		t.Errorf("the log of a source:\n%s", log)
	}
}
