package install

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.etcd.io/etcd/server/v3/embed"
	"go.uber.org/zap"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"github.com/leat-dev/leat/test/framework"
	"github.com/leat-dev/leat/test/gitserver"
	"github.com/leat-dev/leat/test/leatserver"
)

const haManifests = "../../artifacts/install/ha"

// haSettings has servers outside of Pods stand for election, with the installed
// rights of the account and all of a cluster's for what they apply.
const haSettings = `
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: ha}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: cluster-admin}
subjects: [{kind: ServiceAccount, name: leat-apiserver, namespace: leat-system}]
`

const haApp = `
apiVersion: v1
kind: Namespace
metadata: {name: ha}
---
apiVersion: source.toolkit.fluxcd.io/v1
kind: GitRepository
metadata: {name: app, namespace: ha}
spec: {url: %q, ref: {branch: main}, interval: 1h}
---
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {name: app, namespace: ha}
spec: {sourceRef: {kind: GitRepository, name: app}, path: ./, prune: true, interval: 1h, timeout: 1m, targetNamespace: ha}
`

func configMap(value string) map[string]string {
	return map[string]string{"c.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\ndata: {v: \"" + value + "\"}\n"}
}

// TestTakeOver kills the server that acts, and has the one that stood by go on.
func TestTakeOver(t *testing.T) {
	cluster := privateCluster(t)
	run := func(stdin string, args ...string) string {
		t.Helper()
		out, _, err := cluster.KubectlInput(t.Context(), stdin, args...)
		if err != nil {
			t.Fatalf("kubectl %s: %v", strings.Join(args, " "), err)
		}
		return strings.TrimSpace(out)
	}
	run("", "apply", "--server-side", "--kustomize="+haManifests)
	run(haSettings, "apply", "-f", "-")
	run("", "delete", "service", "--namespace="+namespace, account)
	// The Pods are those that the StatefulSet makes; nothing runs in them.
	for _, pod := range []string{"0", "1"} {
		run("", "wait", "--for=create", "--timeout="+patience.String(), "--namespace="+namespace, "pod/"+account+"-"+pod)
	}
	etcd := startEtcd(t)
	token := run("", "create", "token", "--namespace="+namespace, account, "--duration=1h")
	kubeconfig := kubeconfigOf(t, cluster, token)

	first, second := newCandidate(t, kubeconfig, etcd, "0"), newCandidate(t, kubeconfig, etcd, "1")
	if err := first.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	active := func(pod string) {
		t.Helper()
		run("", "wait", "--for=jsonpath={.metadata.labels.leat\\.dev/active}=true", "--timeout="+patience.String(), "--namespace="+namespace, "pod/"+account+"-"+pod)
	}
	active("0")
	if err := second.Start(t.Context()); err != nil { // it is ready while it stands by
		t.Fatal(err)
	}
	if err := leatserver.WaitRegistered(t.Context(), cluster); err != nil {
		t.Fatal(err)
	}
	repository, url := newRepository(t)
	push := func(value string) {
		t.Helper()
		commit, err := repository.Push(t.Context(), configMap(value))
		if err != nil {
			t.Fatal(err)
		}
		if value != "one" {
			run("", "annotate", "--overwrite", "--namespace=ha", "gitrepository/app", "reconcile.fluxcd.io/requestedAt="+value)
		} else {
			run(fmt.Sprintf(haApp, url), "apply", "-f", "-")
		}
		run("", "wait", "--namespace=ha", "--timeout="+patience.String(), "--for=jsonpath={.status.lastAppliedRevision}=main@sha1:"+commit, "kustomization/app")
		run("", "wait", "--namespace=ha", "--timeout="+patience.String(), "--for=jsonpath={.data.v}="+value, "configmap/c")
	}
	push("one")
	uid := run("", "get", "--namespace=ha", "configmap/c", "-ojsonpath={.metadata.uid}")

	first.Kill()
	active("1")
	if label := run("", "get", "pod", "--namespace="+namespace, account+"-0", "-ojsonpath={.metadata.labels.leat\\.dev/active}"); label != "" {
		t.Errorf("the Service still leads to the server that was killed: %q", label)
	}
	// Its registration leads kube-apiserver to the port of the one that acts now.
	deadline := time.Now().Add(patience)
	for {
		if _, _, err := cluster.Kubectl(t.Context(), "get", "--namespace=ha", "kustomization/app"); err == nil {
			break
		} else if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
	push("two")
	if got := run("", "get", "--namespace=ha", "configmap/c", "-ojsonpath={.metadata.uid}"); got != uid {
		t.Error("the object was deleted and made again")
	}
}

func privateCluster(t *testing.T) *framework.Cluster {
	t.Helper()
	cluster, err := framework.Start(t.Context(), framework.Options{Private: true, Nodes: 2})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cluster.Stop(); err != nil {
			t.Error(err)
		}
	})
	return cluster
}

// newCandidate prepares a server that stands for election.
func newCandidate(t *testing.T, kubeconfig, etcd, number string) *leatserver.Server {
	t.Helper()
	s, err := leatserver.New(t.TempDir(), kubeconfig, "--leader-elect", "--pod-name="+account+"-"+number, "--etcd-servers="+etcd)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Kill)
	return s
}

func newRepository(t *testing.T) (*gitserver.Repository, string) {
	t.Helper()
	git, err := gitserver.Start(t.TempDir(), gitserver.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = git.Close() })
	repository, err := git.CreateRepository(t.Context(), "app")
	if err != nil {
		t.Fatal(err)
	}
	return repository, git.URL("app")
}

// startEtcd starts an etcd that both servers reach, and returns its address.
func startEtcd(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	client := url.URL{Scheme: "http", Host: listener.Addr().String()}
	listener.Close()
	config := embed.NewConfig()
	config.Dir = filepath.Join(t.TempDir(), "etcd")
	config.UnsafeNoFsync = true
	config.ZapLoggerBuilder = embed.NewZapLoggerBuilder(zap.NewNop())
	config.ListenClientUrls, config.AdvertiseClientUrls = []url.URL{client}, []url.URL{client}
	config.ListenPeerUrls = nil
	etcd, err := embed.StartEtcd(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(etcd.Close)
	select {
	case <-etcd.Server.ReadyNotify():
	case err := <-etcd.Err():
		t.Fatal(err)
	case <-time.After(patience):
		t.Fatal(errors.New("etcd did not become ready"))
	}
	return client.String()
}

// kubeconfigOf writes a kubeconfig with a token.
func kubeconfigOf(t *testing.T, cluster *framework.Cluster, token string) string {
	t.Helper()
	config := clientcmdapi.NewConfig()
	config.Clusters["host"] = &clientcmdapi.Cluster{Server: cluster.Config.Host, CertificateAuthorityData: cluster.Config.CAData}
	config.AuthInfos["leat"] = &clientcmdapi.AuthInfo{Token: token}
	config.Contexts["leat"] = &clientcmdapi.Context{Cluster: "host", AuthInfo: "leat"}
	config.CurrentContext = "leat"
	file := filepath.Join(t.TempDir(), "kubeconfig")
	if err := clientcmd.WriteToFile(*config, file); err != nil {
		t.Fatal(err)
	}
	return file
}
