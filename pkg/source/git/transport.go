package git

import (
	"crypto/sha256"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"time"
)

// transports keeps HTTP connections between fetches: one transport for each
// TLS configuration that is in use.
type transports struct {
	options *Options
	mu      sync.Mutex
	byTLS   map[[sha256.Size]byte]*http.Transport
	order   [][sha256.Size]byte // oldest first
}

// maxTransports bounds the TLS configurations whose connections are kept.
const maxTransports = 64

func newTransports(o *Options) *transports {
	return &transports{options: o, byTLS: map[[sha256.Size]byte]*http.Transport{}}
}

// client returns the HTTP client for e.
func (t *transports) client(e *endpoint) *http.Client {
	t.mu.Lock()
	defer t.mu.Unlock()
	transport, ok := t.byTLS[e.tlsKey]
	if !ok {
		if len(t.order) >= maxTransports {
			t.byTLS[t.order[0]].CloseIdleConnections()
			delete(t.byTLS, t.order[0])
			t.order = t.order[1:]
		}
		transport = t.options.newTransport()
		transport.TLSClientConfig = e.tls
		t.byTLS[e.tlsKey] = transport
		t.order = append(t.order, e.tlsKey)
	}
	return &http.Client{Transport: &limitedTransport{next: transport, limits: t.options.Limits}}
}

func (t *transports) close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, transport := range t.byTLS {
		transport.CloseIdleConnections()
	}
}

func (o *Options) newTransport() *http.Transport {
	dialer := &net.Dialer{
		Timeout: 30 * time.Second, KeepAlive: 30 * time.Second,
		// It runs for every address that is connected to, after the name was
		// resolved: neither a redirect nor a changing DNS answer gets past it.
		Control: func(network, address string, _ syscall.RawConn) error { return o.DialControl(network, address) },
	}
	return &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            dialer.DialContext,
		ForceAttemptHTTP2:      true,
		MaxIdleConns:           32,
		MaxIdleConnsPerHost:    4,
		IdleConnTimeout:        90 * time.Second,
		TLSHandshakeTimeout:    15 * time.Second,
		MaxResponseHeaderBytes: 64 << 10,
	}
}

// limitedTransport bounds the bodies of responses, which go-git would read
// without end.
type limitedTransport struct {
	next   http.RoundTripper
	limits Limits
}

func (t *limitedTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	res, err := t.next.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	body := &limitedBody{ReadCloser: res.Body, what: "pack", limit: t.limits.PackSize}
	switch {
	case res.StatusCode < 200 || res.StatusCode > 299:
		// A page for people. Its beginning is enough, and goes into a message.
		body.limit, body.quiet = 512, true
	case strings.HasSuffix(req.URL.Path, "/info/refs"):
		body.what, body.limit = "list of references", t.limits.RefsSize
	}
	body.left = body.limit + 1 // to see whether there is more
	res.Body = body
	return res, nil
}

// limitedBody fails, or ends if it is quiet, after the limit.
type limitedBody struct {
	io.ReadCloser
	what        string
	limit, left int64
	quiet       bool
}

func (b *limitedBody) Read(p []byte) (int, error) {
	if b.left <= 0 {
		if b.quiet {
			return 0, io.EOF
		}
		return 0, overLimit("%s is larger than the limit of %d bytes", b.what, b.limit)
	}
	n, err := b.ReadCloser.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	return n, err
}
