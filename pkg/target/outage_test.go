package target

import (
	"context"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"k8s.io/client-go/rest"
	testclock "k8s.io/utils/clock/testing"
)

// pauses is a clock that does not wait, and remembers for how long it should have.
type pauses struct {
	*testclock.FakeClock
	mu   sync.Mutex
	list []time.Duration
}

func (p *pauses) After(d time.Duration) <-chan time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.list = append(p.list, d)
	now := make(chan time.Time, 1)
	now <- p.Now()
	return now
}

// TestPausesOfAnOutage watches a server that is away for as long as forty attempts
// take: the pauses grow, but not so far that much goes unseen when it is back.
func TestPausesOfAnOutage(t *testing.T) {
	for name, tt := range map[string]struct {
		answer func(http.ResponseWriter)
		most   time.Duration
	}{
		"it cannot be reached":       {func(http.ResponseWriter) { panic(http.ErrAbortHandler) }, lostBackoff},
		"it is not up to it":         {func(w http.ResponseWriter) { failure(w, http.StatusServiceUnavailable, "ServiceUnavailable") }, lostBackoff},
		"it has an error of its own": {func(w http.ResponseWriter) { failure(w, http.StatusInternalServerError, "InternalError") }, maxBackoff},
	} {
		t.Run(name, func(t *testing.T) {
			var asked atomic.Int32
			enough := make(chan struct{})
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				if asked.Add(1) == 40 {
					close(enough)
				}
				tt.answer(w)
			}))
			defer server.Close()
			clock := &pauses{FakeClock: testclock.NewFakeClock(time.Now())}
			ctx, cancel := context.WithCancel(t.Context())
			tgt, err := New(ctx, &rest.Config{Host: server.URL}, Options{DigestKey: []byte("sixteen bytes or"), Clock: clock})
			if err != nil {
				t.Fatal(err)
			}
			defer func() { cancel(); tgt.Close() }()
			tgt.Retain("o", []Resource{configMaps})
			select {
			case <-enough:
			case <-time.After(30 * time.Second):
				t.Fatalf("asked %d times", asked.Load())
			}
			clock.mu.Lock()
			defer clock.mu.Unlock()
			longest := time.Duration(0)
			for _, d := range clock.list {
				longest = max(longest, d)
			}
			if longest > tt.most || longest < tt.most/2 {
				t.Errorf("the longest pause is %s, want up to %s", longest, tt.most)
			}
		})
	}
}
