package v1

import (
	"testing"
	"time"

	"k8s.io/utils/ptr"

	"github.com/leat-dev/leat/pkg/apis/meta"
)

func TestTimes(t *testing.T) {
	tests := map[string]struct {
		interval       meta.Duration
		retry, timeout *meta.Duration
		wantRetry      time.Duration
		wantTimeout    time.Duration
	}{
		"defaults":            {"10m", nil, nil, 10 * time.Minute, 9*time.Minute + 30*time.Second},
		"all given":           {"10m", ptr.To[meta.Duration]("1m"), ptr.To[meta.Duration]("20m"), time.Minute, 20 * time.Minute},
		"short interval":      {"10s", nil, nil, 10 * time.Second, MinTimeout},
		"short timeout":       {"10m", nil, ptr.To[meta.Duration]("1s"), 10 * time.Minute, MinTimeout},
		"never by itself":     {"0s", nil, nil, 0, MinTimeout},
		"never tried again":   {"10m", ptr.To[meta.Duration]("0s"), nil, 0, 9*time.Minute + 30*time.Second},
		"did not pass a door": {"soon", nil, nil, 0, MinTimeout},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			obj := &Kustomization{Spec: KustomizationSpec{Interval: test.interval, RetryInterval: test.retry, Timeout: test.timeout}}
			if got := obj.GetRetryInterval(); got != test.wantRetry {
				t.Errorf("retry interval %v, want %v", got, test.wantRetry)
			}
			if got := obj.GetTimeout(); got != test.wantTimeout {
				t.Errorf("timeout %v, want %v", got, test.wantTimeout)
			}
		})
	}
}
