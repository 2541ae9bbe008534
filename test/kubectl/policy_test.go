package kubectl

import (
	"context"
	"net/http"
	"strings"
	"testing"
)

// rule is the part of policies and webhooks that says what of Leat's they hold for:
// a kind and all of its subresources, with all operations.
func (k kind) rule() string {
	return `{apiGroups: [` + k.Group + `], apiVersions: ["*"], operations: [CREATE, UPDATE, DELETE, CONNECT], resources: [` + k.Resource + `, ` + k.Resource + `/*]}`
}

// bound names a policy after a namespace, and binds it to that.
func bound(kind, namespace string) string {
	return "---\napiVersion: admissionregistration.k8s.io/v1\nkind: " + kind + "Binding\nmetadata: {name: " + namespace + "}\nspec:\n  policyName: " + namespace +
		"\n  matchResources: {namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: " + namespace + "}}}\n"
}

// A policy of the cluster decides on Leat's objects as on all others.
func TestValidatingAdmissionPolicy(t *testing.T) {
	t.Parallel()
	forKinds(t, func(t *testing.T, k kind, namespace string) {
		u := admin(t, namespace)
		u.apply(k.manifest("old", "9m"))
		u.apply(`
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: ` + namespace + `}
spec:
  matchConstraints: {resourceRules: [` + k.rule() + `]}
  variables:
  - {name: whole, expression: '!has(request.subResource) && request.operation in ["CREATE", "UPDATE"]'}
  validations:
  - {expression: '!variables.whole || duration(object.spec.` + k.duration + `) >= duration("5m")', messageExpression: '"` + k.duration + ` of " + object.metadata.name + " is below 5m"'}
  - {expression: 'request.operation != "DELETE" || oldObject.metadata.name != "old"', message: old is to stay, reason: Forbidden}
  - {expression: '!has(request.subResource) || request.subResource != "suspend"', message: nobody suspends here}
  - {expression: '!has(request.subResource) || request.subResource != "log"', message: 'nobody reads logs here'}
  auditAnnotations: [{key: seen, valueExpression: 'request.userInfo.username'}]
` + bound("ValidatingAdmissionPolicy", namespace) + "  validationActions: [Deny, Audit]\n")
		t.Cleanup(func() { forget(u, "validatingadmissionpolicy") })
		below := k.manifest("new", "1m")
		eventually(t, "the policy is known", func(context.Context) (bool, error) {
			_, err := u.try(below, "create", "-f", "-", "--dry-run=server")
			return err != nil && strings.Contains(err.Error(), k.duration+" of new is below 5m"), nil
		})
		u.refused(below, []string{"apply", "-f", "-"}, "ValidatingAdmissionPolicy '"+namespace+"'", "denied request: "+k.duration+" of new is below 5m")
		u.refused("", []string{"patch", k.object("old"), "--type=merge", "-p", `{"spec":{"` + k.duration + `":"4m"}}`}, k.duration+" of old is below 5m")
		u.refused(strings.ReplaceAll(below, "new", "old"), []string{"apply", "--server-side", "--force-conflicts", "-f", "-"}, k.duration+" of old is below 5m")
		u.refused("", []string{"delete", k.object("old")}, "Forbidden", "old is to stay")
		u.refused(k.body("suspend"), []string{"create", "--raw", k.path(namespace, "old", "suspend"), "-f", "-"}, "nobody suspends here")
		u.refused("", []string{"get", "--raw", k.path(namespace, "old", "log")}, "nobody reads logs here")
		u.apply(k.manifest("new", "6m"))
		u.run("label", k.object("new"), "a=b")
		u.run("delete", k.object("new"))
	})
}

// forget deletes what binds a policy of the namespace, and the policy.
func forget(u user, kind string) {
	ctx := context.WithoutCancel(u.t.Context())
	for _, resource := range []string{kind + "binding", kind} {
		if _, _, err := u.client.Kubectl(ctx, "delete", resource, u.namespace, "--ignore-not-found"); err != nil {
			u.t.Log(err)
		}
	}
}

// A policy that changes objects changes Leat's, before they are validated.
func TestMutatingAdmissionPolicy(t *testing.T) {
	t.Parallel()
	forKinds(t, func(t *testing.T, k kind, namespace string) {
		u := admin(t, namespace)
		u.apply(`
apiVersion: admissionregistration.k8s.io/v1
kind: MutatingAdmissionPolicy
metadata: {name: ` + namespace + `}
spec:
  matchConstraints: {resourceRules: [{apiGroups: [` + k.Group + `], apiVersions: ["*"], operations: [CREATE, UPDATE], resources: [` + k.Resource + `]}]}
  reinvocationPolicy: Never
  mutations:
  - {patchType: ApplyConfiguration, applyConfiguration: {expression: 'Object{metadata: Object.metadata{labels: {"checked": "yes"}}}'}}
  - {patchType: JSONPatch, jsonPatch: {expression: '[JSONPatch{op: "replace", path: "/spec/` + k.duration + `", value: "8m"}]'}}
` + bound("MutatingAdmissionPolicy", namespace))
		t.Cleanup(func() { forget(u, "mutatingadmissionpolicy") })
		eventually(t, "the policy is known", func(context.Context) (bool, error) {
			out, err := u.try(k.manifest("demo", "1m"), "create", "-f", "-", "--dry-run=server", "-o", "jsonpath={.spec."+k.duration+"}{.metadata.labels}")
			return out == `8m{"checked":"yes"}`, err
		})
		u.apply(k.manifest("demo", "1m"))
		equal(t, "what was stored", u.get(k.object("demo"), "{.spec."+k.duration+"}{.metadata.labels.checked}"), "8myes")
		// A value that is not valid is not stored, whoever wrote it.
		u.run("patch", "mutatingadmissionpolicy", namespace, "--type=json", "-p",
			`[{"op":"replace","path":"/spec/mutations/1/jsonPatch/expression","value":"[JSONPatch{op: \"replace\", path: \"/spec/`+k.duration+`\", value: \"soon\"}]"}]`)
		eventually(t, "the policy has changed, and its value is refused", func(context.Context) (bool, error) {
			_, err := u.try(k.manifest("new", "1m"), "create", "-f", "-", "--dry-run=server")
			return err != nil && strings.Contains(err.Error(), "spec."+k.duration) && strings.Contains(err.Error(), "soon"), nil
		})
	})
}

// Webhooks see each request once, with who made it, and decide.
func TestWebhooks(t *testing.T) {
	t.Parallel()
	hook := newWebhook(t)
	forKinds(t, func(t *testing.T, k kind, namespace string) {
		u := admin(t, namespace)
		configure := func(kind, path string) string {
			return "---\napiVersion: admissionregistration.k8s.io/v1\nkind: " + kind + "WebhookConfiguration\nmetadata: {name: " + namespace + "}\nwebhooks:\n" +
				"- name: hook.example.com\n  clientConfig: {url: " + hook.server.URL + path + ", caBundle: " + hook.bundle() + "}\n" +
				"  rules: [" + k.rule() + "]\n  sideEffects: NoneOnDryRun\n  failurePolicy: Fail\n  timeoutSeconds: 10\n  admissionReviewVersions: [v1]\n" +
				"  namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: " + namespace + "}}\n"
		}
		u.apply(configure("Mutating", "/mutate") + configure("Validating", "/validate"))
		t.Cleanup(func() { forgetHooks(u) })
		eventually(t, "the webhooks are called", func(context.Context) (bool, error) {
			_, err := u.try(k.labelled("probe", "1m", `{"webhook": "deny"}`), "create", "-f", "-", "--dry-run=server")
			return err != nil && strings.Contains(err.Error(), `admission webhook "hook.example.com" denied the request: not with this label`), nil
		})
		hook.forget(namespace)
		u.apply(k.manifest("demo", "1m"))
		equal(t, "what the webhook has set", u.get(k.object("demo"), "{.metadata.labels.webhook}"), "was-here")
		u.refused("", []string{"label", k.object("demo"), "webhook=deny", "--overwrite"}, "not with this label")
		equal(t, "the label after a refusal", u.get(k.object("demo"), "{.metadata.labels.webhook}"), "was-here")
		me := as(t, namespace, "jo", "edit")
		if code, answer := me.do(http.MethodPost, k.path(namespace, "demo", "resume"), k.body("resume"), map[string]string{"Content-Type": "application/json"}); code != http.StatusCreated {
			t.Errorf("resume: %d: %s", code, answer)
		}
		me.do(http.MethodGet, k.path(namespace, "demo", "log"), "", nil)
		u.run("delete", k.object("demo"))

		admin := u.run("auth", "whoami", "-o", "jsonpath={.status.userInfo.username}")
		jo := "jo." + namespace
		for _, want := range []string{
			"/mutate CREATE " + k.kind + " demo  by " + admin,
			"/validate CREATE " + k.kind + " demo  by " + admin,
			"/validate UPDATE " + k.kind + " demo  by " + admin,
			"/validate CREATE ResumeRequest demo resume by " + jo,
			"/validate CONNECT LogOptions demo log by " + jo,
			"/validate DELETE " + k.kind + " demo  by " + admin,
		} {
			if n := hook.calls(namespace)[want]; n == 0 || strings.Contains(want, "CREATE") && n != 1 {
				t.Errorf("the webhook saw %q %d times: %v", want, n, hook.calls(namespace))
			}
		}
	})
}

// forgetHooks deletes what sends requests of the namespace to the webhook.
func forgetHooks(u user) {
	ctx := context.WithoutCancel(u.t.Context())
	if _, _, err := u.client.Kubectl(ctx, "delete", "mutatingwebhookconfiguration,validatingwebhookconfiguration", u.namespace, "--ignore-not-found"); err != nil {
		u.t.Log(err)
	}
}
