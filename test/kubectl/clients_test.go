package kubectl

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/metadata"
)

const (
	protobuf       = "application/vnd.kubernetes.protobuf"
	metadataOfOne  = ";as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
	metadataOfMany = ";as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
	asTable        = ";as=Table;g=meta.k8s.io;v=v1"
)

// dynamicClient is a client of one kind in a namespace, as the administrator.
func (k kind) dynamicClient(t *testing.T, namespace string) dynamic.ResourceInterface {
	t.Helper()
	client, err := dynamic.NewForConfig(cluster.Config)
	if err != nil {
		t.Fatal(err)
	}
	return client.Resource(k.GroupVersionResource).Namespace(namespace)
}

// A client of metadata reads and writes in protobuf, as the garbage collector does.
func TestMetadataClient(t *testing.T) {
	t.Parallel()
	forKinds(t, func(t *testing.T, k kind, namespace string) {
		u := admin(t, namespace)
		demos(u, k)
		seen := &contentTypes{}
		config := metadata.ConfigFor(cluster.Config)
		config.ContentType = protobuf
		config.AcceptContentTypes = protobuf
		config.Wrap(seen.wrap)
		client, err := metadata.NewForConfig(config)
		if err != nil {
			t.Fatal(err)
		}
		objects := client.Resource(k.GroupVersionResource).Namespace(namespace)
		one, err := objects.Get(t.Context(), "b", metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if one.Labels["tier"] != "gold" || one.Generation != 1 || one.UID == "" {
			t.Errorf("metadata of an object: %v", one)
		}
		many, err := objects.List(t.Context(), metav1.ListOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if len(many.Items) != 3 || many.ResourceVersion == "" {
			t.Errorf("metadata of a list: %d objects at %q", len(many.Items), many.ResourceVersion)
		}
		watch, err := objects.Watch(t.Context(), metav1.ListOptions{ResourceVersion: many.ResourceVersion})
		if err != nil {
			t.Fatal(err)
		}
		defer watch.Stop()
		if _, err := objects.Patch(t.Context(), "b", "application/merge-patch+json", []byte(`{"metadata":{"labels":{"tier":"silver"}}}`), metav1.PatchOptions{}); err != nil {
			t.Fatal(err)
		}
		for event := range watch.ResultChan() {
			got, ok := event.Object.(*metav1.PartialObjectMetadata)
			if !ok {
				t.Fatalf("the watch brings a %T", event.Object)
			}
			if got.Name == "b" && got.Labels["tier"] == "silver" {
				break
			}
		}
		if err := objects.Delete(t.Context(), "b", metav1.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
		if err := objects.DeleteCollection(t.Context(), metav1.DeleteOptions{}, metav1.ListOptions{LabelSelector: "tier"}); err != nil {
			t.Fatal(err)
		}
		// The type of a stream is negotiated before it is known that it brings metadata.
		want := map[string]string{"GET": protobuf, "GET watch": "application/json", "PATCH": protobuf}
		if diff := cmp.Diff(want, seen.types("GET", "GET watch", "PATCH")); diff != "" {
			t.Errorf("types of the answers (-want +got):\n%s", diff)
		}
	})
}

// What a client accepts decides what it gets, and nobody gets protobuf that is not
// there.
func TestRepresentations(t *testing.T) {
	t.Parallel()
	forKinds(t, func(t *testing.T, k kind, namespace string) {
		u := admin(t, namespace)
		u.apply(k.manifest("demo", "1m"))
		one, many := k.path(namespace, "demo"), k.path(namespace)
		tests := []struct {
			name, path, accept string
			code               int
			contentType, kind  string
		}{
			{"an object", one, "application/json", 200, "application/json", k.kind},
			{"a list", many, "application/json", 200, "application/json", k.kind + "List"},
			{"protobuf or JSON", one, protobuf + ",application/json", 200, "application/json", k.kind},
			{"protobuf or JSON of a list", many, protobuf + ",application/json", 200, "application/json", k.kind + "List"},
			// A refusal has an encoding in protobuf.
			{"protobuf alone", one, protobuf, 406, protobuf, ""},
			{"protobuf alone of a list", many, protobuf, 406, protobuf, ""},
			{"a table", many, "application/json" + asTable, 200, "application/json", "Table"},
			{"a table or JSON", one, "application/json" + asTable + ",application/json", 200, "application/json", "Table"},
			{"a table in protobuf", many, protobuf + asTable, 406, "application/json", "Status"},
			{"a table in protobuf of one", one, protobuf + asTable, 406, "application/json", "Status"},
			{"a table in protobuf or in JSON", many, protobuf + asTable + ",application/json" + asTable, 200, "application/json", "Table"},
			{"metadata in JSON", one, "application/json" + metadataOfOne, 200, "application/json", "PartialObjectMetadata"},
			{"metadata in protobuf or JSON", one, protobuf + metadataOfOne + ",application/json" + metadataOfOne, 200, protobuf, ""},
			{"metadata of a list in protobuf or JSON", many, protobuf + metadataOfMany + ",application/json" + metadataOfMany, 200, protobuf, ""},
			{"metadata of a list as that of one", many, protobuf + metadataOfOne, 406, "application/json", "Status"},
			{"a kind that is not there", many, "application/json;as=Nonsense;g=meta.k8s.io;v=v1", 406, "application/json", "Status"},
			{"CBOR or JSON", one, "application/cbor,application/json", 200, "application/json", k.kind},
			{"HTML", one, "text/html", 406, "application/json", "Status"},
			{"anything", one, "*/*", 200, "application/json", k.kind},
		}
		for _, test := range tests {
			code, header, body := u.request(http.MethodGet, test.path, "", map[string]string{"Accept": test.accept})
			var got metav1.TypeMeta
			if test.kind != "" {
				if err := json.Unmarshal([]byte(body), &got); err != nil {
					t.Errorf("%s: %v in %s", test.name, err, body)
				}
			}
			if code != test.code || !strings.HasPrefix(header.Get("Content-Type"), test.contentType) || got.Kind != test.kind {
				t.Errorf("%s: %d, %s, %q; want %d, %s, %q", test.name, code, header.Get("Content-Type"), got.Kind, test.code, test.contentType, test.kind)
			}
		}
		// What comes in protobuf is refused, without a guess at it.
		code, _, body := u.request(http.MethodPost, many, "k8s\x00nonsense", map[string]string{"Content-Type": protobuf})
		if code != http.StatusUnsupportedMediaType {
			t.Errorf("a body in protobuf: %d, want 415: %s", code, body)
		}
	})
}

// An informer keeps up with everything, through kube-apiserver.
func TestInformer(t *testing.T) {
	t.Parallel()
	forKinds(t, func(t *testing.T, k kind, namespace string) {
		u := admin(t, namespace)
		demos(u, k)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		store := k.informer(ctx, t, namespace)
		if got := len(store.List()); got != 3 {
			t.Errorf("the informer knows %d objects, want 3", got)
		}
		u.run("patch", k.object("a"), "--type=merge", "-p", `{"spec":{"`+k.duration+`":"9m"}}`)
		u.run("delete", k.object("c"))
		eventually(t, "the informer has caught up", func(context.Context) (bool, error) {
			a, ok, err := store.GetByKey(namespace + "/a")
			if err != nil || !ok {
				return false, err
			}
			duration, _, err := unstructured.NestedString(a.(*unstructured.Unstructured).Object, "spec", k.duration)
			return duration == "9m" && len(store.List()) == 2, err
		})
	})
}

// typed is an object as a dynamic client has it.
func typed(t *testing.T, object runtime.Object) *unstructured.Unstructured {
	t.Helper()
	u, ok := object.(*unstructured.Unstructured)
	if !ok {
		t.Fatalf("got a %T: %v", object, object)
	}
	return u
}
