package kubectl

import (
	"encoding/json"
	"net/http"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/openapi"
)

// OpenAPI has each kind, each path and each type of Leat, in both versions, merged
// into what kube-apiserver publishes.
func TestOpenAPI(t *testing.T) {
	t.Parallel()
	client, err := discovery.NewDiscoveryClientForConfig(cluster.Config)
	if err != nil {
		t.Fatal(err)
	}
	v2, err := client.OpenAPISchema()
	if err != nil {
		t.Fatal(err)
	}
	paths := map[string]bool{}
	for _, path := range v2.GetPaths().GetPath() {
		paths[path.GetName()] = true
	}
	v3, err := client.OpenAPIV3().Paths()
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range kinds() {
		document := read(t, v3, k)
		base := "/apis/" + k.GroupVersion().String() + "/namespaces/{namespace}/" + k.Resource
		for _, path := range []string{base, base + "/{name}"} {
			if !paths[path] || document.Paths[path] == nil {
				t.Errorf("OpenAPI lacks %s: v2 has it: %v, v3: %v", path, paths[path], document.Paths[path] != nil)
			}
		}
		// Who reads and who acts is told by the methods.
		for p := range k.permissions() {
			path := base + "/{name}/" + p.subresource
			method, known := map[string]string{"get": "get", "create": "post", "update": "put", "patch": "patch"}[p.verb]
			if known && p.subresource != "" && (!paths[path] || document.Paths[path][method] == nil) {
				t.Errorf("OpenAPI lacks %s of %s: v2 has the path: %v", method, path, paths[path])
			}
		}
		said := 0
		for _, model := range document.Components.Schemas {
			for _, gvk := range model.Kinds {
				if gvk.Kind == k.kind && gvk.Group == k.Group {
					said++
				}
			}
		}
		if said != 1 {
			t.Errorf("OpenAPI v3 has %d schemas of %s, want 1", said, k.kind)
		}
	}
}

// document is the part of OpenAPI v3 that is looked at.
type document struct {
	Paths      map[string]map[string]any
	Components struct {
		Schemas map[string]struct {
			Kinds []metav1.GroupVersionKind `json:"x-kubernetes-group-version-kind"`
		}
	}
}

// read is the document of the kind's group.
func read(t *testing.T, v3 map[string]openapi.GroupVersion, k kind) document {
	t.Helper()
	group, ok := v3["apis/"+k.GroupVersion().String()]
	if !ok {
		t.Fatalf("OpenAPI v3 does not tell of %s", k.GroupVersion())
	}
	schema, err := group.Schema("application/json")
	if err != nil {
		t.Fatal(err)
	}
	var d document
	if err := json.Unmarshal(schema, &d); err != nil {
		t.Fatal(err)
	}
	return d
}

// Nobody is sent a second time what has not changed.
func TestOpenAPIIsCached(t *testing.T) {
	t.Parallel()
	u := admin(t, "default")
	for _, k := range kinds() {
		path := "/openapi/v3/apis/" + k.GroupVersion().String()
		_, header, _ := u.request(http.MethodGet, path, "", nil)
		if code, _, _ := u.request(http.MethodGet, path, "", map[string]string{"If-None-Match": header.Get("ETag")}); code != http.StatusNotModified {
			t.Errorf("%s with the ETag %q: %d, want 304", path, header.Get("ETag"), code)
		}
	}
}
