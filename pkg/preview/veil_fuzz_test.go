package preview

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

// atoms notes all keys and scalars of a value.
func atoms(v any, into map[string]bool) {
	switch v := v.(type) {
	case map[string]any:
		for key, value := range v {
			into["key "+key] = true
			atoms(value, into)
		}
	case []any:
		for _, value := range v {
			atoms(value, into)
		}
	default:
		into[fmt.Sprintf("%T %v", v, v)] = true
	}
}

// Whatever is rendered, no key and no value is shown that is not in a rendering
// without secrets, or was shown before.
func FuzzReveal(f *testing.F) {
	for _, seed := range [][3]string{
		{`{"a":"s","b":["s","x"]}`, `{"a":"<p>","b":["<p>","x"]}`, `{"a":"old","b":["x"]}`},
		{`{"m":{"s":1}}`, `{"m":{"<p>":1}}`, `{"m":{"t":1}}`},
		{`{"l":[{"name":"a","v":"s"},{"name":"s"}]}`, `{"l":[{"name":"a","v":"<p>"},{"name":"<p>"}]}`, `{"l":[{"name":"b"},{"name":"a","v":"t"}]}`},
		{`{"a":{"s":[1]}}`, `{"a":"<p>"}`, `{"a":["s"]}`},
		{`{"***":"s"}`, `{"***":"x"}`, `{"***":{"a":1}}`},
	} {
		f.Add([]byte(seed[0]), []byte(seed[1]), []byte(seed[2]))
	}
	f.Fuzz(func(t *testing.T, realText, publicText, liveText []byte) {
		var full, public, live map[string]any
		for text, into := range map[*[]byte]*map[string]any{&realText: &full, &publicText: &public, &liveText: &live} {
			if json.Unmarshal(*text, into) != nil || *into == nil {
				return
			}
		}
		allowed := map[string]bool{"string " + maskSame: true, "string " + maskChanged: true}
		atoms(public, allowed)
		check := func(what string, before, after Body) {
			t.Helper()
			c, err := Compare(before, after)
			if err != nil {
				return
			}
			shown := map[string]bool{}
			if c.New != nil {
				atoms(c.New.Object, shown)
			}
			for atom := range shown {
				if !allowed[atom] && !strings.HasPrefix(atom, "key ***") {
					t.Errorf("%s shows %q:\n%v", what, atom, c.New)
				}
			}
		}
		check("a rendering", Body{}, Reveal(full, public))
		check("a rendering, with another before it,", Reveal(live, public), Reveal(full, public))
		before := Conceal(live, false, Witness{full, public})
		seen, err := Compare(before, Body{})
		if err != nil {
			return
		}
		atoms(seen.Old.Object, allowed)
		check("what became of a live object", before, Derive(full, before, Open(public)))
	})
}

// What is live is hidden in each place where a witness has something secret.
func FuzzConceal(f *testing.F) {
	f.Add([]byte(`{"a":"x","b":["y"]}`))
	f.Add([]byte(`{"l":[{"name":"a","v":"b"},{"name":"c"}],"m":{"k":{"n":1}}}`))
	f.Add([]byte(`{"l":["a","a",["b"],{}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		var template map[string]any
		if json.Unmarshal(text, &template) != nil || template == nil || strings.Contains(string(text), "*") {
			return
		}
		// Each text of the template is secret: a value of its own in each way.
		made := func(by string) map[string]any { return texts(template, by).(map[string]any) }
		for _, instead := range []bool{false, true} {
			body := Conceal(made("live"), instead, Witness{made("secret"), made("public")})
			c, err := Compare(body, Body{})
			if err != nil {
				return
			}
			shown, err := json.Marshal(c.Old.Object)
			if err != nil {
				t.Fatal(err)
			}
			if strings.Contains(string(shown), "live:") || strings.Contains(string(shown), "secret:") {
				t.Errorf("instead %t: shown %s of %s", instead, shown, text)
			}
			// A dry-run that sends nothing secret keeps what others manage.
			c, err = Compare(body, Shade(Open(made("live")), made("live"), body))
			if err != nil {
				return
			}
			if shown, err = json.Marshal(c); err != nil {
				t.Fatal(err)
			}
			if strings.Contains(string(shown), "live:") {
				t.Errorf("instead %t: kept %s of %s", instead, shown, text)
			}
		}
	})
}

// texts returns v with a prefix before each text that is a value.
func texts(v any, by string) any {
	switch v := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		for key, value := range v {
			out[key] = texts(value, by)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, value := range v {
			out[i] = texts(value, by)
		}
		return out
	case string:
		return by + ":" + v
	}
	return v
}
