package framework_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/leat-dev/leat/test/framework"
)

var cluster *framework.Cluster

func TestMain(m *testing.M) {
	os.Exit(framework.Main(m, framework.Options{}, &cluster))
}

// timeout is far above what anything here takes, also on a busy machine.
const timeout = time.Minute

func testContext(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), timeout)
	t.Cleanup(cancel)
	return ctx
}

func mustKubectl(t *testing.T, args ...string) string {
	t.Helper()
	out, _, err := cluster.Kubectl(testContext(t), args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestWorkloadsBecomeHealthy(t *testing.T) {
	t.Parallel()
	ns := cluster.Namespace(t)
	mustKubectl(t, "-n", ns, "create", "deployment", "web", "--image=web", "--replicas=2")
	mustKubectl(t, "-n", ns, "create", "job", "once", "--image=once", "--", "true")
	mustKubectl(t, "-n", ns, "wait", "--for=condition=Available", "--timeout=45s", "deployment/web")
	mustKubectl(t, "-n", ns, "wait", "--for=condition=Complete", "--timeout=45s", "job/once")
	if got := mustKubectl(t, "-n", ns, "get", "deployment", "web", "-o", "jsonpath={.status.readyReplicas}"); got != "2" {
		t.Errorf("ready replicas: got %q, want 2", got)
	}
}

func TestNamespaceIsDeleted(t *testing.T) {
	t.Parallel()
	client := kubernetes.NewForConfigOrDie(cluster.Config)
	ns, err := client.CoreV1().Namespaces().Create(testContext(t), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "doomed-"}}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	mustKubectl(t, "-n", ns.Name, "create", "configmap", "inside")
	mustKubectl(t, "delete", "namespace", ns.Name, "--wait", "--timeout=45s")
}

// An aggregated API server trusts the front proxy by this ConfigMap; without
// the flags behind it, it would refuse every request.
func TestAggregationIsConfigured(t *testing.T) {
	t.Parallel()
	out := mustKubectl(t, "-n", "kube-system", "get", "configmap", "extension-apiserver-authentication", "-o", "json")
	var config corev1.ConfigMap
	if err := json.Unmarshal([]byte(out), &config); err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]string{
		"client-ca-file":                     "BEGIN CERTIFICATE",
		"requestheader-client-ca-file":       "BEGIN CERTIFICATE",
		"requestheader-allowed-names":        `["front-proxy-client"]`,
		"requestheader-username-headers":     `["X-Remote-User"]`,
		"requestheader-uid-headers":          `["X-Remote-Uid"]`,
		"requestheader-group-headers":        `["X-Remote-Group"]`,
		"requestheader-extra-headers-prefix": `["X-Remote-Extra-"]`,
	} {
		if got := config.Data[key]; !strings.Contains(got, want) {
			t.Errorf("%s: got %q, want it to hold %q", key, got, want)
		}
	}
	if config.Data["client-ca-file"] == config.Data["requestheader-client-ca-file"] {
		t.Error("users and the front proxy have the same CA: any user could pass as the proxy")
	}
}

func TestUserHasNoRightsUntilGranted(t *testing.T) {
	t.Parallel()
	ns := cluster.Namespace(t)
	user, err := cluster.User(testContext(t), "ada", "engineers")
	if err != nil {
		t.Fatal(err)
	}
	if out, _, err := user.Kubectl(testContext(t), "auth", "whoami", "-o", "json"); err != nil || !strings.Contains(out, `"ada"`) || !strings.Contains(out, `"engineers"`) {
		t.Errorf("whoami: got %q, %v, want user ada in group engineers", out, err)
	}
	if _, stderr, err := user.Kubectl(testContext(t), "-n", ns, "get", "configmaps"); err == nil || !strings.Contains(stderr, "forbidden") {
		t.Errorf("before the grant: got %q, %v, want forbidden", stderr, err)
	}
	mustKubectl(t, "-n", ns, "create", "rolebinding", "ada", "--clusterrole=view", "--group=engineers")
	deadline := time.Now().Add(timeout) // RBAC answers from a cache
	for {
		_, _, err := user.Kubectl(testContext(t), "-n", ns, "get", "configmaps")
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("after the grant: %v", err)
		}
	}
}

func TestAuditCountsRequestsOfAUser(t *testing.T) {
	t.Parallel()
	user, err := cluster.User(testContext(t), fmt.Sprintf("counted-%d", time.Now().UnixNano()), "system:masters")
	if err != nil {
		t.Fatal(err)
	}
	client := kubernetes.NewForConfigOrDie(user.Config)
	const want = 7
	for range want {
		if _, err := client.CoreV1().ConfigMaps("default").List(testContext(t), metav1.ListOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	watch, err := client.CoreV1().ConfigMaps("default").Watch(testContext(t), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer watch.Stop()
	whoami, err := client.AuthenticationV1().SelfSubjectReviews().Create(testContext(t), &authenticationv1.SelfSubjectReview{}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	requests, err := cluster.AuditRequests(func(r framework.Request) bool {
		return r.User == whoami.Status.UserInfo.Username && !r.Housekeeping()
	})
	if err != nil {
		t.Fatal(err)
	}
	verbs := map[string]int{}
	for _, r := range requests {
		if r.Resource != "configmaps" || r.Verb == "list" && r.Code != http.StatusOK {
			t.Errorf("unexpected request %+v", r)
		}
		verbs[r.Verb]++
	}
	if verbs["list"] != want || verbs["watch"] != 1 {
		t.Errorf("requests by verb: got %v, want %d list and 1 watch", verbs, want)
	}
}
