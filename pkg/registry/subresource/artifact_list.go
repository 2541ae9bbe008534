package subresource

import (
	"fmt"
	"mime"
	"net/http"
	"path"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apiserver/pkg/registry/rest"

	leatv1alpha1 "github.com/leat-dev/leat/pkg/apis/leat/v1alpha1"
	"github.com/leat-dev/leat/pkg/artifact"
)

// The modes that files have in the tar.gz.
const (
	modeFile       = "0600"
	modeExecutable = "0700"
)

const (
	asArchive = "tar"
	asList    = "list"
)

// representation is what the answer is made of. The query decides; Accept counts
// only where it leaves no choice, because kubectl always sends the same one.
func representation(opts *leatv1alpha1.ArtifactOptions, accept []string) (string, error) {
	switch opts.Output {
	case asArchive, asList:
		return opts.Output, nil
	case "":
	default:
		return "", apierrors.NewBadRequest(fmt.Sprintf("query parameter output: %q is unknown: use tar (a tar.gz, the default) or list", opts.Output))
	}
	only, ok := onlyType(accept)
	if !ok {
		return asArchive, nil
	}
	supported := []string{"application/gzip", "application/octet-stream", "application/json"}
	if !slices.Contains(supported, only) {
		return "", &apierrors.StatusError{ErrStatus: metav1.Status{
			Status:  metav1.StatusFailure,
			Code:    http.StatusNotAcceptable,
			Reason:  metav1.StatusReasonNotAcceptable,
			Message: fmt.Sprintf("header Accept: an artifact is not available as %.80q, only as %s", only, strings.Join(supported, ", ")),
		}}
	}
	if only == "application/json" {
		return asList, nil
	}
	return asArchive, nil
}

// onlyType returns the media type that an Accept header names if it names
// exactly one and no wildcard.
func onlyType(accept []string) (string, bool) {
	header := strings.Join(accept, ",")
	if header == "" || strings.Contains(header, ",") || strings.Contains(header, "*") {
		return "", false
	}
	mediaType, _, err := mime.ParseMediaType(header)
	return mediaType, err == nil
}

// cleanPath turns the rest of a URL into the path of an entry; the root is ".".
func cleanPath(p string) string {
	return path.Clean(strings.Trim(p, "/"))
}

// serveList lists the files at and below an entry.
func (r *ArtifactREST) serveList(w http.ResponseWriter, req *http.Request, source metav1.Object, record artifact.Record, tree *artifact.Tree, at artifact.Entry, responder rest.Responder) error {
	setValidators(w, record.Archive, "/list")
	if req.Header.Get("If-None-Match") == w.Header().Get("ETag") {
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	list := &leatv1alpha1.ArtifactList{
		ObjectMeta: metav1.ObjectMeta{Namespace: source.GetNamespace(), Name: source.GetName()},
		Revision:   record.Revision,
		Digest:     string(record.Archive),
		Size:       record.Size,
		Files:      []leatv1alpha1.ArtifactFile{},
	}
	for file := range tree.Files() {
		if at.Path != "." && file.Path != at.Path && !strings.HasPrefix(file.Path, at.Path+"/") {
			continue
		}
		mode := modeFile
		if file.Executable {
			mode = modeExecutable
		}
		list.Files = append(list.Files, leatv1alpha1.ArtifactFile{Path: file.Path, Size: file.Size, Mode: mode, Digest: string(file.Digest)})
	}
	responder.Object(http.StatusOK, list)
	return nil
}

// notFound tells why, and what to do next.
func (r *ArtifactREST) notFound(source metav1.Object, why string) error {
	err := apierrors.NewNotFound(r.parent.Resource(), source.GetName())
	err.ErrStatus.Message = fmt.Sprintf("artifact of %s %q: %s", r.parent.Resource(), source.GetName(), why)
	return err
}
