package integration

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	kustomizev1 "github.com/leat-dev/leat/pkg/apis/kustomize/v1"
	"github.com/leat-dev/leat/pkg/apiserver/launch"
	"github.com/leat-dev/leat/pkg/apiserver/options"
	"github.com/leat-dev/leat/pkg/artifact"
	"github.com/leat-dev/leat/pkg/build/worker"
	"github.com/leat-dev/leat/pkg/record"
	"github.com/leat-dev/leat/pkg/runlog"
	"github.com/leat-dev/leat/test/framework"
)

const (
	startTimeout = 2 * time.Minute
	testTimeout  = 2 * time.Minute
	pollInterval = 20 * time.Millisecond
)

var (
	// cluster is the host cluster that all tests share.
	cluster *framework.Cluster
	// server is the one that is registered in it.
	server *testServer
	// makers make the previews of its objects.
	makers = &previewMakers{}
)

// workerArgument makes the test binary a build worker.
const workerArgument = "leat-build-worker"

func TestMain(m *testing.M) {
	if len(os.Args) == 2 && os.Args[1] == workerArgument {
		if err := worker.Serve(os.Stdin, os.Stdout); err != nil {
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(run(m))
}

func run(m *testing.M) int {
	var err error
	ctx := context.Background()
	// The server registers itself for whole API groups, so nobody else can use the
	// cluster.
	if cluster, err = framework.Start(ctx, framework.Options{Private: true}); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() {
		if err := cluster.Stop(); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
	}()
	dir, err := os.MkdirTemp("", "leat-integration-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(dir) }()
	server, err = startServer(ctx, dir, func(o *options.Options) { o.ServiceExternalName = "localhost" })
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	code := 1
	if err := waitAvailable(ctx); err != nil {
		fmt.Fprintln(os.Stderr, err)
	} else {
		code = m.Run()
	}
	if err := server.stop(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

// testServer is a server in this process.
type testServer struct {
	artifacts *artifact.Store
	records   *record.Store
	log       *runlog.Log
	// direct connects to the server without the aggregator, as an administrator.
	direct *rest.Config
	cancel context.CancelFunc
	done   chan error
}

// startServer starts a server that keeps its data in dir, and waits until it is
// ready.
func startServer(ctx context.Context, dir string, change func(*options.Options)) (*testServer, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	o := options.New()
	o.Recommended.CoreAPI.CoreAPIKubeconfigPath = cluster.Kubeconfig
	o.Recommended.SecureServing.Listener = listener
	o.Recommended.SecureServing.BindPort = listener.Addr().(*net.TCPAddr).Port
	o.DataDir = filepath.Join(dir, "data")
	o.EtcdEphemeral = true
	o.Reconcile = false
	change(o)

	direct := rest.CopyConfig(cluster.Config)
	direct.Host = "https://" + listener.Addr().String()
	direct.TLSClientConfig.Insecure = true
	direct.TLSClientConfig.CAData, direct.TLSClientConfig.CAFile = nil, ""

	process, err := launch.Prepare(ctx, o)
	if err != nil {
		return nil, err
	}
	if !o.Reconcile {
		process.Previews.Add(kustomizev1.Kind(kustomizev1.KustomizationKind), makers)
	}
	ctx, cancel := context.WithCancel(ctx)
	s := &testServer{artifacts: process.Engines.Artifacts, records: process.Engines.Records, log: process.Engines.Log, direct: direct, cancel: cancel, done: make(chan error, 1)}
	go func() { s.done <- process.Run(ctx) }()
	if err := s.waitReady(ctx); err != nil {
		return nil, errors.Join(err, s.stop())
	}
	return s, nil
}

// waitReady asks /readyz, which needs no rights.
func (s *testServer) waitReady(ctx context.Context) error {
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	defer client.CloseIdleConnections()
	err := wait.PollUntilContextTimeout(ctx, pollInterval, startTimeout, true, func(ctx context.Context) (bool, error) {
		select {
		case err := <-s.done:
			s.done <- err
			return false, fmt.Errorf("the server ended: %w", err)
		default:
		}
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.direct.Host+"/readyz", nil)
		if err != nil {
			return false, err
		}
		response, err := client.Do(req)
		if err != nil {
			return false, nil
		}
		defer func() { _ = response.Body.Close() }()
		return response.StatusCode == http.StatusOK, nil
	})
	if err != nil {
		return fmt.Errorf("waiting for the server to be ready: %w", err)
	}
	return nil
}

func (s *testServer) stop() error {
	s.cancel()
	select {
	case err := <-s.done:
		return err
	case <-time.After(startTimeout):
		return fmt.Errorf("the server did not stop within %s", startTimeout)
	}
}

// waitAvailable waits until kube-apiserver passes requests on to the server.
func waitAvailable(ctx context.Context) error {
	client, err := dynamic.NewForConfig(cluster.Config)
	if err != nil {
		return err
	}
	err = wait.PollUntilContextTimeout(ctx, pollInterval, startTimeout, true, func(ctx context.Context) (bool, error) {
		for _, resource := range []dynamic.NamespaceableResourceInterface{client.Resource(gitRepositories), client.Resource(kustomizations)} {
			if _, err := resource.List(ctx, metav1.ListOptions{}); err != nil {
				return false, nil
			}
		}
		return describes(ctx), nil
	})
	if err != nil {
		return fmt.Errorf("waiting for the aggregator: %w", err)
	}
	return nil
}

// describes tells whether kube-apiserver publishes our OpenAPI, which it fetches
// some time after it sends the first requests.
func describes(ctx context.Context) bool {
	client, err := kubernetes.NewForConfig(cluster.Config)
	if err != nil {
		return false
	}
	for _, resource := range []schema.GroupVersionResource{gitRepositories, kustomizations} {
		if _, err := client.Discovery().RESTClient().Get().AbsPath("/openapi/v3/apis/" + resource.GroupVersion().String()).Do(ctx).Raw(); err != nil {
			return false
		}
	}
	return true
}
