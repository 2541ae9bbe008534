package launch

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"

	"k8s.io/apimachinery/pkg/util/uuid"
	"k8s.io/client-go/kubernetes"

	"github.com/leat-dev/leat/pkg/apiserver/election"
)

// serverPods selects the Pods of artifacts/install.
const serverPods = "app.kubernetes.io/name=leat-apiserver"

// runElected stands by until this server is elected, and serves as long as it is.
// Nothing is opened before: the stores and etcd belong to the one that acts.
func (o launcher) runElected(ctx context.Context) (err error) {
	if err := o.Complete(); err != nil {
		return err
	}
	if err := o.Validate(); err != nil {
		return err
	}
	host, err := o.hostConfig()
	if err != nil {
		return err
	}
	client, err := kubernetes.NewForConfig(host)
	if err != nil {
		return fmt.Errorf("making a client of the host cluster: %w", err)
	}
	hostname, err := os.Hostname()
	if err != nil {
		return fmt.Errorf("finding the name of this host: %w", err)
	}
	serving := o.Recommended.SecureServing
	standby, err := election.StartStandby(ctx, net.JoinHostPort(serving.BindAddress.String(), strconv.Itoa(serving.BindPort)))
	if err != nil {
		return err
	}
	standing := true
	stop := func() error {
		if !standing {
			return nil
		}
		standing = false
		return standby.Close()
	}
	defer func() { err = errors.Join(err, stop()) }()
	return election.Run(ctx, election.Options{
		Client: client, Namespace: o.ServiceNamespace, Lease: o.ServiceName,
		Identity: hostname + "_" + string(uuid.NewUUID()), Pod: o.PodName, Selector: serverPods,
	}, func(ctx context.Context) error {
		if err := stop(); err != nil {
			return err
		}
		return run(ctx, o.Options)
	})
}
