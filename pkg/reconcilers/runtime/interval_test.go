package runtime

import (
	"testing"
	"time"
)

func TestJitter(t *testing.T) {
	for _, tc := range []struct {
		draw float64
		want time.Duration
	}{{0, 95 * time.Second}, {0.5, 100 * time.Second}, {1, 105 * time.Second}} {
		j := Jitter{Float64: func() float64 { return tc.draw }}
		if got := j.Spread(100 * time.Second); got != tc.want {
			t.Errorf("draw %v: %s, want %s", tc.draw, got, tc.want)
		}
	}
	for range 1000 {
		if got := (Jitter{}).Spread(time.Minute); got < 57*time.Second || got > 63*time.Second {
			t.Fatalf("%s is more than 5%% from a minute", got)
		}
	}
	if got := (Jitter{}).Spread(0); got != 0 {
		t.Errorf("no interval became %s", got)
	}
}

func TestPeriod(t *testing.T) {
	for in, want := range map[time.Duration]time.Duration{
		-time.Second: 0, 0: 0, time.Millisecond: time.Second, time.Second: time.Second, time.Hour: time.Hour,
	} {
		if got := Period(in); got != want {
			t.Errorf("Period(%s) = %s, want %s", in, got, want)
		}
	}
}
