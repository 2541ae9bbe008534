package etcd

import (
	"context"
	"fmt"
	"time"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"k8s.io/klog/v2"
	"k8s.io/utils/clock"
)

const (
	// maintenanceInterval is how often the size of the database is looked at.
	maintenanceInterval = time.Hour
	// minFreeBytes is how much a defragmentation must win back to be worth
	// that no request is served while it runs.
	minFreeBytes = 256 << 20
	// alarmClearRatio is how full, of its quota, the database may be for a
	// raised alarm to be taken back: closer to the quota it would only be
	// raised again by the next writes.
	alarmClearRatio = 0.8
)

// Stats is what there is to know of the database's size.
type Stats struct {
	// SizeBytes is the size of the database's file, InUseBytes what of it is
	// not free, QuotaBytes what SizeBytes may grow to.
	SizeBytes, InUseBytes, QuotaBytes int64
	// Defragmentations counts those done since the start.
	Defragmentations int64
	// OutOfSpace says that the quota was reached and that no write is taken.
	OutOfSpace bool
}

// Stats returns the sizes of this moment.
func (s *Server) Stats() Stats {
	backend := s.etcd.Server.Backend()
	stats := Stats{
		SizeBytes:        backend.Size(),
		InUseBytes:       backend.SizeInUse(),
		QuotaBytes:       s.quota,
		Defragmentations: s.defragmentations.Load(),
	}
	for _, alarm := range s.etcd.Server.Alarms() {
		stats.OutOfSpace = stats.OutOfSpace || alarm.GetAlarm() == etcdserverpb.AlarmType_NOSPACE
	}
	return stats
}

// maintain looks after the database until ctx ends.
func (s *Server) maintain(ctx context.Context, clk clock.WithTicker) {
	ticker := clk.NewTicker(maintenanceInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C():
			if err := s.Maintain(ctx, clk); err != nil && ctx.Err() == nil {
				klog.FromContext(ctx).Error(err, "Upkeep of the embedded etcd failed")
			}
		}
	}
}

// Maintain does once what is otherwise done every hour: it defragments the
// database if that is worth it, and takes back the alarm that stopped all writes
// if there is room again.
func (s *Server) Maintain(ctx context.Context, clk clock.PassiveClock) error {
	logger := klog.FromContext(ctx)
	before := s.Stats()
	if worthDefragmenting(before) {
		began := clk.Now()
		if err := s.etcd.Server.Backend().Defrag(); err != nil {
			return fmt.Errorf("defragmenting embedded etcd: %w", err)
		}
		s.defragmentations.Add(1)
		logger.Info("Defragmented the embedded etcd", "beforeBytes", before.SizeBytes,
			"afterBytes", s.Stats().SizeBytes, "took", clk.Since(began))
	}
	after := s.Stats()
	switch {
	case !after.OutOfSpace:
		return nil
	case !fits(after.SizeBytes, after.QuotaBytes):
		return fmt.Errorf("embedded etcd takes no writes: %d bytes in use of a quota of %d; delete objects or raise the quota",
			after.InUseBytes, after.QuotaBytes)
	}
	if _, err := s.etcd.Server.Alarm(ctx, &etcdserverpb.AlarmRequest{
		Action:   etcdserverpb.AlarmRequest_DEACTIVATE,
		MemberID: uint64(s.etcd.Server.MemberID()),
		Alarm:    etcdserverpb.AlarmType_NOSPACE,
	}); err != nil {
		return fmt.Errorf("taking back the alarm of embedded etcd: %w", err)
	}
	logger.Info("The embedded etcd takes writes again", "sizeBytes", after.SizeBytes, "quotaBytes", after.QuotaBytes)
	return nil
}

// worthDefragmenting is the rule for a single member, where a defragmentation
// stops every request: more than half of the file must be free, and enough for
// it to matter. A database that takes no writes any more is defragmented if that
// makes it take them again.
func worthDefragmenting(s Stats) bool {
	if s.OutOfSpace {
		return fits(s.InUseBytes, s.QuotaBytes) && !fits(s.SizeBytes, s.QuotaBytes)
	}
	free := s.SizeBytes - s.InUseBytes
	return 2*free > s.SizeBytes && free >= minFreeBytes
}

// fits says whether a database of that size leaves room for writes.
func fits(size, quota int64) bool {
	return float64(size) < alarmClearRatio*float64(quota)
}
