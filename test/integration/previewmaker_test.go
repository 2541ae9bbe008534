package integration

import (
	"context"
	"sync"

	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/leat-dev/leat/pkg/preview"
)

// previewMakers make the previews of a server that does not reconcile. Each test
// says what those of its own namespace are.
type previewMakers struct {
	byNamespace sync.Map
}

// previewFunc makes a preview of either kind.
type previewFunc func(context.Context, preview.Request) (*preview.Manifests, *preview.Diff, error)

func (m *previewMakers) set(namespace string, f previewFunc) { m.byNamespace.Store(namespace, f) }

func (m *previewMakers) make(ctx context.Context, r preview.Request) (*preview.Manifests, *preview.Diff, error) {
	object, err := meta.Accessor(r.Object)
	if err != nil {
		return nil, nil, err
	}
	f, ok := m.byNamespace.Load(object.GetNamespace())
	if !ok {
		return &preview.Manifests{}, &preview.Diff{}, nil
	}
	return f.(previewFunc)(ctx, r)
}

// Build implements preview.Previewer.
func (m *previewMakers) Build(ctx context.Context, r preview.Request) (*preview.Manifests, error) {
	manifests, _, err := m.make(ctx, r)
	return manifests, err
}

// Diff implements preview.Previewer.
func (m *previewMakers) Diff(ctx context.Context, r preview.Request) (*preview.Diff, error) {
	_, diff, err := m.make(ctx, r)
	return diff, err
}
