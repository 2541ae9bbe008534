package integration

import (
	"context"
	"net/http"
	"strings"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"

	"github.com/leat-dev/leat/test/framework"
)

// user makes a user who may do in a namespace what the rules say.
func (c *clients) user(ctx context.Context, t *testing.T, namespace, name string, rules ...rbacv1.PolicyRule) *framework.Client {
	t.Helper()
	name += "-" + namespace
	user, err := cluster.User(ctx, name)
	if err != nil {
		t.Fatal(err)
	}
	role := &rbacv1.Role{ObjectMeta: metav1.ObjectMeta{Name: name}, Rules: rules}
	if _, err := c.core.RbacV1().Roles(namespace).Create(ctx, role, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	binding := &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: name},
		Subjects:   []rbacv1.Subject{{Kind: rbacv1.UserKind, APIGroup: rbacv1.GroupName, Name: name}},
	}
	if _, err := c.core.RbacV1().RoleBindings(namespace).Create(ctx, binding, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	return user
}

func allow(group, resources, verbs string) rbacv1.PolicyRule {
	return rbacv1.PolicyRule{APIGroups: []string{group}, Resources: strings.Fields(resources), Verbs: strings.Fields(verbs)}
}

func TestPermissionsAreThoseOfTheHost(t *testing.T) {
	t.Parallel()
	c, ctx, ns := newClients(t, cluster.Config), testContext(t), cluster.Namespace(t)
	c.create(ctx, t, gitRepositories, ns, repositoryYAML)
	viewer := c.user(ctx, t, ns, "viewer", allow("source.toolkit.fluxcd.io", "gitrepositories", "get list watch"))
	for _, config := range []*rest.Config{viewer.Config, direct(viewer)} {
		theirs := newClients(t, config)
		sources := theirs.dynamic.Resource(gitRepositories).Namespace(ns)
		if _, err := sources.Get(ctx, "demo", metav1.GetOptions{}); err != nil {
			t.Errorf("get: %v", err)
		}
		if err := sources.Delete(ctx, "demo", metav1.DeleteOptions{}); !apierrors.IsForbidden(err) {
			t.Errorf("delete: got %v, want Forbidden", err)
		}
		if _, err := theirs.dynamic.Resource(kustomizations).Namespace(ns).List(ctx, metav1.ListOptions{}); !apierrors.IsForbidden(err) {
			t.Errorf("list of another kind: got %v, want Forbidden", err)
		}
		if _, err := sources.Patch(ctx, "demo", "application/merge-patch+json", []byte(`{"status":{}}`), metav1.PatchOptions{}, "status"); !apierrors.IsForbidden(err) {
			t.Errorf("patch of the status: got %v, want Forbidden", err)
		}
		if _, _, err := getWith(ctx, t, config, collection(gitRepositories, ns)+"/demo/artifact", nil); !apierrors.IsForbidden(err) {
			t.Errorf("artifact: got %v, want Forbidden", err)
		}
	}
}

// direct connects a user to the server without the aggregator.
func direct(user *framework.Client) *rest.Config {
	config := rest.CopyConfig(user.Config)
	config.Host = server.direct.Host
	config.TLSClientConfig.Insecure = true
	config.TLSClientConfig.CAData, config.TLSClientConfig.CAFile = nil, ""
	return config
}

// getWith asks for a path with headers.
func getWith(ctx context.Context, t *testing.T, config *rest.Config, path string, headers http.Header) (*http.Response, []byte, error) {
	t.Helper()
	request := newClients(t, config).rest.Get().AbsPath(path)
	for name, values := range headers {
		request.SetHeader(name, values...)
	}
	body, err := request.Do(ctx).Raw()
	return nil, body, err
}

func TestFrontProxyHeadersOfOthersAreIgnored(t *testing.T) {
	t.Parallel()
	c, ctx, ns := newClients(t, cluster.Config), testContext(t), cluster.Namespace(t)
	c.create(ctx, t, gitRepositories, ns, repositoryYAML)
	path := collection(gitRepositories, ns) + "/demo"
	spoofed := http.Header{
		"X-Remote-User":  {"kubernetes-admin"},
		"X-Remote-Group": {"system:masters"},
	}
	nobody := c.user(ctx, t, ns, "nobody")
	anonymous := rest.AnonymousClientConfig(server.direct)
	anonymous.TLSClientConfig.Insecure = true
	for name, config := range map[string]*rest.Config{
		"a user through the aggregator":   nobody.Config,
		"a user without the aggregator":   direct(nobody),
		"nobody without the aggregator":   anonymous,
		"nobody through the aggregator":   rest.AnonymousClientConfig(cluster.Config),
		"an invalid token, no aggregator": {Host: server.direct.Host, BearerToken: "forged", TLSClientConfig: rest.TLSClientConfig{Insecure: true}},
	} {
		if _, _, err := getWith(ctx, t, config, path, spoofed); !apierrors.IsForbidden(err) && !apierrors.IsUnauthorized(err) {
			t.Errorf("%s with the headers of a front proxy: got %v, want Forbidden or Unauthorized", name, err)
		}
	}
	if _, _, err := getWith(ctx, t, cluster.Config, path, nil); err != nil {
		t.Errorf("the administrator: %v", err)
	}
}

func TestImpersonation(t *testing.T) {
	t.Parallel()
	c, ctx, ns := newClients(t, cluster.Config), testContext(t), cluster.Namespace(t)
	c.create(ctx, t, gitRepositories, ns, repositoryYAML)
	c.user(ctx, t, ns, "viewer", allow("source.toolkit.fluxcd.io", "gitrepositories", "get"))
	nobody := c.user(ctx, t, ns, "nobody")
	get := func(config *rest.Config, as string) error {
		config = rest.CopyConfig(config)
		config.Impersonate.UserName = as
		_, err := newClients(t, config).dynamic.Resource(gitRepositories).Namespace(ns).Get(ctx, "demo", metav1.GetOptions{})
		return err
	}
	for _, admin := range []*rest.Config{cluster.Config, server.direct} {
		if err := get(admin, "viewer-"+ns); err != nil {
			t.Errorf("the administrator as one who may: %v", err)
		}
		if err := get(admin, "nobody-"+ns); !apierrors.IsForbidden(err) {
			t.Errorf("the administrator as one who may not: got %v, want Forbidden", err)
		}
	}
	for _, config := range []*rest.Config{nobody.Config, direct(nobody)} {
		if err := get(config, "viewer-"+ns); !apierrors.IsForbidden(err) {
			t.Errorf("one who may not impersonate: got %v, want Forbidden", err)
		}
	}
}

func TestServiceAccountTokens(t *testing.T) {
	t.Parallel()
	c, ctx, ns := newClients(t, cluster.Config), testContext(t), cluster.Namespace(t)
	c.create(ctx, t, gitRepositories, ns, repositoryYAML)
	token, _, err := cluster.Kubectl(ctx, "create", "token", "default", "-n", ns)
	if err != nil {
		t.Fatal(err)
	}
	config := &rest.Config{Host: server.direct.Host, BearerToken: strings.TrimSpace(token), TLSClientConfig: rest.TLSClientConfig{Insecure: true}}
	client := newClients(t, config).dynamic.Resource(gitRepositories).Namespace(ns)
	if _, err := client.Get(ctx, "demo", metav1.GetOptions{}); !apierrors.IsForbidden(err) || !strings.Contains(err.Error(), "system:serviceaccount:"+ns+":default") {
		t.Errorf("a service account without rights: got %v, want Forbidden that names it", err)
	}
	if _, _, err := cluster.Kubectl(ctx, "create", "role", "reader", "-n", ns, "--verb=get", "--resource=gitrepositories.source.toolkit.fluxcd.io"); err != nil {
		t.Fatal(err)
	}
	if _, _, err := cluster.Kubectl(ctx, "create", "rolebinding", "reader", "-n", ns, "--role=reader", "--serviceaccount="+ns+":default"); err != nil {
		t.Fatal(err)
	}
	// The refusal is kept for ten seconds.
	eventually(ctx, t, "the service account may read", func(ctx context.Context) (bool, error) {
		_, err := client.Get(ctx, "demo", metav1.GetOptions{})
		return err == nil, nil
	})
}

func TestCanI(t *testing.T) {
	t.Parallel()
	c, ctx, ns := newClients(t, cluster.Config), testContext(t), cluster.Namespace(t)
	developer := c.user(ctx, t, ns, "developer",
		allow("kustomize.toolkit.fluxcd.io", "kustomizations/reconcile", "create"),
		allow("source.toolkit.fluxcd.io", "gitrepositories/artifact", "get"))
	for question, want := range map[string]string{
		"create kustomizations.kustomize.toolkit.fluxcd.io --subresource=reconcile": "yes",
		"get gitrepositories.source.toolkit.fluxcd.io --subresource=artifact":       "yes",
		"create gitrepositories.source.toolkit.fluxcd.io --subresource=reconcile":   "no",
		"create kustomizations.kustomize.toolkit.fluxcd.io":                         "no",
	} {
		out, errOut, _ := developer.Kubectl(ctx, append([]string{"auth", "can-i", "-n", ns}, strings.Fields(question)...)...)
		if got := strings.TrimSpace(out); !strings.HasPrefix(got, want) || strings.Contains(errOut, "Warning") {
			t.Errorf("can-i %s: got %q %q, want %q", question, got, errOut, want)
		}
	}
}
