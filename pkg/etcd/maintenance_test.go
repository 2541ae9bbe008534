package etcd

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"k8s.io/utils/clock"
	testclock "k8s.io/utils/clock/testing"
)

func TestWorthDefragmenting(t *testing.T) {
	const mib = 1 << 20
	tests := map[string]struct {
		stats Stats
		want  bool
	}{
		"empty":                          {Stats{QuotaBytes: 4096 * mib}, false},
		"half free is not enough":        {Stats{SizeBytes: 1000 * mib, InUseBytes: 500 * mib, QuotaBytes: 4096 * mib}, false},
		"more than half free":            {Stats{SizeBytes: 1000 * mib, InUseBytes: 499 * mib, QuotaBytes: 4096 * mib}, true},
		"too little to matter":           {Stats{SizeBytes: 300 * mib, InUseBytes: 45 * mib, QuotaBytes: 4096 * mib}, false},
		"just enough to matter":          {Stats{SizeBytes: 300 * mib, InUseBytes: 44 * mib, QuotaBytes: 4096 * mib}, true},
		"little, but near the quota":     {Stats{SizeBytes: 70 * mib, InUseBytes: 34 * mib, QuotaBytes: 100 * mib}, true},
		"near the quota, most is in use": {Stats{SizeBytes: 99 * mib, InUseBytes: 60 * mib, QuotaBytes: 100 * mib}, false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got := worthDefragmenting(tt.stats); got != tt.want {
				t.Errorf("worthDefragmenting(%+v) = %t", tt.stats, got)
			}
		})
	}
}

// fill writes until the quota is reached and upkeep finds no more room. bbolt's file
// grows in steps, so the first alarms may come while much of it is free.
func fill(t *testing.T, s *Server, client *clientv3.Client) {
	t.Helper()
	value := strings.Repeat("x", 1<<20)
	for i := range 128 {
		_, err := client.Put(t.Context(), fmt.Sprintf("/fill/%d", i), value)
		if err != nil && !errors.Is(err, rpctypes.ErrNoSpace) {
			t.Fatal(err)
		}
		if err == nil {
			continue
		}
		if stats := s.Stats(); !stats.OutOfSpace || stats.QuotaBytes != MinQuotaBytes {
			t.Fatalf("a write was refused for lack of space at %+v", stats)
		}
		if err := s.Maintain(t.Context(), clock.RealClock{}); err != nil {
			if !strings.Contains(err.Error(), fmt.Sprint(MinQuotaBytes)) {
				t.Errorf("upkeep of a full database: %v, want an error that names the quota", err)
			}
			return
		}
	}
	t.Fatal("the quota was never reached")
}

// TestRecoversFromFullDatabase fills the database, makes room, and lets an hour
// pass on the injected clock.
func TestRecoversFromFullDatabase(t *testing.T) {
	clk := testclock.NewFakeClock(time.Now())
	s := run(t.Context(), t, Config{Dir: t.TempDir(), QuotaBytes: MinQuotaBytes, Clock: clk})
	client, err := s.NewClient()
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	fill(t, s, client)
	before := s.Stats().Defragmentations
	deleted, err := client.Delete(t.Context(), "/fill/", clientv3.WithPrefix())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.Compact(t.Context(), deleted.Header.Revision, clientv3.WithCompactPhysical()); err != nil {
		t.Fatal(err)
	}
	if err := s.Maintain(t.Context(), clock.RealClock{}); err != nil {
		t.Fatalf("Maintain: %v", err)
	}
	if stats := s.Stats(); stats.OutOfSpace || stats.Defragmentations != before+1 || stats.SizeBytes > 1<<20 {
		t.Errorf("after upkeep: %+v", stats)
	}
	if _, err := client.Put(t.Context(), "/k", "v"); err != nil {
		t.Errorf("writing after upkeep: %v", err)
	}
}

// TestHistoryFillsTheQuota overwrites one key until the quota is reached: nothing of
// that is alive, so writes are taken again without anybody's help.
func TestHistoryFillsTheQuota(t *testing.T) {
	clk := testclock.NewFakeClock(time.Now())
	ctx, buffer := logged(t, 0)
	s := run(ctx, t, Config{Dir: t.TempDir(), Ephemeral: true, QuotaBytes: MinQuotaBytes, Clock: clk})
	client, err := s.NewClient()
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	value := strings.Repeat("x", 1<<20)
	for range 64 {
		if _, err = client.Put(t.Context(), "/k", value); err != nil {
			break
		}
	}
	if !errors.Is(err, rpctypes.ErrNoSpace) || !s.Stats().OutOfSpace {
		t.Fatalf("after 64 writes of 1 MiB: %v at %+v, want the quota reached", err, s.Stats())
	}
	clk.Step(maintenanceInterval)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if err := buffer.await(ctx, "takes writes again"); err != nil {
		t.Fatal(err)
	}
	if _, err := client.Put(t.Context(), "/k", "v"); err != nil || s.Stats().OutOfSpace {
		t.Errorf("writing afterwards: %v at %+v", err, s.Stats())
	}
}

// TestAlarmOutlivesARestart fills the database, and starts it again with a larger
// quota: that is all that an operator has to do.
func TestAlarmOutlivesARestart(t *testing.T) {
	dir := t.TempDir()
	full, err := Start(t.Context(), Config{Dir: dir, Ephemeral: true, QuotaBytes: MinQuotaBytes})
	if err != nil {
		t.Fatal(err)
	}
	client, err := full.NewClient()
	if err != nil {
		t.Fatal(err)
	}
	fill(t, full, client)
	if err := errors.Join(client.Close(), full.Close()); err != nil {
		t.Fatal(err)
	}
	ctx, buffer := logged(t, 0)
	s := run(ctx, t, Config{Dir: dir, Ephemeral: true, QuotaBytes: 4 * MinQuotaBytes})
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if err := buffer.await(ctx, "takes writes again"); err != nil {
		t.Fatal(err)
	}
	put(t, s, "/k", "v")
}

// TestUpkeepFollowsClock proves that it is the injected clock that starts it.
func TestUpkeepFollowsClock(t *testing.T) {
	clk := testclock.NewFakeClock(time.Now())
	ctx, buffer := logged(t, 0)
	s := run(ctx, t, Config{Dir: t.TempDir(), QuotaBytes: MinQuotaBytes, Clock: clk})
	client, err := s.NewClient()
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	fill(t, s, client)

	clk.Step(maintenanceInterval)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if err := buffer.await(ctx, "Upkeep of the embedded etcd failed"); err != nil {
		t.Fatal(err)
	}
}
