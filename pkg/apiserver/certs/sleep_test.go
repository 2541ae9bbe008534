package certs

import (
	"bytes"
	"testing"
	"time"

	"k8s.io/utils/clock"
	testclock "k8s.io/utils/clock/testing"
)

// asleep is a clock whose timers do not count the time in which the machine sleeps:
// the date moves on, and they do not.
type asleep struct {
	*testclock.FakeClock
	date *testclock.FakeClock
}

func (c asleep) Now() time.Time { return c.date.Now() }

func (c asleep) NewTimer(d time.Duration) clock.Timer { return c.FakeClock.NewTimer(d) }

// TestRenewsAfterSleep has the machine sleep until the certificate is about to
// expire. A timer that was set for the day would end months later.
func TestRenewsAfterSleep(t *testing.T) {
	f := newFixture()
	c := asleep{FakeClock: testclock.NewFakeClock(start), date: testclock.NewFakeClock(start)}
	m, err := New(Options{Client: f.client, Namespace: "leat-system", Service: "leat-apiserver", Clock: c})
	if err != nil {
		t.Fatal(err)
	}
	f.start(t, m)
	wait := func(what string, condition func() bool) {
		t.Helper()
		for deadline := time.Now().Add(30 * time.Second); !condition(); {
			if time.Now().After(deadline) {
				t.Fatalf("waiting for %s; logs:\n%s", what, f.logs)
			}
			time.Sleep(time.Millisecond) // between looks, not instead of one
		}
	}
	wait("the first certificate", func() bool { return m.Check(nil) == nil && c.HasWaiters() })
	before, _ := m.CurrentCertKeyContent()
	c.date.Step(servingLifetime - time.Hour)
	c.FakeClock.Step(lookEvery)
	wait("another certificate", func() bool {
		now, _ := m.CurrentCertKeyContent()
		return !bytes.Equal(before, now)
	})
	if err := m.Check(nil); err != nil {
		t.Error(err)
	}
}
