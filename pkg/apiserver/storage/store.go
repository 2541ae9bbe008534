package storage

import (
	"context"
	"errors"
	"fmt"
	"path"
	"path/filepath"

	"github.com/spf13/pflag"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/leat-dev/leat/pkg/apiserver/options"
	"github.com/leat-dev/leat/pkg/etcd"
	"github.com/leat-dev/leat/pkg/record"
)

// store says which etcd is meant, by the flags of the server.
type store struct {
	dataDir, prefix string
	external        etcd.ClientConfig
}

func newStore() *store {
	return &store{dataDir: options.DefaultDataDir, prefix: options.New().Recommended.Etcd.StorageConfig.Prefix}
}

func (s *store) addFlags(fs *pflag.FlagSet) {
	fs.StringVar(&s.dataDir, "data-dir", s.dataDir, "data directory of the server; the embedded etcd is in it")
	fs.StringVar(&s.prefix, "etcd-prefix", s.prefix, "what the keys of all objects begin with")
	addClientFlags(fs, &s.external, "etcd-", "the external etcd; empty for the embedded one")
}

// addClientFlags adds the flags that say how an etcd is reached.
func addClientFlags(fs *pflag.FlagSet, c *etcd.ClientConfig, prefix, of string) {
	fs.StringSliceVar(&c.Endpoints, prefix+"servers", nil, "addresses, as https://host:port, of "+of)
	fs.StringVar(&c.CAFile, prefix+"cafile", "", "file with the authorities that signed the certificates of those servers")
	fs.StringVar(&c.CertFile, prefix+"certfile", "", "file with the certificate that those servers are shown")
	fs.StringVar(&c.KeyFile, prefix+"keyfile", "", "file with the key of that certificate")
}

func (s *store) embedded() bool { return len(s.external.Endpoints) == 0 }

// needEmbedded refuses flags of an external etcd.
func (s *store) needEmbedded() error {
	if !s.embedded() {
		return errors.New("--etcd-servers: this command works on the embedded etcd only")
	}
	return s.validate()
}

// validate refuses flags that contradict each other.
func (s *store) validate() error {
	if s.embedded() && (s.external.CAFile != "" || s.external.CertFile != "" || s.external.KeyFile != "") {
		return errors.New("--etcd-cafile, --etcd-certfile and --etcd-keyfile need --etcd-servers")
	}
	if (s.external.CertFile == "") != (s.external.KeyFile == "") {
		return errors.New("--etcd-certfile and --etcd-keyfile must be set together")
	}
	return nil
}

// dir is where the embedded etcd is.
func (s *store) dir() (string, error) {
	dir, err := filepath.Abs(s.dataDir)
	if err != nil {
		return "", fmt.Errorf("--data-dir %q: %w", s.dataDir, err)
	}
	return (&options.Options{DataDir: dir}).EtcdDir(), nil
}

// open gives access to the etcd. The caller closes it.
func (s *store) open(ctx context.Context) (*etcd.Access, error) {
	if err := s.validate(); err != nil {
		return nil, err
	}
	if !s.embedded() {
		return etcd.Connect(ctx, s.external)
	}
	dir, err := s.dir()
	if err != nil {
		return nil, err
	}
	access, err := etcd.Open(ctx, etcd.Config{Dir: dir})
	if errors.Is(err, etcd.ErrNoData) {
		err = fmt.Errorf("%w: is --data-dir that of the server, or does the server use --etcd-servers?", err)
	}
	return access, err
}

// records are what the server notes down for itself.
func (s *store) records(client *clientv3.Client) *record.Store {
	return record.New(client, path.Join(s.prefix, options.InternalRecords))
}

// count returns how many keys the server has in the etcd.
func (s *store) count(ctx context.Context, client *clientv3.Client) (int64, error) {
	response, err := client.Get(ctx, path.Join("/", s.prefix)+"/", clientv3.WithPrefix(), clientv3.WithCountOnly())
	if err != nil {
		return 0, fmt.Errorf("counting the keys below %s: %w", s.prefix, err)
	}
	return response.Count, nil
}
