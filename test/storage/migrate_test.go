package storage

import (
	"crypto/x509"
	"net"
	"net/url"
	"strings"
	"testing"
	"time"

	"go.etcd.io/etcd/client/pkg/v3/transport"
	"go.etcd.io/etcd/server/v3/embed"
	"go.uber.org/zap"
)

// startEtcd starts an external etcd that wants a client certificate, and returns its
// address and the files to reach it by.
func startEtcd(t *testing.T) (string, transport.TLSInfo) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	client := url.URL{Scheme: "https", Host: listener.Addr().String()}
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	// One certificate that signs itself is authority, server and client.
	info, err := transport.SelfCert(zap.NewNop(), t.TempDir(), []string{client.Host}, 1, x509.ExtKeyUsageClientAuth)
	if err != nil {
		t.Fatal(err)
	}
	config := embed.NewConfig()
	config.Dir = t.TempDir()
	config.UnsafeNoFsync = true
	config.ZapLoggerBuilder = embed.NewZapLoggerBuilder(zap.NewNop())
	config.ListenClientUrls, config.AdvertiseClientUrls = []url.URL{client}, []url.URL{client}
	config.ListenPeerUrls = nil
	config.ClientTLSInfo = transport.TLSInfo{CertFile: info.CertFile, KeyFile: info.KeyFile, TrustedCAFile: info.CertFile, ClientCertAuth: true}
	server, err := embed.StartEtcd(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	select {
	case <-server.Server.ReadyNotify():
	case err := <-server.Err():
		t.Fatal(err)
	case <-time.After(patience):
		t.Fatal("etcd did not become ready")
	}
	return client.String(), config.ClientTLSInfo
}

// TestMigrate moves a server that has applied something to an external etcd: it goes
// on there as if nothing had happened, and cannot go on where it was.
func TestMigrate(t *testing.T) {
	ns := cluster.Namespace(t)
	repo := newRepository(t, "migrate.git")
	l := newLeat(t, "--etcd-ephemeral")
	l.start()
	revision := push(t, repo, map[string]string{"one/stays": "1", "one/goes": "1"})
	apply(t, source(ns, "migrate.git")+kustomization(ns, "one", "./one", ""))
	waitApplied(t, ns, revision, "one")
	uid := kubectl(t, "get", "--namespace", ns, "kustomization/one", "-o", "jsonpath={.metadata.uid}")
	before, seen := configMaps(t, ns), resourceVersion(t, ns)
	l.stop()

	endpoint, info := startEtcd(t)
	files := func(prefix string) []string {
		return []string{"--" + prefix + "cafile", info.TrustedCAFile, "--" + prefix + "certfile", info.CertFile, "--" + prefix + "keyfile", info.KeyFile}
	}
	to := append([]string{"migrate", "--to", endpoint}, files("to-")...)
	l.wantRefusal("does not answer", "migrate", "--to", endpoint)
	l.wantRefusal("too far behind", append(to, "--max-revision-gap", "1")...)
	if out := l.etcd(to...); !strings.Contains(out, "moved ") || !strings.Contains(out, "--etcd-servers="+endpoint) {
		t.Errorf("migrate printed %q", out)
	}
	l.wantRefusal("holds keys below the prefix", to...)
	if err := l.Start(t.Context()); err == nil || !strings.Contains(l.log(), "was moved to another one") || !strings.Contains(l.log(), endpoint) {
		t.Errorf("a server on what was moved: %v, want it to refuse and say where to", err)
	}

	external := newLeatIn(t, l.dir, append([]string{"--etcd-servers", endpoint}, files("etcd-")...)...)
	external.start()
	if got := kubectl(t, "get", "--namespace", ns, "kustomization/one", "-o", "jsonpath={.metadata.uid}"); got != uid {
		t.Errorf("the object has uid %s after the migration, want %s", got, uid)
	}
	if now := resourceVersion(t, ns); now <= seen {
		t.Errorf("resource version %d after the migration, %d before it", now, seen)
	}
	unchanged(t, ns, before)
	revision = push(t, repo, map[string]string{"one/stays": "1"})
	fetch(t, ns)
	waitApplied(t, ns, revision, "one")
	if _, there := configMaps(t, ns)["goes"]; there {
		t.Error("what left the set is not pruned: the inventory was lost")
	}
	backup := t.TempDir() + "/external.db"
	out, err := runEtcd(t, nil, append([]string{"snapshot", backup, "--etcd-servers", endpoint}, files("etcd-")...)...)
	if err != nil || !strings.Contains(out, "saved a snapshot") {
		t.Errorf("snapshot of the external etcd: %v, %q", err, out)
	}
	external.stop()

	// And back, by the snapshot.
	l.etcd("restore", backup, "--replace")
	l.start()
	waitApplied(t, ns, revision, "one")
	if got := configMaps(t, ns)["stays"]; got.UID != before["stays"].UID {
		t.Errorf("ConfigMap stays has uid %s after all, want %s", got.UID, before["stays"].UID)
	}
}

// unchanged asks the Kustomization "one" to run, and wants that to have changed
// nothing in the cluster.
func unchanged(t *testing.T, ns string, before map[string]configMap) {
	t.Helper()
	token := time.Now().Format(time.RFC3339Nano)
	kubectl(t, "annotate", "--overwrite", "--namespace", ns, "kustomization/one", "reconcile.fluxcd.io/requestedAt="+token)
	kubectl(t, "wait", "--namespace", ns, "--timeout", patience.String(), "--for=jsonpath={.status.lastHandledReconcileAt}="+token, "kustomization/one")
	after := configMaps(t, ns)
	for name, was := range before {
		if after[name] != was {
			t.Errorf("ConfigMap %s was %+v and is %+v", name, was, after[name])
		}
	}
}
