package kustomization

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"net/url"
	"strings"
	"testing"

	kustomizev1 "github.com/leat-dev/leat/pkg/apis/kustomize/v1"
	"github.com/leat-dev/leat/pkg/preview"
)

// The canaries: one that is a valid name, and one with all that is escaped
// somewhere.
const (
	canaryWord = "hunter2canary"
	canaryText = `c4n/ry+<&>"q"%ü=zw`
	canaryLine = "first1canary\nsecond2canary"
	canaryHard = `'unclosed"canary{[`
)

// canaries are all values of the Secret that are long enough to be recognised.
var canaries = []string{
	canaryWord, canaryText, canaryHard, "first1canary", "second2canary", "older7canary",
	base64.StdEncoding.EncodeToString([]byte(canaryWord)),
}

// leaks returns the forms in which a text tells a canary.
func leaks(text string) []string {
	var found []string
	for _, c := range canaries {
		quoted := strings.ReplaceAll(strings.ReplaceAll(c, `\`, `\\`), `"`, `\"`)
		html, err := json.Marshal(c)
		if err != nil {
			panic(err)
		}
		forms := map[string]string{
			"plain": c, "URL": url.QueryEscape(c), "path": url.PathEscape(c), "hex": hex.EncodeToString([]byte(c)),
			"JSON": quoted, "JSON twice": strings.ReplaceAll(quoted, `\`, `\\`), "JSON for HTML": strings.Trim(string(html), `"`),
			"YAML": strings.ReplaceAll(c, "'", "''"),
		}
		for shift, name := range []string{"base64", "base64 after one", "base64 after two"} {
			// What of the encoding does not depend on what is around.
			encoded := base64.StdEncoding.EncodeToString([]byte(strings.Repeat("x", shift) + c))
			start := (shift*8 + 5) / 6
			end := (shift + len(c)) * 8 / 6
			forms[name] = encoded[start:end]
		}
		for name, form := range forms {
			if strings.Contains(text, form) {
				found = append(found, name+" of "+c)
			}
		}
	}
	return found
}

// Canaries are found in each form that they are looked for in.
func TestLeaksFindsCanaries(t *testing.T) {
	for _, text := range []string{
		"x" + canaryWord, base64.StdEncoding.EncodeToString([]byte("ab" + canaryText + "cd")), url.QueryEscape(canaryText),
		base64.StdEncoding.EncodeToString([]byte("a" + canaryText)), base64.StdEncoding.EncodeToString([]byte(canaryText)),
		`{"a":"c4n/ry+<&>\"q\"%ü=zw"}`, `{"a":"c4n/ry+\u003c\u0026\u003e\"q\"%ü=zw"}`,
	} {
		if len(leaks(text)) == 0 {
			t.Errorf("nothing is found in %s", text)
		}
	}
	if found := leaks("nothing to see"); len(found) > 0 {
		t.Errorf("found %v", found)
	}
}

// secretData is what the Secret of the tests holds.
func secretData() map[string]string {
	return map[string]string{
		"word": canaryWord, "text": canaryText, "line": canaryLine, "hard": canaryHard, "count": "2", "empty": "",
		"b64": base64.StdEncoding.EncodeToString([]byte(canaryWord)),
	}
}

// routes place the values of a Secret wherever they may be placed.
func routes(more string) map[string]string {
	return map[string]string{
		"deploy/kustomization.yaml": `
resources: [objects.yaml]
configMapGenerator: [{name: generated, literals: ["plain=${text}", "part=a-${word}-b"]}]
secretGenerator: [{name: generated, literals: ["plain=${word}"]}]
`,
		"deploy/objects.yaml": `
apiVersion: v1
kind: ConfigMap
metadata:
  name: values
  annotations: {a: "${text}", b: "x ${word} y"}
  labels: {l: "${word}", m: "${word:0:3}"}
data:
  plain: ${text}
  quoted: '${word}'
  part: "postgres://u:${word}@db/${text}"
  ${word}: key
  cut: "${word:4}"
  length: "n${#word}"
  upper: "${word^^}"
  other: ${empty:-default}
  lines: |
    a ${text}
    b ${word}
  multi: "${line}"
  json: '{"password": "${word}"}'
  public: hello` + more + `
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: ${count}
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}, annotations: {sum: "${text}"}}
    spec:
      containers:
      - name: web
        image: example.com/web:1
        args: [--verbose, "--password=${word}", --last]
        env: [{name: A, value: a}, {name: PASSWORD, value: "${text}"}]
---
apiVersion: v1
kind: Secret
metadata: {name: creds}
stringData: {plain: "${text}"}
data: {encoded: "${b64}"}
---
apiVersion: v1
kind: Service
metadata: {name: web, annotations: {x: "${word}"}}
spec: {ports: [{port: 80}], selector: {app: web}}
`,
	}
}

// previews makes all previews that there are, and gives what they say to check.
func (s *stage) previews(k *kustomizev1.Kustomization, caller preview.Caller, retained string, files map[string]string, check func(what string, foreign bool, text string, err error)) {
	s.t.Helper()
	live, current, old := preview.Side{Live: true}, preview.Side{}, preview.Side{Retained: retained}
	upload := preview.Side{Upload: s.tree(files)}
	for _, c := range []struct {
		what     string
		from, to preview.Side
	}{
		{"live to current", live, current}, {"current to live", current, live}, {"live to retained", live, old},
		{"retained to current", old, current}, {"current to retained", current, old}, {"live to upload", live, upload},
		{"upload to live", upload, live}, {"current to upload", current, upload}, {"upload to retained", upload, old},
	} {
		_, text, err := s.diff(preview.Request{Object: k, Caller: caller, From: c.from, To: c.to})
		check("diff of "+c.what, c.from.Foreign() || c.to.Foreign(), text, err)
	}
	for what, side := range map[string]preview.Side{"current": current, "retained": old, "upload": upload} {
		_, text, err := s.build(preview.Request{Object: k, Caller: caller, To: side})
		check("build of "+what, side.Foreign(), text, err)
	}
}

// readable is all that the tests place values in, Secrets left out.
var readable = []string{"configmaps", "deployments", "services", "gitrepositories"}

// No preview tells a caller a value of a Secret that they may not get, by
// whatever route it came; whoever may get it sees it, but not in foreign content.
func TestPreviewKeepsSecrets(t *testing.T) {
	s := newStage(t)
	s.secret("db", secretData())
	k := s.kustomization()
	first := s.push("1111", routes("\n  removed: \"${text}\""))
	viewer, nobody := s.may("viewer", readable...), s.may("nobody")
	admin := s.may("admin", append(readable, "secrets")...)
	changed := routes("\n  added: ${word}")

	silent := func(state string) func(string, bool, string, error) {
		return func(what string, _ bool, text string, err error) {
			t.Helper()
			if found := leaks(text); len(found) > 0 {
				t.Errorf("%s: %s tells %v:\n%s", state, what, found, text)
			}
			if err != nil {
				t.Errorf("%s: %s: %v", state, what, err)
			}
		}
	}
	all := func(state string, retained string) {
		t.Helper()
		s.previews(k, viewer, retained, changed, silent(state))
		s.previews(k, admin, retained, changed, func(what string, foreign bool, text string, err error) {
			if err != nil {
				t.Errorf("%s: %s for the admin: %v", state, what, err)
			}
			// Where nothing differs, nothing is shown.
			same := strings.HasPrefix(what, "diff") && (!strings.Contains(what, "live") || !strings.HasPrefix(state, "before"))
			if found := leaks(text); !foreign && !same && len(found) == 0 {
				t.Errorf("%s: %s does not show the admin any value:\n%s", state, what, text)
			}
		})
	}
	all("before the first run", first)
	s.run(k)
	all("applied", first)
	s.previews(k, nobody, first, changed, silent("applied, for nobody"))

	// The next revision takes some away and adds others, and the Secret changes.
	second := s.push("2222", routes("\n  public2: ${word}"))
	s.previews(k, viewer, first, changed, silent("pushed"))
	data := secretData()
	data["word"], data["text"], data["count"] = "older7canary", "older7canary", "3"
	s.secret("db", data)
	all("rotated", first)
	_, text, err := s.diff(preview.Request{Object: k, Caller: admin, From: preview.Side{Live: true}})
	if err != nil || !strings.Contains(text, "older7canary") || !strings.Contains(text, canaryWord) {
		t.Errorf("the admin is not shown what a rotation changes: %v\n%s", err, text)
	}
	s.run(k)
	all("applied again", second)
}

// Where it is not known any more what is live was rendered from, nothing of it is
// shown that is not known to be public.
func TestPreviewOfUnknownOrigin(t *testing.T) {
	s := newStage(t)
	s.secret("db", secretData())
	viewer := s.may("viewer", readable...)
	k := s.kustomization()
	s.push("1111", set(map[string]string{"a": cm("a", "was: '${word}', same: x"), "b": cm("b", "k: '${word}'")}))
	s.run(k)
	k.Status.LastAppliedRevision = "main@sha1:0000"
	second := s.push("2222", set(map[string]string{"a": cm("a", "is: '${word}', same: x, next: y")}))
	s.push("3333", set(map[string]string{"a": "no: [manifest"}))
	for _, to := range []preview.Side{{Retained: second}, {Upload: s.tree(set(map[string]string{"a": cm("a", "is: '${word}', same: x")}))}} {
		d, text, err := s.diff(preview.Request{Object: k, Caller: viewer, From: preview.Side{Live: true}, To: to})
		if err != nil {
			t.Fatal(err)
		}
		if found := leaks(text); len(found) > 0 {
			t.Errorf("to %s: told %v:\n%s", d.To, found, text)
		}
		if o := named(d, "ConfigMap", "b"); o != nil && o.Old != nil && o.Action == "Delete" {
			t.Errorf("to %s: what is deleted is shown: %s", d.To, text)
		}
	}
}
