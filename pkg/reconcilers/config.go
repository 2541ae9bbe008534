package reconcilers

import (
	"errors"
	"fmt"

	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"

	"github.com/leat-dev/leat/pkg/artifact"
	"github.com/leat-dev/leat/pkg/reconcilers/kustomize/kustomization"
	"github.com/leat-dev/leat/pkg/reconcilers/runtime"
	"github.com/leat-dev/leat/pkg/reconcilers/source/gitrepository"
	"github.com/leat-dev/leat/pkg/runlog"
)

// Config is what a Manager works with.
type Config struct {
	// Loopback reaches the server's own API, Host the cluster that it serves.
	Loopback, Host *rest.Config

	// Artifacts, Git, Builder and Engine are the engines. The registry has the
	// same ones: what it previews is what is applied.
	Artifacts *artifact.Store
	Git       gitrepository.Fetcher
	Builder   kustomization.Builder
	Engine    kustomization.Engine

	// Log records the runs. It may be nil.
	Log *runlog.Log

	// Origins keeps in which namespace objects were first seen. It may be nil.
	Origins Origins

	// Concurrency is how many objects of a kind run at once, those that wait
	// for health not counted. Default 20.
	Concurrency int
	// DefaultServiceAccount is impersonated for objects that name no service
	// account; empty for the server's own rights.
	DefaultServiceAccount string
	// NoCrossNamespaceRefs refuses references to sources and dependencies of
	// other namespaces.
	NoCrossNamespaceRefs bool
	// Instance is the name of this process in events, a pod's for example.
	Instance string

	// Previews may be nil: then none are made.
	Previews *Previews
	// Metrics and Objects may be nil. Clock defaults to the real one.
	Metrics *runtime.Metrics
	Objects *ObjectMetrics
	Clock   clock.WithTicker
}

// defaultConcurrency is more than there are processors on most machines: a run
// mostly waits for others.
const defaultConcurrency = 20

func (c *Config) complete() error {
	if c.Loopback == nil || c.Host == nil {
		return errors.New("reconcilers need the addresses of this server and of the cluster")
	}
	if c.Artifacts == nil || c.Git == nil || c.Builder == nil || c.Engine == nil {
		return errors.New("reconcilers need an artifact store, a Git fetcher, a builder and an apply engine")
	}
	switch {
	case c.Concurrency < 0:
		return fmt.Errorf("reconcilers: concurrency %d: at least one object has to run", c.Concurrency)
	case c.Concurrency == 0:
		c.Concurrency = defaultConcurrency
	}
	if c.Clock == nil {
		c.Clock = clock.RealClock{}
	}
	return nil
}
