package target

import (
	"bytes"
	"hash"
	"strconv"
)

// Markers keep apart what would otherwise digest alike. They cannot be
// confused with values: no JSON text begins with a control character.
var (
	markMissing = []byte{0}
	markPresent = []byte{1}
	markOpen    = []byte{2}
	markClose   = []byte{3}
)

// project writes to h the paths of fields, a managedFields entry's fieldsV1,
// each with the value that n has there. Both are walked in the order that the
// server wrote them, which is a fixed one, and values are taken as their
// bytes: the same object in the same version always projects alike.
//
// A path in fieldsV1 is a nest of keys: "f:<name>" is a member of an object,
// "k:<keys>" the element of a list whose fields have these values, "v:<value>"
// an element of a set, "i:<index>" one by position; "." owns that an element
// exists, not what is in it. A key with nothing below it is a leaf, owned with
// its whole value.
func project(h hash.Hash, t *tape, fields, n int32) {
	h.Write(markOpen)
	t.members(fields, func(k, below int32) bool {
		key := t.raw(k)
		h.Write(key)
		v := step(t, t.text(k), n)
		switch {
		case v < 0:
			h.Write(markMissing)
		case t.is(k, "."):
			h.Write(markPresent)
		case t.nodes[below].next == below+1:
			h.Write(t.raw(v))
		default:
			project(h, t, below, v)
		}
		return true
	})
	h.Write(markClose)
}

// step follows one path element down from n.
func step(t *tape, element string, n int32) int32 {
	if element == "." {
		return n
	}
	if len(element) < 2 || element[1] != ':' {
		return none
	}
	arg := element[2:]
	switch element[0] {
	case 'f':
		return t.member(n, arg)
	case 'k':
		return keyed(t, arg, n)
	case 'v':
		return find(t, n, func(v int32) bool { return same(t.raw(v), []byte(arg)) })
	case 'i':
		i, err := strconv.Atoi(arg)
		if err != nil {
			return none
		}
		return find(t, n, func(int32) bool { i--; return i == -1 })
	}
	return none
}

// keyed finds the element of list n whose fields have the values that keys, a
// JSON object, gives them.
func keyed(t *tape, keys string, n int32) int32 {
	var kt tape
	if kt.reset([]byte(keys)) != nil {
		return none
	}
	return find(t, n, func(v int32) bool {
		match := true
		kt.members(0, func(k, want int32) bool {
			match = same(t.raw(t.member(v, kt.text(k))), kt.raw(want))
			return match
		})
		return match
	})
}

func find(t *tape, n int32, match func(v int32) bool) int32 {
	found := none
	t.elements(n, func(v int32) bool {
		if match(v) {
			found = v
			return false
		}
		return true
	})
	return found
}

// same compares two JSON texts. Strings may be escaped in different ways by
// the encoders of values and of paths.
func same(a, b []byte) bool {
	if bytes.Equal(a, b) {
		return true
	}
	if len(a) < 2 || len(b) < 2 || a[0] != '"' || b[0] != '"' ||
		bytes.IndexByte(a, '\\') < 0 && bytes.IndexByte(b, '\\') < 0 {
		return false
	}
	var ta, tb tape
	return ta.reset(a) == nil && tb.reset(b) == nil && ta.text(0) == tb.text(0)
}
