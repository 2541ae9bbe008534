package kubectl

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	authorizationv1 "k8s.io/api/authorization/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"sigs.k8s.io/yaml"
)

// permission is a verb on a kind or on one of its subresources.
type permission struct{ verb, subresource string }

// permissions are all that there is to allow for a kind, each with the roles that
// have it:
//
//	                                        view  edit  admin
//	get, list, watch                         x     x     x
//	all other verbs                                x     x
//	get on what is read                      x     x     x
//	create on what acts or previews                x     x
//	write on the status
func (k kind) permissions() map[permission][]string {
	everyone, editors := []string{"view", "edit", "admin"}, []string{"edit", "admin"}
	all := map[permission][]string{
		{"get", "status"}: nil, {"update", "status"}: nil, {"patch", "status"}: nil,
	}
	for _, verb := range []string{"get", "list", "watch"} {
		all[permission{verb, ""}] = everyone
	}
	for _, verb := range []string{"create", "update", "patch", "delete", "deletecollection"} {
		all[permission{verb, ""}] = editors
	}
	for _, subresource := range k.reads {
		all[permission{"get", subresource}] = everyone
	}
	for _, subresource := range k.acts {
		all[permission{"create", subresource}] = editors
	}
	return all
}

// TestRoles asks for every permission of every role, as kube-apiserver has it after
// the roles that Leat ships were added to view, edit and admin.
func TestRoles(t *testing.T) {
	t.Parallel()
	namespace := cluster.Namespace(t)
	core, err := kubernetes.NewForConfig(cluster.Config)
	if err != nil {
		t.Fatal(err)
	}
	for _, role := range []string{"view", "edit", "admin", ""} {
		name := "reader-of-" + role
		if role != "" {
			admin(t, namespace).run("create", "rolebinding", name, "--clusterrole="+role, "--user="+name)
		}
		for _, k := range kinds() {
			for p, roles := range k.permissions() {
				review := &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{User: name, ResourceAttributes: &authorizationv1.ResourceAttributes{
					Namespace: namespace, Verb: p.verb, Group: k.Group, Version: k.Version, Resource: k.Resource, Subresource: p.subresource, Name: "demo",
				}}}
				answer, err := core.AuthorizationV1().SubjectAccessReviews().Create(t.Context(), review, metav1.CreateOptions{})
				if err != nil {
					t.Fatal(err)
				}
				if want := slices.Contains(roles, role); answer.Status.Allowed != want {
					t.Errorf("role %q: %s %s/%s allowed is %v, want %v", role, p.verb, k.Resource, p.subresource, answer.Status.Allowed, want)
				}
			}
		}
	}
}

// The roles hold nothing but what the table says, and everything that is served is
// in the table: a subresource that comes must get its line.
func TestRolesAreComplete(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join(root, "artifacts", "install", "base", "user-roles.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	granted := map[string]bool{}
	for document := range strings.SplitSeq(string(text), "\n---\n") {
		var role rbacv1.ClusterRole
		if err := yaml.Unmarshal([]byte(document), &role); err != nil {
			t.Fatal(err)
		}
		for _, rule := range role.Rules {
			for _, group := range rule.APIGroups {
				for _, resource := range rule.Resources {
					for _, verb := range rule.Verbs {
						granted[fmt.Sprintf("%s %s %s.%s", strings.TrimPrefix(role.Name, "leat-"), verb, resource, group)] = true
					}
				}
			}
		}
	}
	for _, k := range kinds() {
		var served metav1.APIResourceList
		if err := json.Unmarshal([]byte(admin(t, "default").run("get", "--raw", "/apis/"+k.GroupVersion().String())), &served); err != nil {
			t.Fatal(err)
		}
		known := k.permissions()
		for _, resource := range served.APIResources {
			name, subresource, _ := strings.Cut(resource.Name, "/")
			for _, verb := range resource.Verbs {
				if _, ok := known[permission{verb, subresource}]; name == k.Resource && !ok {
					t.Errorf("%s of %s is served, and nothing is known of who may do it", verb, resource.Name)
				}
			}
		}
		for p, roles := range known {
			for _, role := range roles {
				resource := strings.TrimSuffix(k.Resource+"/"+p.subresource, "/")
				delete(granted, fmt.Sprintf("%s %s %s.%s", role, p.verb, resource, k.Group))
			}
		}
	}
	for permission := range granted {
		t.Errorf("a role allows what the table does not have: %s", permission)
	}
}

// TestRolesByCalls makes the call of each permission as each role, on objects that
// work: who is allowed succeeds.
func TestRolesByCalls(t *testing.T) {
	t.Parallel()
	for _, role := range []string{"view", "edit", "admin", ""} {
		t.Run("role "+role, func(t *testing.T) {
			t.Parallel()
			namespace := cluster.Namespace(t)
			u, a := as(t, namespace, "user", role), admin(t, namespace)
			newApp(t, a, map[string]string{"deploy/one.yaml": configMap("one", "1")})
			a.run("wait", "--for=condition=Ready", "kustomization/app", "--timeout="+patience.String())
			for _, k := range kinds() {
				permissions := k.permissions()
				// A suspended object cannot be reconciled: what is done to it is done in
				// the order of the alphabet.
				ordered := slices.SortedFunc(maps.Keys(permissions), func(a, b permission) int {
					return cmp.Or(cmp.Compare(a.subresource, b.subresource), cmp.Compare(a.verb, b.verb))
				})
				for _, p := range ordered {
					code, answer := u.call(k, p)
					what := fmt.Sprintf("%s %s/%s", p.verb, k.Resource, p.subresource)
					switch allowed := slices.Contains(permissions[p], role); {
					case allowed && (code < 200 || code > 299):
						t.Errorf("%s is answered with %d, and it is allowed:\n%s", what, code, answer)
					case !allowed && (code != http.StatusForbidden || !strings.Contains(answer, "user."+namespace)):
						t.Errorf("%s is answered with %d, want 403 that names the user:\n%s", what, code, answer)
					}
				}
			}
		})
	}
}

// call makes the request of a permission for the object app, as a dry-run where it
// would make an object or take one away.
func (u user) call(k kind, p permission) (code int, answer string) {
	u.t.Helper()
	method, path, body, contentType := http.MethodGet, k.path(u.namespace, "app"), "", "application/json"
	switch p.verb {
	case "list":
		path = k.path(u.namespace)
	case "watch":
		path = k.path(u.namespace) + "?watch=true&timeoutSeconds=1&fieldSelector=metadata.name%3Dnone"
	case "create":
		method, path, body, contentType = http.MethodPost, k.path(u.namespace)+"?dryRun=All", k.manifest("new", "1m"), "application/yaml"
	case "update":
		method, body = http.MethodPut, admin(u.t, u.namespace).run("get", k.object("app"), "-o", "json")
	case "patch":
		method, body, contentType = http.MethodPatch, `{"metadata":{"labels":{"patched":"yes"}}}`, "application/merge-patch+json"
	case "delete":
		method, path = http.MethodDelete, path+"?dryRun=All"
	case "deletecollection":
		method, path = http.MethodDelete, k.path(u.namespace)+"?labelSelector=none%3Dsuch"
	}
	if p.subresource != "" {
		path = k.path(u.namespace, "app", p.subresource)
		if p.verb == "create" {
			body, contentType = k.body(p.subresource), "application/json"
		}
	}
	return u.do(method, path, body, map[string]string{"Content-Type": contentType})
}
