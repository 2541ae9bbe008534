package meta

import (
	"encoding/json"
	"testing"
	"time"
)

func TestDuration(t *testing.T) {
	tests := map[string]struct {
		text string
		want time.Duration
		ok   bool
	}{
		"minutes":      {"60m", time.Hour, true},
		"mixed":        {"1h30m0.5s", time.Hour + 30*time.Minute + 500*time.Millisecond, true},
		"zero":         {"0s", 0, true},
		"no unit":      {"60", 0, false},
		"out of range": {"99999999999h", 0, false},
		"empty":        {"", 0, false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			d := Duration(test.text)
			got, err := d.Parse()
			if got != test.want || (err == nil) != test.ok {
				t.Errorf("Parse() = %v, %v; want %v, ok %v", got, err, test.want, test.ok)
			}
			want := test.want
			if !test.ok {
				want = time.Minute
			}
			if got := d.Or(time.Minute); got != want {
				t.Errorf("Or(1m) = %v, want %v", got, want)
			}
			data, err := json.Marshal(d)
			if err != nil || string(data) != `"`+test.text+`"` {
				t.Errorf("encoded as %s, %v; want %q", data, err, test.text)
			}
		})
	}
	var unset *Duration
	if got := unset.Or(time.Minute); got != time.Minute {
		t.Errorf("nil.Or(1m) = %v", got)
	}
	spelled := DurationOf(90 * time.Second)
	if got := spelled.Or(0); got != 90*time.Second {
		t.Errorf("DurationOf(90s) is %v", got)
	}
}

func TestReconcileRequested(t *testing.T) {
	if _, ok := ReconcileRequested(nil); ok {
		t.Error("no annotations ask for a run")
	}
	if value, ok := ReconcileRequested(map[string]string{ReconcileRequestAnnotation: "now"}); !ok || value != "now" {
		t.Errorf("got %q, %v", value, ok)
	}
}
