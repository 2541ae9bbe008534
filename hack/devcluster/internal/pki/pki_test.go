package pki

import (
	"bytes"
	"crypto/x509"
	"net"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/util/cert"
)

const server = "https://127.0.0.1:20000"

func open(t *testing.T, dir string) *Cluster {
	t.Helper()
	c, err := Open(dir, net.IPv4(10, 96, 0, 1))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func verify(t *testing.T, certPEM []byte, caFile string, usage x509.ExtKeyUsage) (*x509.Certificate, error) {
	t.Helper()
	certs, err := cert.ParseCertsPEM(certPEM)
	if err != nil {
		t.Fatal(err)
	}
	pool, err := cert.NewPool(caFile)
	if err != nil {
		t.Fatal(err)
	}
	_, err = certs[0].Verify(x509.VerifyOptions{Roots: pool, KeyUsages: []x509.ExtKeyUsage{usage}})
	return certs[0], err
}

func read(t *testing.T, file string) []byte {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestUsers(t *testing.T) {
	t.Parallel()
	c := open(t, t.TempDir())
	data, err := c.Kubeconfig(server, "ada", "engineers", "admins")
	if err != nil {
		t.Fatal(err)
	}
	config, err := clientcmd.RESTConfigFromKubeConfig(data)
	if err != nil {
		t.Fatal(err)
	}
	if config.Host != server || !bytes.Equal(config.CAData, read(t, c.CA.CertFile)) {
		t.Errorf("kubeconfig leads to %s", config.Host)
	}
	user, err := verify(t, config.CertData, c.CA.CertFile, x509.ExtKeyUsageClientAuth)
	if err != nil {
		t.Error(err)
	}
	slices.Sort(user.Subject.Organization) // a certificate holds them as a set
	if diff := cmp.Diff([]string{"admins", "engineers"}, user.Subject.Organization); diff != "" || user.Subject.CommonName != "ada" {
		t.Errorf("user %s in groups (-want +got):\n%s", user.Subject.CommonName, diff)
	}
	// The aggregated servers believe whatever the front proxy says.
	if _, err := verify(t, config.CertData, c.FrontProxyCA.CertFile, x509.ExtKeyUsageClientAuth); err == nil {
		t.Error("a user can pass as the front proxy")
	}
	if _, err := verify(t, config.CertData, c.CA.CertFile, x509.ExtKeyUsageServerAuth); err == nil {
		t.Error("a user can pass as a server")
	}
}

func TestServingCertificate(t *testing.T) {
	t.Parallel()
	c := open(t, t.TempDir())
	serving, err := verify(t, read(t, c.ServingCertFile), c.CA.CertFile, x509.ExtKeyUsageServerAuth)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"127.0.0.1", "10.96.0.1", "localhost", "kubernetes.default.svc"} {
		if err := serving.VerifyHostname(name); err != nil {
			t.Error(err)
		}
	}
}

func TestEverythingIsKept(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	kubeconfig := filepath.Join(dir, "kubeconfig")
	contents := func() map[string]string {
		t.Helper()
		c := open(t, filepath.Join(dir, "pki"))
		if err := c.EnsureKubeconfig(kubeconfig, server, "admin"); err != nil {
			t.Fatal(err)
		}
		got := map[string]string{"kubeconfig": string(read(t, kubeconfig))}
		entries, err := os.ReadDir(c.dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			file := filepath.Join(c.dir, e.Name())
			got[e.Name()] = string(read(t, file))
			info, err := os.Stat(file)
			if err != nil {
				t.Fatal(err)
			}
			if filepath.Ext(file) == ".key" && info.Mode().Perm() != 0o600 {
				t.Errorf("%s can be read by others: %s", e.Name(), info.Mode())
			}
		}
		return got
	}
	first := contents()
	if diff := cmp.Diff(first, contents()); diff != "" {
		t.Errorf("second opening (-first +second):\n%s", diff)
	}

	// Another port, and later another CA, make another kubeconfig.
	c := open(t, filepath.Join(dir, "pki"))
	if err := c.EnsureKubeconfig(kubeconfig, "https://127.0.0.1:20001", "admin"); err != nil {
		t.Fatal(err)
	}
	if bytes.Equal(read(t, kubeconfig), []byte(first["kubeconfig"])) {
		t.Error("the kubeconfig does not follow the server's port")
	}
	other := open(t, filepath.Join(dir, "other"))
	before := read(t, kubeconfig)
	if err := other.EnsureKubeconfig(kubeconfig, "https://127.0.0.1:20001", "admin"); err != nil {
		t.Fatal(err)
	}
	if bytes.Equal(read(t, kubeconfig), before) {
		t.Error("the kubeconfig does not follow the CA")
	}
}

func TestBrokenKeyIsNotReplaced(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	open(t, dir)
	key := filepath.Join(dir, "ca.key")
	if err := os.WriteFile(key, []byte("broken"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir, net.IPv4(10, 96, 0, 1)); err == nil {
		t.Error("a broken key was replaced: every kubeconfig would be void")
	}
}
