package space

import (
	"fmt"
	"net/http"

	"k8s.io/apiserver/pkg/server/healthz"
	"k8s.io/component-base/metrics"

	"github.com/leat-dev/leat/pkg/etcd"
)

// Embedded is the part of the embedded etcd that is watched.
type Embedded interface{ Stats() etcd.Stats }

// Check is the health check "etcd-space".
func Check(e Embedded) healthz.HealthChecker {
	return healthz.NamedCheck("etcd-space", func(*http.Request) error { return problem(e.Stats()) })
}

func problem(s etcd.Stats) error {
	switch {
	case s.OutOfSpace:
		return fmt.Errorf("the embedded etcd has reached its quota of %d bytes and takes no writes; %d bytes are in use: raise --etcd-quota-backend-bytes", s.QuotaBytes, s.InUseBytes)
	case s.DiskLow:
		return fmt.Errorf("%d bytes are left on the disk of the embedded etcd, which ends when there are none", s.DiskFreeBytes)
	}
	return nil
}

// Metrics are the sizes of the embedded etcd, read when they are asked for.
type Metrics struct {
	metrics.BaseStableCollector
	etcd                                    Embedded
	size, inUse, quota, full, free, defrags *metrics.Desc
}

// NewMetrics returns a collector to be registered.
func NewMetrics(e Embedded) *Metrics {
	desc := func(name, help string) *metrics.Desc {
		return metrics.NewDesc("leat_etcd_"+name, help, nil, nil, metrics.ALPHA, "")
	}
	return &Metrics{
		etcd:    e,
		size:    desc("size_bytes", "Size of the file of the embedded etcd, which its quota is compared with."),
		inUse:   desc("in_use_bytes", "What of the file of the embedded etcd is not free."),
		quota:   desc("quota_bytes", "Size that the file of the embedded etcd may reach; then it takes no writes."),
		full:    desc("out_of_space", "1 while the embedded etcd takes no writes because it has reached its quota."),
		free:    desc("disk_free_bytes", "What is left on the disk of the embedded etcd."),
		defrags: desc("defragmentations_total", "How often the embedded etcd was defragmented since the start."),
	}
}

// DescribeWithStability implements metrics.StableCollector.
func (m *Metrics) DescribeWithStability(ch chan<- *metrics.Desc) {
	for _, d := range []*metrics.Desc{m.size, m.inUse, m.quota, m.full, m.free, m.defrags} {
		ch <- d
	}
}

// CollectWithStability implements metrics.StableCollector.
func (m *Metrics) CollectWithStability(ch chan<- metrics.Metric) {
	s := m.etcd.Stats()
	full := 0.0
	if s.OutOfSpace {
		full = 1
	}
	gauge := func(d *metrics.Desc, v float64) { ch <- metrics.NewLazyConstMetric(d, metrics.GaugeValue, v) }
	gauge(m.size, float64(s.SizeBytes))
	gauge(m.inUse, float64(s.InUseBytes))
	gauge(m.quota, float64(s.QuotaBytes))
	gauge(m.full, full)
	gauge(m.free, float64(s.DiskFreeBytes))
	ch <- metrics.NewLazyConstMetric(m.defrags, metrics.CounterValue, float64(s.Defragmentations))
}
