package kubectl

import (
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/runtime/schema"
)

// kind is what the tests know of a kind. Everything else they find out.
type kind struct {
	schema.GroupVersionResource
	kind, singular, short string
	categories            []string
	// columns and wide are what kubectl get prints, without and with -o wide.
	columns, wide []string
	// spec is a valid spec, which lacks a duration that can be set by its name.
	spec, duration string
	// field is a field that can be selected by, with the value that spec has.
	field, value string
	// explained is a line of kubectl explain --recursive.
	explained string
	// reads and acts are the subresources that are asked by GET and by POST.
	reads, acts []string
}

func kinds() []kind {
	return []kind{
		{
			GroupVersionResource: schema.GroupVersionResource{Group: "source.toolkit.fluxcd.io", Version: "v1", Resource: "gitrepositories"},
			kind:                 "GitRepository", singular: "gitrepository", short: "gitrepo",
			categories: []string{"all", "fluxcd", "fluxcd-sources"},
			columns:    []string{"NAME", "URL", "AGE", "READY", "STATUS"},
			wide:       []string{"REVISION", "SUSPENDED"},
			spec:       `{"url": "https://git.example.com/app.git", "suspend": true}`,
			duration:   "interval",
			field:      "metadata.name", value: "demo",
			explained: "ref\t<GitRepositoryRef>",
			reads:     []string{"artifact", "log"},
			acts:      []string{"reconcile", "resume", "suspend"},
		},
		{
			GroupVersionResource: schema.GroupVersionResource{Group: "kustomize.toolkit.fluxcd.io", Version: "v1", Resource: "kustomizations"},
			kind:                 "Kustomization", singular: "kustomization", short: "ks",
			categories: []string{"all", "fluxcd", "fluxcd-appliers"},
			columns:    []string{"NAME", "AGE", "READY", "STATUS"},
			wide:       []string{"REVISION", "SUSPENDED", "SOURCE", "PATH", "OBJECTS", "LAST APPLIED", "NEXT RUN"},
			spec:       `{"sourceRef": {"kind": "GitRepository", "name": "source"}, "path": "./deploy", "prune": true, "suspend": true}`,
			duration:   "interval",
			field:      "spec.sourceRef.name", value: "source",
			explained: "sourceRef\t<CrossNamespaceSourceReference>",
			reads:     []string{"build", "diff", "history", "log", "tree"},
			acts:      []string{"build", "diff", "reconcile", "resume", "suspend"},
		},
	}
}

// forKinds runs a test for each kind, in a namespace of its own.
func forKinds(t *testing.T, test func(t *testing.T, k kind, namespace string)) {
	t.Helper()
	for _, k := range kinds() {
		t.Run(k.kind, func(t *testing.T) {
			t.Parallel()
			test(t, k, cluster.Namespace(t))
		})
	}
}

// qualified is the resource as kubectl takes it where another group has one of the
// same name.
func (k kind) qualified() string { return k.Resource + "." + k.Group }

// object names an object as kubectl does.
func (k kind) object(name string) string { return k.singular + "." + k.Group + "/" + name }

// manifest is a manifest of an object whose duration has the given value.
func (k kind) manifest(name, duration string) string {
	return k.labelled(name, duration, "")
}

// labelled is a manifest with labels, in the form of JSON.
func (k kind) labelled(name, duration, labels string) string {
	metadata := `{"name": "` + name + `"`
	if labels != "" {
		metadata += `, "labels": ` + labels
	}
	spec := strings.TrimSuffix(k.spec, "}") + `, "` + k.duration + `": "` + duration + `"}`
	return "---\napiVersion: " + k.GroupVersion().String() + "\nkind: " + k.kind + "\nmetadata: " + metadata + "}\nspec: " + spec + "\n"
}

// path is where an object is served.
func (k kind) path(namespace string, more ...string) string {
	parts := append([]string{"/apis", k.Group, k.Version, "namespaces", namespace, k.Resource}, more...)
	return strings.Join(parts, "/")
}

// subresources are those of the kind, each once, in order.
func (k kind) subresources() []string {
	all := append(append([]string{"status"}, k.reads...), k.acts...)
	slices.Sort(all)
	return slices.Compact(all)
}

// body is the request for a subresource that is posted to.
func (k kind) body(subresource string) string {
	name := strings.ToUpper(subresource[:1]) + subresource[1:] + "Request"
	return `{"apiVersion": "leat.dev/v1alpha1", "kind": "` + name + `", "spec": {}}`
}
