package nesting

import (
	"encoding/json"
	"strings"
	"testing"
)

// Of valid JSON the scan says what a parser would say, however it comes in pieces.
func FuzzNesting(f *testing.F) {
	f.Add([]byte(`{"a":[1,{"b":"\"]["}]}`), 3)
	f.Add([]byte(strings.Repeat("[", MaxDepth+1)+strings.Repeat("]", MaxDepth+1)), 100)
	f.Add([]byte(strings.Repeat(`{"a":`, MaxDepth)+"1"+strings.Repeat("}", MaxDepth)), 7)
	f.Add([]byte("\"\\u005b\\\\\"  \n"), 1)
	f.Add([]byte("null"), 2)
	f.Add([]byte("\x1f\x8b[[["), 1)
	f.Fuzz(func(t *testing.T, text []byte, size int) {
		var whole Counter
		want := whole.Scan(text)
		if json.Valid(text) && (want != nil) != (depthOf(text) > MaxDepth) {
			t.Errorf("depth %d: %v", depthOf(text), want)
		}
		size = max(1, size)
		var pieces Counter
		for rest := text; len(rest) > 0; {
			n := min(size, len(rest))
			if got := pieces.Scan(rest[:n]); got != nil {
				if want == nil || got.Error() != want.Error() {
					t.Errorf("in pieces %v, at once %v", got, want)
				}
				return
			}
			rest = rest[n:]
		}
		if want != nil {
			t.Errorf("in pieces nothing, at once %v", want)
		}
	})
}

// depthOf is the depth by the library's parser.
func depthOf(text []byte) int {
	decoder := json.NewDecoder(strings.NewReader(string(text)))
	depth, deepest := 0, 0
	for {
		token, err := decoder.Token()
		if err != nil {
			return deepest
		}
		switch token {
		case json.Delim('['), json.Delim('{'):
			depth++
			deepest = max(deepest, depth)
		case json.Delim(']'), json.Delim('}'):
			depth--
		}
	}
}
