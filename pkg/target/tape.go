package target

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"unicode/utf8"
)

// A tape is a JSON text with its values indexed in one pass and nothing
// decoded. Objects arrive here with each event of each watch, half of their
// bytes are managed fields of others, and most of what is asked of them is
// whether some value is still the same: that compares bytes. Decoding into
// maps costs about ten times as much.
type tape struct {
	data  []byte
	nodes []node
}

// node is one value. Children follow their parent; next is the index of the
// first node behind the value, which is how a sibling is found.
type node struct {
	start, end int32
	next       int32
	kind       byte // '{', '[', '"', '0' (number) or 'l' (true, false, null)
}

// maxDepth bounds nesting. kube-apiserver's own limit is far above what any
// object has and far below what would hurt here.
const maxDepth = 512

var errTruncated = errors.New("unexpected end of JSON")

// reset indexes data, which must stay unchanged while the tape is used. An
// object's children alternate key, value.
func (t *tape) reset(data []byte) error {
	if int64(len(data)) > 1<<31-1 {
		return errors.New("JSON text of more than 2 GiB")
	}
	t.data, t.nodes = data, t.nodes[:0]
	i, err := t.value(t.space(0), 0)
	if err != nil {
		return err
	}
	if i = t.space(i); i != len(data) {
		return fmt.Errorf("JSON: unexpected %q at offset %d behind the value", data[i], i)
	}
	return nil
}

func (t *tape) space(i int) int {
	for i < len(t.data) {
		switch t.data[i] {
		case ' ', '\t', '\n', '\r':
			i++
		default:
			return i
		}
	}
	return i
}

func (t *tape) value(i, depth int) (int, error) {
	if i >= len(t.data) {
		return 0, errTruncated
	}
	if depth > maxDepth {
		return 0, fmt.Errorf("JSON nested deeper than %d", maxDepth)
	}
	n := len(t.nodes)
	t.nodes = append(t.nodes, node{start: int32(i)})
	var err error
	kind := t.data[i]
	switch {
	case kind == '{':
		i, err = t.object(i+1, depth)
	case kind == '[':
		i, err = t.array(i+1, depth)
	case kind == '"':
		i, err = t.str(i + 1)
	case kind == '-' || kind >= '0' && kind <= '9':
		kind = '0'
		i = t.number(i)
	default:
		kind = 'l'
		i, err = t.literal(i)
	}
	if err != nil {
		return 0, err
	}
	t.nodes[n].end, t.nodes[n].next, t.nodes[n].kind = int32(i), int32(len(t.nodes)), kind
	return i, nil
}

func (t *tape) object(i, depth int) (int, error) {
	if i = t.space(i); i < len(t.data) && t.data[i] == '}' {
		return i + 1, nil
	}
	for {
		if i = t.space(i); i >= len(t.data) {
			return 0, errTruncated
		}
		if t.data[i] != '"' {
			return 0, fmt.Errorf("JSON: want a key, have %q at offset %d", t.data[i], i)
		}
		var err error
		if i, err = t.value(i, depth+1); err != nil {
			return 0, err
		}
		if i = t.space(i); i >= len(t.data) {
			return 0, errTruncated
		}
		if t.data[i] != ':' {
			return 0, fmt.Errorf("JSON: want ':', have %q at offset %d", t.data[i], i)
		}
		if i, err = t.value(t.space(i+1), depth+1); err != nil {
			return 0, err
		}
		var done bool
		if i, done, err = t.more(i, '}'); err != nil || done {
			return i, err
		}
	}
}

func (t *tape) array(i, depth int) (int, error) {
	if i = t.space(i); i < len(t.data) && t.data[i] == ']' {
		return i + 1, nil
	}
	for {
		var err error
		if i, err = t.value(t.space(i), depth+1); err != nil {
			return 0, err
		}
		var done bool
		if i, done, err = t.more(i, ']'); err != nil || done {
			return i, err
		}
	}
}

// more reads what follows an element: a comma, or the end.
func (t *tape) more(i int, end byte) (int, bool, error) {
	if i = t.space(i); i >= len(t.data) {
		return 0, false, errTruncated
	}
	switch t.data[i] {
	case ',':
		return i + 1, false, nil
	case end:
		return i + 1, true, nil
	}
	return 0, false, fmt.Errorf("JSON: want ',' or %q, have %q at offset %d", end, t.data[i], i)
}

func (t *tape) str(i int) (int, error) {
	for i < len(t.data) {
		switch t.data[i] {
		case '"':
			return i + 1, nil
		case '\\':
			i += 2
		default:
			i++
		}
	}
	return 0, errTruncated
}

func (t *tape) number(i int) int {
	for i < len(t.data) {
		switch c := t.data[i]; {
		case c >= '0' && c <= '9', c == '-', c == '+', c == '.', c == 'e', c == 'E':
			i++
		default:
			return i
		}
	}
	return i
}

func (t *tape) literal(i int) (int, error) {
	for _, l := range [...]string{"true", "false", "null"} {
		if len(t.data)-i >= len(l) && string(t.data[i:i+len(l)]) == l {
			return i + len(l), nil
		}
	}
	return 0, fmt.Errorf("JSON: unexpected %q at offset %d", t.data[i], i)
}

// none is what a lookup that found nothing returns.
const none = int32(-1)

// raw returns the bytes of value n.
func (t *tape) raw(n int32) []byte {
	if n < 0 {
		return nil
	}
	return t.data[t.nodes[n].start:t.nodes[n].end]
}

func (t *tape) kind(n int32) byte {
	if n < 0 {
		return 0
	}
	return t.nodes[n].kind
}

// text returns the string that value n is, empty when it is none.
func (t *tape) text(n int32) string {
	if t.kind(n) != '"' {
		return ""
	}
	raw := t.raw(n)
	plain := true
	for _, c := range raw {
		if c == '\\' || c >= utf8.RuneSelf {
			plain = false
			break
		}
	}
	if plain {
		return string(raw[1 : len(raw)-1])
	}
	var s string
	if json.Unmarshal(raw, &s) != nil {
		return ""
	}
	return s
}

// is says whether value n is the string s, without making one.
func (t *tape) is(n int32, s string) bool {
	if t.kind(n) != '"' {
		return false
	}
	raw := t.raw(n)
	if string(raw[1:len(raw)-1]) == s {
		return true
	}
	return len(raw) > len(s)+2 && t.text(n) == s
}

// integer returns the integer that value n is, 0 when it is none.
func (t *tape) integer(n int32) int64 {
	if t.kind(n) != '0' {
		return 0
	}
	v, err := strconv.ParseInt(string(t.raw(n)), 10, 64)
	if err != nil {
		return 0
	}
	return v
}

// get follows keys down from value n and returns none where one is missing.
func (t *tape) get(n int32, keys ...string) int32 {
	for _, k := range keys {
		n = t.member(n, k)
		if n < 0 {
			return none
		}
	}
	return n
}

func (t *tape) member(n int32, key string) int32 {
	if t.kind(n) != '{' {
		return none
	}
	for c := n + 1; c < t.nodes[n].next; {
		v := t.nodes[c].next
		if t.is(c, key) {
			return v
		}
		c = t.nodes[v].next
	}
	return none
}

// members calls f with each key and value of object n until it returns false.
func (t *tape) members(n int32, f func(key, value int32) bool) {
	if t.kind(n) != '{' {
		return
	}
	for c := n + 1; c < t.nodes[n].next; {
		v := t.nodes[c].next
		if !f(c, v) {
			return
		}
		c = t.nodes[v].next
	}
}

// elements calls f with each element of array n until it returns false.
func (t *tape) elements(n int32, f func(value int32) bool) {
	if t.kind(n) != '[' {
		return
	}
	for c := n + 1; c < t.nodes[n].next; c = t.nodes[c].next {
		if !f(c) {
			return
		}
	}
}

// decode returns value n as encoding/json would, with whole numbers as int64,
// which is what unstructured objects hold. Keys for which skip returns true
// are left out; skip may be nil.
func (t *tape) decode(n int32, skip func(key int32) bool) any {
	switch t.kind(n) {
	case '{':
		m := map[string]any{}
		t.members(n, func(k, v int32) bool {
			if skip == nil || !skip(k) {
				m[t.text(k)] = t.decode(v, skip)
			}
			return true
		})
		return m
	case '[':
		l := []any{}
		t.elements(n, func(v int32) bool {
			l = append(l, t.decode(v, skip))
			return true
		})
		return l
	case '"':
		return t.text(n)
	case '0':
		raw := string(t.raw(n))
		if i, err := strconv.ParseInt(raw, 10, 64); err == nil {
			return i
		}
		f, err := strconv.ParseFloat(raw, 64)
		if err != nil {
			return nil
		}
		return f
	}
	switch string(t.raw(n)) {
	case "true":
		return true
	case "false":
		return false
	}
	return nil
}
