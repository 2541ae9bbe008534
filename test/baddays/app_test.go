package baddays

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"strings"
	"testing"

	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"

	kustomizev1 "github.com/leat-dev/leat/pkg/apis/kustomize/v1"
	leatmeta "github.com/leat-dev/leat/pkg/apis/meta"
	sourcev1 "github.com/leat-dev/leat/pkg/apis/source/v1"
	"github.com/leat-dev/leat/pkg/generated/clientset/versioned"
	"github.com/leat-dev/leat/test/framework"
	"github.com/leat-dev/leat/test/gitserver"
)

const ownerLabel = kustomizev1.GroupName + "/name"

// app is a repository, a GitRepository "repo" and a Kustomization "app" of it in a
// namespace of its own.
type app struct {
	*day
	namespace string
	repo      *gitserver.Repository
	// kept are the objects that must survive, by name.
	kept map[string]types.UID
}

// appOptions are the parts of both specs that a test may want to be otherwise.
type appOptions struct {
	// interval of both objects, an hour if empty: what happens sooner was an
	// event, not a poll.
	interval leatmeta.Duration
	// serviceAccount is what the Kustomization acts as.
	serviceAccount string
	// anywhere leaves the objects in the namespaces that they name.
	anywhere bool
}

// newApp pushes files, has them applied, and remembers what came of it.
func (d *day) newApp(name string, files map[string]string, o appOptions) *app {
	d.t.Helper()
	a := &app{day: d, namespace: d.cluster.Namespace(d.t)}
	var err error
	if a.repo, err = d.git.CreateRepository(d.t.Context(), name+".git"); err != nil {
		d.t.Fatal(err)
	}
	for path, content := range files {
		files[path] = strings.ReplaceAll(content, ownNamespace, a.namespace)
	}
	commit := a.push(files)
	a.create(o)
	a.awaitApplied(commit)
	a.remember()
	return a
}

// create makes the two objects.
func (a *app) create(o appOptions) {
	a.t.Helper()
	source := &sourcev1.GitRepository{ObjectMeta: metav1.ObjectMeta{Name: "repo", Namespace: a.namespace}}
	if o.interval == "" {
		o.interval = "1h"
	}
	source.Spec.URL, source.Spec.Interval = a.repo.URL, o.interval
	branch := "main"
	source.Spec.Reference = &sourcev1.GitRepositoryRef{Branch: &branch}
	if _, err := a.leatAPI.SourceV1().GitRepositories(a.namespace).Create(a.t.Context(), source, metav1.CreateOptions{}); err != nil {
		a.t.Fatal(err)
	}
	k := &kustomizev1.Kustomization{ObjectMeta: metav1.ObjectMeta{Name: "app", Namespace: a.namespace}}
	k.Spec.SourceRef = kustomizev1.CrossNamespaceSourceReference{Kind: sourcev1.GitRepositoryKind, Name: "repo"}
	k.Spec.Interval = o.interval
	if !o.anywhere {
		k.Spec.TargetNamespace = &a.namespace
	}
	prune := true
	k.Spec.Prune = &prune
	if o.serviceAccount != "" {
		k.Spec.ServiceAccountName = &o.serviceAccount
	}
	if _, err := a.leatAPI.KustomizeV1().Kustomizations(a.namespace).Create(a.t.Context(), k, metav1.CreateOptions{}); err != nil {
		a.t.Fatal(err)
	}
}

func (a *app) push(files map[string]string) string {
	a.t.Helper()
	commit, err := a.repo.Push(a.t.Context(), files)
	if err != nil {
		a.t.Fatal(err)
	}
	return commit
}

// request asks both objects to run now.
func (a *app) request(token string) {
	a.t.Helper()
	patch := fmt.Appendf(nil, `{"metadata":{"annotations":{%q:%q}}}`, leatmeta.ReconcileRequestAnnotation, token)
	_, err := a.leatAPI.SourceV1().GitRepositories(a.namespace).Patch(a.t.Context(), "repo", types.MergePatchType, patch, metav1.PatchOptions{})
	if err != nil {
		a.t.Fatal(err)
	}
	_, err = a.leatAPI.KustomizeV1().Kustomizations(a.namespace).Patch(a.t.Context(), "app", types.MergePatchType, patch, metav1.PatchOptions{})
	if err != nil {
		a.t.Fatal(err)
	}
}

// awaitApplied waits until the commit is applied and told so.
func (a *app) awaitApplied(commit string) {
	a.t.Helper()
	a.await("commit "+commit+" to be applied", func(ctx context.Context) (bool, string) {
		k, err := a.leatAPI.KustomizeV1().Kustomizations(a.namespace).Get(ctx, "app", metav1.GetOptions{})
		if err != nil {
			return false, err.Error()
		}
		return k.Status.LastAppliedRevision == "main@sha1:"+commit && apimeta.IsStatusConditionTrue(k.Status.Conditions, leatmeta.ReadyCondition),
			k.Status.LastAppliedRevision + " " + describe(k.Status.Conditions)
	})
}

// awaitApp waits until the Ready condition of the Kustomization is as wanted.
func (a *app) awaitApp(what string, ok func(ready metav1.Condition) bool) metav1.Condition {
	a.t.Helper()
	return a.awaitReady("Kustomization "+what, ok, func(ctx context.Context) ([]metav1.Condition, error) {
		k, err := a.leatAPI.KustomizeV1().Kustomizations(a.namespace).Get(ctx, "app", metav1.GetOptions{})
		if err != nil {
			return nil, err
		}
		return k.Status.Conditions, nil
	})
}

// awaitSource waits until the Ready condition of the GitRepository is as wanted.
func (a *app) awaitSource(what string, ok func(ready metav1.Condition) bool) metav1.Condition {
	a.t.Helper()
	return a.awaitReady("GitRepository "+what, ok, func(ctx context.Context) ([]metav1.Condition, error) {
		s, err := a.source(ctx)
		if err != nil {
			return nil, err
		}
		return s.Status.Conditions, nil
	})
}

func (a *app) source(ctx context.Context) (*sourcev1.GitRepository, error) {
	return a.leatAPI.SourceV1().GitRepositories(a.namespace).Get(ctx, "repo", metav1.GetOptions{})
}

func (a *app) awaitReady(what string, ok func(metav1.Condition) bool, get func(context.Context) ([]metav1.Condition, error)) (ready metav1.Condition) {
	a.t.Helper()
	a.await(what, func(ctx context.Context) (bool, string) {
		conditions, err := get(ctx)
		if err != nil {
			return false, err.Error()
		}
		if c := apimeta.FindStatusCondition(conditions, leatmeta.ReadyCondition); c != nil {
			ready = *c
		}
		return ok(ready), describe(conditions)
	})
	return ready
}

// failedWith is a condition that says that it failed, in words that hold the text.
func failedWith(text string) func(metav1.Condition) bool {
	return func(c metav1.Condition) bool {
		return c.Status == metav1.ConditionFalse && strings.Contains(c.Message, text)
	}
}

func succeeded(c metav1.Condition) bool { return c.Status == metav1.ConditionTrue }

func describe(conditions []metav1.Condition) string {
	var b strings.Builder
	for _, c := range conditions {
		fmt.Fprintf(&b, "%s=%s (%s: %s) ", c.Type, c.Status, c.Reason, c.Message)
	}
	return b.String()
}

// objects are the ConfigMaps that a Kustomization has applied in the namespace.
func (a *app) objects() map[string]types.UID {
	a.t.Helper()
	list, err := a.core.CoreV1().ConfigMaps(a.namespace).List(a.t.Context(), metav1.ListOptions{LabelSelector: ownerLabel})
	if err != nil {
		a.t.Fatal(err)
	}
	uids := map[string]types.UID{}
	for i := range list.Items {
		uids[list.Items[i].Name] = list.Items[i].UID
	}
	return uids
}

// remember has the objects that are there now counted among those to be kept.
func (a *app) remember() {
	a.t.Helper()
	a.kept = a.objects()
	if len(a.kept) == 0 {
		a.t.Fatal("nothing was applied")
	}
}

// assertKept says that none of the objects was deleted, not even to be made anew,
// and that nobody has asked for that.
func (a *app) assertKept() {
	a.t.Helper()
	now := a.objects()
	maps.DeleteFunc(now, func(name string, _ types.UID) bool { _, ok := a.kept[name]; return !ok })
	if !maps.Equal(now, a.kept) {
		a.t.Errorf("of the applied objects %v there are %v", a.kept, now)
	}
	deletions, err := a.cluster.AuditRequests(func(r framework.Request) bool {
		return r.Namespace == a.namespace && r.Resource == "configmaps" && (r.Verb == "delete" || r.Verb == "deletecollection")
	})
	if err != nil {
		a.t.Fatal(err)
	}
	if len(deletions) > 0 {
		a.t.Errorf("deletions were asked for: %+v", deletions)
	}
}

// value is what one of the ConfigMaps holds.
func (a *app) value(name string) string {
	a.t.Helper()
	c, err := a.core.CoreV1().ConfigMaps(a.namespace).Get(a.t.Context(), name, metav1.GetOptions{})
	if err != nil {
		a.t.Fatal(err)
	}
	return c.Data["value"]
}

// configMap is the manifest of a ConfigMap with one value.
func configMap(name, value string) string {
	return "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: " + name + "\ndata:\n  value: \"" + value + "\"\n"
}

// ownNamespace stands for the namespace of an app that is being made.
const ownNamespace = "OWN-NAMESPACE"

// configMapIn is the manifest of a ConfigMap that names its namespace.
func configMapIn(namespace, name, value string) string {
	return strings.Replace(configMap(name, value), "metadata:\n", "metadata:\n  namespace: "+namespace+"\n", 1)
}

// configMaps are the files of some ConfigMaps with the same value.
func configMaps(value string, names ...string) map[string]string {
	files := map[string]string{}
	for _, name := range names {
		files[name+".yaml"] = configMap(name, value)
	}
	return files
}

// probe asks the server itself for a path and returns the code, 0 for no answer.
func (d *day) probe(path string) (code int, body string) {
	d.t.Helper()
	client, err := rest.HTTPClientFor(d.direct())
	if err != nil {
		d.t.Fatal(err)
	}
	defer client.CloseIdleConnections()
	ctx, cancel := context.WithTimeout(d.t.Context(), patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, d.leat.URL()+path, nil)
	if err != nil {
		d.t.Fatal(err)
	}
	resp, err := client.Do(req)
	if err != nil {
		return 0, err.Error()
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, err.Error()
	}
	return resp.StatusCode, string(bytes.TrimSpace(text))
}

// metric is the value of one series as /metrics writes it, empty if there is none.
func (d *day) metric(series string) string {
	d.t.Helper()
	code, body := d.probe("/metrics")
	if code != http.StatusOK {
		d.t.Fatalf("/metrics: %d %s", code, body)
	}
	for line := range strings.Lines(body) {
		if value, ok := strings.CutPrefix(line, series+" "); ok {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

func writeFile(t *testing.T, name string, data []byte) {
	t.Helper()
	if err := os.WriteFile(name, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// awaitDirectly waits as awaitApp does, but asks the server itself.
func (a *app) awaitDirectly(what string, ok func(ready metav1.Condition) bool) metav1.Condition {
	a.t.Helper()
	client, err := versioned.NewForConfig(a.direct())
	if err != nil {
		a.t.Fatal(err)
	}
	return a.awaitReady(what, ok, func(ctx context.Context) ([]metav1.Condition, error) {
		k, err := client.KustomizeV1().Kustomizations(a.namespace).Get(ctx, "app", metav1.GetOptions{})
		if err != nil {
			return nil, err
		}
		return k.Status.Conditions, nil
	})
}
