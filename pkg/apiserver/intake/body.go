package intake

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"os"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apiserver/pkg/endpoints/request"

	"github.com/leat-dev/leat/pkg/apiserver/intake/nesting"
)

// patchTypes are the patches that every kind takes.
var patchTypes = [...]types.PatchType{types.JSONPatchType, types.MergePatchType, types.StrategicMergePatchType, types.ApplyYAMLPatchType}

// checkBody refuses bodies by their headers, and has the rest looked at while it
// is read. Size is the business of whoever reads.
func checkBody(req *http.Request) (*http.Request, *apierrors.StatusError) {
	info, ok := request.RequestInfoFrom(req.Context())
	if !ok || !info.IsResourceRequest || req.Body == nil || req.Body == http.NoBody {
		return req, nil
	}
	if err := checkEncoding(req.Header.Values("Content-Encoding")); err != nil {
		return nil, err
	}
	mediaType, err := bodyType(req)
	if err != nil {
		return nil, err
	}
	// A body without a type is JSON or a tar.gz, which is no JSON from its first
	// byte on.
	json := mediaType == "" || strings.HasSuffix(mediaType, "json")
	checked := req.WithContext(req.Context())
	checked.Body = &bodyReader{ReadCloser: req.Body, nesting: nesting.Counter{Opaque: !json}}
	return checked, nil
}

// checkEncoding refuses compressed bodies. Nobody unpacks them, and what is
// packed is no JSON: that would be the message otherwise.
func checkEncoding(headers []string) *apierrors.StatusError {
	for header := range strings.SplitSeq(strings.Join(headers, ","), ",") {
		encoding := strings.TrimSpace(header)
		if encoding != "" && !strings.EqualFold(encoding, "identity") {
			return unsupported(fmt.Sprintf("header Content-Encoding: %q is not supported: send the body as it is", quoted(encoding)))
		}
	}
	return nil
}

func bodyType(req *http.Request) (string, *apierrors.StatusError) {
	header := req.Header.Get("Content-Type")
	if header == "" && req.Method != http.MethodPatch {
		return "", nil
	}
	mediaType, _, err := mime.ParseMediaType(header)
	if req.Method == http.MethodPatch && !slices.Contains(patchTypes[:], types.PatchType(mediaType)) {
		return "", unsupported(fmt.Sprintf("header Content-Type: %q is not a type of patch: use one of %s, %s, %s and %s",
			quoted(header), patchTypes[0], patchTypes[1], patchTypes[2], patchTypes[3]))
	}
	if err != nil {
		return "", unsupported(fmt.Sprintf("header Content-Type: %q cannot be read: %v", quoted(header), err))
	}
	return mediaType, nil
}

func unsupported(message string) *apierrors.StatusError {
	return &apierrors.StatusError{ErrStatus: metav1.Status{
		Status: metav1.StatusFailure, Code: http.StatusUnsupportedMediaType, Reason: metav1.StatusReasonUnsupportedMediaType, Message: message,
	}}
}

// bodyReader looks at a body while it is read. Its errors are Statuses, which the
// generic server answers with as they are; others it takes for its own failure.
type bodyReader struct {
	io.ReadCloser
	nesting nesting.Counter
}

// Read passes on what was read, up to where it is refused.
func (r *bodyReader) Read(p []byte) (int, error) {
	n, err := r.ReadCloser.Read(p)
	if deep := r.nesting.Scan(p[:n]); deep != nil {
		return 0, apierrors.NewBadRequest(deep.Error())
	}
	switch {
	case err == nil, errors.Is(err, io.EOF), errors.Is(err, context.Canceled):
		return n, err
	case errors.Is(err, os.ErrDeadlineExceeded):
		return n, &apierrors.StatusError{ErrStatus: metav1.Status{
			Status: metav1.StatusFailure, Code: http.StatusRequestTimeout, Reason: metav1.StatusReasonTimeout,
			Message: fmt.Sprintf("the body was not complete in time: %d bytes of it have come", r.nesting.Read()),
		}}
	default:
		return n, apierrors.NewBadRequest(fmt.Sprintf("the body cannot be read after byte %d: %v", r.nesting.Read(), err))
	}
}
