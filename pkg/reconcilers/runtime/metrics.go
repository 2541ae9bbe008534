package runtime

import (
	"time"

	"k8s.io/component-base/metrics"
)

// Metrics counts what queues and controllers do. A nil *Metrics counts nothing.
type Metrics struct {
	depths   *metrics.GaugeVec
	waits    *metrics.HistogramVec
	runs     *metrics.HistogramVec
	outcomes *metrics.CounterVec
}

// The labels are few and bounded: a metric a controller, never one an object.
const labelController, labelOutcome = "controller", "outcome"

// The outcomes of a run.
const (
	outcomeDone        = "done"
	outcomeFailed      = "failed"
	outcomePanicked    = "panicked"
	outcomeQuarantined = "quarantined"
)

// NewMetrics makes the metrics and registers each with register.
func NewMetrics(register func(metrics.Registerable) error) (*Metrics, error) {
	// From a millisecond to about a quarter of an hour.
	buckets := metrics.ExponentialBuckets(0.001, 3, 13)
	m := &Metrics{
		depths: metrics.NewGaugeVec(&metrics.GaugeOpts{
			Namespace: "leat", Subsystem: "reconcile", Name: "queue_depth", StabilityLevel: metrics.ALPHA,
			Help: "Objects that wait for a slot to run in.",
		}, []string{labelController}),
		waits: metrics.NewHistogramVec(&metrics.HistogramOpts{
			Namespace: "leat", Subsystem: "reconcile", Name: "queue_wait_seconds", StabilityLevel: metrics.ALPHA,
			Help: "Time from the first trigger of a run to its start.", Buckets: buckets,
		}, []string{labelController}),
		runs: metrics.NewHistogramVec(&metrics.HistogramOpts{
			Namespace: "leat", Subsystem: "reconcile", Name: "run_seconds", StabilityLevel: metrics.ALPHA,
			Help: "Duration of runs, waiting for health included.", Buckets: buckets,
		}, []string{labelController}),
		outcomes: metrics.NewCounterVec(&metrics.CounterOpts{
			Namespace: "leat", Subsystem: "reconcile", Name: "runs_total", StabilityLevel: metrics.ALPHA,
			Help: "Runs by outcome: done, failed, panicked, or quarantined (not run because it panicked before).",
		}, []string{labelController, labelOutcome}),
	}
	for _, c := range []metrics.Registerable{m.depths, m.waits, m.runs, m.outcomes} {
		if err := register(c); err != nil {
			return nil, err
		}
	}
	return m, nil
}

func (m *Metrics) depth(controller string, n int) {
	if m != nil {
		m.depths.WithLabelValues(controller).Set(float64(n))
	}
}

func (m *Metrics) waited(controller string, d time.Duration) {
	if m != nil {
		m.waits.WithLabelValues(controller).Observe(d.Seconds())
	}
}

func (m *Metrics) ran(controller, outcome string, d time.Duration) {
	if m != nil {
		m.runs.WithLabelValues(controller).Observe(d.Seconds())
		m.outcomes.WithLabelValues(controller, outcome).Inc()
	}
}
