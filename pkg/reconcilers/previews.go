package reconcilers

import (
	"fmt"

	"k8s.io/client-go/metadata"

	sourcev1 "github.com/leat-dev/leat/pkg/apis/source/v1"
	"github.com/leat-dev/leat/pkg/preview"
	"github.com/leat-dev/leat/pkg/reconcilers/kustomize/kustomization"
	"github.com/leat-dev/leat/pkg/reconcilers/source/gitrepository"
	"github.com/leat-dev/leat/pkg/target"
)

// Previews is what a Manager makes previews with. It makes them by the code that
// reconciles, and with the same engines.
type Previews struct {
	Engine kustomization.PreviewEngine
	// Target is the host cluster, which is asked for the rights of callers.
	Target *target.Target
	// Kustomizations is given what makes those of Kustomizations, as soon as all
	// objects are known.
	Kustomizations *preview.Deferred
}

// newPreviews prepares the previews of Kustomizations, if there are to be some.
// What it returns is called when all objects are known.
func (m *Manager) newPreviews(r *kustomization.Reconciler) (ready func(), err error) {
	p := m.o.Previews
	if p == nil {
		return func() {}, nil
	}
	secrets, err := metadata.NewForConfig(unthrottled(m.o.Host))
	if err != nil {
		return nil, fmt.Errorf("making the metadata client of previews: %w", err)
	}
	previewer := kustomization.NewPreviewer(r, kustomization.PreviewConfig{
		Engine: p.Engine,
		Sources: map[string]preview.Source{
			sourcev1.GitRepositoryKind: gitrepository.NewPeeker(gitrepository.PeekerConfig{
				GitRepositories: m.informers.sources.Lister(), Fetcher: m.o.Git, Core: m.host.CoreV1(),
				Artifacts: m.o.Artifacts, Garbage: m.janitor.notify,
			}),
		},
		Rights:   func(u target.User) kustomization.Rights { return p.Target.Reviewer(u) },
		Resource: p.Target.Resource,
		Metadata: secrets,
	})
	return func() { p.Kustomizations.Set(previewer) }, nil
}
