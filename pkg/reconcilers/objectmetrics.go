package reconcilers

import (
	"strconv"
	"sync"

	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/component-base/metrics"

	kustomizev1 "github.com/leat-dev/leat/pkg/apis/kustomize/v1"
	"github.com/leat-dev/leat/pkg/apis/meta"
	sourcev1 "github.com/leat-dev/leat/pkg/apis/source/v1"
)

// ObjectMetrics says how each object is. They have the names and labels that
// users of Flux know: gotk_resource_info from the configuration of
// kube-state-metrics that Flux recommends, the others from its controllers. They
// are read from the caches when they are asked for, and cost nothing in between.
type ObjectMetrics struct {
	metrics.BaseStableCollector

	info, condition, suspended *metrics.Desc

	mu    sync.RWMutex
	lists []func() []objectState
}

var _ metrics.StableCollector = (*ObjectMetrics)(nil)

// objectState is what the metrics of one object say.
type objectState struct {
	kind       schema.GroupVersionKind
	object     metav1.Object
	suspended  bool
	conditions []metav1.Condition
	revision   string
	sourceName string
}

// NewObjectMetrics returns a collector that knows no objects yet.
func NewObjectMetrics() *ObjectMetrics {
	desc := func(name, help string, labels ...string) *metrics.Desc {
		return metrics.NewDesc("gotk_"+name, help, labels, nil, metrics.ALPHA, "")
	}
	return &ObjectMetrics{
		info: desc("resource_info", "Always 1; the labels say how an object is.",
			"customresource_group", "customresource_version", "customresource_kind", "exported_namespace", "name",
			"ready", "suspended", "revision", "source_name"),
		condition: desc("reconcile_condition", "Whether a condition of an object has this status: 1 for the one that it has.",
			"kind", "name", "namespace", "type", "status"),
		suspended: desc("suspend_status", "Whether an object is suspended: 1 if it is.", "kind", "name", "namespace"),
	}
}

// follow has the metrics tell of the objects that the informers know.
func (m *ObjectMetrics) follow(in informers) {
	if m == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.lists = []func() []objectState{
		func() []objectState {
			all, err := in.sources.Lister().List(labels.Everything())
			return states(all, err, func(o *sourcev1.GitRepository) objectState {
				s := objectState{kind: sourcev1.SchemeGroupVersion.WithKind(sourcev1.GitRepositoryKind), object: o, suspended: o.IsSuspended(), conditions: o.Status.Conditions}
				if o.Status.Artifact != nil {
					s.revision = o.Status.Artifact.Revision
				}
				return s
			})
		},
		func() []objectState {
			all, err := in.kustomizations.Lister().List(labels.Everything())
			return states(all, err, func(o *kustomizev1.Kustomization) objectState {
				return objectState{
					kind: kustomizev1.SchemeGroupVersion.WithKind(kustomizev1.KustomizationKind), object: o, suspended: o.IsSuspended(),
					conditions: o.Status.Conditions, revision: o.Status.LastAppliedRevision, sourceName: o.Spec.SourceRef.Name,
				}
			})
		},
	}
}

// states makes the states of a list that came from a cache, which does not fail.
func states[O any](all []O, err error, state func(O) objectState) []objectState {
	if err != nil {
		return nil
	}
	list := make([]objectState, len(all))
	for i, o := range all {
		list[i] = state(o)
	}
	return list
}

// DescribeWithStability implements metrics.StableCollector.
func (m *ObjectMetrics) DescribeWithStability(ch chan<- *metrics.Desc) {
	ch <- m.info
	ch <- m.condition
	ch <- m.suspended
}

// CollectWithStability implements metrics.StableCollector.
func (m *ObjectMetrics) CollectWithStability(ch chan<- metrics.Metric) {
	m.mu.RLock()
	lists := m.lists
	m.mu.RUnlock()
	for _, list := range lists {
		for _, s := range list() {
			m.collect(ch, &s)
		}
	}
}

func (m *ObjectMetrics) collect(ch chan<- metrics.Metric, s *objectState) {
	kind, namespace, name := s.kind.Kind, s.object.GetNamespace(), s.object.GetName()
	gauge := func(desc *metrics.Desc, on bool, labels ...string) {
		value := 0.0
		if on {
			value = 1
		}
		ch <- metrics.NewLazyConstMetric(desc, metrics.GaugeValue, value, labels...)
	}
	ready := metav1.ConditionUnknown
	if c := apimeta.FindStatusCondition(s.conditions, meta.ReadyCondition); c != nil {
		ready = c.Status
	}
	gauge(m.info, true, s.kind.Group, s.kind.Version, kind, namespace, name,
		string(ready), strconv.FormatBool(s.suspended), s.revision, s.sourceName)
	gauge(m.suspended, s.suspended, kind, name, namespace)
	for _, c := range s.conditions {
		if c.Type != meta.ReadyCondition && c.Type != meta.StalledCondition && c.Type != meta.ReconcilingCondition {
			continue
		}
		for _, status := range []metav1.ConditionStatus{metav1.ConditionTrue, metav1.ConditionFalse, metav1.ConditionUnknown} {
			gauge(m.condition, c.Status == status, kind, name, namespace, c.Type, string(status))
		}
	}
}
