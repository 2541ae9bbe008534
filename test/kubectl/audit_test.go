package kubectl

import (
	"bufio"
	"encoding/json"
	"net/http"
	"os"
	"testing"

	auditv1 "k8s.io/apiserver/pkg/apis/audit/v1"

	"github.com/leat-dev/leat/test/framework"
)

// Both audit logs name the verb, the subresource and the user of a request, under
// the same ID.
func TestAudit(t *testing.T) {
	t.Parallel()
	forKinds(t, func(t *testing.T, k kind, namespace string) {
		a, u := admin(t, namespace), as(t, namespace, "auditor", "edit")
		a.apply(k.manifest("demo", "1m"))
		post := map[string]string{"Content-Type": "application/json"}
		jo := "jo." + namespace
		a.run("create", "rolebinding", jo, "--clusterrole=view", "--user="+jo)
		calls := []struct {
			method, path, body      string
			header                  map[string]string
			as                      user
			verb, sub, who, forWhom string
			code                    int
		}{
			{http.MethodGet, k.path(namespace, "demo"), "", nil, u, "get", "", u.name(), "", 200},
			{http.MethodPost, k.path(namespace, "demo", "suspend"), k.body("suspend"), post, u, "create", "suspend", u.name(), "", 201},
			{http.MethodPost, k.path(namespace, "demo", "reconcile"), k.body("reconcile"), post, u, "create", "reconcile", u.name(), "", 409},
			{http.MethodGet, k.path(namespace, "demo", "log"), "", nil, u, "get", "log", u.name(), "", 200},
			{http.MethodPatch, k.path(namespace, "demo", "status"), `{}`, map[string]string{"Content-Type": "application/merge-patch+json"}, u, "patch", "status", u.name(), "", 403},
			{http.MethodGet, k.path(namespace, "demo"), "", map[string]string{"Impersonate-User": jo}, a, "get", "", a.name(), jo, 200},
		}
		for _, call := range calls {
			_, header, answer := call.as.request(call.method, call.path, call.body, call.header)
			id := header.Get("Audit-Id")
			if id == "" {
				t.Fatalf("%s %s has no audit ID: %s", call.method, call.path, answer)
			}
			at, err := cluster.AuditRequests(func(r framework.Request) bool { return r.ID == id })
			if err != nil {
				t.Fatal(err)
			}
			want := framework.Request{
				ID: id, User: call.who, Impersonated: call.forWhom, Verb: call.verb, Group: k.Group, Resource: k.Resource, Subresource: call.sub,
				Namespace: namespace, Name: "demo", Code: call.code,
			}
			if len(at) != 1 || essence(at[0]) != want {
				t.Errorf("kube-apiserver notes %s %s as\n%+v, want\n%+v", call.method, call.path, at, want)
			}
			// Leat is told whom the front proxy lets through, and no more.
			if call.forWhom != "" {
				want.User, want.Impersonated = call.forWhom, ""
			}
			got := auditOfLeat(t, id)
			if call.code == http.StatusForbidden && len(got) == 0 {
				continue // what kube-apiserver refuses does not come to Leat
			}
			if len(got) != 1 || got[0] != want {
				t.Errorf("Leat notes %s %s as\n%+v, want\n%+v", call.method, call.path, got, want)
			}
		}
	})
}

// essence is what both logs have.
func essence(r framework.Request) framework.Request {
	return framework.Request{
		ID: r.ID, User: r.User, Impersonated: r.Impersonated, Verb: r.Verb, Group: r.Group, Resource: r.Resource, Subresource: r.Subresource,
		Namespace: r.Namespace, Name: r.Name, Code: r.Code,
	}
}

// auditOfLeat are the requests with an ID that Leat has noted.
func auditOfLeat(t *testing.T, id string) []framework.Request {
	t.Helper()
	file, err := os.Open(auditLog)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	var found []framework.Request
	for lines := bufio.NewScanner(file); lines.Scan(); {
		var e auditv1.Event
		// The last line may not be complete yet.
		if json.Unmarshal(lines.Bytes(), &e) != nil || string(e.AuditID) != id || e.Stage != auditv1.StageResponseComplete || e.ObjectRef == nil {
			continue
		}
		found = append(found, framework.Request{
			ID: id, User: e.User.Username, Verb: e.Verb, Group: e.ObjectRef.APIGroup, Resource: e.ObjectRef.Resource, Subresource: e.ObjectRef.Subresource,
			Namespace: e.ObjectRef.Namespace, Name: e.ObjectRef.Name, Code: int(e.ResponseStatus.Code),
		})
	}
	return found
}
