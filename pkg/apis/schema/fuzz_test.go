package schema

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// Whatever an object holds, its errors are few, short, in order, and at places
// in it.
func FuzzValidate(f *testing.F) {
	for _, text := range []string{
		`{"spec":{"url":"https://h","colour":"red","count":9,"few":["a"],"parts":[{"key":"a"}]}}`,
		`{"spec":{"url":"ftp://me:hunter2@h","parts":[null,{},{"inner":{"inner":{}}}]}}`,
		`{"spec":{"count":1e400,"share":-0.0,"when":"2026-13-01T00:00:00Z","labels":{"\u0000":"long"}}}`,
		`{"spec":[]}`, `{}`, `{"spec":{"on":true,"url":"https://h"}}`, `{"metadata":7,"spec":{"any":{"a":[1,"2",null]}}}`,
	} {
		f.Add([]byte(text))
	}
	v, err := New(definitions(nil))
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var obj map[string]any
		if json.Unmarshal(text, &obj) != nil || obj == nil {
			return
		}
		errs := v.Validate(kindModel, obj)
		if len(errs) > MaxErrors {
			t.Errorf("%d errors", len(errs))
		}
		for _, err := range errs {
			if !strings.HasPrefix(err.Field, "spec") && !strings.HasPrefix(err.Field, "metadata") {
				t.Errorf("an error at %q: %v", err.Field, err)
			}
			if detail := err.ErrorBody(); !utf8.ValidString(detail) || len(detail) > 4<<10 {
				t.Errorf("an error of %d bytes: %.200q", len(detail), detail)
			}
		}
		again := v.Validate(kindModel, obj)
		if got, want := messages(again), messages(errs); !slices.Equal(got, want) {
			t.Errorf("once %q, then %q", want, got)
		}
	})
}

func messages[E error](errs []E) []string {
	var all []string
	for _, err := range errs {
		all = append(all, err.Error())
	}
	return all
}
