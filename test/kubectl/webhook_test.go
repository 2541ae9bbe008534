package kubectl

import (
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	admissionv1 "k8s.io/api/admission/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
)

// webhook is an admission webhook that notes what it is asked. At /mutate it adds a
// label, at /validate it refuses objects with the label webhook=deny.
type webhook struct {
	server *httptest.Server

	mu   sync.Mutex
	seen map[string]map[string]int // by namespace, how often each request came
}

func newWebhook(t *testing.T) *webhook {
	w := &webhook{seen: map[string]map[string]int{}}
	w.server = httptest.NewTLSServer(w)
	t.Cleanup(w.server.Close)
	return w
}

// bundle is the authority that its certificate is checked by.
func (w *webhook) bundle() string {
	return base64.StdEncoding.EncodeToString(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: w.server.Certificate().Raw}))
}

// ServeHTTP implements http.Handler.
func (w *webhook) ServeHTTP(rw http.ResponseWriter, req *http.Request) {
	var review admissionv1.AdmissionReview
	if err := json.NewDecoder(req.Body).Decode(&review); err != nil || review.Request == nil {
		http.Error(rw, "no review", http.StatusBadRequest)
		return
	}
	r := review.Request
	w.note(r.Namespace, fmt.Sprintf("%s %s %s %s %s by %s", req.URL.Path, r.Operation, r.Kind.Kind, r.Name, r.SubResource, r.UserInfo.Username))
	var object metav1.PartialObjectMetadata
	_ = json.Unmarshal(r.Object.Raw, &object) // there is none in a deletion
	review.Response = &admissionv1.AdmissionResponse{UID: r.UID, Allowed: true}
	switch {
	case req.URL.Path == "/validate" && object.Labels["webhook"] == "deny":
		review.Response.Allowed, review.Response.Result = false, &metav1.Status{Message: "not with this label", Code: http.StatusForbidden}
	case req.URL.Path == "/mutate" && r.Operation == admissionv1.Create && r.SubResource == "" && object.Labels["webhook"] == "":
		patch := `[{"op":"add","path":"/metadata/labels","value":{"webhook":"was-here"}}]`
		review.Response.Patch, review.Response.PatchType = []byte(patch), ptr.To(admissionv1.PatchTypeJSONPatch)
	}
	review.Request = nil
	rw.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(rw).Encode(review) // the server may have gone
}

func (w *webhook) note(namespace, what string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.seen[namespace] == nil {
		w.seen[namespace] = map[string]int{}
	}
	w.seen[namespace][what]++
}

// forget forgets what came for a namespace so far.
func (w *webhook) forget(namespace string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.seen, namespace)
}

// calls is how often each request came for a namespace.
func (w *webhook) calls(namespace string) map[string]int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return maps.Clone(w.seen[namespace])
}
