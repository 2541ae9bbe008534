package hostile

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
)

const (
	// attackTimeout is far above what any answer takes.
	attackTimeout = time.Minute
	// maxAnswer bounds a refusal: what a client sends is not sent back to it whole.
	maxAnswer = 64 << 10
)

// Paths of what is attacked.
const (
	repositories   = "/apis/source.toolkit.fluxcd.io/v1/namespaces/" + namespace + "/gitrepositories"
	kustomizations = "/apis/kustomize.toolkit.fluxcd.io/v1/namespaces/" + namespace + "/kustomizations"
	repo           = repositories + "/repo"
	app            = kustomizations + "/app"
)

// door is a way into Leat.
type door struct {
	base   *url.URL
	tls    *tls.Config
	client *http.Client
}

// newDoor leads to a server as the user of config. Who the server is does not
// matter here: its certificate is its own.
func newDoor(config *rest.Config, server string) (*door, error) {
	config = rest.CopyConfig(config)
	config.Insecure, config.CAData, config.CAFile = true, nil, ""
	tlsConfig, err := rest.TLSConfigFor(config)
	if err != nil {
		return nil, err
	}
	base, err := url.Parse(server)
	if err != nil {
		return nil, err
	}
	return &door{base: base, tls: tlsConfig, client: clientOf(tlsConfig)}, nil
}

// clientOf speaks HTTP/1.1, which lets through what HTTP/2 clients refuse to send.
// It neither follows redirects nor unpacks what it gets.
func clientOf(config *tls.Config) *http.Client {
	protocols := &http.Protocols{}
	protocols.SetHTTP1(true)
	return &http.Client{
		Transport:     &http.Transport{TLSClientConfig: config, Protocols: protocols, DisableCompression: true, MaxIdleConnsPerHost: 16},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Timeout:       attackTimeout,
	}
}

// attack is one request that should not be sent.
type attack struct {
	name string
	// to is the door, nil for both.
	to     *door
	method string // GET when empty, or POST with a body
	// path goes over the wire as it stands here, with the query.
	path   string
	header http.Header
	body   func() io.Reader
	// code is how it is answered. A refusal is a Status that says all of says; a
	// success is what a request that does no harm gets.
	code int
	says []string
	// plain says that the answer is made before there is a handler to make a
	// Status: by the HTTP library, or by kube-apiserver.
	plain bool
}

// run sends the attack and looks at the answer.
func (a attack) run(t *testing.T) {
	doors := map[string]*door{"kube-apiserver": through, "leat": direct}
	for _, name := range []string{"kube-apiserver", "leat"} {
		if a.to != nil && a.to != doors[name] {
			continue
		}
		t.Run(name, func(t *testing.T) { a.send(t, doors[name]) })
	}
}

func (a attack) send(t *testing.T, to *door) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), attackTimeout)
	defer cancel()
	req, err := a.request(ctx, to)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := to.client.Do(req)
	if err != nil {
		t.Fatalf("no answer: %v", err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if err != nil {
		t.Fatalf("reading the answer: %v", err)
	}
	a.check(t, resp, body)
}

func (a attack) request(ctx context.Context, to *door) (*http.Request, error) {
	method, body := a.method, io.Reader(nil)
	if a.body != nil {
		body = a.body()
	}
	if method == "" {
		method = http.MethodGet
		if body != nil {
			method = http.MethodPost
		}
	}
	req, err := http.NewRequestWithContext(ctx, method, to.base.String(), body)
	if err != nil {
		return nil, err
	}
	req.URL.Opaque = a.path
	for name, values := range a.header {
		req.Header[name] = values
	}
	return req, nil
}

func (a attack) check(t *testing.T, resp *http.Response, body []byte) {
	t.Helper()
	t.Logf("%d %s", resp.StatusCode, body[:min(len(body), 700)])
	if resp.StatusCode != a.code {
		t.Errorf("answered with %d, want %d: %.500s", resp.StatusCode, a.code, body)
		return
	}
	if a.code < http.StatusBadRequest {
		return
	}
	if len(body) > maxAnswer {
		t.Errorf("the refusal has more than %d bytes: %.500s", maxAnswer, body)
	}
	message := string(body)
	if !a.plain {
		status, err := statusOf(resp, body)
		if err != nil {
			t.Errorf("%v: %.500s", err, body)
			return
		}
		message = said(status)
	}
	for _, text := range a.says {
		if !strings.Contains(message, text) {
			t.Errorf("the answer does not say %q: %.1000s", text, message)
		}
	}
}

// statusOf reads an answer that has to be a Status of a failure, with a reason
// and a message, whose code is that of the answer.
func statusOf(resp *http.Response, body []byte) (*metav1.Status, error) {
	if mediaType, _, err := mime.ParseMediaType(resp.Header.Get("Content-Type")); err != nil || mediaType != "application/json" {
		return nil, fmt.Errorf("the answer is of type %q, want application/json", resp.Header.Get("Content-Type"))
	}
	status := &metav1.Status{}
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(status); err != nil {
		return nil, fmt.Errorf("the answer is no Status: %w", err)
	}
	switch {
	case status.Kind != "Status" || status.APIVersion != "v1" || status.Status != metav1.StatusFailure:
		return nil, fmt.Errorf("the answer is a %s %s (%s), want the Status of a failure", status.APIVersion, status.Kind, status.Status)
	case int(status.Code) != resp.StatusCode:
		return nil, fmt.Errorf("the Status has the code %d and its answer %d", status.Code, resp.StatusCode)
	case status.Message == "" || status.Reason == "":
		return nil, fmt.Errorf("the Status has the reason %q and the message %q", status.Reason, status.Message)
	}
	return status, nil
}

// said is all that a Status tells a reader.
func said(status *metav1.Status) string {
	text := status.Message
	if status.Details != nil {
		for _, cause := range status.Details.Causes {
			text += "\n" + cause.Field + ": " + cause.Message
		}
	}
	return text
}

// runAll sends attacks one after the other, while other tests send theirs.
func runAll(t *testing.T, attacks ...[]attack) {
	t.Parallel()
	for _, a := range slices.Concat(attacks...) {
		t.Run(a.name, func(t *testing.T) { a.run(t) })
	}
}

// text is a body that is given.
func text(s string) func() io.Reader {
	return func() io.Reader { return strings.NewReader(s) }
}

// repeated is a body of n times the same between a beginning and an end. It is made
// while it is sent.
func repeated(begin, unit string, n int, end string) func() io.Reader {
	return func() io.Reader {
		return io.MultiReader(strings.NewReader(begin), &repeater{unit: unit, left: n}, strings.NewReader(end))
	}
}

type repeater struct {
	unit string
	left int
	rest string
}

func (r *repeater) Read(p []byte) (n int, err error) {
	for n < len(p) {
		if r.rest == "" {
			if r.left == 0 {
				break
			}
			r.left--
			r.rest = r.unit
		}
		c := copy(p[n:], r.rest)
		n += c
		r.rest = r.rest[c:]
	}
	if n == 0 {
		return 0, io.EOF
	}
	return n, nil
}

func contentType(value string) http.Header { return http.Header{"Content-Type": {value}} }
