package apply_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	admissionv1 "k8s.io/api/admission/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/leat-dev/leat/pkg/apply"
)

// webhook refuses objects whose annotation says so, and gives the others a
// label.
type webhook struct {
	mu  sync.Mutex
	wet []string // requests that were no dry-runs
}

func (h *webhook) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var review admissionv1.AdmissionReview
	if err := json.NewDecoder(r.Body).Decode(&review); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	in := review.Request
	if in.DryRun == nil || !*in.DryRun {
		h.mu.Lock()
		h.wet = append(h.wet, fmt.Sprintf("%s %s %s", in.Operation, in.Kind.Kind, in.Name))
		h.mu.Unlock()
	}
	var o metav1.PartialObjectMetadata
	raw := in.Object.Raw
	if in.Operation == admissionv1.Delete {
		raw = in.OldObject.Raw
	}
	if err := json.Unmarshal(raw, &o); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	out := &admissionv1.AdmissionResponse{UID: in.UID, Allowed: true}
	switch patch := admissionv1.PatchTypeJSONPatch; {
	case o.Annotations["deny"] == string(in.Operation), o.Annotations["deny"] == "strangers" && o.GenerateName != "":
		out.Allowed, out.Result = false, &metav1.Status{Message: "the webhook does not like it"}
	case in.Operation != admissionv1.Delete:
		out.PatchType, out.Patch = &patch, []byte(`[{"op":"add","path":"/metadata/labels/seen","value":"yes"}]`)
	}
	_ = json.NewEncoder(w).Encode(admissionv1.AdmissionReview{TypeMeta: review.TypeMeta, Response: out})
}

// What webhooks refuse, and what they change, shows in a preview, and none of
// them sees a request that is not a dry-run.
func TestPreviewPastWebhooks(t *testing.T) {
	f := setup(t)
	hook := &webhook{}
	s := httptest.NewTLSServer(hook)
	t.Cleanup(s.Close)
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
	name := "preview-" + f.ns
	t.Cleanup(func() {
		_, _, _ = cluster.Kubectl(context.WithoutCancel(t.Context()), "delete", "mutatingwebhookconfiguration", name)
	})
	cm := func(name, deny string) string {
		return "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: " + name + ", annotations: {deny: " + deny + "}}\ndata: {a: b}"
	}
	fixed := cm("fixed", "strangers") + "\nimmutable: true"
	f.mustApply(f.request("app", cm("undead", "DELETE"), settings, fixed))
	_, stderr, err := cluster.KubectlInput(f.ctx, `
apiVersion: admissionregistration.k8s.io/v1
kind: MutatingWebhookConfiguration
metadata: {name: `+name+`}
webhooks:
- name: preview.example.org
  admissionReviewVersions: [v1]
  sideEffects: None
  clientConfig: {url: "`+s.URL+`", caBundle: `+base64.StdEncoding.EncodeToString(ca)+`}
  rules: [{apiGroups: [""], apiVersions: [v1], resources: [configmaps], operations: [CREATE, UPDATE, DELETE]}]
  namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: `+f.ns+`}}
`, "apply", "-f", "-")
	if err != nil {
		t.Fatal(err, stderr)
	}
	// kube-apiserver takes it in a moment later.
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.After(30 * time.Second); f.preview(f.request("app", cm("bad", "CREATE")))["ConfigMap/bad"].Err == nil; {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatal("the webhook is not asked")
		}
	}

	got := f.preview(f.request("app", cm("bad", "CREATE"), cm("good", "nothing"), strings.Replace(settings, "blue", "red", 1)))
	if p := got["ConfigMap/bad"]; p.Err == nil || !strings.Contains(p.Err.Error(), "does not like it") || p.Action != apply.ActionCreated {
		t.Errorf("refused: %+v", p)
	}
	if p := got["ConfigMap/undead"]; p.Err == nil || !strings.Contains(p.Err.Error(), "does not like it") || p.Action != apply.ActionDeleted {
		t.Errorf("refused to go: %+v", p)
	}
	for _, name := range []string{"good", "settings"} {
		if p := got["ConfigMap/"+name]; p.Err != nil || field(p.New, "metadata", "labels", "seen") != "yes" {
			t.Errorf("%s: %v, labels %v", name, p.Err, field(p.New, "metadata", "labels"))
		}
	}
	// What is to be created again is tried under another name, which a webhook may
	// not like.
	r := f.request("app", strings.Replace(fixed, "a: b", "a: c", 1))
	r.Force = true
	if p := f.preview(r)["ConfigMap/fixed"]; p.Action != apply.ActionRecreated || p.Err != nil || !p.Unverified ||
		!strings.Contains(p.Reason, "does not like it") || field(p.New, "data", "a") != "c" || p.New.GetName() != "fixed" {
		t.Errorf("a name that is not liked: %s, unverified %t (%s), %v", p.Action, p.Unverified, p.Reason, p.Err)
	}
	hook.mu.Lock()
	defer hook.mu.Unlock()
	for _, w := range hook.wet {
		if !strings.Contains(w, "kube-root-ca.crt") {
			t.Errorf("not a dry-run: %s", w)
		}
	}
}
