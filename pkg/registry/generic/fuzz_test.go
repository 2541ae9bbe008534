package generic

import (
	"encoding/json"
	"testing"
	"unicode/utf8"
)

// The part that is to blame for a size is not larger than the whole.
func FuzzLargestPart(f *testing.F) {
	f.Add([]byte(`{"spec":{"a":"xxxxxxxxxxxxxxxxxxxxx","b":1}}`))
	f.Add([]byte(`{"a":[],"b":{}}`))
	f.Add([]byte(`{"":{"":{"":""}}}`))
	f.Add([]byte(`[]`))
	f.Fuzz(func(t *testing.T, text []byte) {
		if !json.Valid(text) {
			return
		}
		if path, size := largestPart(text); size > len(text) || size < 0 || path != nil && path.String() == "<nil>" {
			t.Errorf("%q: %v of %d bytes", text, path, size)
		}
	})
}

// What is cut is about as long as it may be, and valid where it was.
func FuzzShorten(f *testing.F) {
	f.Add("short", 10)
	f.Add("äöüäöüäöüäöüäöüäöü", 8)
	f.Add("a\xff\xfe\xfd\xfc\xfb\xfa", 4)
	f.Fuzz(func(t *testing.T, s string, limit int) {
		limit = 2 + (limit&0xffff)%1000
		got := shorten(s, limit)
		const note = len("... ( bytes) ...") + 20
		if len(got) > limit+note || len(s) <= limit && got != s || utf8.ValidString(s) && !utf8.ValidString(got) {
			t.Errorf("%q of %d bytes with the limit %d becomes %q", s, len(s), limit, got)
		}
	})
}
