package pki

import (
	"fmt"
	"net"
	"os"
	"path/filepath"

	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// FrontProxyName is the common name of the aggregator's client certificate.
const FrontProxyName = "front-proxy-client"

// mastersGroup is bound to cluster-admin by kube-apiserver itself.
const mastersGroup = "system:masters"

// Cluster holds every key and certificate of a cluster.
type Cluster struct {
	// CA signs servers and users.
	CA *Authority
	// FrontProxyCA signs nothing but the aggregator's client certificate.
	FrontProxyCA *Authority

	ServingCertFile, ServingKeyFile       string
	FrontProxyCertFile, FrontProxyKeyFile string
	// ServiceAccountKeyFile signs and verifies ServiceAccount tokens.
	ServiceAccountKeyFile string

	dir string
}

// Open reads the keys in dir and makes those that are missing. serviceIP is the
// address of the Service "kubernetes".
func Open(dir string, serviceIP net.IP) (*Cluster, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("creating the key directory: %w", err)
	}
	c := &Cluster{dir: dir, ServiceAccountKeyFile: filepath.Join(dir, "service-account.key")}
	var err error
	if c.CA, err = openAuthority(dir, "ca", "devcluster-ca"); err != nil {
		return nil, err
	}
	if c.FrontProxyCA, err = openAuthority(dir, "front-proxy-ca", "devcluster-front-proxy-ca"); err != nil {
		return nil, err
	}
	if _, err = openKey(c.ServiceAccountKeyFile); err != nil {
		return nil, err
	}
	c.ServingCertFile, c.ServingKeyFile, err = c.CA.ensure(dir, "apiserver", Leaf{
		CommonName: "kube-apiserver",
		DNSNames: []string{
			"localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc",
			"kubernetes.default.svc.cluster.local",
		},
		IPs: []net.IP{net.IPv4(127, 0, 0, 1), serviceIP},
	})
	if err != nil {
		return nil, err
	}
	c.FrontProxyCertFile, c.FrontProxyKeyFile, err = c.FrontProxyCA.ensure(dir, "front-proxy-client", Leaf{CommonName: FrontProxyName})
	return c, err
}

// Kubeconfig returns a kubeconfig with a new client certificate for the user.
func (c *Cluster) Kubeconfig(server, user string, groups ...string) ([]byte, error) {
	certPEM, keyPEM, err := c.CA.Issue(Leaf{CommonName: user, Groups: groups})
	if err != nil {
		return nil, err
	}
	ca, err := os.ReadFile(c.CA.CertFile)
	if err != nil {
		return nil, fmt.Errorf("reading the cluster's CA: %w", err)
	}
	const cluster = "devcluster"
	config := clientcmdapi.NewConfig()
	config.Clusters[cluster] = &clientcmdapi.Cluster{Server: server, CertificateAuthorityData: ca}
	config.AuthInfos[user] = &clientcmdapi.AuthInfo{ClientCertificateData: certPEM, ClientKeyData: keyPEM}
	config.Contexts[cluster] = &clientcmdapi.Context{Cluster: cluster, AuthInfo: user}
	config.CurrentContext = cluster
	data, err := clientcmd.Write(*config)
	if err != nil {
		return nil, fmt.Errorf("encoding the kubeconfig of %s: %w", user, err)
	}
	return data, nil
}

// EnsureKubeconfig keeps a kubeconfig of a member of system:masters in a file.
// It is written anew when the server has moved, when the certificate is about
// to expire or when another CA signed it, and left alone otherwise.
func (c *Cluster) EnsureKubeconfig(file, server, user string) error {
	if config, err := clientcmd.LoadFromFile(file); err == nil && c.current(config, server, user) {
		return nil
	}
	data, err := c.Kubeconfig(server, user, mastersGroup)
	if err != nil {
		return err
	}
	return writeFile(file, data, 0o600)
}

func (c *Cluster) current(config *clientcmdapi.Config, server, user string) bool {
	for _, cluster := range config.Clusters {
		if cluster.Server != server {
			return false
		}
	}
	auth, ok := config.AuthInfos[user]
	return ok && c.CA.signed(auth.ClientCertificateData)
}
