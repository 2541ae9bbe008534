package e2e

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
)

// fluxClient sends what the flux command line sends, byte for byte where it
// matters: the paths, queries and content types of flux 2.9.
type fluxClient struct {
	t    *testing.T
	http *http.Client
	host string
}

func newFluxClient(t *testing.T) *fluxClient {
	t.Helper()
	client, err := rest.HTTPClientFor(cluster.Config)
	if err != nil {
		t.Fatal(err)
	}
	return &fluxClient{t: t, http: client, host: cluster.Config.Host}
}

type header map[string]string

// do sends a request and returns the status code, the answer's headers and body.
func (c *fluxClient) do(method, path, body string, h header) (int, http.Header, []byte) {
	c.t.Helper()
	req, err := http.NewRequestWithContext(c.t.Context(), method, c.host+path, bytes.NewBufferString(body))
	if err != nil {
		c.t.Fatal(err)
	}
	for name, value := range h {
		req.Header.Set(name, value)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		c.t.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	return resp.StatusCode, resp.Header, data
}

// want sends a request and fails unless it is answered with the given code.
func (c *fluxClient) want(code int, method, path, body string, h header) map[string]any {
	c.t.Helper()
	got, _, data := c.do(method, path, body, h)
	if got != code {
		c.t.Fatalf("%s %s: %d, want %d: %s", method, path, got, code, data)
	}
	var object map[string]any
	if err := json.Unmarshal(data, &object); err != nil {
		c.t.Fatalf("%s %s: %v: %s", method, path, err, data)
	}
	return object
}

func field(object map[string]any, path ...string) any {
	var value any = object
	for _, name := range path {
		m, ok := value.(map[string]any)
		if !ok {
			return nil
		}
		value = m[name]
	}
	return value
}

var (
	jsonAccept   = header{"Accept": "application/json, */*"}
	mergePatch   = header{"Accept": "application/json, */*", "Content-Type": "application/merge-patch+json"}
	applyPatch   = header{"Accept": "application/json", "Content-Type": "application/apply-patch+yaml"}
	metadataOnly = header{"Accept": "application/vnd.kubernetes.protobuf;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json"}
)

func TestFluxClient(t *testing.T) {
	namespace, repo := cluster.Namespace(t), newRepository(t)
	commit := repo.push(map[string]string{"deploy/one.yaml": configMap("one", "1")})
	repo.source(namespace, "repo")
	c := newFluxClient(t)
	collection := "/apis/kustomize.toolkit.fluxcd.io/v1/namespaces/" + namespace + "/kustomizations"
	object := collection + "/app"

	t.Run("discovery", func(t *testing.T) {
		c := newFluxClient(t)
		found := c.want(http.StatusOK, "GET", "/apis", "", header{"Accept": "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"})
		data, err := json.Marshal(found)
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{`"resource":"kustomizations"`, `"resource":"gitrepositories"`, `"shortNames":["ks"]`} {
			if !bytes.Contains(data, []byte(want)) {
				t.Errorf("aggregated discovery lacks %s", want)
			}
		}
	})

	// create: a GET that finds nothing, then a POST with an empty status.
	c.want(http.StatusNotFound, "GET", object, "", jsonAccept)
	manifest := `{"apiVersion":"kustomize.toolkit.fluxcd.io/v1","kind":"Kustomization","metadata":{"name":"app","namespace":"` + namespace + `"},` +
		`"spec":{"interval":"1h0m0s","path":"./deploy","prune":true,"targetNamespace":"` + namespace + `","sourceRef":{"kind":"GitRepository","name":"repo"}},"status":{}}`
	created := c.want(http.StatusCreated, "POST", collection, manifest, jsonAccept)
	if got := field(created, "spec", "interval"); got != "1h0m0s" {
		t.Errorf("interval came back as %v", got)
	}
	waitApplied(t, namespace, "app", commit)

	// create of what exists: a full PUT.
	current := c.want(http.StatusOK, "GET", object, "", jsonAccept)
	field(current, "spec").(map[string]any)["timeout"] = "2m0s"
	data, err := json.Marshal(current)
	if err != nil {
		t.Fatal(err)
	}
	if got := field(c.want(http.StatusOK, "PUT", object, string(data), jsonAccept), "spec", "timeout"); got != "2m0s" {
		t.Errorf("timeout after the PUT is %v", got)
	}

	t.Run("reconcile", func(t *testing.T) {
		c := newFluxClient(t)
		code, headers, _ := c.do("GET", object, "", metadataOnly)
		if code != http.StatusOK || !strings.HasPrefix(headers.Get("Content-Type"), "application/vnd.kubernetes.protobuf") {
			t.Errorf("metadata only: %d, %s; want 200 as protobuf", code, headers.Get("Content-Type"))
		}
		const token = "2026-11-21T10:00:00.123456789Z"
		c.want(http.StatusOK, "PATCH", object, `{"metadata":{"annotations":{"reconcile.fluxcd.io/requestedAt":"`+token+`"}}}`, mergePatch)
		waitFor(t, namespace, "kustomization/app", "{.status.lastHandledReconcileAt}", token)
		done := c.want(http.StatusOK, "GET", object, "", jsonAccept)
		if field(done, "status", "observedGeneration") != field(done, "metadata", "generation") {
			t.Errorf("observedGeneration is %v, generation %v", field(done, "status", "observedGeneration"), field(done, "metadata", "generation"))
		}
	})

	t.Run("get and watch one by field selector", func(t *testing.T) {
		c := newFluxClient(t)
		list := c.want(http.StatusOK, "GET", collection+"?fieldSelector=metadata.name%3Dapp", "", jsonAccept)
		if items, _ := list["items"].([]any); len(items) != 1 {
			t.Errorf("%d items, want 1", len(items))
		}
		code, _, events := c.do("GET", collection+"?fieldSelector=metadata.name%3Dapp&watch=true&timeoutSeconds=1", "", jsonAccept)
		if code != http.StatusOK || !bytes.Contains(events, []byte(`"type":"ADDED"`)) {
			t.Errorf("watch without a resource version: %d: %s", code, events)
		}
	})

	t.Run("suspend and resume", func(t *testing.T) {
		c := newFluxClient(t)
		if got := field(c.want(http.StatusOK, "PATCH", object, `{"spec":{"suspend":true}}`, mergePatch), "spec", "suspend"); got != true {
			t.Errorf("suspend is %v", got)
		}
		resumed := c.want(http.StatusOK, "PATCH", object, `{"spec":{"suspend":null}}`, mergePatch)
		if got := field(resumed, "spec", "suspend"); got != nil {
			t.Errorf("after resuming suspend is %v", got)
		}
	})

	t.Run("diff", func(t *testing.T) {
		c := newFluxClient(t)
		dryRun := c.want(http.StatusOK, "PATCH", object+"?dryRun=All&fieldManager=flux&force=true", strings.Replace(manifest, `,"status":{}`, "", 1), applyPatch)
		metadata, err := json.Marshal(dryRun["metadata"])
		if err != nil {
			t.Fatal(err)
		}
		var m metav1.ObjectMeta
		if err := json.Unmarshal(metadata, &m); err != nil {
			t.Fatal(err)
		}
		if len(m.ManagedFields) == 0 {
			t.Error("the dry-run's answer has no managedFields")
		}
	})

	t.Run("tree", func(t *testing.T) {
		c := newFluxClient(t)
		inventory, _ := field(c.want(http.StatusOK, "GET", object, "", jsonAccept), "status", "inventory", "entries").([]any)
		if len(inventory) != 1 {
			t.Fatalf("the inventory has %d entries, want 1", len(inventory))
		}
		entry, _ := inventory[0].(map[string]any)
		if entry["id"] != namespace+"_one__ConfigMap" || entry["v"] != "v1" {
			t.Errorf("inventory entry is %v", entry)
		}
	})

	t.Run("kubectl's table", func(t *testing.T) {
		c := newFluxClient(t)
		table := c.want(http.StatusOK, "GET", collection, "", header{"Accept": "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"})
		if table["kind"] != "Table" {
			t.Errorf("kind is %v, want Table", table["kind"])
		}
	})
}
