package launch

import (
	"fmt"
	"net/http"
	"strconv"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/component-base/metrics"
	"k8s.io/component-base/metrics/legacyregistry"
)

// hostMetrics count the requests to the cluster that this server belongs to. The
// metrics of client-go are by host and path and cover its own clients only; these
// cover the engine that applies too, which has none of them.
type hostMetrics struct {
	requests *metrics.CounterVec
	seconds  *metrics.HistogramVec
}

// countRequests has the requests of all clients that are made from the
// configuration counted.
func countRequests(config *rest.Config) error {
	m := &hostMetrics{
		requests: metrics.NewCounterVec(&metrics.CounterOpts{
			Namespace: "leat", Subsystem: "host", Name: "requests_total", StabilityLevel: metrics.ALPHA,
			Help: "Requests to the cluster's API by method and status code; the code is error where there was no answer.",
		}, []string{"method", "code"}),
		seconds: metrics.NewHistogramVec(&metrics.HistogramOpts{
			Namespace: "leat", Subsystem: "host", Name: "request_seconds", StabilityLevel: metrics.ALPHA,
			Help:    "Time until the first byte of the answer to a request to the cluster's API.",
			Buckets: metrics.ExponentialBuckets(0.001, 3, 10),
		}, []string{"method"}),
	}
	for _, c := range []metrics.Registerable{m.requests, m.seconds} {
		if err := legacyregistry.Register(c); err != nil {
			return fmt.Errorf("registering the metrics of requests to the cluster: %w", err)
		}
	}
	config.Wrap(func(next http.RoundTripper) http.RoundTripper { return &countingTransport{next: next, metrics: m} })
	return nil
}

type countingTransport struct {
	next    http.RoundTripper
	metrics *hostMetrics
}

// RoundTrip implements http.RoundTripper.
func (t *countingTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	start := time.Now()
	resp, err := t.next.RoundTrip(req)
	code := "error"
	if err == nil {
		code = strconv.Itoa(resp.StatusCode)
	}
	t.metrics.requests.WithLabelValues(req.Method, code).Inc()
	t.metrics.seconds.WithLabelValues(req.Method).Observe(time.Since(start).Seconds())
	return resp, err
}

// WrappedRoundTripper lets client-go find what is underneath.
func (t *countingTransport) WrappedRoundTripper() http.RoundTripper { return t.next }
