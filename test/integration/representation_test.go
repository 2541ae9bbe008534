package integration

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"
)

const protobuf = "application/vnd.kubernetes.protobuf"

// get asks for a path with an Accept header and returns the body with its type.
func get(ctx context.Context, t *testing.T, config *rest.Config, path, accept string) (body []byte, contentType string, err error) {
	t.Helper()
	result := newClients(t, config).rest.Get().AbsPath(path).SetHeader("Accept", accept).Do(ctx).ContentType(&contentType)
	body, err = result.Raw()
	return body, contentType, err
}

func collection(resource schema.GroupVersionResource, namespace string) string {
	return "/apis/" + resource.Group + "/" + resource.Version + "/namespaces/" + namespace + "/" + resource.Resource
}

func TestTable(t *testing.T) {
	c := newClients(t, cluster.Config)
	ctx, ns := testContext(t), cluster.Namespace(t)
	c.create(ctx, t, gitRepositories, ns, repositoryYAML)
	c.create(ctx, t, kustomizations, ns, kustomizationYAML)
	digest := "sha256:" + strings.Repeat("a", 64)
	c.setStatus(ctx, t, gitRepositories, ns, "demo", map[string]any{
		"conditions": []any{ready("True", "Succeeded", "stored artifact")},
		"artifact":   map[string]any{"path": "p", "url": "http://u", "revision": "main@sha1:abc", "digest": digest, "lastUpdateTime": "2026-01-02T03:04:05Z"},
	})
	c.setStatus(ctx, t, kustomizations, ns, "demo", map[string]any{
		"conditions":          []any{ready("False", "BuildFailed", "no such file")},
		"lastAppliedRevision": "main@sha1:abc",
		"inventory":           map[string]any{"entries": []any{map[string]any{"id": "a_b__ConfigMap", "v": "v1"}, map[string]any{"id": "a_c__ConfigMap", "v": "v1"}}},
		"history": []any{map[string]any{
			"digest": digest, "firstReconciled": "2026-01-02T03:04:05Z", "lastReconciled": "2026-01-02T03:04:05Z",
			"lastReconciledDuration": "1s", "lastReconciledStatus": "ReconciliationFailed", "totalReconciliations": 1,
		}},
	})
	tests := []struct {
		resource schema.GroupVersionResource
		columns  []string // a * marks those of -o wide
		cells    map[string]any
	}{
		{
			gitRepositories,
			[]string{"Name", "URL", "Age", "Ready", "Status", "Revision*", "Suspended*"},
			map[string]any{"Name": "demo", "URL": "https://git.example.com/team/app.git", "Ready": "True", "Status": "stored artifact", "Revision": "main@sha1:abc", "Suspended": false},
		},
		{
			kustomizations,
			[]string{"Name", "Age", "Ready", "Status", "Revision*", "Suspended*", "Source*", "Path*", "Objects*", "Last Applied*", "Next Run*"},
			map[string]any{"Name": "demo", "Ready": "False", "Status": "no such file", "Revision": "main@sha1:abc", "Suspended": false, "Source": "GitRepository/demo", "Path": "./deploy", "Objects": float64(2), "Next Run": "now"},
		},
	}
	for _, test := range tests {
		for _, path := range []string{collection(test.resource, ns), collection(test.resource, ns) + "/demo"} {
			body, _, err := get(ctx, t, cluster.Config, path, "application/json;as=Table;v=v1;g=meta.k8s.io,application/json")
			if err != nil {
				t.Errorf("%s: %v", path, err)
				continue
			}
			var table metav1.Table
			if err := json.Unmarshal(body, &table); err != nil {
				t.Errorf("%s: %v", path, err)
				continue
			}
			if table.Kind != "Table" || len(table.Rows) != 1 || table.ResourceVersion == "" {
				t.Errorf("%s: got a %s with %d rows at version %q", path, table.Kind, len(table.Rows), table.ResourceVersion)
				continue
			}
			var columns []string
			for i, column := range table.ColumnDefinitions {
				want, check := test.cells[column.Name]
				if got := table.Rows[0].Cells[i]; check && got != want {
					t.Errorf("%s: %s is %v, want %v", path, column.Name, got, want)
				}
				if column.Priority > 0 {
					column.Name += "*"
				}
				columns = append(columns, column.Name)
			}
			if diff := cmp.Diff(test.columns, columns); diff != "" {
				t.Errorf("%s: columns (-want +got):\n%s", path, diff)
			}
		}
	}
}

func TestMetadataOnly(t *testing.T) {
	c := newClients(t, cluster.Config)
	bothKinds(t, func(t *testing.T, resource schema.GroupVersionResource, manifest string) {
		ctx, ns := testContext(t), cluster.Namespace(t)
		created := c.create(ctx, t, resource, ns, manifest)
		// As the garbage collector asks: protobuf if there is one, else JSON.
		as := ";as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"
		body, contentType, err := get(ctx, t, cluster.Config, collection(resource, ns), protobuf+as+",application/json"+as)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(contentType, protobuf) || !strings.HasPrefix(string(body), "k8s\x00") || strings.Contains(string(body), "60m") {
			t.Errorf("metadata of a list came as %s, %d bytes", contentType, len(body))
		}
		client, err := metadata.NewForConfig(cluster.Config)
		if err != nil {
			t.Fatal(err)
		}
		got, err := client.Resource(resource).Namespace(ns).Get(ctx, "demo", metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if got.UID != created.GetUID() || got.Generation != 1 {
			t.Errorf("metadata: uid %s, generation %d", got.UID, got.Generation)
		}
	})
}

func TestProtobufIsNotPromised(t *testing.T) {
	c := newClients(t, cluster.Config)
	bothKinds(t, func(t *testing.T, resource schema.GroupVersionResource, manifest string) {
		ctx, ns := testContext(t), cluster.Namespace(t)
		c.create(ctx, t, resource, ns, manifest)
		// As the namespace controller asks: protobuf if there is one, else JSON.
		for _, path := range []string{collection(resource, ns), collection(resource, ns) + "/demo"} {
			body, contentType, err := get(ctx, t, cluster.Config, path, protobuf+",application/json")
			if err != nil {
				t.Errorf("%s: %v", path, err)
				continue
			}
			if !strings.HasPrefix(contentType, "application/json") || !json.Valid(body) {
				t.Errorf("%s: came as %s", path, contentType)
			}
		}
		if _, _, err := get(ctx, t, cluster.Config, collection(resource, ns), protobuf); !isNotAcceptable(err) {
			t.Errorf("protobuf and nothing else: got %v, want 406", err)
		}
		var contentType string
		result := c.rest.Delete().AbsPath(collection(resource, ns)).SetHeader("Accept", protobuf+",application/json").Do(ctx).ContentType(&contentType)
		if err := result.Error(); err != nil {
			t.Errorf("deletecollection: %v", err)
		}
		if list, err := c.dynamic.Resource(resource).Namespace(ns).List(ctx, metav1.ListOptions{}); err != nil || len(list.Items) != 0 {
			t.Errorf("after deletecollection: %d objects, %v", len(list.Items), err)
		}
	})
}

func isNotAcceptable(err error) bool {
	status, ok := err.(apierrors.APIStatus)
	return ok && status.Status().Code == http.StatusNotAcceptable
}

func TestYAMLIsServed(t *testing.T) {
	t.Parallel()
	c, ctx, ns := newClients(t, cluster.Config), testContext(t), cluster.Namespace(t)
	c.create(ctx, t, kustomizations, ns, kustomizationYAML)
	body, contentType, err := get(ctx, t, cluster.Config, collection(kustomizations, ns)+"/demo", "application/yaml")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(contentType, "application/yaml") || !strings.Contains(string(body), "interval: 60m") {
		t.Errorf("got %s:\n%s", contentType, body)
	}
}

func TestDiscovery(t *testing.T) {
	t.Parallel()
	c := newClients(t, cluster.Config)
	want := map[string]map[string]string{
		"source.toolkit.fluxcd.io/v1": {
			"gitrepositories":           "GitRepository gitrepository [gitrepo] [all fluxcd fluxcd-sources] [create delete deletecollection get list patch update watch]",
			"gitrepositories/status":    "GitRepository  [] [] [get patch update]",
			"gitrepositories/artifact":  "ArtifactOptions  [] [] [get]",
			"gitrepositories/log":       "LogOptions  [] [] [get]",
			"gitrepositories/reconcile": "ReconcileRequest  [] [] [create]",
			"gitrepositories/resume":    "ResumeRequest  [] [] [create]",
			"gitrepositories/suspend":   "SuspendRequest  [] [] [create]",
		},
		"kustomize.toolkit.fluxcd.io/v1": {
			"kustomizations":           "Kustomization kustomization [ks] [all fluxcd fluxcd-appliers] [create delete deletecollection get list patch update watch]",
			"kustomizations/status":    "Kustomization  [] [] [get patch update]",
			"kustomizations/build":     "BuildOptions  [] [] [create get]",
			"kustomizations/diff":      "DiffOptions  [] [] [create get]",
			"kustomizations/history":   "HistoryOptions  [] [] [get]",
			"kustomizations/log":       "LogOptions  [] [] [get]",
			"kustomizations/tree":      "TreeOptions  [] [] [get]",
			"kustomizations/reconcile": "ReconcileRequest  [] [] [create]",
			"kustomizations/resume":    "ResumeRequest  [] [] [create]",
			"kustomizations/suspend":   "SuspendRequest  [] [] [create]",
		},
	}
	for version, resources := range want {
		list, err := c.core.Discovery().ServerResourcesForGroupVersion(version)
		if err != nil {
			t.Errorf("%s: %v", version, err)
			continue
		}
		got := map[string]string{}
		for _, r := range list.APIResources {
			got[r.Name] = strings.Join([]string{r.Kind, r.SingularName, bracketed(r.ShortNames), bracketed(r.Categories), bracketed(r.Verbs)}, " ")
		}
		if diff := cmp.Diff(resources, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", version, diff)
		}
	}
}

func bracketed(words []string) string { return "[" + strings.Join(words, " ") + "]" }

func TestOpenAPIShowsNoInternalVersion(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	for _, path := range []string{"/openapi/v3/apis/source.toolkit.fluxcd.io/v1", "/openapi/v3/apis/kustomize.toolkit.fluxcd.io/v1"} {
		body, _, err := get(ctx, t, cluster.Config, path, "application/json")
		if err != nil {
			t.Errorf("%s: %v", path, err)
			continue
		}
		if text := string(body); strings.Contains(text, "__internal") {
			t.Errorf("%s tells of an internal version", path)
		} else if !strings.Contains(text, "/reconcile") || !strings.Contains(text, "dev.leat.v1alpha1.ReconcileRequest") {
			t.Errorf("%s does not tell of reconcile", path)
		}
	}
	out, _, err := cluster.Kubectl(ctx, "explain", "gitrepository.spec.ref.semver")
	if err != nil || !strings.Contains(out, "semver <string>") || !strings.Contains(out, "Range of versions") {
		t.Errorf("kubectl explain: %v\n%s", err, out)
	}
}
