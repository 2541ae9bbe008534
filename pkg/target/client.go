package target

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	utilnet "k8s.io/apimachinery/pkg/util/net"
)

// request is one call of the cluster's API.
type request struct {
	id          Identity
	method      string
	path        string
	query       url.Values
	contentType string
	accept      string
	body        []byte
}

const (
	typeJSON      = "application/json"
	typeApply     = "application/apply-patch+yaml"
	typeJSONPatch = "application/json-patch+json"
	// typeMeta asks for metadata only, which saves the server the encoding.
	typeMeta = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
)

// resets is how often a request is repeated after a broken connection. All our
// requests may be repeated: applies are idempotent, deletions and patches carry
// preconditions, and a repeated create meets its own object.
const resets = 3

// do sends r within the budget and returns the response's body and code. A code
// of 400 and above is an error that k8s.io/apimachinery/pkg/api/errors knows.
func (t *Target) do(ctx context.Context, r request) ([]byte, int, error) {
	select {
	case t.budget <- struct{}{}:
	case <-ctx.Done():
		return nil, 0, context.Cause(ctx)
	}
	// The slot is kept while the server asks to wait: that is the pressure back
	// on all who share the budget.
	defer func() { <-t.budget }()

	deadline := t.opts.Clock.Now().Add(t.opts.MaxThrottle)
	for broken := 0; ; {
		body, code, wait, err := t.once(ctx, r)
		if err == nil {
			return body, code, nil
		}
		if ctx.Err() != nil {
			return nil, 0, context.Cause(ctx)
		}
		if code == 0 && broken < resets && lost(err) {
			broken++
			wait = 100 * time.Millisecond << broken
		}
		if wait <= 0 {
			return nil, code, err
		}
		if t.opts.Clock.Now().Add(wait).After(deadline) {
			return nil, code, fmt.Errorf("giving up after %s of repeats: %w", t.opts.MaxThrottle, err)
		}
		select {
		case <-t.opts.Clock.After(wait):
		case <-ctx.Done():
			return nil, 0, context.Cause(ctx)
		}
	}
}

// lost says that a connection broke, rather than that an answer was bad.
func lost(err error) bool {
	return utilnet.IsConnectionReset(err) || utilnet.IsProbableEOF(err) || utilnet.IsHTTP2ConnectionLost(err)
}

// once sends r once. A positive wait says that the server wants it repeated
// after that time.
func (t *Target) once(ctx context.Context, r request) (body []byte, code int, wait time.Duration, err error) {
	resp, err := t.send(ctx, r)
	if err != nil {
		return nil, 0, 0, err
	}
	defer resp.Body.Close()
	body, err = readLimited(resp, t.opts.MaxResponseBytes)
	if err != nil {
		return nil, 0, 0, err
	}
	if resp.StatusCode < 400 {
		return body, resp.StatusCode, 0, nil
	}
	err = statusError(r, resp.StatusCode, body)
	if resp.StatusCode == http.StatusTooManyRequests || resp.StatusCode >= 500 {
		if s, perr := strconv.Atoi(resp.Header.Get("Retry-After")); perr == nil {
			wait = max(time.Duration(s)*time.Second, 50*time.Millisecond)
		} else if resp.StatusCode == http.StatusTooManyRequests {
			wait = time.Second
		}
	}
	return nil, resp.StatusCode, wait, err
}

// send starts r and returns its response, whatever its code.
func (t *Target) send(ctx context.Context, r request) (*http.Response, error) {
	u := *t.base
	u.Path += r.path
	u.RawQuery = r.query.Encode()
	var body io.Reader
	if r.body != nil {
		body = bytes.NewReader(r.body)
	}
	req, err := http.NewRequestWithContext(ctx, r.method, u.String(), body)
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", r.method, r.path, err)
	}
	req.Header.Set("User-Agent", t.opts.UserAgent)
	req.Header.Set("Accept", typeJSON)
	if r.accept != "" {
		req.Header.Set("Accept", r.accept)
	}
	if r.contentType != "" {
		req.Header.Set("Content-Type", r.contentType)
	}
	r.id.impersonate(req.Header)
	resp, err := t.client.Do(req)
	if err != nil {
		var ue *url.Error
		if errors.As(err, &ue) {
			err = ue.Err
		}
		return nil, fmt.Errorf("%s %s: %w", r.method, r.path, err)
	}
	return resp, nil
}

func readLimited(resp *http.Response, limit int64) ([]byte, error) {
	var buf bytes.Buffer
	if n := resp.ContentLength; n > 0 && n <= limit {
		buf.Grow(int(n) + bytes.MinRead)
	}
	n, err := buf.ReadFrom(io.LimitReader(resp.Body, limit+1))
	if err != nil {
		return nil, fmt.Errorf("reading a response: %w", err)
	}
	if n > limit {
		return nil, fmt.Errorf("a response is larger than the limit of %d bytes", limit)
	}
	return buf.Bytes(), nil
}

// statusError turns a refusal into the error that it stands for.
func statusError(r request, code int, body []byte) error {
	var st metav1.Status
	if decodeStatus(body, &st) {
		return &apierrors.StatusError{ErrStatus: st}
	}
	msg := string(body[:min(len(body), 512)])
	return apierrors.NewGenericServerResponse(code, r.method, schema.GroupResource{}, r.path, msg, 0, true)
}
