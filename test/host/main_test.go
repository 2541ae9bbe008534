package host

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/rand"
	"k8s.io/apiserver/pkg/server/dynamiccertificates"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	apiregistrationv1 "k8s.io/kube-aggregator/pkg/apis/apiregistration/v1"
	aggregator "k8s.io/kube-aggregator/pkg/client/clientset_generated/clientset"

	"github.com/leat-dev/leat/pkg/apiserver/certs"
	"github.com/leat-dev/leat/pkg/apiserver/registration"
	"github.com/leat-dev/leat/test/framework"
)

const (
	patience     = time.Minute
	pollInterval = 20 * time.Millisecond
	serviceName  = "leat-apiserver"
)

// cluster is the control plane of all tests. What is installed has fixed names, so
// that it is not shared with other packages.
var cluster *framework.Cluster

func TestMain(m *testing.M) {
	os.Exit(framework.Main(m, framework.Options{Private: true}, &cluster))
}

func coreClient(t *testing.T, config *rest.Config) kubernetes.Interface {
	t.Helper()
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

func aggregatorClient(t *testing.T, config *rest.Config) aggregator.Interface {
	t.Helper()
	client, err := aggregator.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// await polls until the condition holds. The last thing that it said is told when it
// never does.
func await(t *testing.T, what string, condition func(context.Context) (ok bool, state string)) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	ticker := time.NewTicker(pollInterval)
	defer ticker.Stop()
	for {
		ok, state := condition(ctx)
		if ok {
			return
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			t.Fatalf("waiting for %s: %s", what, state)
		}
	}
}

// runUntilEnd runs something that ends with its context, until the test ends or the
// returned function is called.
func runUntilEnd(t *testing.T, run func(context.Context)) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		run(ctx)
	}()
	stop = func() { cancel(); <-done }
	t.Cleanup(stop)
	return stop
}

// uniqueGroup returns an API group that no other test uses.
func uniqueGroup() schema.GroupVersion {
	return schema.GroupVersion{Group: "test-" + rand.String(6) + ".leat.dev", Version: "v1"}
}

func nameOf(gv schema.GroupVersion) string { return gv.Version + "." + gv.Group }

// backend is the least of an aggregated API server: it answers discovery, with the
// certificate of a manager.
type backend struct {
	certs *certs.Manager
	port  int32
}

// newBackend starts one that keeps its certificate in namespace.
func newBackend(t *testing.T, config *rest.Config, namespace string, createNamespace bool) *backend {
	t.Helper()
	manager, err := certs.New(certs.Options{Client: coreClient(t, config), Namespace: namespace, Service: serviceName, CreateNamespace: createNamespace})
	if err != nil {
		t.Fatal(err)
	}
	base := &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"}}
	controller := dynamiccertificates.NewDynamicServingCertificateController(base, nil, manager, nil, nil)
	manager.AddListener(controller)
	if err := controller.RunOnce(); err != nil {
		t.Fatal(err)
	}
	runUntilEnd(t, func(ctx context.Context) { controller.Run(1, ctx.Done()) })
	runUntilEnd(t, func(ctx context.Context) { manager.Run(ctx, 1) })

	tlsConfig := base.Clone()
	tlsConfig.GetConfigForClient = controller.GetConfigForClient
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(answerDiscovery), TLSConfig: tlsConfig, ReadHeaderTimeout: patience}
	go func() { _ = server.ServeTLS(listener, "", "") }()
	t.Cleanup(func() { _ = server.Close() })
	return &backend{certs: manager, port: int32(listener.Addr().(*net.TCPAddr).Port)}
}

// marker is a resource that only backends have.
const marker = "leatmarkers"

func answerDiscovery(w http.ResponseWriter, request *http.Request) {
	gv, found := strings.CutPrefix(request.URL.Path, "/apis/")
	if !found || strings.Count(gv, "/") != 1 {
		http.NotFound(w, request)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(metav1.APIResourceList{
		TypeMeta:     metav1.TypeMeta{Kind: "APIResourceList", APIVersion: "v1"},
		GroupVersion: gv,
		APIResources: []metav1.APIResource{{Name: marker, SingularName: "leatmarker", Kind: "LeatMarker", Namespaced: true, Verbs: metav1.Verbs{"get"}}},
	})
}

// register has a registrar keep the backend's APIServices.
func (b *backend) register(t *testing.T, config *rest.Config, namespace string, change func(*registration.Options)) (r *registration.Registrar, stop func()) {
	t.Helper()
	options := registration.Options{
		Client: aggregatorClient(t, config), Core: coreClient(t, config), CABundle: b.certs,
		Namespace: namespace, Service: serviceName, Port: b.port, ExternalName: "localhost",
	}
	change(&options)
	r, err := registration.New(options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { deleteAPIServices(t, options.GroupVersions) })
	return r, runUntilEnd(t, r.Run)
}

// deleteAPIServices takes back what a test registered: one without a server behind it
// holds up the deletion of every namespace.
func deleteAPIServices(t *testing.T, gvs []schema.GroupVersion) {
	client := aggregatorClient(t, cluster.Config).ApiregistrationV1().APIServices()
	for _, gv := range gvs {
		if err := client.Delete(context.WithoutCancel(t.Context()), nameOf(gv), metav1.DeleteOptions{}); err != nil {
			t.Logf("deleting APIService %s: %v", nameOf(gv), err)
		}
	}
}

// awaitServed waits until kube-apiserver sends requests of the group to a backend.
func awaitServed(t *testing.T, gv schema.GroupVersion) {
	t.Helper()
	client := coreClient(t, cluster.Config).Discovery().RESTClient()
	await(t, gv.String()+" to be served through the aggregator", func(ctx context.Context) (bool, string) {
		body, err := client.Get().AbsPath("/apis/" + gv.String()).DoRaw(ctx)
		return err == nil && strings.Contains(string(body), marker), fmt.Sprintf("%v, %s", err, body)
	})
}

// awaitAPIService waits until the APIService is as the condition wants it.
func awaitAPIService(t *testing.T, gv schema.GroupVersion, what string, condition func(*apiregistrationv1.APIService) bool) *apiregistrationv1.APIService {
	t.Helper()
	client := aggregatorClient(t, cluster.Config).ApiregistrationV1().APIServices()
	var found *apiregistrationv1.APIService
	await(t, nameOf(gv)+" "+what, func(ctx context.Context) (bool, string) {
		s, err := client.Get(ctx, nameOf(gv), metav1.GetOptions{})
		if err != nil {
			return false, err.Error()
		}
		found = s
		return condition(s), fmt.Sprintf("%+v\n%+v", s.Spec, s.Status)
	})
	return found
}

func isAvailable(s *apiregistrationv1.APIService) bool {
	for _, c := range s.Status.Conditions {
		if c.Type == apiregistrationv1.Available {
			return c.Status == apiregistrationv1.ConditionTrue
		}
	}
	return false
}
