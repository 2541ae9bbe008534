package target

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// reference decodes as encoding/json does, with whole numbers as int64.
func reference(data []byte) (any, error) {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, err
	}
	return numbers(v), nil
}

func numbers(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for k := range v {
			v[k] = numbers(v[k])
		}
	case []any:
		for i := range v {
			v[i] = numbers(v[i])
		}
	case json.Number:
		if i, err := v.Int64(); err == nil {
			return i
		}
		f, err := v.Float64()
		if err != nil {
			return nil
		}
		return f
	}
	return v
}

var tapeSeeds = []string{
	`{}`, `[]`, `null`, `true`, `false`, `0`, `-1.5e3`, `"a\"bA"`, ` { "a" : [ 1 , {"b":[]} ] , "c" : "é" } `,
	`{"a":1,"a":2}`, `{"metadata":{"managedFields":[{"fieldsV1":{"f:a":{}}}]}}`, `9223372036854775808`,
}

func TestTapeDecodes(t *testing.T) {
	for _, s := range tapeSeeds {
		var tp tape
		if err := tp.reset([]byte(s)); err != nil {
			t.Errorf("%s: %v", s, err)
			continue
		}
		want, err := reference([]byte(s))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, tp.decode(0, nil)); diff != "" {
			t.Errorf("%s (-want +have):\n%s", s, diff)
		}
	}
}

func TestTapeRefuses(t *testing.T) {
	for _, s := range []string{
		``, ` `, `{`, `[`, `[1`, `[1,`, `{"a"`, `{"a":`, `{"a":1`, `{"a":1,`, `{a:1}`, `{"a" 1}`, `"a`, `"a\`, `nul`, `1 2`, `[1]]`, `{"a":1]`, `[1}`,
		strings.Repeat("[", maxDepth+2) + strings.Repeat("]", maxDepth+2),
	} {
		var tp tape
		if err := tp.reset([]byte(s)); err == nil {
			t.Errorf("%.20q is accepted", s)
		}
	}
}

func TestTapeLooksUp(t *testing.T) {
	var tp tape
	if err := tp.reset([]byte(`{"a":{"b":[1,"x",{"c":"A\n"}]},"n":42}`)); err != nil {
		t.Fatal(err)
	}
	var kinds []byte
	tp.elements(tp.get(0, "a", "b"), func(n int32) bool { kinds = append(kinds, tp.kind(n)); return true })
	if string(kinds) != `0"{` {
		t.Errorf("kinds of the elements: %s", kinds)
	}
	if n := tp.integer(tp.get(0, "n")); n != 42 {
		t.Errorf("n = %d", n)
	}
	c := find(&tp, tp.get(0, "a", "b"), func(n int32) bool { return tp.kind(n) == '{' })
	if s := tp.text(tp.get(c, "c")); s != "A\n" || !tp.is(tp.get(c, "c"), "A\n") {
		t.Errorf("c = %q", s)
	}
	for _, path := range [][]string{{"x"}, {"a", "x"}, {"n", "x"}, {"a", "b", "x"}} {
		if n := tp.get(0, path...); n != none || tp.text(n) != "" || tp.raw(n) != nil {
			t.Errorf("%v is found", path)
		}
	}
}

// The tape accepts what encoding/json accepts, with the same values. It may
// accept more: what it reads comes from an API server's encoder.
func FuzzTape(f *testing.F) {
	for _, s := range tapeSeeds {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var tp tape
		err := tp.reset(data)
		if !json.Valid(data) {
			if err == nil {
				tp.decode(0, nil)
			}
			return
		}
		if err != nil {
			if strings.Contains(err.Error(), "nested deeper") {
				return
			}
			t.Fatalf("valid JSON is refused: %v", err)
		}
		want, rerr := reference(data)
		if rerr != nil {
			return
		}
		got, _ := json.Marshal(tp.decode(0, nil))
		exp, _ := json.Marshal(want)
		if !bytes.Equal(got, exp) {
			t.Errorf("decoded %s, want %s", got, exp)
		}
	})
}

// FuzzReduce checks that no object, however odd, ends the process.
func FuzzReduce(f *testing.F) {
	for _, s := range tapeSeeds {
		f.Add([]byte(s))
	}
	f.Add([]byte(deployment))
	tgt := testTarget(f, nil)
	f.Fuzz(func(t *testing.T, data []byte) {
		var tp tape
		if tp.reset(data) != nil {
			return
		}
		for _, kind := range []string{"Deployment", "Job", "Thing"} {
			tgt.reduce(schemaKind("apps", "v1", kind), &tp, 0)
		}
	})
}
