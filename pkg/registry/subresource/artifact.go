package subresource

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/registry/rest"

	leatv1alpha1 "github.com/leat-dev/leat/pkg/apis/leat/v1alpha1"
	"github.com/leat-dev/leat/pkg/artifact"
)

var (
	_ rest.Connecter                = (*ArtifactREST)(nil)
	_ rest.GroupVersionKindProvider = (*ArtifactREST)(nil)
)

// Artifacts is what the subresource needs of the artifact store.
type Artifacts interface {
	// Records returns what is kept for an owner, newest first.
	Records(artifact.Owner) []artifact.Record

	// Tree returns the table of contents of a tree.
	Tree(artifact.Digest) (*artifact.Tree, error)

	// OpenArchive opens the tar.gz with this digest.
	OpenArchive(artifact.Digest) (*os.File, error)

	// OpenFile opens the content of one file.
	OpenFile(artifact.Digest) (io.ReadSeekCloser, error)
}

// ArtifactREST serves the artifacts of a source: the current one or a retained
// one, whole, one file of it, or the list of its files. Bytes go from the disk
// to the client; nothing is held in memory.
type ArtifactREST struct {
	parent    Parent
	artifacts Artifacts
}

// NewArtifact returns the subresource artifact of a kind of source.
func NewArtifact(parent Parent, artifacts Artifacts) *ArtifactREST {
	return &ArtifactREST{parent: parent, artifacts: artifacts}
}

// New returns the type of the options. What a CONNECT is about are its options:
// admission converts them to the kind that this is of.
func (r *ArtifactREST) New() runtime.Object { return &leatv1alpha1.ArtifactOptions{} }

// Destroy does nothing: the storage belongs to the parent.
func (r *ArtifactREST) Destroy() {}

// GroupVersionKind implements rest.GroupVersionKindProvider: the type is of
// another group than the source.
func (r *ArtifactREST) GroupVersionKind(schema.GroupVersion) schema.GroupVersionKind {
	return leatv1alpha1.SchemeGroupVersion.WithKind(leatv1alpha1.ArtifactOptionsKind)
}

// ConnectMethods implements rest.Connecter. HEAD must be named: there is no
// automatic one. Both are the verb get to RBAC.
func (r *ArtifactREST) ConnectMethods() []string { return []string{http.MethodGet, http.MethodHead} }

// NewConnectOptions implements rest.Connecter: the rest of the URL's path is the
// parameter path.
func (r *ArtifactREST) NewConnectOptions() (runtime.Object, bool, string) {
	return &leatv1alpha1.ArtifactOptions{}, true, "path"
}

// Connect implements rest.Connecter. All that can be refused is refused before
// the first byte is written.
func (r *ArtifactREST) Connect(ctx context.Context, name string, options runtime.Object, responder rest.Responder) (http.Handler, error) {
	opts, ok := options.(*leatv1alpha1.ArtifactOptions)
	if !ok {
		return nil, fmt.Errorf("serving an artifact: got options of type %T", options)
	}
	if opts.Digest != "" {
		if _, err := artifact.ParseDigest(opts.Digest); err != nil {
			return nil, apierrors.NewBadRequest("query parameter " + err.Error())
		}
	}
	obj, err := r.parent.Get(ctx, name, &metav1.GetOptions{})
	if err != nil {
		return nil, err
	}
	source, err := meta.Accessor(obj)
	if err != nil {
		return nil, fmt.Errorf("serving an artifact: %w", err)
	}
	record, err := r.find(obj, source, opts)
	if err != nil {
		return nil, err
	}
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if err := r.serve(w, req, source, record, opts, responder); err != nil {
			responder.Error(err)
		}
	}), nil
}

// find picks the record that the options name among those of this object. The
// digest of an artifact is no key to it: what another object keeps is not found
// here, even where the bytes are the same.
func (r *ArtifactREST) find(obj runtime.Object, source metav1.Object, opts *leatv1alpha1.ArtifactOptions) (artifact.Record, error) {
	records := r.artifacts.Records(artifact.Owner{
		Kind:      r.parent.Served().Kind,
		Namespace: source.GetNamespace(),
		Name:      source.GetName(),
		UID:       string(source.GetUID()),
	})
	digest := opts.Digest
	if opts.Digest == "" && opts.Revision == "" {
		digest = r.parent.Summarize(obj).Artifact
		if digest == "" {
			return artifact.Record{}, r.notFound(source, "it has no artifact yet: see its condition Ready")
		}
	}
	for _, record := range records {
		if (digest == "" || string(record.Archive) == digest) && (opts.Revision == "" || record.Revision == opts.Revision) {
			return record, nil
		}
	}
	switch {
	case opts.Digest == "" && opts.Revision == "":
		return artifact.Record{}, r.notFound(source, "its artifact is not in the store any more: reconcile it to fetch it again")
	default:
		return artifact.Record{}, r.notFound(source, fmt.Sprintf("no artifact with revision %q and digest %q is kept: leave both out for the current one", opts.Revision, opts.Digest))
	}
}

// serve writes what was asked for.
func (r *ArtifactREST) serve(w http.ResponseWriter, req *http.Request, source metav1.Object, record artifact.Record, opts *leatv1alpha1.ArtifactOptions, responder rest.Responder) error {
	if err := checkRange(req.Header.Get("Range")); err != nil {
		return err
	}
	as, err := representation(opts, req.Header.Values("Accept"))
	if err != nil {
		return err
	}
	if as == asArchive && opts.Path == "" {
		return r.serveArchive(w, req, source, record)
	}
	tree, err := r.artifacts.Tree(record.Tree)
	if err != nil {
		return fmt.Errorf("opening the tree of %s: %w", record.Revision, err)
	}
	entry, ok := tree.Lookup(cleanPath(opts.Path))
	if !ok {
		return r.notFound(source, fmt.Sprintf("%q is not a file of revision %s: ?output=list lists them", opts.Path, record.Revision))
	}
	if as == asList {
		return r.serveList(w, req, source, record, tree, entry, responder)
	}
	if entry.Dir {
		return r.notFound(source, fmt.Sprintf("%q is a directory of revision %s: ?output=list lists its files", opts.Path, record.Revision))
	}
	return r.serveFile(w, req, entry, record)
}

func (r *ArtifactREST) serveArchive(w http.ResponseWriter, req *http.Request, source metav1.Object, record artifact.Record) error {
	file, err := r.artifacts.OpenArchive(record.Archive)
	if err != nil {
		return fmt.Errorf("opening the artifact of %s: %w", record.Revision, err)
	}
	defer func() { _ = file.Close() }() // it is only read
	w.Header().Set("Content-Type", "application/gzip")
	w.Header().Set("Content-Disposition", fmt.Sprintf("attachment; filename=%q", source.GetName()+".tar.gz"))
	serveContent(w, req, record.Archive, record.UpdatedAt, file)
	return nil
}

func (r *ArtifactREST) serveFile(w http.ResponseWriter, req *http.Request, entry artifact.Entry, record artifact.Record) error {
	file, err := r.artifacts.OpenFile(entry.Digest)
	if err != nil {
		return fmt.Errorf("opening %s of %s: %w", entry.Path, record.Revision, err)
	}
	defer func() { _ = file.Close() }() // it is only read
	// Never by its name or content: a file that came from a repository must not
	// become a page of the API server's origin in somebody's browser.
	w.Header().Set("Content-Type", "application/octet-stream")
	serveContent(w, req, entry.Digest, record.UpdatedAt, file)
	return nil
}

// serveContent answers conditional and range requests too.
func serveContent(w http.ResponseWriter, req *http.Request, digest artifact.Digest, at time.Time, content io.ReadSeeker) {
	setValidators(w, digest, "")
	http.ServeContent(w, req, "", at, content)
}

// setValidators lets clients and caches keep what they have as long as it is the
// same. They must ask each time, because rights may be withdrawn.
func setValidators(w http.ResponseWriter, digest artifact.Digest, variant string) {
	h := w.Header()
	h.Set("ETag", `"`+string(digest)+variant+`"`)
	h.Set("Cache-Control", "private, no-cache")
	h.Set("X-Content-Type-Options", "nosniff")
}
