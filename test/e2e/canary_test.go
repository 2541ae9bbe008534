package e2e

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"k8s.io/client-go/rest"

	"github.com/leat-dev/leat/test/framework"
)

// The values of the Secret that the tests of provenance look for.
const (
	canary     = "hunter2canary"
	canaryText = `c4n/ry+<&>"q"zw`
	canaryHard = `'unclosed2canary{[`
)

// told returns the canaries that a text tells, in whichever form.
func told(text string) []string {
	var found []string
	for _, c := range []string{canary, canaryText, canaryHard} {
		escaped := strings.ReplaceAll(c, `"`, `\"`)
		forms := []string{
			c, escaped, strings.ReplaceAll(escaped, `\`, `\\`), strings.NewReplacer("<", `\u003c`, ">", `\u003e`, "&", `\u0026`).Replace(escaped),
			url.QueryEscape(c), url.PathEscape(c), strings.ReplaceAll(c, "'", "''"),
		}
		for shift := range 3 {
			encoded := base64.StdEncoding.EncodeToString([]byte(strings.Repeat("x", shift) + c))
			forms = append(forms, encoded[(shift*8+5)/6:(shift+len(c))*8/6])
		}
		for _, form := range forms {
			if strings.Contains(text, form) {
				found = append(found, form)
			}
		}
	}
	return found
}

// secretRoutes place values of the Secret "db" where they may be placed, and
// where they are refused by a build or by kube-apiserver.
var secretRoutes = map[string]string{
	"good/kustomization.yaml": "resources: [objects.yaml]\nconfigMapGenerator: [{name: generated, literals: ['a=${text}']}]\n",
	"good/objects.yaml": `
apiVersion: v1
kind: ConfigMap
metadata: {name: values, annotations: {a: "${text}"}, labels: {l: "${word}"}}
data:
  plain: ${text}
  part: "postgres://u:${word}@db"
  ${word}: key
  public: hello
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: ${count}
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: example.com/web, args: ["--password=${word}"], env: [{name: P, value: "${text}"}]}]}
---
apiVersion: v1
kind: Secret
metadata: {name: creds}
stringData: {plain: "${text}"}
`,
	"label/cm.yaml":  "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: label, labels: {l: '${text}'}}\n",
	"key/cm.yaml":    "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: key}\ndata: {'${text}': v}\n",
	"number/d.yaml":  "apiVersion: v1\nkind: Service\nmetadata: {name: number}\nspec: {ports: [{port: \"${text}\"}]}\n",
	"broken/cm.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: broken}\ndata: {k: \"${hard}\"}\n",
	"name/cm.yaml":   "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: 'a-${word}'}\n",
}

// viewer may read all of a namespace but Secrets, and preview what it likes.
func viewer(t *testing.T, namespace string) *framework.Client {
	t.Helper()
	name := "viewer-" + namespace
	kubectl(t, "create", "role", name, "--namespace", namespace, "--verb=get,list",
		"--resource=configmaps,events,services,deployments.apps,gitrepositories.source.toolkit.fluxcd.io,kustomizations.kustomize.toolkit.fluxcd.io,"+
			"kustomizations.kustomize.toolkit.fluxcd.io/build,kustomizations.kustomize.toolkit.fluxcd.io/diff,kustomizations.kustomize.toolkit.fluxcd.io/log,"+
			"kustomizations.kustomize.toolkit.fluxcd.io/history,kustomizations.kustomize.toolkit.fluxcd.io/tree")
	kubectl(t, "create", "rolebinding", name, "--namespace", namespace, "--role", name, "--user", name)
	kubectl(t, "create", "role", name+"-posts", "--namespace", namespace, "--verb=create",
		"--resource=kustomizations.kustomize.toolkit.fluxcd.io/build,kustomizations.kustomize.toolkit.fluxcd.io/diff")
	kubectl(t, "create", "rolebinding", name+"-posts", "--namespace", namespace, "--role", name+"-posts", "--user", name)
	client, err := cluster.User(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// targz packs files as a client sends them.
func targz(t *testing.T, files map[string]string) string {
	t.Helper()
	var b bytes.Buffer
	zw := gzip.NewWriter(&b)
	tw := tar.NewWriter(zw)
	for name, text := range files {
		if err := tw.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(text))}); err != nil {
			t.Fatal(err)
		}
		if _, err := tw.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []interface{ Close() error }{tw, zw} {
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return b.String()
}

// said is all that a request through kube-apiserver is answered, also where it is
// refused: a GET, or a POST of a body.
func said(t *testing.T, client *framework.Client, path, body string) string {
	t.Helper()
	hc, err := rest.HTTPClientFor(client.Config)
	if err != nil {
		t.Fatal(err)
	}
	method := http.MethodGet
	if body != "" {
		method = http.MethodPost
	}
	req, err := http.NewRequestWithContext(t.Context(), method, client.Config.Host+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := hc.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode == http.StatusNotFound {
		t.Errorf("%s %s: %s", method, path, text)
	}
	return resp.Status + "\n" + string(text)
}

// Values of a Secret are nowhere to be seen for who may not get it: not in
// previews, statuses, events, logs or metrics, whether what holds them is applied
// or refused. Who may get it sees them in configured content only.
func TestValuesOfSecretsStayWhereTheyBelong(t *testing.T) {
	namespace, repo := cluster.Namespace(t), newRepository(t)
	kubectl(t, "create", "secret", "generic", "db", "--namespace", namespace, "--from-literal=word="+canary,
		"--from-literal=text="+canaryText, "--from-literal=hard="+canaryHard, "--from-literal=count=2")
	commit := repo.push(secretRoutes)
	repo.source(namespace, "repo")
	const variables = "postBuild: {substituteFrom: [{kind: Secret, name: db}]}"
	directories := []string{"good", "label", "key", "number", "broken", "name"}
	for _, dir := range directories {
		kustomization(t, namespace, dir, "./"+dir, variables)
	}
	waitApplied(t, namespace, "good", commit)
	for _, dir := range directories[1:] {
		waitFor(t, namespace, "kustomization/"+dir, readyIs("Ready", "status"), "False")
	}

	// A branch that the source does not follow, and a tree that it does not have.
	changed := map[string]string{}
	for name, text := range secretRoutes {
		changed[name] = strings.Replace(text, "  public: hello", "  public: changed\n  more: ${word}", 1)
	}
	repo.push(map[string]string{"good/objects.yaml": changed["good/objects.yaml"]})
	repo.git("push", "--quiet", repo.url, "HEAD:refs/heads/feature", commit+":refs/heads/main", "--force")
	upload := targz(t, changed)

	client := viewer(t, namespace)
	silent := func(what, text string) {
		t.Helper()
		if found := told(text); len(found) > 0 {
			t.Errorf("%s tells %q:\n%s", what, found, text)
		}
	}
	for _, dir := range directories {
		path := kustomizationsPath + namespace + "/kustomizations/" + dir
		for _, sub := range []string{
			"", "/build", "/build?output=json", "/diff", "/diff?output=yaml", "/diff?output=text", "/diff?output=markdown",
			"/diff?from=current&to=live", "/log", "/log?output=ndjson", "/history", "/tree",
		} {
			silent("get "+dir+sub, said(t, client, path+sub, ""))
		}
		for sub, kind := range map[string]string{"/build": "BuildRequest", "/diff": "DiffRequest"} {
			body := `{"apiVersion":"leat.dev/v1alpha1","kind":"` + kind + `","spec":{"revision":"feature"}}`
			silent("feature of "+dir+sub, said(t, client, path+sub, body))
			silent("upload of "+dir+sub, said(t, client, path+sub, upload))
		}
	}
	silent("events", said(t, client, "/api/v1/namespaces/"+namespace+"/events", ""))
	silent("describe", kubectl(t, "describe", "kustomizations", "--namespace", namespace))
	silent("metrics", leatMetrics(t))
	log, err := leat.Log()
	if err != nil {
		t.Fatal(err)
	}
	silent("the server's log", log)

	path := kustomizationsPath + namespace + "/kustomizations/good"
	for _, sub := range []string{"/build", "/diff?from=current&to=live"} {
		if text := kubectl(t, "get", "--raw", path+sub); sub == "/build" && len(told(text)) == 0 {
			t.Errorf("%s does not show the administrator the values:\n%s", sub, text)
		}
	}
	silent("an upload, to the administrator,", said(t, cluster.Client, path+"/build", upload))
	if text := said(t, client, path+"/build", upload); !strings.Contains(text, "<secret:db/word>") {
		t.Errorf("an upload is not built: %s", text)
	}
}
