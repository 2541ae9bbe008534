package baddays

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/leat-dev/leat/test/leatserver"
)

// The control plane is away for ten minutes by the server's clocks, which are
// moved on in steps: what waits with pauses that grow has them grow.
const (
	outage      = 10 * time.Minute
	outageSteps = 10
	// look is how long the server is watched at each step.
	look = 500 * time.Millisecond
	// authorityRefresh is how often client-go reads the file with the authorities
	// of the cluster again.
	authorityRefresh = 5 * time.Minute
)

// TestControlPlaneIsGone kills the control plane, lets the server be without it,
// and brings it back: under the same keys, then under others.
func TestControlPlaneIsGone(t *testing.T) {
	t.Parallel()
	var ca string
	d := newDay(t, setup{kubeconfig: func(d *day) (kubeconfig string) {
		kubeconfig, ca = serviceAccountKubeconfig(d)
		return kubeconfig
	}})
	pid := d.leat.PID()
	clocks := d.clocks(pid)
	a := d.newApp("app", configMaps("1", "one", "two", "three"), appOptions{interval: "2s"})

	d.killCluster()
	commit := a.push(configMaps("2", "one", "four"))
	for range outageSteps {
		d.stayUp(pid)
		clocks.pass(outage / outageSteps)
	}
	d.stayUp(pid)
	d.startCluster()
	back := time.Now()
	a.day = d
	a.awaitApplied(commit)
	t.Logf("the commit of the outage was applied %s after the control plane was back", time.Since(back))
	d.alive(pid)
	a.assertKept()
	a.remember()

	t.Run("drift is seen again", func(t *testing.T) {
		back := time.Now()
		d.kubectl("patch", "configmap", "two", "--namespace="+a.namespace, "--type=merge", `--patch={"data":{"value":"foreign"}}`)
		d.await("the change to be taken back", func(context.Context) (bool, string) {
			now := a.value("two")
			return now == "1", now
		})
		t.Logf("put right in %s", time.Since(back))
	})

	t.Run("its authorities are others", func(t *testing.T) {
		d.killCluster()
		// All of them: the server's, the users', the front proxy's. The key of
		// service accounts stays, and with it the token.
		for _, pattern := range []string{"ca.*", "front-proxy*", "apiserver.*"} {
			d.removeKeys(pattern)
		}
		commit := a.push(configMaps("3", "one"))
		d.startCluster()
		writeFile(t, ca, d.cluster.Config.CAData)
		clocks.pass(authorityRefresh)
		if err := leatserver.WaitRegistered(t.Context(), d.cluster); err != nil {
			t.Fatal(err)
		}
		a.awaitApplied(commit)
		d.alive(pid)
		a.assertKept()
		// The administrator's certificate is of the new authority.
		d.await("the server to know the new authorities", func(context.Context) (bool, string) {
			code, body := d.probe("/apis/kustomize.toolkit.fluxcd.io/v1/kustomizations")
			return code == http.StatusOK, body
		})
	})
}

// killCluster ends the control plane as a power cut does.
func (d *day) killCluster() {
	d.t.Helper()
	if err := syscall.Kill(d.controlPlane(), syscall.SIGKILL); err != nil {
		d.t.Fatal(err)
	}
	d.await("the control plane to be gone", func(ctx context.Context) (bool, string) {
		_, err := d.core.CoreV1().Namespaces().List(ctx, metav1.ListOptions{Limit: 1})
		return err != nil, "it answers"
	})
}

// controlPlane is the process of the control plane.
func (d *day) controlPlane() int {
	d.t.Helper()
	pid, err := d.cluster.PID(d.t.Context())
	if err != nil {
		d.t.Fatal(err)
	}
	return pid
}

// stayUp watches the server while the control plane is away.
func (d *day) stayUp(pid int) {
	d.t.Helper()
	ticker := time.NewTicker(look / 5)
	defer ticker.Stop()
	for end := time.Now().Add(look); time.Now().Before(end); <-ticker.C {
		d.alive(pid)
		if code, body := d.probe("/livez"); code != http.StatusOK {
			d.t.Fatalf("/livez without a control plane: %d %s", code, body)
		}
	}
}

func (d *day) removeKeys(pattern string) {
	d.t.Helper()
	files, err := filepath.Glob(filepath.Join(d.cluster.Dir, "pki", pattern))
	if err != nil || len(files) == 0 {
		d.t.Fatalf("no keys %s: %v", pattern, err)
	}
	for _, file := range files {
		if err := os.Remove(file); err != nil {
			d.t.Fatal(err)
		}
	}
}

// TestStartWithoutControlPlane starts a server that cannot reach the control plane
// yet, as after a power cut of everything.
func TestStartWithoutControlPlane(t *testing.T) {
	t.Parallel()
	d := newDay(t, setup{})
	a := d.newApp("app", configMaps("1", "one", "two"), appOptions{})
	d.leat.Kill()
	d.killCluster()
	if err := d.leat.Spawn(); err != nil {
		t.Fatal(err)
	}
	pid := d.leat.PID()
	commit := a.push(configMaps("2", "one"))
	d.await("the server to say what it waits for", func(context.Context) (bool, string) {
		d.alive(pid)
		log, err := d.leat.Log()
		return err == nil && strings.Contains(log, "Waiting for the host cluster"), errorText(err)
	})
	d.startCluster()
	back := time.Now()
	if err := d.leat.WaitReady(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Logf("ready %s after the control plane was back", time.Since(back))
	a.day = d
	if err := leatserver.WaitRegistered(t.Context(), d.cluster); err != nil {
		t.Fatal(err)
	}
	a.request("after the outage")
	a.awaitApplied(commit)
	d.alive(pid)
	a.assertKept()
}

// TestRights takes the server's rights away while it runs, and gives them back.
func TestRights(t *testing.T) {
	t.Parallel()
	d := newDay(t, setup{kubeconfig: func(d *day) string {
		kubeconfig, _ := serviceAccountKubeconfig(d)
		return kubeconfig
	}})
	pid := d.leat.PID()
	a := d.newApp("app", configMaps("1", "one", "two", "three"), appOptions{interval: "2s"})

	binding, err := d.core.RbacV1().ClusterRoleBindings().Get(t.Context(), leatserver.ServiceAccount, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	d.kubectl("delete", "clusterrolebinding", leatserver.ServiceAccount)
	commit := a.push(map[string]string{"one.yaml": configMap("one", "2"), "two.yaml": ""})
	a.awaitDirectly("the Kustomization to say what is forbidden", func(c metav1.Condition) bool {
		return c.Status == metav1.ConditionFalse && strings.Contains(c.Message, "forbidden") &&
			strings.Contains(c.Message, "system:serviceaccount:"+leatserver.Namespace+":"+leatserver.ServiceAccount)
	})
	d.alive(pid)
	a.assertKept()
	if n := d.metric(`leat_host_requests_total{code="403",method="PATCH"}`); n == "" || n == "0" {
		t.Error("no metric counts the refusals")
	}

	binding.ResourceVersion, binding.UID = "", ""
	if _, err := d.core.RbacV1().ClusterRoleBindings().Create(t.Context(), binding, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	back := time.Now()
	a.awaitApplied(commit)
	t.Logf("applied %s after the rights were back", time.Since(back))
	d.alive(pid)
	if got := a.value("one"); got != "2" {
		t.Errorf("the commit was not applied: %q", got)
	}
	d.await("kube-apiserver to find the server available", func(ctx context.Context) (bool, string) {
		_, err := d.leatAPI.SourceV1().GitRepositories(corev1.NamespaceAll).List(ctx, metav1.ListOptions{})
		return err == nil, errorText(err)
	})
}
