package kubectl

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	discoveryv2 "k8s.io/api/apidiscovery/v2"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestAPIResources(t *testing.T) {
	t.Parallel()
	for _, k := range kinds() {
		u := admin(t, "default")
		line := fmt.Sprintf("%s %s %s true %s create,delete,deletecollection,get,list,patch,update,watch %s",
			k.Resource, k.short, k.GroupVersion(), k.kind, strings.Join(k.categories, ","))
		var lines []string
		for l := range strings.SplitSeq(u.run("api-resources", "--api-group="+k.Group, "-o", "wide", "--no-headers"), "\n") {
			lines = append(lines, strings.Join(strings.Fields(l), " "))
		}
		if !slices.Contains(lines, line) {
			t.Errorf("api-resources lacks %q:\n%s", line, strings.Join(lines, "\n"))
		}
		for _, category := range k.categories {
			contains(t, "api-resources of "+category, u.run("api-resources", "--categories="+category, "-o", "name"), k.qualified()+"\n")
		}
		contains(t, "api-versions", u.run("api-versions"), k.GroupVersion().String()+"\n")
	}
}

// Both forms of discovery tell of the same things, whether they are asked through
// kube-apiserver, as one document, or group by group.
func TestAggregatedDiscovery(t *testing.T) {
	t.Parallel()
	const accept = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
	u := admin(t, "default")
	_, answer := u.do("GET", "/apis", "", map[string]string{"Accept": accept})
	var found discoveryv2.APIGroupDiscoveryList
	if err := json.Unmarshal([]byte(answer), &found); err != nil {
		t.Fatal(err)
	}
	for _, k := range kinds() {
		resource := resourceOf(t, found, k)
		if resource.ResponseKind.Kind != k.kind || resource.SingularResource != k.singular || resource.Scope != discoveryv2.ScopeNamespace {
			t.Errorf("%s is told as %v, %s, %s", k.Resource, resource.ResponseKind, resource.SingularResource, resource.Scope)
		}
		if diff := cmp.Diff([]string{k.short}, resource.ShortNames); diff != "" {
			t.Errorf("%s: short names (-want +got):\n%s", k.Resource, diff)
		}
		if diff := cmp.Diff(k.categories, resource.Categories); diff != "" {
			t.Errorf("%s: categories (-want +got):\n%s", k.Resource, diff)
		}
		got := map[permission]bool{}
		for _, verb := range resource.Verbs {
			got[permission{verb, ""}] = true
		}
		var subresources []string
		for _, s := range resource.Subresources {
			subresources = append(subresources, s.Subresource)
			for _, verb := range s.Verbs {
				got[permission{verb, s.Subresource}] = true
			}
		}
		slices.Sort(subresources)
		if diff := cmp.Diff(k.subresources(), subresources); diff != "" {
			t.Errorf("%s: subresources (-want +got):\n%s", k.Resource, diff)
		}
		want := map[permission]bool{}
		for p := range k.permissions() {
			want[p] = true
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: verbs (-want +got):\n%s", k.Resource, diff)
		}
		if diff := cmp.Diff(names(t, u, k), subresources); diff != "" {
			t.Errorf("%s: discovery of the group and of all (-group +all):\n%s", k.Resource, diff)
		}
	}
}

// resourceOf is what aggregated discovery says of a kind, fresh from Leat.
func resourceOf(t *testing.T, found discoveryv2.APIGroupDiscoveryList, k kind) discoveryv2.APIResourceDiscovery {
	t.Helper()
	for _, group := range found.Items {
		for _, version := range group.Versions {
			if group.Name != k.Group || version.Version != k.Version {
				continue
			}
			if version.Freshness != discoveryv2.DiscoveryFreshnessCurrent {
				t.Errorf("discovery of %s is %s", k.Group, version.Freshness)
			}
			for _, resource := range version.Resources {
				if resource.Resource == k.Resource {
					return resource
				}
			}
		}
	}
	t.Fatalf("aggregated discovery does not tell of %s", k.qualified())
	return discoveryv2.APIResourceDiscovery{}
}

// names are the subresources of a kind as the discovery of its group has them.
func names(t *testing.T, u user, k kind) []string {
	t.Helper()
	var served metav1.APIResourceList
	if err := json.Unmarshal([]byte(u.run("get", "--raw", "/apis/"+k.GroupVersion().String())), &served); err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, resource := range served.APIResources {
		if of, name, ok := strings.Cut(resource.Name, "/"); ok && of == k.Resource {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// kubectl proxy passes everything on: objects, a watch, artifacts.
func TestProxy(t *testing.T) {
	t.Parallel()
	namespace := cluster.Namespace(t)
	u := admin(t, namespace)
	commit := newApp(t, u, map[string]string{"deploy/one.yaml": configMap("one", "1")})
	u.run("wait", "--for=condition=Ready", "kustomization/app", "--timeout="+patience.String())
	line := u.start("proxy", "--port=0").until("Starting to serve on")
	address := "http://" + strings.TrimSpace(strings.TrimPrefix(line, "Starting to serve on"))
	for _, k := range kinds() {
		var object metav1.PartialObjectMetadata
		if err := json.Unmarshal([]byte(curl(t, address+k.path(namespace, "app"))), &object); err != nil || object.Kind != k.kind {
			t.Errorf("%s through the proxy: %v, %v", k.kind, object.TypeMeta, err)
		}
		events := curl(t, address+k.path(namespace)+"?watch=true&timeoutSeconds=1")
		contains(t, "a watch through the proxy", events, `"type":"ADDED"`, `"kind":"`+k.kind+`"`)
	}
	equal(t, "a file through the proxy", curl(t, address+kinds()[0].path(namespace, "app", "artifact", "deploy", "one.yaml")), configMap("one", "1"))
	patched := curl(t, "--request", "PATCH", "--header", "Content-Type: application/merge-patch+json", "--data", `{"spec":{"suspend":true}}`, address+kinds()[1].path(namespace, "app"))
	contains(t, "a patch through the proxy", patched, `"suspend": true`, "main@sha1:"+commit)
}
