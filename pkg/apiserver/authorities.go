package apiserver

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	genericapiserver "k8s.io/apiserver/pkg/server"
	"k8s.io/apiserver/pkg/server/dynamiccertificates"
	"k8s.io/client-go/kubernetes"
)

// Authorities holds back requests with client certificates until the server
// knows who signs them.
//
// The generic server reads the authorities of the front proxy and of the users
// from the host cluster while it serves already. What comes before it has them is
// taken for anonymous: kube-apiserver, which sends requests as soon as the port is
// open if the server was there shortly before, would hand its clients a final 403
// for what they may very well do. A 503 has them try again.
type Authorities struct {
	wanted  [][]byte
	current dynamiccertificates.CAContentProvider
	known   atomic.Bool
}

// ReadAuthorities says which authorities the server reads from the host cluster;
// others were given to it as files, which are read before it starts.
type ReadAuthorities struct {
	Clients, FrontProxy bool
}

// NewAuthorities finds out which authorities the host cluster has. config must
// have its authentication set up.
func NewAuthorities(ctx context.Context, client kubernetes.Interface, config *genericapiserver.Config, read ReadAuthorities) (*Authorities, error) {
	a := &Authorities{current: config.SecureServing.ClientCA}
	if a.current == nil || read == (ReadAuthorities{}) {
		a.known.Store(true)
		return a, nil
	}
	const name = "extension-apiserver-authentication"
	published, err := client.CoreV1().ConfigMaps(metav1.NamespaceSystem).Get(ctx, name, metav1.GetOptions{})
	if err != nil && !apierrors.IsNotFound(err) {
		return nil, fmt.Errorf("reading the authorities of the host cluster: %w", err)
	}
	if read.Clients {
		a.want(published.Data["client-ca-file"])
	}
	if read.FrontProxy {
		a.want(published.Data["requestheader-client-ca-file"])
	}
	return a, nil
}

// want has the server wait for a bundle, if the host cluster has it.
func (a *Authorities) want(bundle string) {
	if trimmed := strings.TrimSpace(bundle); trimmed != "" {
		a.wanted = append(a.wanted, []byte(trimmed))
	}
}

// Name implements healthz.HealthChecker.
func (a *Authorities) Name() string { return "client-authorities" }

// Check implements healthz.HealthChecker. Once all are known it stays so: which
// they are may change later, and is followed then without a gap.
func (a *Authorities) Check(*http.Request) error {
	if a.known.Load() {
		return nil
	}
	bundle := a.current.CurrentCABundleContent()
	for _, wanted := range a.wanted {
		if !bytes.Contains(bundle, wanted) {
			return errors.New("the authorities of client certificates have not been read yet")
		}
	}
	a.known.Store(true)
	return nil
}

// Filter answers requests with a client certificate by 503 as long as the check
// fails. Tokens are verified by the host cluster, and pass.
func (a *Authorities) Filter(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if req.TLS != nil && len(req.TLS.PeerCertificates) > 0 {
			if err := a.Check(req); err != nil {
				w.Header().Set("Retry-After", "1")
				http.Error(w, err.Error(), http.StatusServiceUnavailable)
				return
			}
		}
		next.ServeHTTP(w, req)
	})
}

// HoldBack puts the authorities in front of all other handlers of the server.
func (a *Authorities) HoldBack(config *genericapiserver.Config) {
	build := config.BuildHandlerChainFunc
	config.BuildHandlerChainFunc = func(handler http.Handler, c *genericapiserver.Config) http.Handler {
		return a.Filter(build(handler, c))
	}
	config.AddReadyzChecks(a)
}
