package host

import (
	"context"
	"fmt"
	"strings"
	"testing"

	authorizationv1 "k8s.io/api/authorization/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"

	"github.com/leat-dev/leat/pkg/apiserver/registration"
)

const (
	installBase = "../../artifacts/install/base"
	installFull = "../../artifacts/install/cluster-admin"
	systemSpace = "leat-system"
)

// served are the group versions whose APIServices the installed rights are for.
func served() []schema.GroupVersion {
	return []schema.GroupVersion{
		{Group: "source.toolkit.fluxcd.io", Version: "v1"},
		{Group: "kustomize.toolkit.fluxcd.io", Version: "v1"},
	}
}

// TestInstall has kube-apiserver judge all that is installed, installs the least of it,
// and looks at the rights that come of it.
func TestInstall(t *testing.T) {
	if _, _, err := cluster.Kubectl(t.Context(), "create", "namespace", systemSpace); err != nil {
		t.Fatal(err)
	}
	out, _, err := cluster.Kubectl(t.Context(), "apply", "--server-side", "--dry-run=server", "--kustomize="+installFull)
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(out, "serverside-applied"); n < 13 {
		t.Errorf("only %d objects were accepted:\n%s", n, out)
	}
	if _, stderr, err := cluster.Kubectl(t.Context(), "apply", "--server-side", "--kustomize="+installBase); err != nil || stderr != "" {
		t.Fatalf("installing: %v\n%s", err, stderr)
	}
	t.Run("server's rights", testServerRights)
	t.Run("server works with them", testServerWorks)
	t.Run("users' rights", testUserRights)
}

// asServer connects as the installed service account.
func asServer() *rest.Config {
	config := rest.CopyConfig(cluster.Config)
	config.Impersonate.UserName = "system:serviceaccount:" + systemSpace + ":leat-apiserver"
	return config
}

// right is a question to kube-apiserver's authorizer. The resource is written as
// resource/subresource.group=name, of which only the first is needed.
type right struct {
	verb, resource, namespace string
	want                      bool
}

func (r right) String() string { return r.verb + " " + r.resource + " in " + r.namespace }

// attributes parses what a right is about.
func (r right) attributes() *authorizationv1.ResourceAttributes {
	resource, name, _ := strings.Cut(r.resource, "=")
	resource, group, _ := strings.Cut(resource, ".")
	resource, subresource, _ := strings.Cut(resource, "/")
	return &authorizationv1.ResourceAttributes{
		Verb: r.verb, Group: group, Resource: resource, Subresource: subresource, Name: name, Namespace: r.namespace,
	}
}

// checkRights asks until the answers are as wanted: roles are aggregated by a
// controller, in its own time.
func checkRights(t *testing.T, user string, groups []string, rights []right) {
	t.Helper()
	reviews := coreClient(t, cluster.Config).AuthorizationV1().SubjectAccessReviews()
	for _, r := range rights {
		review := &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{
			User: user, Groups: groups, ResourceAttributes: r.attributes(),
		}}
		await(t, fmt.Sprintf("%s: %s to be %t", user, r, r.want), func(ctx context.Context) (bool, string) {
			answer, err := reviews.Create(ctx, review, metav1.CreateOptions{})
			if err != nil {
				return false, err.Error()
			}
			return answer.Status.Allowed == r.want, answer.Status.Reason
		})
	}
}

func testServerRights(t *testing.T) {
	user := "system:serviceaccount:" + systemSpace + ":leat-apiserver"
	checkRights(t, user, []string{"system:serviceaccounts", "system:authenticated"}, []right{
		{"create", "tokenreviews.authentication.k8s.io", "", true},
		{"create", "subjectaccessreviews.authorization.k8s.io", "", true},
		{"get", "configmaps=extension-apiserver-authentication", "kube-system", true},
		{"watch", "validatingadmissionpolicybindings.admissionregistration.k8s.io", "", true},
		{"watch", "flowschemas.flowcontrol.apiserver.k8s.io", "", true},
		{"create", "events", "default", true},
		{"impersonate", "serviceaccounts", "default", true},
		{"update", "apiservices.apiregistration.k8s.io=v1.source.toolkit.fluxcd.io", "", true},
		{"update", "secrets=leat-apiserver-cert", systemSpace, true},
		// And no more than that.
		{"update", "apiservices.apiregistration.k8s.io=v1.apps", "", false},
		{"delete", "apiservices.apiregistration.k8s.io=v1.source.toolkit.fluxcd.io", "", false},
		{"impersonate", "users", "", false},
		{"impersonate", "groups", "", false},
		{"update", "secrets=other", systemSpace, false},
		{"create", "secrets", "default", false},
		{"create", "deployments.apps", "default", false},
		{"bind", "clusterroles.rbac.authorization.k8s.io", "", false},
	})
}

// testServerWorks keeps certificates and APIServices with nothing but the installed
// rights. The Service exists, as in a cluster; this test puts it on loopback.
func testServerWorks(t *testing.T) {
	services := coreClient(t, cluster.Config).CoreV1().Services(systemSpace)
	service, err := services.Get(t.Context(), serviceName, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if got := service.Spec.Ports[0].Port; got != 443 {
		t.Errorf("the Service has port %d", got)
	}
	patch := `[{"op":"replace","path":"/spec","value":{"type":"ExternalName","externalName":"localhost"}}]`
	if _, _, err := cluster.Kubectl(t.Context(), "patch", "service", serviceName, "--namespace="+systemSpace, "--type=json", "--patch="+patch); err != nil {
		t.Fatal(err)
	}
	b := newBackend(t, asServer(), systemSpace, false)
	r, _ := b.register(t, asServer(), systemSpace, func(o *registration.Options) {
		o.GroupVersions, o.ExternalName = served(), ""
	})
	for _, gv := range served() {
		awaitAPIService(t, gv, "to be available", isAvailable)
	}
	if err := r.Check(nil); err != nil {
		t.Error(err)
	}
	if err := r.Touch(t.Context()); err != nil {
		t.Error(err)
	}
}

// testUserRights asks for every cell of the table of roles.
func testUserRights(t *testing.T) {
	namespace := cluster.Namespace(t)
	const sources, kustomizations = "gitrepositories.source.toolkit.fluxcd.io", "kustomizations.kustomize.toolkit.fluxcd.io"
	subresource := func(of, name string) string {
		resource, group, _ := strings.Cut(of, ".")
		return resource + "/" + name + "." + group
	}
	var reads, writes []right
	add := func(rights *[]right, resource string, verbs ...string) {
		for _, verb := range verbs {
			*rights = append(*rights, right{verb: verb, resource: resource, namespace: namespace})
		}
	}
	for _, resource := range []string{sources, kustomizations} {
		add(&reads, resource, "get", "list", "watch")
		add(&reads, subresource(resource, "log"), "get")
		add(&writes, resource, "create", "update", "patch", "delete", "deletecollection")
		for _, action := range []string{"reconcile", "suspend", "resume"} {
			add(&writes, subresource(resource, action), "create")
		}
	}
	add(&reads, subresource(sources, "artifact"), "get")
	for _, read := range []string{"tree", "history", "diff", "build"} {
		add(&reads, subresource(kustomizations, read), "get")
	}
	for _, preview := range []string{"diff", "build"} {
		add(&writes, subresource(kustomizations, preview), "create")
	}
	for _, role := range []string{"view", "edit", "admin", "leat-view", "leat-edit", "leat-admin"} {
		t.Run(role, func(t *testing.T) {
			user := "user-of-" + role
			if _, _, err := cluster.Kubectl(t.Context(), "create", "rolebinding", user, "--clusterrole="+role, "--user="+user, "--namespace="+namespace); err != nil {
				t.Fatal(err)
			}
			var rights []right
			for _, r := range reads {
				r.want = true
				rights = append(rights, r)
			}
			for _, r := range writes {
				r.want = !strings.HasSuffix(role, "view")
				rights = append(rights, r)
			}
			add(&rights, subresource(kustomizations, "status"), "update")
			checkRights(t, user, nil, rights)
		})
	}
}
