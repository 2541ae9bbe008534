package launch

import (
	"context"
	"time"

	"k8s.io/klog/v2"
	"k8s.io/utils/clock"

	"github.com/leat-dev/leat/pkg/record"
)

// collectEvery is how often what crashes have left of internal records is
// removed. It does no harm meanwhile: nobody reads it.
const collectEvery = time.Hour

// collectRecords removes the remains of records until ctx ends.
func collectRecords(ctx context.Context, records *record.Store, clock clock.WithTicker) error {
	ticker := clock.NewTicker(collectEvery)
	defer ticker.Stop()
	for {
		if collected, err := records.Collect(ctx); err != nil && ctx.Err() == nil {
			klog.FromContext(ctx).Error(err, "Collecting the remains of records failed", "nextIn", collectEvery)
		} else if err == nil {
			klog.FromContext(ctx).V(2).Info("Collected the remains of records", "collected", collected)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C():
		}
	}
}
