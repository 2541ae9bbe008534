package runlog

import (
	"encoding/json"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

// What is read is written so that it is read again as the same.
func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"level":1,"entries":[{"id":"a","at":1000,"took":5,"p":"Succeeded","by":["Spec"],"c":1}],"notes":[{"g":2,"u":"jo"}],"g":2}`))
	f.Add([]byte(`{"level":1}`))
	f.Add([]byte(`{"level":2}`))
	f.Add([]byte(`{"level":1,"entries":[{"id":"","at":-9223372036854775808,"took":9223372036854775807}]}`))
	f.Add([]byte(`[]`))
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := decode(data)
		if err != nil {
			return
		}
		encoded, err := encode(p)
		if err != nil {
			t.Fatal(err)
		}
		again, err := decode(encoded)
		if err != nil {
			t.Fatalf("%s cannot be read: %v", encoded, err)
		}
		twice, err := encode(again)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(encoded), string(twice)); diff != "" || !json.Valid(encoded) {
			t.Errorf("changes on the way:\n%s", diff)
		}
	})
}

// No message acts on a terminal, is longer than it may be, or is changed twice.
func FuzzClean(f *testing.F) {
	for _, s := range []string{"plain", "\x1b[2Jx", "a\nb\tc", "\xff\xfe", "\u202eevil", "é" + string(make([]byte, 5000)), "\u2066x\u2069"} {
		f.Add(s, 100)
	}
	f.Fuzz(func(t *testing.T, s string, limit int) {
		limit = 64 + (limit&0x7fffffff)%maxMessage
		got := clean(s, limit)
		if len(got) > limit || !utf8.ValidString(got) {
			t.Errorf("%d bytes of %d: %q", len(got), limit, got)
		}
		for _, r := range got {
			if r != '\n' && r != '\t' && unicode.IsControl(r) || isDirection(r) {
				t.Errorf("%q holds %U", got, r)
			}
		}
		if again := clean(got, limit); again != got {
			t.Errorf("%q is cleaned to %q", got, again)
		}
		for _, r := range cleanName(s) {
			if r == '\n' || r == '\t' {
				t.Errorf("the name %q has several lines", cleanName(s))
			}
		}
	})
}
