package subresource

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer/json"

	leatv1alpha1 "github.com/leat-dev/leat/pkg/apis/leat/v1alpha1"
	"github.com/leat-dev/leat/pkg/artifact"
	"github.com/leat-dev/leat/pkg/preview"
)

// Uploads takes trees that callers send.
type Uploads interface {
	// Import stores the content of a tar.gz. The tree is there for as long as
	// somebody holds it.
	Import(context.Context, io.Reader, artifact.ImportLimits) (*artifact.Tree, error)
}

// maxRequestBytes is the size of a request for a preview that is not a tree.
const maxRequestBytes = 1 << 20

var gzipMagic = []byte{0x1f, 0x8b}

// otherFormats are those that somebody may take for a tar.gz, by their first
// bytes.
var otherFormats = []struct{ magic, name string }{
	{"PK\x03\x04", "zip"},
	{"BZh", "bzip2"},
	{"\x28\xb5\x2f\xfd", "zstd"},
	{"\xfd7zXZ", "xz"},
}

// longestMagic is how many bytes tell the formats apart.
const longestMagic = 5

// isUpload tells from the first bytes of a body whether it is a tree: kubectl
// names no type, and curl the wrong one.
func isUpload(body *bufio.Reader) (bool, error) {
	start, err := body.Peek(longestMagic)
	if len(start) == 0 {
		if errors.Is(err, io.EOF) {
			return false, apierrors.NewBadRequest("the body is empty: send a request as JSON ({} is one without wishes), or a tree as tar.gz")
		}
		return false, err // of the reader, which says what is wrong
	}
	if bytes.HasPrefix(start, gzipMagic) {
		return true, nil
	}
	for _, format := range otherFormats {
		if bytes.HasPrefix(start, []byte(format.magic)) {
			return false, unsupported("the body looks like " + format.name + ": send a tree as tar.gz")
		}
	}
	return false, nil
}

// importTree stores a tree that was sent.
func (p *Previews) importTree(ctx context.Context, body io.Reader) (*artifact.Tree, error) {
	tree, err := p.uploads.Import(ctx, body, artifact.ImportLimits{})
	var (
		known apierrors.APIStatus
		limit *artifact.LimitError
		wrong *artifact.ArchiveError
		path  *artifact.PathError
	)
	switch {
	case err == nil:
		return tree, nil
	case errors.As(err, &known):
		return nil, &apierrors.StatusError{ErrStatus: known.Status()} // of the reader
	case errors.As(err, &limit):
		return nil, apierrors.NewRequestEntityTooLargeError(err.Error())
	case errors.As(err, &wrong), errors.As(err, &path):
		return nil, apierrors.NewBadRequest(err.Error())
	default:
		return nil, err
	}
}

// requestBody is an object that asks for a preview.
type requestBody struct {
	kind   string
	object modelled
	// ask adds to a request what the object says.
	ask func(*preview.Request)
}

// modelled is an object with a published schema.
type modelled interface {
	runtime.Object
	metav1.Object

	// OpenAPIModelName is generated; it names the schema.
	OpenAPIModelName() string
}

// decode reads the object. What it does not know it refuses: a wish that is
// misspelt must not be taken for none.
func (b *requestBody) decode(scheme *runtime.Scheme, contentType string, from io.Reader) error {
	data, err := io.ReadAll(io.LimitReader(from, maxRequestBytes+1))
	if err != nil {
		return err // of the reader, which says what is wrong
	}
	if len(data) > maxRequestBytes {
		return apierrors.NewRequestEntityTooLargeError(fmt.Sprintf("a %s may have %d bytes; send a tree as tar.gz", b.kind, maxRequestBytes))
	}
	asYAML := isYAML(contentType)
	serializer := json.NewSerializerWithOptions(json.DefaultMetaFactory, scheme, scheme, json.SerializerOptions{Yaml: asYAML, Strict: true})
	gvk := leatv1alpha1.SchemeGroupVersion.WithKind(b.kind)
	obj, found, err := serializer.Decode(data, &gvk, b.object)
	if found != nil && *found != gvk {
		return apierrors.NewBadRequest(fmt.Sprintf("the body is a %s of %s; this takes a %s of %s, or a tree as tar.gz",
			clip(found.Kind), clip(found.GroupVersion().String()), b.kind, gvk.GroupVersion()))
	}
	if err != nil || obj != runtime.Object(b.object) {
		return apierrors.NewBadRequest(undecodable(b.kind, asYAML, data, err))
	}
	return nil
}

// undecodable says why, and what may have been meant.
func undecodable(kind string, asYAML bool, data []byte, err error) string {
	message := fmt.Sprintf("the body is not a valid %s: %s", kind, clip(fmt.Sprint(err)))
	if !asYAML && !bytes.HasPrefix(bytes.TrimSpace(data), []byte("{")) {
		message += "; send JSON, YAML with Content-Type: application/yaml, or a tree as tar.gz"
	}
	return message
}

// clip bounds what an answer repeats of the request.
func clip(s string) string {
	const longest = 1024
	if len(s) <= longest {
		return s
	}
	return strings.ToValidUTF8(s[:longest], "") + "..."
}

func isYAML(contentType string) bool {
	mediaType, _, err := mime.ParseMediaType(contentType)
	return err == nil && (strings.HasSuffix(mediaType, "/yaml") || strings.HasSuffix(mediaType, "/x-yaml"))
}

// unsupported refuses a format.
func unsupported(message string) error {
	return &apierrors.StatusError{ErrStatus: metav1.Status{
		Status:  metav1.StatusFailure,
		Code:    http.StatusUnsupportedMediaType,
		Reason:  metav1.StatusReasonUnsupportedMediaType,
		Message: message,
	}}
}
