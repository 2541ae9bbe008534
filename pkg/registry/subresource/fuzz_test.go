package subresource

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	leatv1alpha1 "github.com/leat-dev/leat/pkg/apis/leat/v1alpha1"
	"github.com/leat-dev/leat/pkg/preview"
)

// Of any two bodies the text is a patch that makes one the other, in a file of its
// own below where it is applied.
func FuzzUnified(f *testing.F) {
	f.Add([]byte(`{"data":{"a":"1\n2\n3"}}`), []byte(`{"data":{"a":"1\n2\n4"}}`), "one")
	f.Add([]byte(`{"a":[1,2,3,4,5,6,7,8,9]}`), []byte(`{"a":[1,2,3,4,5,6,7,8,10,9]}`), "../../etc/passwd")
	f.Add([]byte(`null`), []byte(`{"a":"--- x\n+++ y\n@@ -1 +1 @@\n"}`), "..")
	f.Add([]byte(`{"a":"\r\n\u2028"}`), []byte(`null`), "a\nb")
	f.Fuzz(func(t *testing.T, oldText, newText []byte, name string) {
		var before, after map[string]any
		if json.Unmarshal(oldText, &before) != nil || json.Unmarshal(newText, &after) != nil {
			return
		}
		d := &preview.ObjectDiff{DiffObject: leatv1alpha1.DiffObject{APIVersion: "v1", Kind: "ConfigMap", Name: name}}
		if before != nil {
			d.Old = &unstructured.Unstructured{Object: before}
		}
		if after != nil {
			d.New = &unstructured.Unstructured{Object: after}
		}
		text, err := unifiedDiff(d)
		if err != nil {
			return
		}
		oldBody, err := bodyText(d.Old)
		if err != nil {
			t.Fatal(err)
		}
		newBody, err := bodyText(d.New)
		if err != nil {
			t.Fatal(err)
		}
		got, err := applyUnified(oldBody, text)
		if err != nil || got != newBody {
			t.Errorf("the patch\n%s\nof %q gives %q, %v, want %q", text, oldBody, got, err, newBody)
		}
		if path := patchPath(d); strings.Contains("/"+path+"/", "/../") || strings.Contains("/"+path+"/", "/./") || strings.HasPrefix(path, "/") || strings.ContainsAny(path, "\n\t \"") {
			t.Errorf("%q is written to %q", name, path)
		}
	})
}

// applyUnified does what patch does, for one file and without tolerance.
func applyUnified(body, text string) (string, error) {
	if text == "" {
		return body, nil
	}
	// A last line without an end is told by the line after it.
	text = strings.ReplaceAll(text, "\n\\ No newline at end of file\n", "")
	lines, rest := strings.SplitAfter(body, "\n"), strings.SplitAfter(text, "\n")
	if len(rest) < 3 || !strings.HasPrefix(rest[0], "--- ") || !strings.HasPrefix(rest[1], "+++ ") {
		return "", errors.New("no head")
	}
	var out strings.Builder
	at := 0
	for _, line := range rest[2:] {
		switch {
		case line == "":
		case strings.HasPrefix(line, "@@ "):
			var from int
			if _, err := fmt.Sscanf(line, "@@ -%d", &from); err != nil {
				return "", err
			}
			for ; at < from-1; at++ {
				out.WriteString(lines[at])
			}
		case line[0] == '+':
			out.WriteString(line[1:])
		case line[0] == ' ' || line[0] == '-':
			if at >= len(lines) || lines[at] != line[1:] {
				return "", fmt.Errorf("line %d is not %q", at+1, line[1:])
			}
			if line[0] == ' ' {
				out.WriteString(line[1:])
			}
			at++
		default:
			return "", fmt.Errorf("line %q", line)
		}
	}
	return out.String() + strings.Join(lines[at:], ""), nil
}

// Parameters and headers are taken for what they say or refused with a Status of
// the client's fault.
func FuzzQuery(f *testing.F) {
	f.Add("output=text&tail=10&since=10m&follow", "application/json")
	f.Add("limit=-1&prune=maybe&follow=2", "text/html")
	f.Add("output=%00&id=../x&tail=99999999999999999999", "application/*;q=0.1")
	f.Add("output=json&output=yaml&path=/../../etc", ";;=")
	f.Fuzz(func(t *testing.T, text, accept string) {
		query, err := url.ParseQuery(text)
		if err != nil {
			return
		}
		long := checkLengths(query) != nil
		for _, values := range query {
			for _, value := range values {
				if len(value) > maxParameter && !long {
					t.Errorf("a value of %d bytes is taken", len(value))
				}
			}
		}
		if n, err := count(query, "tail"); err == nil && n != nil && *n < 0 {
			t.Errorf("%q is %d", text, *n)
		}
		if on, err := boolean(query, "follow"); err == nil && on && !query.Has("follow") {
			t.Errorf("%q follows", text)
		}
		if p := cleanPath(query.Get("path")); p != "." && strings.HasPrefix(p, "/") {
			t.Errorf("%q is the path %q", text, p)
		}
		for _, kinds := range []outputs{historyOutputs, logOutputs} {
			chosen, err := kinds.choose(query.Get("output"), []string{accept})
			var status apierrors.APIStatus
			switch {
			case err == nil && chosen != kinds[0].name && chosen != kinds[1].name:
				t.Errorf("output %q", chosen)
			case err != nil && (!errors.As(err, &status) || status.Status().Code/100 != 4):
				t.Errorf("%q, %q: %v", text, accept, err)
			}
		}
	})
}

// A suspension ends in the future, and not later than it may.
func FuzzUntil(f *testing.F) {
	for _, text := range []string{"1h", "-1h", "2027-01-01T00:00:00Z", "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:60Z", "9223372036854775807ns", "1h\x00"} {
		f.Add(text, int64(1795262400))
	}
	f.Fuzz(func(t *testing.T, text string, unix int64) {
		now := time.Unix(unix%(1<<35), 0)
		until, err := parseUntil(text, now)
		if err != nil || until == nil {
			return
		}
		if !until.After(now) || until.After(now.Add(maxSuspension+time.Second)) {
			t.Errorf("%q from %s on is until %s", text, now, until)
		}
	})
}

// A run that answers a request answers all before it.
func FuzzHandled(f *testing.F) {
	f.Add("2026-11-21T09:00:00.5Z", "2026-11-21T09:00:00Z")
	f.Add("x", "x")
	f.Add("", "2026-11-21T09:00:00Z")
	f.Fuzz(func(t *testing.T, at, id string) {
		if !handled(id, id) {
			t.Errorf("%q is not answered by itself", id)
		}
		if at != id && handled(at, id) && handled(id, at) {
			t.Errorf("%q and %q answer each other", at, id)
		}
	})
}
