package intake

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/endpoints/responsewriter"
)

// maxHeld is how much of a refusal in text is kept for the Status.
const maxHeld = 4 << 10

// answer passes an answer on, except a refusal that is no Status: text of the
// HTTP library, or what the generic filter of deadlines writes without a type.
// That is held back until it is complete.
type answer struct {
	http.ResponseWriter
	begun bool
	code  int // of a refusal that is held back, else 0
	held  bytes.Buffer
}

var _ responsewriter.UserProvidedDecorator = (*answer)(nil)

// newAnswer returns the writer to hand on, and the answer to finish.
func newAnswer(w http.ResponseWriter) (http.ResponseWriter, *answer) {
	a := &answer{ResponseWriter: w}
	return responsewriter.WrapForHTTP1Or2(a), a
}

// Unwrap implements responsewriter.UserProvidedDecorator.
func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }

// WriteHeader implements http.ResponseWriter.
func (a *answer) WriteHeader(code int) {
	if a.begun {
		return
	}
	// What comes before the answer, such as 100, is not the answer.
	a.begun = code >= http.StatusOK
	if code >= http.StatusBadRequest && !structured(a.Header().Get("Content-Type")) {
		a.code = code
		return
	}
	a.ResponseWriter.WriteHeader(code)
}

// structured says that a type is one that a Status is written in.
func structured(contentType string) bool {
	for _, format := range []string{"json", "yaml", "protobuf", "cbor"} {
		if strings.Contains(contentType, format) {
			return true
		}
	}
	return false
}

// Write implements http.ResponseWriter.
func (a *answer) Write(p []byte) (int, error) {
	if !a.begun {
		a.WriteHeader(http.StatusOK)
	}
	if a.code == 0 {
		return a.ResponseWriter.Write(p)
	}
	a.held.Write(p[:min(len(p), maxHeld-a.held.Len())])
	return len(p), nil
}

// Flush implements http.Flusher. What is held back is not there yet.
func (a *answer) Flush() {
	if a.code != 0 {
		return
	}
	a.begun = true
	if flusher, ok := a.ResponseWriter.(http.Flusher); ok {
		flusher.Flush()
	}
}

// finish writes what was held back. It is not called after a panic, which ends
// the connection.
func (a *answer) finish() {
	if a.code == 0 {
		return
	}
	// Of what is refused nothing may be kept as if it were what was asked for.
	for _, name := range []string{"ETag", "Last-Modified", "Content-Disposition", "Content-Encoding"} {
		a.Header().Del(name)
	}
	refuse(a.ResponseWriter, a.status())
}

func (a *answer) status() *apierrors.StatusError {
	var status metav1.Status
	if json.Unmarshal(a.held.Bytes(), &status) == nil && int(status.Code) == a.code && status.Message != "" {
		return &apierrors.StatusError{ErrStatus: status}
	}
	message := strings.TrimSpace(strings.ToValidUTF8(a.held.String(), ""))
	if message == "" {
		message = strings.ToLower(http.StatusText(a.code))
	}
	generic := apierrors.NewGenericServerResponse(a.code, "", schema.GroupResource{}, "", "", 0, false)
	generic.ErrStatus.Message = message
	if generic.ErrStatus.Reason == metav1.StatusReasonUnknown {
		generic.ErrStatus.Reason = metav1.StatusReason(strings.ReplaceAll(http.StatusText(a.code), " ", ""))
	}
	if generic.ErrStatus.Reason == "" {
		generic.ErrStatus.Reason = metav1.StatusReason(fmt.Sprintf("HTTP%d", a.code))
	}
	return generic
}
