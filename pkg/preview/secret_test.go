package preview

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	leatv1alpha1 "github.com/leat-dev/leat/pkg/apis/leat/v1alpha1"
	"github.com/leat-dev/leat/pkg/object"
)

func TestHideSecret(t *testing.T) {
	const mine, other = "{apiVersion: v1, kind: Secret, metadata: {name: mine}, data: {k: dg==}}", "{apiVersion: v1, kind: Secret, metadata: {name: other, annotations: {a: b, kubectl.kubernetes.io/last-applied-configuration: v}}, data: {k: dg==}, stringData: {l: v}, type: Opaque}"
	const hidden = "{apiVersion: v1, kind: Secret, metadata: {name: other, annotations: {a: b}}, data: {k: '<secret:other/k>'}, stringData: {l: '<secret:other/l>'}, type: Opaque}"
	tests := []struct{ name, in, want string }{
		{"mine", mine, mine},
		{"another's", other, hidden},
		{"no Secret", "{apiVersion: v1, kind: ConfigMap, data: {k: v}}", "{apiVersion: v1, kind: ConfigMap, data: {k: v}}"},
		{"of another group", "{apiVersion: x/v1, kind: Secret, data: {k: v}}", "{apiVersion: x/v1, kind: Secret, data: {k: v}}"},
		{"in a list", "{apiVersion: v1, kind: List, items: [" + mine + ", " + other + ", 1]}", "{apiVersion: v1, kind: List, items: [" + mine + ", " + hidden + ", 1]}"},
		{
			"in a list of Secrets", "{apiVersion: v1, kind: SecretList, items: [{metadata: {name: other}, data: {k: dg==}}]}",
			"{apiVersion: v1, kind: SecretList, items: [{apiVersion: v1, kind: Secret, metadata: {name: other}, data: {k: '<secret:other/k>'}}]}",
		},
		{"data that is none", "{apiVersion: v1, kind: Secret, metadata: {name: other}, data: v}", "{apiVersion: v1, kind: Secret, metadata: {name: other}, data: '<secret:other/data>'}"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			in := fields(t, tt.in)
			got, err := HideSecret(in, func(_, name string) (bool, error) { return name == "mine", nil })
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(fields(t, tt.want), got); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(fields(t, tt.in), in); diff != "" {
				t.Error("it was changed:", diff)
			}
		})
	}
	broken := errors.New("broken")
	for _, in := range []string{other, "{items: [" + other + "]}"} {
		if _, err := HideSecret(fields(t, in), func(_, _ string) (bool, error) { return false, broken }); !errors.Is(err, broken) {
			t.Errorf("%s: %v", in, err)
		}
	}
}

// No character of a marker is where it is in a placeholder: whatever part of a
// value is used, the two differ.
func TestMarkers(t *testing.T) {
	for _, pair := range [][2]string{
		{Placeholder("db", "pass_word.x-1"), Marker("db", "pass_word.x-1")},
		{EncryptedPlaceholder("a/b+c.yaml"), EncryptedMarker("a/b+c.yaml")},
	} {
		placeholder, marker := pair[0], pair[1]
		if len(placeholder) == len(marker) {
			t.Errorf("%s and %s are equally long", placeholder, marker)
		}
		same := 0
		for i := range min(len(placeholder), len(marker)) {
			if placeholder[i] == marker[i] {
				same++
			}
		}
		if want := strings.Count(placeholder, "+"); same != want {
			t.Errorf("%s and %s have %d characters in common", placeholder, marker, same)
		}
	}
}

func TestEncodeAndDecode(t *testing.T) {
	const text = "{apiVersion: v1, kind: Secret, data: {a: '<secret:db/a>', b: dg==, c: '<encrypted:f>', d: 1}, stringData: {a: '<secret:db/a>'}}"
	in := fields(t, text)
	encoded := Encode(in)
	if diff := cmp.Diff(fields(t, "{apiVersion: v1, kind: Secret, data: {a: PHNlY3JldDpkYi9hPg==, b: dg==, c: PGVuY3J5cHRlZDpmPg==, d: 1}, stringData: {a: '<secret:db/a>'}}"), encoded); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(in, Decode(encoded)); diff != "" {
		t.Error(diff)
	}
	other := fields(t, "{apiVersion: v1, kind: ConfigMap, data: {a: '<secret:db/a>'}}")
	if diff := cmp.Diff(other, Encode(other)); diff != "" {
		t.Error(diff)
	}
}

func TestStored(t *testing.T) {
	in := "{apiVersion: v1, kind: Secret, stringData: {a: 'x<secret:db/a>', b: v}, data: {c: dg==, b: dw==}}"
	want := "{apiVersion: v1, kind: Secret, data: {a: 'x<secret:db/a>', b: dg==, c: dg==}}"
	if diff := cmp.Diff(fields(t, want), Stored(fields(t, in))); diff != "" {
		t.Error(diff)
	}
	other := fields(t, "{kind: ConfigMap, stringData: {a: b}}")
	if diff := cmp.Diff(other, Stored(other)); diff != "" {
		t.Error(diff)
	}
}

// What was only rendered keeps what a server has added to elements of lists.
func TestFill(t *testing.T) {
	before := fields(t, "{spec: {c: [{name: a, image: x, pull: Always}, {name: gone}], l: [1, 2]}}")
	after := fields(t, "{spec: {c: [{name: b}, {name: a, image: w}], l: [1, 3]}}")
	want := fields(t, "{spec: {c: [{name: b}, {name: a, image: w, pull: Always}], l: [1, 3]}}")
	if diff := cmp.Diff(want, Fill(after, before)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(after, Fill(after, nil)); diff != "" {
		t.Error(diff)
	}
}

func TestStandIn(t *testing.T) {
	typed := fields(t, "{n: 3, b: false, s: text, l: [{name: a, port: 80}], deep: {n: 1.5}, public: 2}")
	public := fields(t, "{n: '<secret:a/b>', b: '<secret:a/b>', s: '<secret:a/b>', l: [{name: a, port: '<secret:a/b>'}, {name: b, port: '<secret:a/b>'}], deep: {n: 'x<encrypted:f>', m: '<secret:a/b>'}, public: 2}")
	want := fields(t, "{n: 1, b: true, s: '<secret:a/b>', l: [{name: a, port: 1}, {name: b, port: '<secret:a/b>'}], deep: {n: 1, m: '<secret:a/b>'}, public: 2}")
	if diff := cmp.Diff(want, StandIn(public, typed)); diff != "" {
		t.Error(diff)
	}
}

func TestFilter(t *testing.T) {
	key := object.Key{Group: "apps", Kind: "Deployment", Namespace: "a", Name: "web"}
	for text, want := range map[string]bool{
		``: true, `{}`: true, `{"kind": "Deployment"}`: true, `{"kind": "Service"}`: false, `{"apiVersion": "apps/v1"}`: true,
		`{"apiVersion": "apps/v2"}`: false, `{"apiVersion": "v1"}`: false, `{"apiVersion": "a/b/c"}`: false,
		`{"namespace": "a", "name": "web"}`: true, `{"namespace": "b", "name": "web"}`: false, `{"name": "other"}`: false,
	} {
		var f Filter
		if text != "" {
			f = Filter{{}}
			if err := json.Unmarshal([]byte(text), &f[0]); err != nil {
				t.Fatal(err)
			}
		}
		if got := f.Selects(key, "v1"); got != want {
			t.Errorf("%s selects: %t", text, got)
		}
	}
	two := Filter{{Kind: "Service"}, {Kind: "Deployment"}}
	if !two.Selects(key, "v1") {
		t.Error("none of two selects")
	}
	if !(Filter{leatv1alpha1.ObjectFilter{APIVersion: "apps/v2"}}).Selects(key, "") {
		t.Error("a version that is not known yet counts")
	}
}
