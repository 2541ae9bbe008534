package baddays

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const (
	// goesOn is how soon after the server is back a deletion that waited for it
	// goes on.
	goesOn = 5 * time.Second
	// busy is what a machine with other things to do may take more.
	busy = 10 * time.Second
	// wayOut is how soon deletions go on once the APIServices are deleted.
	wayOut = 2 * time.Minute
)

// TestDown takes the server away. No namespace of the cluster can be deleted then,
// because nobody can say what is in it, until the server comes back.
func TestDown(t *testing.T) {
	t.Parallel()
	d := newDay(t, setup{})
	a := d.newApp("stays", configMaps("1", "one", "two"), appOptions{})
	t.Run("deletions go on when it is back", func(t *testing.T) { d.with(t).testComesBack() })
	a.assertKept()
	t.Run("what a namespace leaves behind is told", func(t *testing.T) { d.with(t).testLeftBehind() })
	a.assertKept()
	t.Run("deletions go on after a long time", func(t *testing.T) { d.with(t).testComesBackLate() })
	a.assertKept()
}

// with is the same day for a part of the test.
func (d *day) with(t *testing.T) *day {
	part := *d
	part.t = t
	return &part
}

func (d *day) testComesBack() {
	name := d.createNamespace("elsewhere")
	d.leat.Kill()
	d.deleteNamespace(name)
	d.awaitBlocked(name)
	d.comeBack(name)
}

// testComesBackLate is the same after the namespace controller has tried so often
// that many seconds lie between two attempts.
func (d *day) testComesBackLate() {
	clocks := d.clocks(d.controlPlane())
	name := d.createNamespace("elsewhere")
	d.leat.Kill()
	d.deleteNamespace(name)
	d.awaitBlocked(name)
	// Its pauses double from five milliseconds on.
	const attempts = 14
	ticker := time.NewTicker(200 * time.Millisecond) // for an attempt
	defer ticker.Stop()
	for range attempts {
		clocks.pass(61 * time.Second)
		<-ticker.C
	}
	d.comeBack(name)
	// Where the next attempt would have been soon, it is only this that tells.
	if log, err := d.leat.Log(); err != nil || !strings.Contains(log, "Touched the namespaces whose deletion waits") {
		d.t.Errorf("the namespaces that wait were not touched: %v", err)
	}
}

// comeBack starts the server and measures how long what waited for it takes.
func (d *day) comeBack(name string) {
	d.t.Helper()
	if err := d.leat.Spawn(); err != nil {
		d.t.Fatal(err)
	}
	if err := d.leat.WaitReady(d.t.Context()); err != nil {
		d.t.Fatal(err)
	}
	ready := time.Now()
	awaitIn(d.t, goesOn, "the API to be served through kube-apiserver", func(ctx context.Context) (bool, string) {
		_, err := d.leatAPI.KustomizeV1().Kustomizations("").List(ctx, metav1.ListOptions{})
		return err == nil, errorText(err)
	})
	served := time.Since(ready)
	awaitIn(d.t, goesOn+busy-served, "the namespace to be gone", d.isGone(name))
	d.t.Logf("after the server was ready at its port: served through kube-apiserver in %s, the namespace gone in %s", served, time.Since(ready))
}

// testLeftBehind deletes a namespace whose Kustomization has applied objects in
// another one. They are left, since the rights to delete them are going; who looks
// for why they are there finds an event.
func (d *day) testLeftBehind() {
	outside := d.createNamespace("neighbour")
	a := d.newApp("leaves-behind", map[string]string{"in.yaml": configMapIn(ownNamespace, "in", "1"), "out.yaml": configMapIn(outside, "out", "1")}, appOptions{anywhere: true})
	d.deleteNamespace(a.namespace)
	d.await("the namespace to be gone", d.isGone(a.namespace))
	if _, err := d.core.CoreV1().ConfigMaps(outside).Get(d.t.Context(), "out", metav1.GetOptions{}); err != nil {
		d.t.Errorf("the object outside: %v", err)
	}
	d.await("an event about what is left", func(ctx context.Context) (bool, string) {
		events, err := d.core.CoreV1().Events(metav1.NamespaceDefault).List(ctx, metav1.ListOptions{FieldSelector: "involvedObject.kind=Namespace,involvedObject.name=" + a.namespace})
		if err != nil {
			return false, err.Error()
		}
		for i := range events.Items {
			if strings.Contains(events.Items[i].Message, "ConfigMap/"+outside+"/out") {
				return true, ""
			}
		}
		return false, fmt.Sprintf("%d events, none of which names the object", len(events.Items))
	})
}

// TestWayOut is what docs/operations.md says about a server that cannot be brought
// back soon.
func TestWayOut(t *testing.T) {
	t.Parallel()
	d := newDay(t, setup{})
	stays := d.newApp("stays", configMaps("1", "one", "two"), appOptions{})
	// A namespace with a Kustomization that has applied objects in it and outside.
	outside := d.createNamespace("outside")
	a := d.newApp("old-tenant", map[string]string{"in.yaml": configMapIn(ownNamespace, "in", "1"), "out.yaml": configMapIn(outside, "out", "1")}, appOptions{anywhere: true})
	before, err := d.core.CoreV1().ConfigMaps(outside).Get(d.t.Context(), "out", metav1.GetOptions{})
	if err != nil {
		d.t.Fatal(err)
	}

	d.leat.Kill()
	d.deleteNamespace(a.namespace)
	d.awaitBlocked(a.namespace)
	start := time.Now()
	d.kubectl("delete", "apiservice", "v1.source.toolkit.fluxcd.io", "v1.kustomize.toolkit.fluxcd.io")
	awaitIn(d.t, wayOut, "the namespace to be gone", d.isGone(a.namespace))
	d.t.Logf("after the APIServices were deleted the namespace was gone in %s", time.Since(start))

	// Another tenant gets the name, at once.
	if _, err := d.core.CoreV1().Namespaces().Create(d.t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: a.namespace}}, metav1.CreateOptions{}); err != nil {
		d.t.Fatal(err)
	}
	a.push(map[string]string{"in.yaml": configMapIn(a.namespace, "in", "2")})
	d.startLeat()
	ctx := d.t.Context()
	kustomizations, err := d.leatAPI.KustomizeV1().Kustomizations(a.namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		d.t.Fatal(err)
	}
	sources, err := d.leatAPI.SourceV1().GitRepositories(a.namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		d.t.Fatal(err)
	}
	if n := len(kustomizations.Items) + len(sources.Items); n != 0 {
		d.t.Errorf("the new namespace has %d objects of the old one", n)
	}
	if got := a.objects(); len(got) != 0 {
		d.t.Errorf("the new namespace has %v, which the old one's Kustomization applied", got)
	}
	after, err := d.core.CoreV1().ConfigMaps(outside).Get(ctx, "out", metav1.GetOptions{})
	if err != nil || after.UID != before.UID {
		d.t.Errorf("the object outside was pruned: %v", err)
	}
	log, err := d.leat.Log()
	if err != nil || !strings.Contains(log, "Removed an object without running its finalizers") || !strings.Contains(log, `object="`+a.namespace+`/app"`) {
		d.t.Errorf("the log does not tell of the removal: %v", err)
	}
	// What the new tenant makes itself works.
	fresh := &app{day: d, namespace: a.namespace, repo: a.repo}
	commit := fresh.push(map[string]string{"out.yaml": configMap("own", "3")})
	fresh.create(appOptions{})
	fresh.awaitApplied(commit)
	stays.assertKept()
}

func (d *day) createNamespace(stem string) string {
	d.t.Helper()
	ns, err := d.core.CoreV1().Namespaces().Create(d.t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: stem + "-"}}, metav1.CreateOptions{})
	if err != nil {
		d.t.Fatal(err)
	}
	return ns.Name
}

func (d *day) deleteNamespace(name string) {
	d.t.Helper()
	if err := d.core.CoreV1().Namespaces().Delete(d.t.Context(), name, metav1.DeleteOptions{}); err != nil {
		d.t.Fatal(err)
	}
}

// awaitBlocked waits until the namespace says that its deletion cannot go on.
func (d *day) awaitBlocked(name string) {
	d.t.Helper()
	d.await("the namespace to say what holds it", func(ctx context.Context) (bool, string) {
		ns, err := d.core.CoreV1().Namespaces().Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			return false, err.Error()
		}
		for _, c := range ns.Status.Conditions {
			// Before kube-apiserver has noticed that nobody answers, it is the
			// listing that fails.
			failed := c.Type == corev1.NamespaceDeletionDiscoveryFailure || c.Type == corev1.NamespaceDeletionContentFailure
			if failed && c.Status == corev1.ConditionTrue {
				return true, ""
			}
		}
		return false, fmt.Sprint(ns.Status)
	})
}

func (d *day) isGone(name string) func(context.Context) (bool, string) {
	return func(ctx context.Context) (bool, string) {
		ns, err := d.core.CoreV1().Namespaces().Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			return apierrors.IsNotFound(err), err.Error()
		}
		state := string(ns.Status.Phase)
		for _, c := range ns.Status.Conditions {
			if c.Status == corev1.ConditionTrue {
				state += ", " + string(c.Type) + ": " + c.Message
			}
		}
		return false, state
	}
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
