package baddays

import (
	"context"
	"flag"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"github.com/leat-dev/leat/pkg/generated/clientset/versioned"
	"github.com/leat-dev/leat/test/framework"
	"github.com/leat-dev/leat/test/gitserver"
	"github.com/leat-dev/leat/test/leatserver"
)

const (
	// patience is how long a test waits for what normally takes a second or two.
	// It is reached only by a failure.
	patience     = 90 * time.Second
	pollInterval = 20 * time.Millisecond
)

// day is a control plane with a server and a Git server, all of it for one test.
type day struct {
	t       *testing.T
	dir     string
	cluster *framework.Cluster
	leat    *leatserver.Server
	git     *gitserver.Server

	// core and leatAPI go through kube-apiserver, as its administrator.
	core    kubernetes.Interface
	leatAPI versioned.Interface
}

// setup is what a test may want to be otherwise.
type setup struct {
	// kubeconfig is what the server connects with; the administrator's if empty.
	kubeconfig func(*day) string
	// args are flags of the server.
	args []string
	// wrap is the program that the server is started by, if any.
	wrap []string
}

// newDay starts everything, with the server registered and ready.
func newDay(t *testing.T, s setup) *day {
	t.Helper()
	d := &day{t: t, dir: t.TempDir()}
	d.startCluster()
	t.Cleanup(func() {
		// Nobody wants its data any more: no need to let it end in order.
		if pid, err := d.cluster.PID(context.WithoutCancel(t.Context())); err == nil {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
		d.stopCluster()
	})
	d.startGit()
	t.Cleanup(d.stopGit)

	kubeconfig := d.cluster.Kubeconfig
	if s.kubeconfig != nil {
		kubeconfig = s.kubeconfig(d)
	}
	// The directory for temporary files may be one in memory.
	var err error
	if d.leat, err = leatserver.New(filepath.Join(d.dir, "leat"), kubeconfig, append([]string{"--etcd-ephemeral"}, s.args...)...); err != nil {
		t.Fatal(err)
	}
	d.leat.Wrap(s.wrap...)
	d.startLeat()
	t.Cleanup(func() {
		d.leat.Kill()
		if log, err := d.leat.Log(); t.Failed() && err == nil {
			t.Logf("the server's log ends with:\n%s", log[max(0, len(log)-8192):])
		}
	})
	return d
}

// startCluster starts the control plane, for the first time or again.
func (d *day) startCluster() {
	d.t.Helper()
	cluster, err := framework.Start(d.t.Context(), framework.Options{Dir: filepath.Join(d.dir, "cluster"), Nodes: 1})
	if err != nil {
		d.t.Fatal(err)
	}
	d.cluster = cluster
	if d.core, err = kubernetes.NewForConfig(cluster.Config); err != nil {
		d.t.Fatal(err)
	}
	if d.leatAPI, err = versioned.NewForConfig(cluster.Config); err != nil {
		d.t.Fatal(err)
	}
}

func (d *day) stopCluster() {
	if err := d.cluster.Stop(); err != nil {
		d.t.Error(err)
	}
}

// startGit starts the Git server, again at the address that it had.
func (d *day) startGit() {
	d.t.Helper()
	o := gitserver.Options{}
	if d.git != nil {
		address, err := url.Parse(d.git.URL(""))
		if err != nil {
			d.t.Fatal(err)
		}
		o.Address = address.Host
	}
	var err error
	if d.git, err = gitserver.Start(filepath.Join(d.dir, "git"), o); err != nil {
		d.t.Fatal(err)
	}
}

func (d *day) stopGit() {
	if err := d.git.Close(); err != nil {
		d.t.Error(err)
	}
}

// startLeat starts the server and waits until it is served through kube-apiserver.
func (d *day) startLeat() {
	d.t.Helper()
	if err := d.leat.Start(d.t.Context()); err != nil {
		d.t.Fatal(err)
	}
	if err := leatserver.WaitRegistered(d.t.Context(), d.cluster); err != nil {
		d.t.Fatal(err)
	}
}

// direct connects to the server without kube-apiserver in between, as the
// administrator, whose certificate the server verifies by itself.
func (d *day) direct() *rest.Config {
	config := rest.CopyConfig(d.cluster.Config)
	config.Host = d.leat.URL()
	// Its certificate is made for its Service; nothing secret is sent.
	config.Insecure, config.CAData, config.CAFile = true, nil, ""
	return config
}

// alive says that the process that runs now is the one with this ID.
func (d *day) alive(pid int) {
	d.t.Helper()
	select {
	case <-d.leat.Ended():
		d.t.Fatal("the server has ended")
	default:
	}
	if now := d.leat.PID(); now != pid {
		d.t.Fatalf("the server is another process: %d, was %d", now, pid)
	}
}

// kubectl runs kubectl as the administrator.
func (d *day) kubectl(args ...string) string {
	d.t.Helper()
	ctx, cancel := context.WithTimeout(d.t.Context(), patience)
	defer cancel()
	out, _, err := d.cluster.Kubectl(ctx, args...)
	if err != nil {
		d.t.Fatal(err)
	}
	return out
}

// await polls until the condition holds. The last thing that it said is told when
// it never does.
func (d *day) await(what string, condition func(context.Context) (ok bool, state string)) {
	d.t.Helper()
	awaitIn(d.t, patience, what, condition)
}

func awaitIn(t *testing.T, limit time.Duration, what string, condition func(context.Context) (ok bool, state string)) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	ticker := time.NewTicker(pollInterval)
	defer ticker.Stop()
	last := ""
	for {
		ok, state := condition(ctx)
		if ok {
			return
		}
		if ctx.Err() == nil {
			last = state
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			t.Fatalf("not in %s: %s; last seen: %s", limit, what, last)
		}
	}
}

// serviceAccountKubeconfig writes a kubeconfig by which the server is the service
// account of an installation, which may do anything. It names the cluster's
// authorities by a file, as a Pod's does, and returns the paths of both files.
func serviceAccountKubeconfig(d *day) (kubeconfig, ca string) {
	d.t.Helper()
	token, err := leatserver.Identity(d.t.Context(), d.cluster)
	if err != nil {
		d.t.Fatal(err)
	}
	kubeconfig, ca = filepath.Join(d.dir, "leat.kubeconfig"), filepath.Join(d.dir, "ca.crt")
	writeFile(d.t, ca, d.cluster.Config.CAData)
	config := clientcmdapi.NewConfig()
	config.Clusters["host"] = &clientcmdapi.Cluster{Server: d.cluster.Config.Host, CertificateAuthority: ca}
	config.AuthInfos["leat"] = &clientcmdapi.AuthInfo{Token: token}
	config.Contexts["leat"] = &clientcmdapi.Context{Cluster: "host", AuthInfo: "leat"}
	config.CurrentContext = "leat"
	data, err := clientcmd.Write(*config)
	if err != nil {
		d.t.Fatal(err)
	}
	writeFile(d.t, kubeconfig, data)
	return kubeconfig, ca
}

// atOnce is how many tests run at once. Each is a control plane and a server, of
// some 600 MiB together, that mostly wait for pauses to end.
const atOnce = "3"

func TestMain(m *testing.M) {
	if err := flag.Set("test.parallel", atOnce); err != nil {
		fmt.Fprintln(os.Stderr, "baddays:", err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// once is a failure that is told once, by whoever is first.
type once struct {
	mu  sync.Mutex
	err error
}

func (o *once) set(format string, args ...any) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.err == nil {
		o.err = fmt.Errorf(format, args...)
	}
}

func (o *once) get() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.err
}
