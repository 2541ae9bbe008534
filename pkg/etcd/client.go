package etcd

import (
	"fmt"
	"time"

	"go.etcd.io/etcd/client/pkg/v3/transport"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
)

// The same as those of the client that k8s.io/apiserver keeps objects by.
const (
	clientDialTimeout      = 20 * time.Second
	clientKeepAlive        = 30 * time.Second
	clientKeepAliveTimeout = 10 * time.Second
)

// ClientConfig says how an etcd is reached.
type ClientConfig struct {
	Endpoints []string
	// CAFile signed the servers' certificates. CertFile and KeyFile are what this
	// client shows. All may be empty.
	CAFile, CertFile, KeyFile string
}

// NewClient returns a client of any etcd. It connects when it is used.
func NewClient(c ClientConfig) (*clientv3.Client, error) {
	config := clientv3.Config{
		Endpoints:            c.Endpoints,
		DialTimeout:          clientDialTimeout,
		DialKeepAliveTime:    clientKeepAlive,
		DialKeepAliveTimeout: clientKeepAliveTimeout,
		// The client's own logs repeat what its errors say.
		Logger: zap.NewNop(),
	}
	if c.CertFile != "" || c.CAFile != "" {
		info := transport.TLSInfo{CertFile: c.CertFile, KeyFile: c.KeyFile, TrustedCAFile: c.CAFile}
		tlsConfig, err := info.ClientConfig()
		if err != nil {
			return nil, fmt.Errorf("reading the certificates for etcd: %w", err)
		}
		config.TLS = tlsConfig
	}
	client, err := clientv3.New(config)
	if err != nil {
		return nil, fmt.Errorf("connecting to etcd: %w", err)
	}
	return client, nil
}
