package e2e

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"sync"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// proxy stands between leat-apiserver and kube-apiserver. It changes nothing; it
// lets a test act at an exact point of a run: before a request is passed on, or
// before its answer is. Leat authenticates with a bearer token, which passes
// through.
type proxy struct {
	server *httptest.Server

	mu sync.Mutex
	// before sees each request before it is passed on, after once it was answered.
	before, after func(*http.Request)
}

func newProxy(cfg *rest.Config) (*proxy, error) {
	target, err := url.Parse(cfg.Host)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(cfg.CAData)
	p := &proxy{}
	reverse := &httputil.ReverseProxy{
		Rewrite:       func(r *httputil.ProxyRequest) { r.SetURL(target) },
		FlushInterval: -1,
		Transport:     &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, ForceAttemptHTTP2: true, MaxIdleConnsPerHost: 64},
		ModifyResponse: func(r *http.Response) error {
			p.call(&p.after, r.Request)
			return nil
		},
	}
	p.server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.call(&p.before, r)
		reverse.ServeHTTP(w, r)
	}))
	p.server.EnableHTTP2 = true
	p.server.StartTLS()
	return p, nil
}

func (p *proxy) call(hook *func(*http.Request), r *http.Request) {
	p.mu.Lock()
	f := *hook
	p.mu.Unlock()
	if f != nil {
		f(r)
	}
}

// intercept sets what sees the requests from now on; nil for nothing.
func (p *proxy) intercept(before, after func(*http.Request)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.before, p.after = before, after
}

// kubeconfig writes a kubeconfig that goes through the proxy with a token.
func (p *proxy) kubeconfig(file, token string) error {
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: p.server.Certificate().Raw})
	config := clientcmdapi.NewConfig()
	config.Clusters["proxy"] = &clientcmdapi.Cluster{Server: p.server.URL, CertificateAuthorityData: ca}
	config.AuthInfos["leat"] = &clientcmdapi.AuthInfo{Token: token}
	config.Contexts["leat"] = &clientcmdapi.Context{Cluster: "proxy", AuthInfo: "leat"}
	config.CurrentContext = "leat"
	data, err := clientcmd.Write(*config)
	if err != nil {
		return err
	}
	return os.WriteFile(file, data, 0o600)
}
