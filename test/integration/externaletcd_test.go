package integration

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.etcd.io/etcd/client/pkg/v3/transport"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/embed"
	"go.uber.org/zap"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/leat-dev/leat/pkg/apiserver/options"
)

// authority signs certificates for one test.
type authority struct {
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{dir: t.TempDir()}
	a.cert, a.key = a.issue(t, "ca", &x509.Certificate{IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign})
	return a
}

func (a *authority) file(name string) string { return filepath.Join(a.dir, name) }

// issue signs a certificate and writes <name>.crt and <name>.key.
func (a *authority) issue(t *testing.T, name string, template *x509.Certificate) (*x509.Certificate, *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template.SerialNumber = big.NewInt(time.Now().UnixNano())
	template.Subject = pkix.Name{CommonName: name}
	template.NotBefore, template.NotAfter = time.Now().Add(-time.Minute), time.Now().Add(time.Hour)
	signer, signerKey := a.cert, a.key
	if signer == nil {
		signer, signerKey = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, signer, &key.PublicKey, signerKey)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for file, block := range map[string]*pem.Block{
		name + ".crt": {Type: "CERTIFICATE", Bytes: der},
		name + ".key": {Type: "EC PRIVATE KEY", Bytes: keyDER},
	} {
		if err := os.WriteFile(a.file(file), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return cert, key
}

// startEtcd starts an etcd that wants TLS and a client certificate, and returns
// its address.
func startEtcd(t *testing.T, a *authority) string {
	t.Helper()
	a.issue(t, "etcd", &x509.Certificate{
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	client := url.URL{Scheme: "https", Host: listener.Addr().String()}
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	config := embed.NewConfig()
	config.Dir = t.TempDir()
	config.UnsafeNoFsync = true
	config.ZapLoggerBuilder = embed.NewZapLoggerBuilder(zap.NewNop())
	config.ListenClientUrls, config.AdvertiseClientUrls = []url.URL{client}, []url.URL{client}
	config.ListenPeerUrls = nil
	config.ClientTLSInfo = transport.TLSInfo{
		CertFile: a.file("etcd.crt"), KeyFile: a.file("etcd.key"), TrustedCAFile: a.file("ca.crt"), ClientCertAuth: true,
	}
	etcd, err := embed.StartEtcd(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(etcd.Close)
	select {
	case <-etcd.Server.ReadyNotify():
	case err := <-etcd.Err():
		t.Fatal(err)
	case <-time.After(startTimeout):
		t.Fatal("etcd did not become ready")
	}
	return client.String()
}

func TestExternalEtcd(t *testing.T) {
	ctx, ns := testContext(t), cluster.Namespace(t)
	a := newAuthority(t)
	a.issue(t, "client", &x509.Certificate{ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
	endpoint := startEtcd(t, a)
	dir := t.TempDir()
	onEtcd := func(o *options.Options) {
		o.RegisterAPIServices = false
		o.EtcdEphemeral = false
		storage := &o.Recommended.Etcd.StorageConfig
		storage.Prefix = "/tenant/leat"
		storage.Transport.ServerList = []string{endpoint}
		storage.Transport.TrustedCAFile = a.file("ca.crt")
		storage.Transport.CertFile, storage.Transport.KeyFile = a.file("client.crt"), a.file("client.key")
		o.Recommended.Etcd.EncryptionProviderConfigFilepath = encryptionConfig(t)
	}
	first, err := startServer(ctx, dir, onEtcd)
	if err != nil {
		t.Fatal(err)
	}
	created := newClients(t, first.direct).create(ctx, t, gitRepositories, ns, repositoryYAML)
	if err := first.records.Put(ctx, "test", "uid", []byte("noted")); err != nil {
		t.Error(err)
	}
	if err := first.stop(); err != nil {
		t.Fatal(err)
	}
	if entries, err := os.ReadDir(filepath.Join(dir, "data", "etcd")); err == nil {
		t.Errorf("the server started an etcd of its own: %v", entries)
	}
	checkStored(ctx, t, a, endpoint)

	second, err := startServer(ctx, dir, onEtcd)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := second.stop(); err != nil {
			t.Error(err)
		}
	}()
	got, err := newClients(t, second.direct).dynamic.Resource(gitRepositories).Namespace(ns).Get(ctx, "demo", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if got.GetUID() != created.GetUID() || got.GetResourceVersion() != created.GetResourceVersion() {
		t.Errorf("after a restart: uid %s, version %s; before it: uid %s, version %s", got.GetUID(), got.GetResourceVersion(), created.GetUID(), created.GetResourceVersion())
	}
	if noted, err := second.records.Get(ctx, "test", "uid"); err != nil || string(noted) != "noted" {
		t.Errorf("record after a restart: %q, %v", noted, err)
	}
}

// encryptionConfig is a file that has our kinds encrypted at rest.
func encryptionConfig(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "encryption.yaml")
	config := `
apiVersion: apiserver.config.k8s.io/v1
kind: EncryptionConfiguration
resources:
- resources: [gitrepositories.source.toolkit.fluxcd.io]
  providers:
  - secretbox: {keys: [{name: one, secret: "` + strings.Repeat("QUFB", 10) + `QUE="}]}
`
	if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// checkStored looks at what is in etcd: under the prefix, and encrypted.
func checkStored(ctx context.Context, t *testing.T, a *authority, endpoint string) {
	t.Helper()
	info := transport.TLSInfo{CertFile: a.file("client.crt"), KeyFile: a.file("client.key"), TrustedCAFile: a.file("ca.crt")}
	tlsConfig, err := info.ClientConfig()
	if err != nil {
		t.Fatal(err)
	}
	client, err := clientv3.New(clientv3.Config{Endpoints: []string{endpoint}, TLS: tlsConfig, DialTimeout: startTimeout, Logger: zap.NewNop()})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = client.Close() }()
	response, err := client.Get(ctx, "", clientv3.WithPrefix())
	if err != nil {
		t.Fatal(err)
	}
	objects := 0
	for _, kv := range response.Kvs {
		key := string(kv.Key)
		if !strings.HasPrefix(key, "/tenant/leat/") && !strings.HasPrefix(key, "compact_rev_key") {
			t.Errorf("key outside of the prefix: %s", key)
		}
		if strings.HasPrefix(key, "/tenant/leat/source.toolkit.fluxcd.io/gitrepositories/") {
			objects++
			if bytes.Contains(kv.Value, []byte("git.example.com")) || !bytes.HasPrefix(kv.Value, []byte("k8s:enc:secretbox:v1:one:")) {
				t.Errorf("%s is not encrypted", key)
			}
		}
	}
	if objects != 1 {
		t.Errorf("%d objects are stored, want 1", objects)
	}
}
