package runtime

import (
	"time"

	"k8s.io/component-base/metrics"

	"github.com/leat-dev/leat/pkg/runlog"
)

// Metrics counts what queues and controllers do. A nil *Metrics counts nothing.
type Metrics struct {
	depths    *metrics.GaugeVec
	waits     *metrics.HistogramVec
	runs      *metrics.HistogramVec
	outcomes  *metrics.CounterVec
	durations *metrics.HistogramVec
	builds    *metrics.CounterVec
	drift     *metrics.CounterVec
	stages    *metrics.HistogramVec
}

// The labels are few and bounded: a metric a controller, never one an object. The
// one exception has the name and the labels that dashboards for Flux ask for.
const (
	labelController, labelOutcome, labelResult, labelStage = "controller", "outcome", "result", "stage"

	labelKind, labelName, labelNamespace = "kind", "name", "namespace"
)

// The outcomes of a run.
const (
	outcomeDone        = "done"
	outcomeFailed      = "failed"
	outcomePanicked    = "panicked"
	outcomeQuarantined = "quarantined"
)

// BuildResult says how much of a run the results of earlier ones have saved.
type BuildResult string

// The results of a build. There were as many hits of the cache of builds as
// were skipped, and as many misses as are the same or new.
const (
	// BuildSkipped: nothing that the build reads has changed.
	BuildSkipped BuildResult = "skipped"
	// BuildSame: something has, but what came of it is what was applied last.
	BuildSame BuildResult = "same"
	// BuildNew: what came of it differs from what was applied last.
	BuildNew BuildResult = "new"
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
		durations: metrics.NewHistogramVec(&metrics.HistogramOpts{
			Namespace: "gotk", Name: "reconcile_duration_seconds", StabilityLevel: metrics.ALPHA,
			Help:    "Duration of the runs of one object, waiting for health included.",
			Buckets: []float64{0.01, 0.1, 0.5, 1, 5, 30, 120, 600},
		}, []string{labelKind, labelName, labelNamespace}),
		builds: metrics.NewCounterVec(&metrics.CounterOpts{
			Namespace: "leat", Subsystem: "reconcile", Name: "builds_total", StabilityLevel: metrics.ALPHA,
			Help: "Builds by result: skipped (nothing that they read has changed), same (what came of it was applied already), or new.",
		}, []string{labelController, labelResult}),
		drift: metrics.NewCounterVec(&metrics.CounterOpts{
			Namespace: "leat", Subsystem: "reconcile", Name: "drift_objects_total", StabilityLevel: metrics.ALPHA,
			Help: "Objects that were put right although nothing new was to be applied.",
		}, []string{labelController}),
		stages: metrics.NewHistogramVec(&metrics.HistogramOpts{
			Namespace: "leat", Name: "stage_duration_seconds", StabilityLevel: metrics.ALPHA,
			Help: "Duration of the stages of runs: fetch, build, plan, validate, apply, prune, health.", Buckets: buckets,
		}, []string{labelController, labelStage}),
	}
	for _, c := range []metrics.Registerable{m.depths, m.waits, m.runs, m.outcomes, m.durations, m.builds, m.drift, m.stages} {
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

// stage returns what counts the time of the stages of a controller's runs.
func (m *Metrics) stage(controller string) func(runlog.Stage, time.Duration) {
	if m == nil {
		return nil
	}
	return func(s runlog.Stage, d time.Duration) {
		m.stages.WithLabelValues(controller, string(s)).Observe(d.Seconds())
	}
}

// took counts the time of a run of one object.
func (m *Metrics) took(kind string, key Key, d time.Duration) {
	if m != nil && kind != "" {
		m.durations.WithLabelValues(kind, key.Name, key.Namespace).Observe(d.Seconds())
	}
}

// forget drops what is kept of an object that is gone.
func (m *Metrics) forget(kind string, key Key) {
	if m != nil && kind != "" {
		m.durations.Delete(map[string]string{labelKind: kind, labelName: key.Name, labelNamespace: key.Namespace})
	}
}

// Built counts a build, or that none was needed.
func (m *Metrics) Built(controller string, result BuildResult) {
	if m != nil {
		m.builds.WithLabelValues(controller, string(result)).Inc()
	}
}

// Drifted counts objects that were put right although nothing new was to be
// applied.
func (m *Metrics) Drifted(controller string, objects int) {
	if m != nil {
		m.drift.WithLabelValues(controller).Add(float64(objects))
	}
}
