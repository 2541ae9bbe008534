package hostile

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
)

const (
	asJSON  = "application/json"
	asYAML  = "application/yaml"
	asMerge = "application/merge-patch+json"
	asPatch = "application/json-patch+json"
	asApply = "application/apply-patch+yaml"

	mebibyte = 1 << 20
)

// repositoryWith is a GitRepository as JSON with more in its metadata and spec.
func repositoryWith(metadata, spec string) string {
	return `{"apiVersion":"source.toolkit.fluxcd.io/v1","kind":"GitRepository","metadata":{"name":"new"` + metadata + `},` +
		`"spec":{"url":"https://git.example.com/a.git","interval":"1h"` + spec + `}}`
}

// kustomizationWith is a Kustomization as JSON with more in its spec.
func kustomizationWith(spec string) string {
	return `{"apiVersion":"kustomize.toolkit.fluxcd.io/v1","kind":"Kustomization","metadata":{"name":"new"},` +
		`"spec":{"interval":"1h","prune":true,"sourceRef":{"kind":"GitRepository","name":"repo"}` + spec + `}}`
}

// yamlBomb grows to ten to the ninth when its aliases are followed.
const yamlBomb = `
a: &a [x, x, x, x, x, x, x, x, x, x]
b: &b [*a, *a, *a, *a, *a, *a, *a, *a, *a, *a]
c: &c [*b, *b, *b, *b, *b, *b, *b, *b, *b, *b]
d: &d [*c, *c, *c, *c, *c, *c, *c, *c, *c, *c]
e: &e [*d, *d, *d, *d, *d, *d, *d, *d, *d, *d]
f: &f [*e, *e, *e, *e, *e, *e, *e, *e, *e, *e]
g: &g [*f, *f, *f, *f, *f, *f, *f, *f, *f, *f]
h: &h [*g, *g, *g, *g, *g, *g, *g, *g, *g, *g]
i: &i [*h, *h, *h, *h, *h, *h, *h, *h, *h, *h]
`

func gzipped(content io.Reader) func() io.Reader {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := io.Copy(w, content); err != nil {
		panic(err)
	}
	if err := w.Close(); err != nil {
		panic(err)
	}
	return func() io.Reader { return bytes.NewReader(b.Bytes()) }
}

func TestBodies(t *testing.T) {
	runAll(t, sizes(), shapes(), encodings(), metadata())
}

func sizes() []attack {
	create := repositories
	return []attack{
		{name: "JSON of 4 MiB", path: create, header: contentType(asJSON), body: repeated(`{"kind":"`, "x", 4*mebibyte, `"}`), code: 413, says: []string{"3145728"}},
		{name: "YAML of 4 MiB", path: create, header: contentType(asYAML), body: repeated("kind: ", "x", 4*mebibyte, "\n"), code: 413, says: []string{"3145728"}},
		{name: "merge patch of 4 MiB", method: http.MethodPatch, path: repo, header: contentType(asMerge), body: repeated(`{"a":"`, "x", 4*mebibyte, `"}`), code: 413, says: []string{"3145728"}},
		{name: "apply of 4 MiB", method: http.MethodPatch, path: repo + "?fieldManager=x", header: contentType(asApply), body: repeated(`a: "`, "x", 4*mebibyte, `"`), code: 413, says: []string{"3145728"}},
		{name: "delete options of 4 MiB", method: http.MethodDelete, path: repo, header: contentType(asJSON), body: repeated(`{"kind":"`, "x", 4*mebibyte, `"}`), code: 413, says: []string{"3145728"}},
		{name: "request to reconcile of 4 MiB", path: repo + "/reconcile", header: contentType(asJSON), body: repeated(`{"kind":"`, "x", 4*mebibyte, `"}`), code: 413, says: []string{"3145728"}},
		{name: "object of 2 MiB", path: create, header: contentType(asJSON), body: text(repositoryWith("", `,"ignore":"`+strings.Repeat("x\\n", 600<<10)+`"`)), code: 422, says: []string{"spec.ignore", "1540096"}},
		{name: "update to 2 MiB", method: http.MethodPatch, path: repo, header: contentType(asMerge), body: text(`{"spec":{"ignore":"` + strings.Repeat("x\\n", 600<<10) + `"}}`), code: 422, says: []string{"spec.ignore", "1540096"}},
		{name: "status of 2 MiB", method: http.MethodPatch, path: repo + "/status", header: contentType(asMerge), body: text(`{"status":{"lastHandledReconcileAt":"` + strings.Repeat("xx", mebibyte) + `"}}`), code: 422, says: []string{"status.lastHandledReconcileAt", "1540096"}},
		{name: "annotations of 300 KiB", path: create, header: contentType(asJSON), body: text(repositoryWith(`,"annotations":{"a":"`+strings.Repeat("x", 300<<10)+`"}`, "")), code: 422, says: []string{"metadata.annotations", "262144"}},
		{name: "empty", path: create, header: contentType(asJSON), body: text(""), code: 400, says: []string{"end of JSON"}},
		{name: "delete of everything with 1 MiB of white space", method: http.MethodDelete, path: repositories + "?dryRun=All&labelSelector=no=such", header: contentType(asJSON), body: repeated("", " ", mebibyte, ""), code: 400},
	}
}

func shapes() []attack {
	deep := strings.Repeat("[", 100_000)
	return []attack{
		{name: "JSON of depth 100000", path: repositories, header: contentType(asJSON), body: text(`{"apiVersion":"source.toolkit.fluxcd.io/v1","kind":"GitRepository","spec":` + deep), code: 400, says: []string{"deeper than 512 at byte"}},
		{name: "JSON of depth 100000, closed", path: repositories, header: contentType(asJSON), body: text(repositoryWith("", `,"include":`+deep+strings.Repeat("]", 100_000))), code: 400, says: []string{"deeper than 512 at byte"}},
		{name: "YAML of depth 100000", path: repositories, header: contentType(asYAML), body: text("a: " + deep), code: 400, says: []string{"depth of 10000"}},
		{name: "YAML of depth 9000, where nothing is read", path: repositories, header: contentType(asYAML), body: text("a: " + strings.Repeat("[", 9000) + strings.Repeat("]", 9000)), code: 422, says: []string{"metadata.name"}},
		{name: "merge patch of depth 100000", method: http.MethodPatch, path: repo, header: contentType(asMerge), body: text(`{"spec":` + strings.Repeat(`{"a":`, 100_000) + "1" + strings.Repeat("}", 100_001)), code: 400, says: []string{"deeper than 512 at byte"}},
		{name: "JSON patch of depth 100000", method: http.MethodPatch, path: repo, header: contentType(asPatch), body: text(`[{"op":"add","path":"/spec/x","value":` + deep + strings.Repeat("]", 100_000) + `}]`), code: 400, says: []string{"deeper than 512 at byte"}},
		{name: "apply of depth 100000", method: http.MethodPatch, path: repo + "?fieldManager=x", header: contentType(asApply), body: text("a: " + deep + strings.Repeat("]", 100_000)), code: 400, says: []string{"depth of 10000"}},
		{name: "request to reconcile of depth 100000", path: repo + "/reconcile", header: contentType(asJSON), body: text(`{"kind":"ReconcileRequest","apiVersion":"leat.dev/v1alpha1","spec":` + deep), code: 400, says: []string{"deeper than 512 at byte"}},
		{name: "YAML bomb", path: repositories, header: contentType(asYAML), body: text("apiVersion: source.toolkit.fluxcd.io/v1\nkind: GitRepository\nspec:" + strings.ReplaceAll(yamlBomb, "\n", "\n  ")), code: 400, says: []string{"alias"}},
		{name: "apply of a YAML bomb", method: http.MethodPatch, path: repo + "?fieldManager=x", header: contentType(asApply), body: text(yamlBomb), code: 400, says: []string{"alias"}},
		{name: "YAML that holds itself", path: repositories, header: contentType(asYAML), body: text("a: &a [*a]\n"), code: 400, says: []string{"a"}},
		{name: "YAML of two documents", path: repositories + "?dryRun=All", header: contentType(asYAML), body: text("apiVersion: v1\n---\nkind: Pod\n"), code: 400, says: []string{"kind"}},
		{name: "YAML with a tag of a language", path: repositories, header: contentType(asYAML), body: text("!!python/object/apply:os.system [id]\n"), code: 400},
		{name: "list for an object", path: repositories, header: contentType(asJSON), body: text(`[1,2,3]`), code: 400},
		{name: "text for an object", path: repositories, header: contentType(asJSON), body: text(`"GitRepository"`), code: 400},
		{name: "null", path: repositories, header: contentType(asJSON), body: text(`null`), code: 422, says: []string{"metadata.name"}},
		{name: "truncated JSON", path: repositories, header: contentType(asJSON), body: text(repositoryWith("", "")[:80]), code: 400, says: []string{"end of JSON"}},
		{name: "JSON with more after it", path: repositories, header: contentType(asJSON), body: text(repositoryWith("", "") + "{}"), code: 400},
		{name: "text for a number", path: repo + "/reconcile", body: text(`{"apiVersion":"leat.dev/v1alpha1","kind":"ReconcileRequest","spec":{"waitSeconds":"all"}}`), code: 400, says: []string{"waitSeconds"}},
		{name: "number beyond 64 bits", path: repo + "/reconcile", body: text(`{"apiVersion":"leat.dev/v1alpha1","kind":"ReconcileRequest","spec":{"waitSeconds":1e400}}`), code: 400, says: []string{"waitSeconds"}},
		{name: "list for a text", path: repositories, header: contentType(asJSON), body: text(repositoryWith("", `,"ignore":["a"]`)), code: 400, says: []string{"ignore"}},
		{name: "object for a list", path: kustomizations, header: contentType(asJSON), body: text(kustomizationWith(`,"dependsOn":{"name":"a"}`)), code: 400, says: []string{"dependsOn"}},
		{name: "duplicate keys", path: repositories + "?fieldValidation=Strict&dryRun=All", header: contentType(asJSON), body: text(repositoryWith("", `,"interval":"2h"`)), code: 400, says: []string{`duplicate field "spec.interval"`}},
		{name: "duplicate keys of YAML", path: repositories + "?fieldValidation=Strict&dryRun=All", header: contentType(asYAML), body: text("apiVersion: source.toolkit.fluxcd.io/v1\nkind: GitRepository\nmetadata: {name: new}\nspec: {url: a, url: b}\n"), code: 400, says: []string{"url"}},
		{name: "unknown fields", path: repositories + "?fieldValidation=Strict&dryRun=All", header: contentType(asJSON), body: text(repositoryWith("", `,"command":"id"`)), code: 400, says: []string{`unknown field "spec.command"`}},
		{name: "10000 unknown fields", path: repositories + "?fieldValidation=Strict&dryRun=All", header: contentType(asJSON), body: text(repositoryWith("", numbered(10_000, `,"f%d":1`))), code: 400, says: []string{"unknown field"}},
		{name: "other letter case", path: repositories + "?fieldValidation=Strict&dryRun=All", header: contentType(asJSON), body: text(repositoryWith("", `,"Interval":"2h"`)), code: 400, says: []string{`unknown field "spec.Interval"`}},
		{name: "wrong kind", path: repositories, header: contentType(asJSON), body: text(kustomizationWith("")), code: 400, says: []string{"Kustomization"}},
		{name: "kind of the list", path: repositories, header: contentType(asJSON), body: text(`{"apiVersion":"source.toolkit.fluxcd.io/v1","kind":"GitRepositoryList","items":[]}`), code: 400, says: []string{"GitRepositoryList"}},
		{name: "unknown kind", path: repositories, header: contentType(asJSON), body: text(`{"apiVersion":"source.toolkit.fluxcd.io/v1","kind":"Shell"}`), code: 400, says: []string{"Shell"}},
		{name: "internal version", path: repositories, header: contentType(asJSON), body: text(`{"apiVersion":"source.toolkit.fluxcd.io/__internal","kind":"GitRepository"}`), code: 400, says: []string{"__internal"}},
		{name: "wrong kind for an action", path: repo + "/reconcile", header: contentType(asJSON), body: text(repositoryWith("", "")), code: 400, says: []string{"GitRepository"}},
		{name: "name of another object", path: repo + "/reconcile", header: contentType(asJSON), body: text(`{"apiVersion":"leat.dev/v1alpha1","kind":"ReconcileRequest","metadata":{"name":"other"}}`), code: 422, says: []string{"metadata.name", `"repo"`}},
		{name: "namespace of another object", path: repositories, header: contentType(asJSON), body: text(repositoryWith(`,"namespace":"kube-system"`, "")), code: 400, says: []string{"namespace"}},
	}
}

// numbered is a format repeated with numbers.
func numbered(n int, format string) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, format, i)
	}
	return b.String()
}

func encodings() []attack {
	encoded := func(media, encoding string) http.Header {
		return http.Header{"Content-Type": {media}, "Content-Encoding": {encoding}}
	}
	bomb := gzipped(&repeater{unit: " ", left: 64 * mebibyte})
	return []attack{
		{name: "gzip bomb", path: repositories, header: encoded(asJSON, "gzip"), body: bomb, code: 415, says: []string{"Content-Encoding", "gzip"}},
		{name: "gzip bomb that is not announced", path: repositories, header: contentType(asJSON), body: bomb, code: 400},
		{name: "gzip bomb as a patch", method: http.MethodPatch, path: repo, header: encoded(asMerge, "gzip"), body: bomb, code: 415, says: []string{"Content-Encoding", "gzip"}},
		{name: "gzip bomb as an action", path: repo + "/reconcile", header: encoded(asJSON, "gzip"), body: bomb, code: 415, says: []string{"Content-Encoding", "gzip"}},
		{name: "gzip of gzip", path: repositories, header: encoded(asJSON, "gzip, gzip"), body: bomb, code: 415, says: []string{"Content-Encoding", "gzip"}},
		{name: "unknown encoding", path: repositories, header: encoded(asJSON, "br"), body: text(repositoryWith("", "")), code: 415, says: []string{"Content-Encoding", `br`}},
		{name: "identity", path: repositories + "?dryRun=All", header: encoded(asJSON, "identity"), body: text(repositoryWith("", "")), code: 201},
		{name: "protobuf", path: repositories, header: contentType("application/vnd.kubernetes.protobuf"), body: text("k8s\x00"), code: 415, says: []string{"application/json"}},
		{name: "CBOR", path: repositories, header: contentType("application/cbor"), body: text("\xd9\xd9\xf7\xa0"), code: 415, says: []string{"application/json"}},
		{name: "form", path: repositories, header: contentType("multipart/form-data; boundary=x"), body: text("--x--"), code: 415, says: []string{"application/json"}},
		{name: "malformed content type", path: repositories, header: contentType("application/json; ;;="), body: text(repositoryWith("", "")), code: 415, says: []string{"application/json; ;;="}},
		{name: "content type of 4 KiB", path: repositories, header: contentType("application/" + strings.Repeat("x", 4<<10)), body: text(repositoryWith("", "")), code: 415},
		{name: "JSON in UTF-16", path: repositories, header: contentType(asJSON), body: text("\xff\xfe{\x00}\x00"), code: 400},
		{name: "strategic merge patch of nonsense", method: http.MethodPatch, path: repo, header: contentType("application/strategic-merge-patch+json"), body: text(`{"$patch":"nonsense"}`), code: 400, says: []string{"nonsense"}},
		{name: "patch of an unknown type", method: http.MethodPatch, path: repo, header: contentType(asJSON), body: text(`{}`), code: 415, says: []string{asJSON, asMerge}},
		{name: "merge patch that is a list", method: http.MethodPatch, path: repo, header: contentType(asMerge), body: text(`[]`), code: 400},
		{name: "JSON patch that is no list", method: http.MethodPatch, path: repo, header: contentType(asPatch), body: text(`{}`), code: 400},
		{name: "JSON patch of 10001 operations", method: http.MethodPatch, path: repo, header: contentType(asPatch), body: text(`[` + strings.Repeat(`{"op":"test","path":"/kind","value":"GitRepository"},`, 10_000) + `{"op":"remove","path":"/spec"}]`), code: 413, says: []string{"10000"}},
		{name: "JSON patch that doubles", method: http.MethodPatch, path: repo, header: contentType(asPatch), body: text(`[` + strings.Repeat(`{"op":"copy","from":"/spec","path":"/spec/url"},{"op":"copy","from":"/spec","path":"/spec/ref"},`, 30) + `{"op":"remove","path":"/x"}]`), code: 422, says: []string{"JSON patch", "3145728"}},
		{name: "JSON patch of what does not exist", method: http.MethodPatch, path: repo, header: contentType(asPatch), body: text(`[{"op":"remove","path":"/spec/a/b/c"}]`), code: 422, says: []string{"JSON patch", "3145728"}},
		{name: "JSON patch of an index beyond", method: http.MethodPatch, path: repo, header: contentType(asPatch), body: text(`[{"op":"add","path":"/metadata/finalizers/99999999999","value":"x"}]`), code: 422, says: []string{"JSON patch", "3145728"}},
		{name: "JSON patch with an unknown operation", method: http.MethodPatch, path: repo, header: contentType(asPatch), body: text(`[{"op":"exec","path":"/spec"}]`), code: 422, says: []string{"JSON patch", "3145728"}},
		{name: "apply without a manager", method: http.MethodPatch, path: repo, header: contentType(asApply), body: text("{}"), code: 422, says: []string{"fieldManager"}},
		{name: "apply of nothing", method: http.MethodPatch, path: repo + "?fieldManager=x", header: contentType(asApply), body: text(""), code: 400},
	}
}

func metadata() []attack {
	long := strings.Repeat("x", 10<<10)
	create := repositories + "?dryRun=All"
	return []attack{
		{name: "name of 10 KB", path: create, body: text(strings.Replace(repositoryWith("", ""), `"new"`, `"`+long+`"`, 1)), code: 422, says: []string{"metadata.name", "253"}},
		{name: "name with a slash", path: create, body: text(strings.Replace(repositoryWith("", ""), `"new"`, `"../../etc"`, 1)), code: 422, says: []string{"metadata.name", "/"}},
		{name: "name with a NUL", path: create, body: text(strings.Replace(repositoryWith("", ""), `"new"`, `"a\u0000b"`, 1)), code: 422, says: []string{"metadata.name"}},
		{name: "name that is no UTF-8", path: create, body: text(strings.Replace(repositoryWith("", ""), `"new"`, "\"a\xff\"", 1)), code: 422, says: []string{"metadata.name"}},
		{name: "generated name of 10 KB", path: create, body: text(strings.Replace(repositoryWith("", ""), `"name":"new"`, `"generateName":"`+long+`"`, 1)), code: 422, says: []string{"metadata."}},
		{name: "label of 10 KB", path: create, body: text(repositoryWith(`,"labels":{"a":"`+long+`"}`, "")), code: 422, says: []string{"metadata.labels", "63"}},
		{name: "label key of 10 KB", path: create, body: text(repositoryWith(`,"labels":{"`+long+`":"a"}`, "")), code: 422, says: []string{"metadata.labels", "63"}},
		{name: "5000 bad labels", path: create, body: text(repositoryWith(`,"labels":{"a":"b"`+numbered(5000, `,"-%d":"-"`)+`}`, "")), code: 422, says: []string{"metadata.labels", "256"}},
		{name: "5000 bad labels by a patch", method: http.MethodPatch, path: repo, header: contentType(asMerge), body: text(`{"metadata":{"labels":{"a":"b"` + numbered(5000, `,"-%d":"-"`) + `}}}`), code: 422, says: []string{"metadata.labels", "256"}},
		{name: "5000 bad labels by a patch of the status", method: http.MethodPatch, path: repo + "/status", header: contentType(asMerge), body: text(`{"metadata":{"labels":{"a":"b"` + numbered(5000, `,"-%d":"-"`) + `}}}`), code: 422, says: []string{"metadata.labels", "256"}},
		{name: "250 bad labels", path: create, body: text(repositoryWith(`,"labels":{"a":"b"`+numbered(250, `,"-%d":"-"`)+`}`, "")), code: 422, says: []string{"metadata.labels", "are not shown"}},
		{name: "250 bad labels by a patch", method: http.MethodPatch, path: repo, header: contentType(asMerge), body: text(`{"metadata":{"labels":{"a":"b"` + numbered(250, `,"-%d":"-"`) + `}}}`), code: 422, says: []string{"metadata.labels"}},
		{name: "5000 owners", path: create, body: text(repositoryWith(`,"ownerReferences":[{}`+numbered(5000, `,{"uid":"%d"}`)+`]`, "")), code: 422, says: []string{"metadata.ownerReferences", "256"}},
		{name: "bad finalizer", path: create, body: text(repositoryWith(`,"finalizers":["no/such/name"]`, "")), code: 422, says: []string{"metadata.finalizers"}},
		{name: "two controllers", path: create, body: text(repositoryWith(`,"ownerReferences":[`+owner("a")+`,`+owner("b")+`]`, "")), code: 422, says: []string{"metadata.ownerReferences"}},
		{name: "resource version of a new object", path: create, body: text(repositoryWith(`,"resourceVersion":"5"`, "")), code: 201},
		{name: "managed fields of nonsense", path: create, body: text(repositoryWith(`,"managedFields":[{"manager":"x","operation":"Apply","fieldsType":"FieldsV9","fieldsV1":{"f:x":{"\u0000":1}}}]`, "")), code: 201},
		{name: "update without a version", method: http.MethodPut, path: repo, body: text(strings.Replace(repositoryWith("", ""), `"new"`, `"repo"`, 1)), code: 422, says: []string{"metadata.resourceVersion"}},
		{name: "update of another name", method: http.MethodPut, path: repo, body: text(repositoryWith("", "")), code: 400, says: []string{"name"}},
		{name: "update with a foreign uid", method: http.MethodPatch, path: repo, header: contentType(asMerge), body: text(`{"metadata":{"uid":"11111111-1111-1111-1111-111111111111"}}`), code: 422, says: []string{"uid"}},
		{name: "delete with a policy that is none", method: http.MethodDelete, path: repo, body: text(`{"kind":"DeleteOptions","apiVersion":"v1","propagationPolicy":"Burn"}`), code: 422, says: []string{"propagationPolicy", "Burn"}},
		{name: "delete with options of another kind", method: http.MethodDelete, path: repo, body: text(`{"kind":"Pod","apiVersion":"v1"}`), code: 400},
		{name: "delete with a foreign uid", method: http.MethodDelete, path: repo, body: text(`{"kind":"DeleteOptions","apiVersion":"v1","preconditions":{"uid":"x"}}`), code: 409, says: []string{"UID"}},
		{name: "delete with a dry run that is none", method: http.MethodDelete, path: repo, body: text(`{"kind":"DeleteOptions","apiVersion":"v1","dryRun":["Some"]}`), code: 422, says: []string{"dryRun"}},
	}
}

func owner(name string) string {
	return `{"apiVersion":"v1","kind":"ConfigMap","name":"` + name + `","uid":"` + name + `","controller":true}`
}
