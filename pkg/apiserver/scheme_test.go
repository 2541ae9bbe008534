package apiserver_test

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	openapinamer "k8s.io/apiserver/pkg/endpoints/openapi"
	"k8s.io/apiserver/pkg/endpoints/request"
	genericapiserver "k8s.io/apiserver/pkg/server"
	"k8s.io/apiserver/pkg/server/dynamiccertificates"
	"k8s.io/client-go/kubernetes/fake"

	kustomizev1 "github.com/leat-dev/leat/pkg/apis/kustomize/v1"
	sourcev1 "github.com/leat-dev/leat/pkg/apis/source/v1"
	"github.com/leat-dev/leat/pkg/apiserver"
	"github.com/leat-dev/leat/pkg/registry/kustomize"
	"github.com/leat-dev/leat/pkg/registry/source"
)

func newScheme(t *testing.T) *apiserver.Scheme {
	t.Helper()
	scheme, err := apiserver.NewScheme(&source.Group{}, &kustomize.Group{})
	if err != nil {
		t.Fatal(err)
	}
	return scheme
}

// TestStoredVersion is about every kind, because one wrong answer would write
// objects that cannot be read again.
func TestStoredVersion(t *testing.T) {
	scheme := newScheme(t)
	tests := map[runtime.Object]schema.GroupVersionKind{
		&sourcev1.GitRepository{}:    {Group: "source.toolkit.fluxcd.io", Version: "v1", Kind: "GitRepository"},
		&kustomizev1.Kustomization{}: {Group: "kustomize.toolkit.fluxcd.io", Version: "v1", Kind: "Kustomization"},
	}
	known := 0
	for gvk := range scheme.AllKnownTypes() {
		if gvk.Version != runtime.APIVersionInternal && strings.HasSuffix(gvk.Group, ".toolkit.fluxcd.io") && scheme.Recognizes(gvk.GroupVersion().WithKind(gvk.Kind+"List")) {
			known++
		}
	}
	if known != len(tests) {
		t.Errorf("the scheme has %d kinds, this test knows %d", known, len(tests))
	}
	for obj, want := range tests {
		kinds, _, err := scheme.ObjectKinds(obj)
		if err != nil {
			t.Fatal(err)
		}
		if got, ok := scheme.StorageVersioner().KindForGroupVersionKinds(kinds); !ok || got != want {
			t.Errorf("%s is stored as %s", want.Kind, got)
		}
		data, err := runtime.Encode(scheme.StorageCodec(), obj)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Contains(data, []byte(`"apiVersion":"`+want.GroupVersion().String()+`"`)) {
			t.Errorf("%s is stored as %s", want.Kind, data)
		}
		back, err := runtime.Decode(scheme.StorageCodec(), data)
		if err != nil {
			t.Fatal(err)
		}
		scheme.Default(obj)
		if diff := cmp.Diff(obj, withoutKind(back)); diff != "" {
			t.Errorf("%s after a round through storage (-stored +read):\n%s", want.Kind, diff)
		}
	}
}

func withoutKind(obj runtime.Object) runtime.Object {
	obj.GetObjectKind().SetGroupVersionKind(schema.GroupVersionKind{})
	return obj
}

func TestExternalSchemeHasNoInternalVersion(t *testing.T) {
	scheme := newScheme(t)
	internal := schema.GroupVersionKind{Group: sourcev1.GroupName, Version: runtime.APIVersionInternal, Kind: "GitRepository"}
	if !scheme.Recognizes(internal) {
		t.Error("the server's scheme does not know the internal version")
	}
	if scheme.External.Recognizes(internal) {
		t.Error("the external scheme knows the internal version")
	}
	_, extensions := openapinamer.NewDefinitionNamer(scheme.External).GetDefinitionName((&sourcev1.GitRepository{}).OpenAPIModelName())
	want := []any{map[string]any{"group": "source.toolkit.fluxcd.io", "kind": "GitRepository", "version": "v1"}}
	if diff := cmp.Diff(want, extensions["x-kubernetes-group-version-kind"]); diff != "" {
		t.Errorf("kinds of the published model (-want +got):\n%s", diff)
	}
}

func TestWithoutProtobuf(t *testing.T) {
	scheme := newScheme(t)
	var types []string
	for _, info := range apiserver.WithoutProtobuf(scheme.Codecs).SupportedMediaTypes() {
		types = append(types, info.MediaType)
	}
	if slices.Contains(types, runtime.ContentTypeProtobuf) || !slices.Contains(types, runtime.ContentTypeJSON) || !slices.Contains(types, runtime.ContentTypeYAML) {
		t.Errorf("media types: %v", types)
	}
}

func TestLongRunning(t *testing.T) {
	check := apiserver.LongRunning()
	for name, test := range map[string]struct {
		info request.RequestInfo
		want bool
	}{
		"watch":     {request.RequestInfo{IsResourceRequest: true, Verb: "watch", Resource: "kustomizations"}, true},
		"log":       {request.RequestInfo{IsResourceRequest: true, Verb: "get", Resource: "kustomizations", Subresource: "log"}, true},
		"artifact":  {request.RequestInfo{IsResourceRequest: true, Verb: "get", Resource: "gitrepositories", Subresource: "artifact"}, true},
		"get":       {request.RequestInfo{IsResourceRequest: true, Verb: "get", Resource: "kustomizations"}, false},
		"reconcile": {request.RequestInfo{IsResourceRequest: true, Verb: "create", Resource: "kustomizations", Subresource: "reconcile"}, false},
	} {
		if got := check(httptest.NewRequest(http.MethodGet, "/", nil), &test.info); got != test.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}

func TestDirectoryWritable(t *testing.T) {
	dir := t.TempDir()
	check := apiserver.DirectoryWritable("data-dir", dir)
	if err := check.Check(nil); err != nil {
		t.Errorf("of a directory that is fine: %v", err)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 0 {
		t.Errorf("the check left %v, %v", entries, err)
	}
	if err := apiserver.DirectoryWritable("data-dir", filepath.Join(dir, "gone")).Check(nil); err == nil {
		t.Error("of a directory that is gone: no error")
	}
}

// bundle is what the server knows of authorities at a time.
type bundle struct{ content string }

func (b *bundle) Name() string                              { return "bundle" }
func (b *bundle) CurrentCABundleContent() []byte            { return []byte(b.content) }
func (b *bundle) AddListener(dynamiccertificates.Listener)  {}
func (b *bundle) VerifyOptions() (x509.VerifyOptions, bool) { return x509.VerifyOptions{}, true }

func TestAuthoritiesHoldBackCertificates(t *testing.T) {
	current := &bundle{}
	published := &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Namespace: "kube-system", Name: "extension-apiserver-authentication"},
		Data:       map[string]string{"client-ca-file": "USERS\n", "requestheader-client-ca-file": "PROXY\n"},
	}
	config := genericapiserver.NewConfig(newScheme(t).Codecs)
	config.SecureServing = &genericapiserver.SecureServingInfo{ClientCA: current}
	read := apiserver.ReadAuthorities{Clients: true, FrontProxy: true}
	a, err := apiserver.NewAuthorities(t.Context(), fake.NewClientset(published), config, read)
	if err != nil {
		t.Fatal(err)
	}
	ask := func(withCertificate bool) int {
		req := httptest.NewRequest(http.MethodGet, "/apis", nil)
		req.TLS = &tls.ConnectionState{}
		if withCertificate {
			req.TLS.PeerCertificates = []*x509.Certificate{{}}
		}
		recorder := httptest.NewRecorder()
		a.Filter(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) })).ServeHTTP(recorder, req)
		return recorder.Code
	}
	steps := []struct {
		content           string
		certificate, none int
	}{
		{"", 503, 200},
		{"PROXY", 503, 200},
		{"USERS\nPROXY", 200, 200},
		{"NEW USERS\nNEW PROXY", 200, 200}, // rotation is followed without a gap
	}
	for _, step := range steps {
		current.content = step.content
		if got := ask(true); got != step.certificate {
			t.Errorf("knowing %q, with a certificate: %d, want %d", step.content, got, step.certificate)
		}
		if got := ask(false); got != step.none {
			t.Errorf("knowing %q, without a certificate: %d, want %d", step.content, got, step.none)
		}
	}
}
