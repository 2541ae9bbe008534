package etcd

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/server/v3/storage/mvcc"
	"k8s.io/klog/v2"
	"k8s.io/utils/clock"
)

const (
	// maintenanceInterval is how often the size of the database is looked at.
	// That costs nothing; what is done then is rare.
	maintenanceInterval = 10 * time.Second
	// complainEvery is how often it is said again that nothing could be done.
	complainEvery = 5 * time.Minute
	// minFreeBytes is how much a defragmentation must win back to be worth
	// that no request is served while it runs.
	minFreeBytes = 256 << 20
	// minDiskFreeBytes is what a disk should have left: the log grows in segments
	// of 64 MiB, and the next one is made before the last is full.
	minDiskFreeBytes = 192 << 20
	// alarmClearRatio is how full, of its quota, the database may be for a
	// raised alarm to be taken back: closer to the quota it would only be
	// raised again by the next writes.
	alarmClearRatio = 0.8
	// crampedRatio is how full of its quota the file may be before free space in
	// it is won back also where it is little: what is free there counts, for the
	// quota, as used.
	crampedRatio = 0.7
)

// ErrNoSpace says that the database has reached its quota, and that neither
// compaction nor defragmentation has made room.
var ErrNoSpace = errors.New("embedded etcd takes no writes")

// Stats is what there is to know of the database's size.
type Stats struct {
	// SizeBytes is the size of the database's file, InUseBytes what of it is
	// not free, QuotaBytes what SizeBytes may grow to.
	SizeBytes, InUseBytes, QuotaBytes int64
	// Defragmentations counts those done since the start.
	Defragmentations int64
	// OutOfSpace says that the quota was reached and that no write is taken.
	OutOfSpace bool
	// DiskFreeBytes is what is left on the disk, DiskLow that it is too little to
	// go on for long.
	DiskFreeBytes int64
	DiskLow       bool
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
	if free, err := diskFree(s.dir.path); err == nil {
		stats.DiskFreeBytes, stats.DiskLow = free, free < minDiskFreeBytes
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
	var complained, warned time.Time
	for {
		// etcd ends when it cannot write, and starts again when it can: what it
		// acknowledged is safe. That it will end is worth saying before.
		if stats := s.Stats(); stats.DiskLow && clk.Since(warned) >= complainEvery {
			klog.FromContext(ctx).Error(nil, "The disk of the embedded etcd is almost full", "freeBytes", stats.DiskFreeBytes, "leastBytes", int64(minDiskFreeBytes))
			warned = clk.Now()
		}
		// The first time at once: the alarm outlives a restart, and the quota may
		// have been raised.
		if err := s.Maintain(ctx, clk); err != nil && ctx.Err() == nil && clk.Since(complained) >= complainEvery {
			klog.FromContext(ctx).Error(err, "Upkeep of the embedded etcd failed")
			complained = clk.Now()
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C():
		}
	}
}

// Maintain does once what is otherwise done every ten seconds: it defragments the
// database if that is worth it. If the quota was reached it makes room first, and
// takes back the alarm that stopped all writes if there is enough.
func (s *Server) Maintain(ctx context.Context, clk clock.PassiveClock) error {
	s.upkeep.Lock()
	defer s.upkeep.Unlock()
	if s.Stats().OutOfSpace {
		return s.recover(ctx, clk)
	}
	if worthDefragmenting(s.Stats()) {
		return s.defragment(ctx, clk)
	}
	return nil
}

// defragment rewrites the file without what is free in it.
func (s *Server) defragment(ctx context.Context, clk clock.PassiveClock) error {
	before, began := s.Stats(), clk.Now()
	if err := s.etcd.Server.Backend().Defrag(); err != nil {
		return fmt.Errorf("defragmenting embedded etcd: %w", err)
	}
	s.defragmentations.Add(1)
	klog.FromContext(ctx).Info("Defragmented the embedded etcd", "beforeBytes", before.SizeBytes,
		"afterBytes", s.Stats().SizeBytes, "took", clk.Since(began))
	return nil
}

// recover makes a database that has reached its quota take writes again. All
// history goes: clients that page through a list or resume a watch have to begin
// anew, which is less than that nothing can be written.
//
//	live data, of the quota   what is done
//	under 80 %                compact, defragment, take back the alarm
//	more                      compact, and say so: only a larger quota helps, or
//	                          objects that go
func (s *Server) recover(ctx context.Context, clk clock.PassiveClock) error {
	if err := s.compact(ctx); err != nil {
		return err
	}
	if stats := s.Stats(); fits(stats.InUseBytes, stats.QuotaBytes) && !fits(stats.SizeBytes, stats.QuotaBytes) {
		if err := s.defragment(ctx, clk); err != nil {
			return err
		}
	}
	after := s.Stats()
	if !fits(after.SizeBytes, after.QuotaBytes) {
		return fmt.Errorf("%w: %d bytes are in use of a quota of %d", ErrNoSpace, after.InUseBytes, after.QuotaBytes)
	}
	if _, err := s.etcd.Server.Alarm(ctx, &etcdserverpb.AlarmRequest{
		Action:   etcdserverpb.AlarmRequest_DEACTIVATE,
		MemberID: uint64(s.etcd.Server.MemberID()),
		Alarm:    etcdserverpb.AlarmType_NOSPACE,
	}); err != nil {
		return fmt.Errorf("taking back the alarm of embedded etcd: %w", err)
	}
	klog.FromContext(ctx).Info("The embedded etcd had reached its quota and takes writes again", "sizeBytes", after.SizeBytes, "quotaBytes", after.QuotaBytes)
	return nil
}

// compact drops all history. It does not matter if somebody else has done so.
func (s *Server) compact(ctx context.Context) error {
	revision := s.etcd.Server.KV().Rev()
	if revision <= s.compacted {
		return nil
	}
	_, err := s.etcd.Server.Compact(ctx, &etcdserverpb.CompactionRequest{Revision: revision, Physical: true})
	if err != nil && !errors.Is(err, mvcc.ErrCompacted) {
		return fmt.Errorf("compacting embedded etcd: %w", err)
	}
	s.compacted = revision
	// What was freed counts as free when the transaction that freed it is done.
	s.etcd.Server.Backend().ForceCommit()
	return nil
}

// worthDefragmenting is the rule for a single member, where a defragmentation
// stops every request: more than half of the file must be free, and enough for
// it to matter, or the file must be so near the quota that it matters soon.
func worthDefragmenting(s Stats) bool {
	free := s.SizeBytes - s.InUseBytes
	cramped := float64(s.SizeBytes) >= crampedRatio*float64(s.QuotaBytes)
	return 2*free > s.SizeBytes && (free >= minFreeBytes || cramped)
}

// fits says whether a database of that size leaves room for writes.
func fits(size, quota int64) bool {
	return float64(size) < alarmClearRatio*float64(quota)
}
