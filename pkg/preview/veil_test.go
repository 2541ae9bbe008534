package preview

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// compared are the fields, and the two bodies as JSON.
func compared(t *testing.T, before, after Body) string {
	t.Helper()
	c, err := Compare(before, after)
	if err != nil {
		t.Fatal(err)
	}
	out := told(c)
	for _, u := range []any{c.Old, c.New} {
		text, err := json.Marshal(u)
		if err != nil {
			t.Fatal(err)
		}
		out += string(text) + "\n"
	}
	return out
}

// What is shown of two renderings is what came out without the secret too.
func TestReveal(t *testing.T) {
	tests := []struct{ name, before, beforePublic, after, afterPublic, want string }{
		{
			"the same and another value", "{a: s1, b: x}", "{a: <p>, b: x}", "{a: s2, b: u}", "{a: <p>, b: u}",
			`/a "***(changed)" "***(changed)" m` + "\n" + `/b "x" "u"` + "\n" +
				`{"a":"***(changed)","b":"x"}` + "\n" + `{"a":"***(changed)","b":"u"}` + "\n",
		},
		{"equal values", "{a: s1}", "{a: <p>}", "{a: s1}", "{a: <p>}", `{"a":"***(same)"}` + "\n" + `{"a":"***(same)"}` + "\n"},
		{
			"a value that becomes secret", "{a: s1}", "{a: s1}", "{a: s1}", "{a: <p>}",
			`{"a":"***(same)"}` + "\n" + `{"a":"***(same)"}` + "\n",
		},
		{
			"a key", "{}", "{}", "{m: {s1: v, k: v}}", "{m: {<p>: v, k: v}}",
			`/m - {"***":"***(changed)","k":"v"} m` + "\n" + "{}\n" + `{"m":{"***":"***(changed)","k":"v"}}` + "\n",
		},
		{
			"the same key", "{m: {s1: v}}", "{m: {<p>: v}}", "{m: {s1: v}}", "{m: {<p>: v}}",
			`{"m":{"***":"***(same)"}}` + "\n" + `{"m":{"***":"***(same)"}}` + "\n",
		},
		{
			"a map out of a text", "{a: {s: 1}}", "{a: <p>}", "{a: 1}", "{a: 1}",
			`/a "***(changed)" "***(changed)" m` + "\n" + `{"a":"***(changed)"}` + "\n" + `{"a":"***(changed)"}` + "\n",
		},
		{
			"a list out of a text", "{a: [s1, s2]}", "{a: <p>}", "{}", "{}",
			`/a "***(changed)" - m` + "\n" + `{"a":"***(changed)"}` + "\n" + "{}\n",
		},
		{
			"an element", "{a: [x, s1, z]}", "{a: [x, <p>, z]}", "{a: [x, s2, z]}", "{a: [x, <p>, z]}",
			`/a/1 "***(changed)" "***(changed)" m` + "\n" + `{"a":["x","***(changed)","z"]}` + "\n" + `{"a":["x","***(changed)","z"]}` + "\n",
		},
		{
			"a part of an element with a name", "{c: [{name: a, args: [s1]}]}", "{c: [{name: a, args: [<p>]}]}",
			"{c: [{name: b}, {name: a, args: [s1, x]}]}", "{c: [{name: b}, {name: a, args: [<p>, x]}]}",
			`/c/0 - {"name":"b"}` + "\n" + `/c/1/args/1 - "x"` + "\n" +
				`{"c":[{"args":["***(same)"],"name":"a"}]}` + "\n" + `{"c":[{"name":"b"},{"args":["***(same)","x"],"name":"a"}]}` + "\n",
		},
		{
			"a name", "{c: [{name: s1, v: 1}]}", "{c: [{name: <p>, v: 1}]}", "{c: [{name: s2, v: 1}]}", "{c: [{name: <p>, v: 1}]}",
			`/c/0 "***(changed)" - m` + "\n" + `/c/0 - "***(changed)" m` + "\n" +
				`{"c":["***(changed)"]}` + "\n" + `{"c":["***(changed)"]}` + "\n",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := compared(t,
				Reveal(fields(t, tt.before), fields(t, tt.beforePublic)),
				Reveal(fields(t, tt.after), fields(t, tt.afterPublic)))
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// A live object shows all but what stands where something secret was rendered;
// what becomes of it shows what it was before, what is public, and nothing else.
func TestConcealAndDerive(t *testing.T) {
	tests := []struct{ name, live, secret, public, after, want string }{
		{
			"a value, and what others wrote", "{a: s0, o: x}", "{a: s1}", "{a: <p>}", "{a: s1, o: x}",
			`/a "***(changed)" "***(changed)" m` + "\n" + `{"a":"***(changed)","o":"x"}` + "\n" + `{"a":"***(changed)","o":"x"}` + "\n",
		},
		{
			"what a server derived from a secret", "{a: s1}", "{a: s1}", "{a: <p>}", "{a: s1, copy: s1}",
			`/*** - "***(changed)" m` + "\n" + `{"a":"***(same)"}` + "\n" + `{"***":"***(changed)","a":"***(same)"}` + "\n",
		},
		{
			"shifted by what a webhook inserts", "{l: [s0, u]}", "{l: [s1, u]}", "{l: [<p>, u]}", "{l: [side, s1, u]}",
			`/l/0 "***(changed)" "***(changed)" m` + "\n" + `/l/1 - "***(changed)" m` + "\n" +
				`{"l":["***(changed)","u"]}` + "\n" + `{"l":["***(changed)","***(changed)","u"]}` + "\n",
		},
		{
			"an older key", "{m: {s0: v, k: v}}", "{m: {s1: v, k: v}}", "{m: {<p>: v, k: v}}", "{m: {s1: v, k: w}}",
			`/m/*** "***(changed)" "***(changed)" m` + "\n" + `/m/k "***(changed)" "***(changed)" m` + "\n" +
				`{"m":{"***":"***(changed)","k":"***(changed)"}}` + "\n" + `{"m":{"***":"***(changed)","k":"***(changed)"}}` + "\n",
		},
		{
			"a plain change", "{a: s1, b: x}", "{a: s1, b: u}", "{a: <p>, b: u}", "{a: s1, b: u}",
			`/b "x" "u"` + "\n" + `{"a":"***(same)","b":"x"}` + "\n" + `{"a":"***(same)","b":"u"}` + "\n",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			before := Conceal(fields(t, tt.live), false, Witness{fields(t, tt.secret), fields(t, tt.public)})
			got := compared(t, before, Derive(fields(t, tt.after), before, Open(fields(t, tt.public))))
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// Keys that two witnesses hide are as hidden as those that one does.
func TestConcealByTwoWitnesses(t *testing.T) {
	live := fields(t, "{m: {s1: v, s2: w, k: x}}")
	witnesses := []Witness{
		{fields(t, "{m: {s1: v, k: x}}"), fields(t, "{m: {<p>: v, k: x}}")},
		{fields(t, "{m: {s2: w, k: x}}"), fields(t, "{m: {<q>: w, k: x}}")},
	}
	before := Conceal(live, false, witnesses...)
	want := `{"m":{"***":"***(same)","k":"x"}}` + "\n" + `{"m":{"***":"***(same)","k":"x"}}` + "\n"
	if diff := cmp.Diff(want, compared(t, before, Derive(live, before))); diff != "" {
		t.Error(diff)
	}
}

// In foreign content nothing is resolved: the live value stands for its
// placeholder, and no live value shows through the dry-run.
func TestShade(t *testing.T) {
	tests := []struct{ name, live, secret, public, after, want string }{
		{
			"an unchanged reference", "{a: s1, b: x}", "{a: +++}", "{a: <p>}", "{a: <p>, b: u}",
			`/b "x" "u"` + "\n" + `{"a":"\u003cp\u003e","b":"x"}` + "\n" + `{"a":"\u003cp\u003e","b":"u"}` + "\n",
		},
		{
			"a reference that becomes a text", "{a: s1}", "{a: +++}", "{a: <p>}", "{a: plain}",
			`/a "<p>" "plain"` + "\n" + `{"a":"\u003cp\u003e"}` + "\n" + `{"a":"plain"}` + "\n",
		},
		{
			"another reference", "{a: s1}", "{a: +++}", "{a: <p>}", "{a: <q>}",
			`/a "<p>" "<q>"` + "\n" + `{"a":"\u003cp\u003e"}` + "\n" + `{"a":"\u003cq\u003e"}` + "\n",
		},
		{
			"what another manager keeps", "{a: s1, l: [{name: x, v: s1}]}", "{a: +++, l: [{name: x, v: +++}]}", "{a: <p>, l: [{name: x, v: <p>}]}",
			"{a: s1, l: [{name: w, v: 1}, {name: x, v: s1}]}",
			`/l/0 - {"name":"w","v":1}` + "\n" + `{"a":"\u003cp\u003e","l":[{"name":"x","v":"\u003cp\u003e"}]}` + "\n" +
				`{"a":"\u003cp\u003e","l":[{"name":"w","v":1},{"name":"x","v":"\u003cp\u003e"}]}` + "\n",
		},
		{
			"an element that has moved", "{l: [x, s1]}", "{l: [x, +++]}", "{l: [x, <p>]}", "{l: [s1, w, x]}",
			`/l/0 "x" "<p>"` + "\n" + `/l/1 "<p>" "w"` + "\n" + `/l/2 - "x"` + "\n" +
				`{"l":["x","\u003cp\u003e"]}` + "\n" + `{"l":["\u003cp\u003e","w","x"]}` + "\n",
		},
		{
			"a key that is secret", "{m: {s1: v}}", "{m: {+++: v}}", "{m: {<p>: v}}", "{m: {s1: v, <p>: v}}",
			`/m/<p> - "v"` + "\n" + `{"m":{"***":"***(same)"}}` + "\n" + `{"m":{"***":"***(same)","\u003cp\u003e":"v"}}` + "\n",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			live := fields(t, tt.live)
			before := Conceal(live, true, Witness{fields(t, tt.secret), fields(t, tt.public)})
			got := compared(t, before, Shade(Open(fields(t, tt.after)), live, before))
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}
