package meta

import (
	"encoding/json"
	"testing"
	"time"
	"unicode/utf8"
)

// A duration means what Go's library says, and is kept as it was written.
func FuzzDuration(f *testing.F) {
	for _, text := range []string{"60m", "1h0m0s", "", "-5m", "1e9h", "9223372036854775807ns", "1.5h30m", "٣m", "1d", " 1s"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		d := Duration(text)
		want, wantErr := time.ParseDuration(text)
		got, err := d.Parse()
		if got != want || (err == nil) != (wantErr == nil) {
			t.Errorf("%q is %s, %v, want %s, %v", text, got, err, want, wantErr)
		}
		if or := (&d).Or(time.Hour); err == nil && text != "" && or != want || (err != nil || text == "") && or != time.Hour {
			t.Errorf("%q or an hour is %s", text, or)
		}
		if back, err := DurationOf(want).Parse(); err != nil || back != want {
			t.Errorf("%s is spelt %q, which is %s, %v", want, DurationOf(want), back, err)
		}
		if !utf8.ValidString(text) {
			return
		}
		encoded, err := json.Marshal(d)
		if err != nil {
			t.Fatal(err)
		}
		var kept Duration
		if err := json.Unmarshal(encoded, &kept); err != nil || kept != d {
			t.Errorf("%q is kept as %q, %v", d, kept, err)
		}
	})
}
