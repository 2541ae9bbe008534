package worker

import (
	"fmt"
	"runtime/debug"
	"strings"

	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/api/provider"
	"sigs.k8s.io/kustomize/api/resmap"
	"sigs.k8s.io/kustomize/api/types"
	"sigs.k8s.io/kustomize/kyaml/openapi"

	"github.com/leat-dev/leat/pkg/build/protocol"
)

// render runs a build and returns what to reply.
func render(a ask, request *protocol.Build) protocol.Message {
	b := &builder{files: newFiles(a), request: request}
	b.walker = newWalker(b.files, request.Limits.Depth)
	objects, err := b.run()
	if b.files.err != nil {
		err = b.files.err
	}
	if err != nil {
		return failed(err, b.tainted())
	}
	return &protocol.Done{Retire: b.tainted(), Objects: objects}
}

// builder is one build.
type builder struct {
	files   *files
	request *protocol.Build
	walker  *walker
}

// tainted says that kustomize's process-wide schema is no longer the built-in
// one. The walker saw what asked for it; kustomize knows if it missed any.
func (b *builder) tainted() bool {
	return b.walker.schema || openapi.GetSchemaVersion() != openapi.DefaultOpenAPI
}

func (b *builder) run() (objects []protocol.Object, err error) {
	// A panic in kustomize says that it got something that nobody thought of.
	// The build failed, and the process is replaced.
	defer func() {
		if p := recover(); p != nil {
			err = &fault{reason: reasonInvalid, panicked: true, err: fmt.Errorf("kustomize panicked in %s", panicSite(debug.Stack()))}
		}
	}()
	r, err := openRoot(b.files, &b.request.Options)
	if err != nil {
		return nil, err
	}
	if err := b.walker.walk(r.dir, r.name(), r.Kustomization); err != nil {
		return nil, err
	}
	if !r.written && len(r.Resources)+len(r.Components) == 0 {
		// A directory without manifests is an empty set. A kustomization file
		// without anything is an error of whoever wrote it, and kustomize's.
		return nil, nil
	}
	rendered, err := b.kustomize(r)
	if err != nil {
		return nil, err
	}
	return b.finish(rendered)
}

// rendered is what kustomize made.
type rendered struct {
	resources resmap.ResMap
	// origins are the resources with the annotations that tell where they come
	// from, in the same order. Often they are resources itself.
	origins resmap.ResMap
	dir     string
	// keepOrigins says that the annotations were asked for.
	keepOrigins bool
}

// kustomize renders the root. To learn where objects come from it makes
// kustomize annotate them, and the annotations are taken off again. That
// changes nothing, unless something in the build looks at annotations: then
// the result is that of a build without them, and a second one is made for the
// origins.
func (b *builder) kustomize(r *root) (*rendered, error) {
	withOrigins, err := r.render(true)
	if err != nil {
		return nil, err
	}
	b.walker.note(withOrigins)
	out := &rendered{dir: r.dir, keepOrigins: r.wantsOrigins()}
	if r.written && !out.keepOrigins {
		if err := r.checkEmpty(); err != nil {
			return nil, err
		}
	}
	if !b.walker.sensitive || out.keepOrigins {
		out.resources, err = b.krusty(r, withOrigins)
		out.origins = out.resources
		return out, err
	}
	plain, err := r.render(false)
	if err != nil {
		return nil, err
	}
	if out.resources, err = b.krusty(r, plain); err != nil {
		return nil, err
	}
	if origins, err := b.krusty(r, withOrigins); err == nil && sameOrder(out.resources, origins) {
		out.origins = origins
	}
	return out, nil
}

// checkEmpty refuses what kustomize refuses and our options might hide.
func (r *root) checkEmpty() error {
	k := *r.Kustomization
	k.FixKustomization()
	if err := k.CheckEmpty(); err != nil {
		return invalid(r.file, "%w", err)
	}
	return nil
}

func sameOrder(a, b resmap.ResMap) bool {
	if a.Size() != b.Size() {
		return false
	}
	for i, r := range a.Resources() {
		if r.CurId() != b.Resources()[i].CurId() {
			return false
		}
	}
	return true
}

// krusty runs kustomize with root as the kustomization file of r.
func (b *builder) krusty(r *root, root []byte) (resmap.ResMap, error) {
	b.files.overlay(r.file, root)
	kustomizer := krusty.MakeKustomizer(&krusty.Options{
		Reorder:          krusty.ReorderOptionNone,
		LoadRestrictions: types.LoadRestrictionsNone, // the file system has none of ours
		PluginConfig:     types.DisabledPluginConfig(),
	})
	resources, err := kustomizer.Run(fileSystem{b.files}, mounted(r.dir))
	if err != nil {
		return nil, b.diagnose(r, err)
	}
	return resources, nil
}

// diagnose finds the file that made kustomize fail. kustomize says what is
// wrong, but of where it gives only parts of paths.
func (b *builder) diagnose(r *root, err error) error {
	if message := err.Error(); strings.Contains(message, "builds do not fetch anything") || strings.Contains(message, "no 'git' program") {
		return refusal("", "", fmt.Errorf("something refers to a remote resource: builds do not fetch anything: %w", err))
	}
	factory := provider.NewDefaultDepProvider().GetResourceFactory()
	for _, file := range b.walker.manifests {
		if _, fileErr := factory.SliceFromBytes(b.files.known[file].content); fileErr != nil {
			return invalid(file, "%w", fileErr)
		}
	}
	return invalid(r.name(), "%w", err)
}

// panicSite returns the function that panicked: the value of a panic may hold
// contents of files.
func panicSite(stack []byte) string {
	const fallback = "an unknown place"
	_, after, ok := strings.Cut(string(stack), "\npanic(")
	if !ok {
		return fallback
	}
	for line := range strings.Lines(after) {
		line = strings.TrimSpace(line)
		if name, _, ok := strings.Cut(line, "("); ok && strings.Contains(name, "/") && !strings.HasPrefix(name, "/") {
			return name
		}
	}
	return fallback
}
