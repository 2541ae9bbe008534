package e2e

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/leat-dev/leat/test/leatserver"
)

// moment is a point of a run at which the server is killed: at the n-th request
// that matches, before it is passed on or after it was answered.
type moment struct {
	stage string
	match func(*http.Request) bool
	after bool
	// most is the highest n that a run is sure to reach.
	most int
}

func isFetch(r *http.Request) bool {
	return r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, "/git-upload-pack")
}

func isDryRun(r *http.Request) bool {
	return r.Method == http.MethodPatch && r.URL.Query().Has("dryRun")
}

func isApply(r *http.Request) bool {
	return r.Method == http.MethodPatch && !r.URL.Query().Has("dryRun") &&
		strings.HasPrefix(r.Header.Get("Content-Type"), "application/apply-patch")
}

func isPrune(r *http.Request) bool {
	return r.Method == http.MethodDelete && strings.Contains(r.URL.Path, "/configmaps/")
}

func isEvent(r *http.Request) bool {
	return r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, "/events")
}

// TestKill kills the server with SIGKILL at ten moments that reach every stage of
// a run. After each: the commit that was acknowledged is applied once the server
// is back, what it removed is gone, and what belongs to others is untouched.
func TestKill(t *testing.T) {
	moments := []moment{
		{"fetch, before the pack", isFetch, false, 1},
		{"store and build, after the pack", isFetch, true, 1},
		{"validate, some dry-run", isDryRun, true, 6},
		{"apply, before the first", isApply, false, 1},
		{"apply, after the first", isApply, true, 1},
		{"apply, in the middle", isApply, false, 6},
		{"apply, after some", isApply, true, 6},
		{"prune, before the first", isPrune, false, 1},
		{"prune, after some", isPrune, true, 3},
		{"health, at the event that tells of the run", isEvent, false, 1},
	}
	const seed = 20261121
	random := rand.New(rand.NewPCG(seed, seed))
	for i, m := range moments {
		nth := int64(1 + random.IntN(m.most))
		t.Run(fmt.Sprintf("%s, %d", m.stage, nth), func(t *testing.T) {
			killAt(t, fmt.Sprintf("kill-%d", i), m, nth)
		})
	}
}

func killAt(t *testing.T, name string, m moment, nth int64) {
	namespace, repo := cluster.Namespace(t), newRepository(t)
	// Eight objects that stay, change or go.
	files := map[string]string{}
	for i := range 8 {
		files[fmt.Sprintf("deploy/object-%d.yaml", i)] = configMap(fmt.Sprintf("object-%d", i), "1")
	}
	first := repo.push(files)
	repo.source(namespace, "repo")
	kustomization(t, namespace, name, "./deploy", "wait: true\ntimeout: 1m")
	waitApplied(t, namespace, name, first)
	apply(t, "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: foreign, namespace: "+namespace+"}\ndata: {value: mine}\n")
	foreign := get(t, "{.metadata.uid}", "--namespace", namespace, "configmap/foreign")

	change := map[string]string{}
	for i := range 4 {
		change[fmt.Sprintf("deploy/object-%d.yaml", i)] = configMap(fmt.Sprintf("object-%d", i), "2")
		change[fmt.Sprintf("deploy/new-%d.yaml", i)] = configMap(fmt.Sprintf("new-%d", i), "1")
		change[fmt.Sprintf("deploy/object-%d.yaml", i+4)] = ""
	}
	second := repo.push(change)
	killed := killOn(t, namespace, repo.path(), m, nth)
	// The request is acknowledged, or the server is killed before it answers; in
	// both cases the commit is what the source says, and the restart finds it.
	_, _ = tryKubectl(t, `{"apiVersion":"leat.dev/v1alpha1","kind":"ReconcileRequest","spec":{}}`, "create", "--raw",
		"/apis/source.toolkit.fluxcd.io/v1/namespaces/"+namespace+"/gitrepositories/repo/reconcile", "-f", "-")
	await(t, killed, "the moment at which to kill the server")
	if err := leat.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := leatserver.WaitRegistered(t.Context(), cluster); err != nil {
		t.Fatal(err)
	}

	fetch(t, namespace, "repo")
	waitApplied(t, namespace, name, second)
	want := map[string]string{}
	for i := range 4 {
		want[fmt.Sprintf("object-%d", i)] = "2"
		want[fmt.Sprintf("new-%d", i)] = "1"
	}
	want["foreign"] = "mine"
	got := configMapValues(t, namespace)
	for name, value := range want {
		if got[name] != value {
			t.Errorf("ConfigMap %s holds %q, want %q", name, got[name], value)
		}
	}
	for name := range got {
		if _, ok := want[name]; !ok {
			t.Errorf("ConfigMap %s was orphaned", name)
		}
	}
	if uid := get(t, "{.metadata.uid}", "--namespace", namespace, "configmap/foreign"); uid != foreign {
		t.Error("an object of somebody else was deleted and made anew")
	}
}

// killOn arranges that the server is killed at the nth request of the moment that
// concerns the namespace or the repository (a path on the Git server); the channel
// is closed then.
func killOn(t *testing.T, namespace, repository string, m moment, nth int64) <-chan struct{} {
	t.Helper()
	killed := make(chan struct{})
	var count atomic.Int64
	matching := func(r *http.Request) {
		mine := strings.Contains(r.URL.Path, "/namespaces/"+namespace+"/") || strings.HasPrefix(r.URL.Path, repository)
		if mine && m.match(r) && count.Add(1) == nth {
			leat.Kill()
			close(killed)
		}
	}
	before, after := matching, (func(*http.Request))(nil)
	if m.after {
		before, after = after, before
	}
	gitServer.intercept(before, after)
	apiProxy.intercept(before, after)
	t.Cleanup(func() {
		gitServer.intercept(nil, nil)
		apiProxy.intercept(nil, nil)
	})
	return killed
}

// configMapValues returns the value of each ConfigMap of the namespace, but for
// the one that Kubernetes puts into each.
func configMapValues(t *testing.T, namespace string) map[string]string {
	t.Helper()
	out := get(t, `{range .items[*]}{.metadata.name}={.data.value}{"\n"}{end}`, "--namespace", namespace, "configmaps")
	values := map[string]string{}
	for line := range strings.Lines(out) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		if name != "kube-root-ca.crt" {
			values[name] = value
		}
	}
	return values
}

// await waits for a channel that a hook closes.
func await(t *testing.T, c <-chan struct{}, what string) {
	t.Helper()
	select {
	case <-c:
	case <-time.After(patience):
		t.Fatalf("%s did not come in %s", what, patience)
	}
}
