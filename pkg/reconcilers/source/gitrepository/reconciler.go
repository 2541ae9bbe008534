package gitrepository

import (
	"context"
	"fmt"
	"slices"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/klog/v2"
	"k8s.io/utils/clock"

	"github.com/leat-dev/leat/pkg/apis/meta"
	sourcev1 "github.com/leat-dev/leat/pkg/apis/source/v1"
	"github.com/leat-dev/leat/pkg/artifact"
	sourcelisters "github.com/leat-dev/leat/pkg/generated/listers/source/v1"
	"github.com/leat-dev/leat/pkg/reconcilers/runtime"
	"github.com/leat-dev/leat/pkg/source/git"
)

// Controller is the name in events and managed fields, the one that Flux's
// users look for.
const Controller = "source-controller"

// defaultGrace is how long a fetch may take before the status says so.
const defaultGrace = 2 * time.Second

// Fetcher fetches revisions; *git.Fetcher is one.
type Fetcher interface {
	Fetch(ctx context.Context, r git.Request) (*git.Result, error)
	// Forget drops what is kept for a key.
	Forget(key string) error
}

// Artifacts keeps what was fetched; *artifact.Store does.
type Artifacts interface {
	Publish(ctx context.Context, owner artifact.Owner, revision string, t *artifact.Tree, metadata map[string]string) (artifact.Record, error)
	Records(owner artifact.Owner) []artifact.Record
	Check(r artifact.Record) error
	Forget(owner artifact.Owner) error
}

// Events tells people what happened; *runtime.EventWriter does.
type Events interface {
	Normal(obj metav1.Object, reason, message string, metadata map[string]string)
	Warning(obj metav1.Object, reason, message string, metadata map[string]string)
}

var (
	_ Fetcher            = (*git.Fetcher)(nil)
	_ Artifacts          = (*artifact.Store)(nil)
	_ runtime.Reconciler = (*Reconciler)(nil)
)

// Config is what a Reconciler works with. All but the last group is required.
type Config struct {
	GitRepositories sourcelisters.GitRepositoryLister
	Writer          *runtime.Writer[*sourcev1.GitRepository]
	Events          Events

	Fetcher   Fetcher
	Artifacts Artifacts
	// Core reads Secrets of the cluster.
	Core corev1client.CoreV1Interface

	// Garbage is called when there may be something to collect in the store.
	Garbage func()
	// Fetched is called when the origin was asked and the artifact with the digest
	// is the latest.
	Fetched func(source runtime.Key, digest string)
	// Clock defaults to the real one, Grace to 2 s.
	Clock clock.WithTicker
	Grace time.Duration
}

// Reconciler runs GitRepositories.
type Reconciler struct {
	Config
	fields runtime.Fields
}

// New returns a reconciler.
func New(c Config) *Reconciler {
	if c.Clock == nil {
		c.Clock = clock.RealClock{}
	}
	if c.Grace <= 0 {
		c.Grace = defaultGrace
	}
	if c.Garbage == nil {
		c.Garbage = func() {}
	}
	if c.Fetched == nil {
		c.Fetched = func(runtime.Key, string) {}
	}
	return &Reconciler{Config: c, fields: fields()}
}

// Reconcile runs one GitRepository.
func (r *Reconciler) Reconcile(ctx context.Context, run *runtime.Run) (runtime.Result, error) {
	cached, err := r.GitRepositories.GitRepositories(run.Key.Namespace).Get(run.Key.Name)
	if apierrors.IsNotFound(err) {
		r.Writer.Forget(run.Key)
		return runtime.Result{}, nil
	}
	if err != nil {
		return runtime.Result{}, fmt.Errorf("reading %s: %w", run.Key, err)
	}
	obj := r.Writer.Latest(cached)
	if !obj.DeletionTimestamp.IsZero() {
		return runtime.Result{}, r.finalize(ctx, obj)
	}
	obj, exists, err := r.Writer.AddFinalizer(ctx, obj, meta.Finalizer)
	if err != nil || !exists || obj.IsSuspended() {
		return runtime.Result{}, err
	}
	a := r.begin(run, obj)
	ctx = klog.NewContext(ctx, klog.FromContext(ctx).WithValues("requestID", run.ID))
	return a.finish(ctx, a.execute(ctx))
}

// finalize lets go of all that was kept for an object, and of the object.
func (r *Reconciler) finalize(ctx context.Context, obj *sourcev1.GitRepository) error {
	if !slices.Contains(obj.Finalizers, meta.Finalizer) {
		return nil
	}
	if err := r.Artifacts.Forget(owner(obj)); err != nil {
		return fmt.Errorf("removing the artifacts of %s/%s: %w", obj.Namespace, obj.Name, err)
	}
	if err := r.Fetcher.Forget(string(obj.UID)); err != nil {
		return fmt.Errorf("removing the copy of the repository of %s/%s: %w", obj.Namespace, obj.Name, err)
	}
	r.Garbage()
	_, _, err := r.Writer.RemoveFinalizer(ctx, obj, meta.Finalizer)
	return err
}

// Quarantine says in the status that a run panicked.
func (r *Reconciler) Quarantine(ctx context.Context, key runtime.Key, cause error) error {
	cached, err := r.GitRepositories.GitRepositories(key.Namespace).Get(key.Name)
	if err != nil {
		return fmt.Errorf("reading %s: %w", key, err)
	}
	obj := r.Writer.Latest(cached)
	status := obj.Status.DeepCopy()
	c := runtime.NewConditions(status.Conditions, obj.Generation, r.Clock.Now())
	c.Stalled(runtime.QuarantinedReason, runtime.QuarantineMessage(cause))
	status.Conditions = c.List()
	_, _, err = r.Writer.WriteStatus(ctx, obj, obj.Status, *status)
	return err
}

func owner(obj *sourcev1.GitRepository) artifact.Owner {
	return artifact.Owner{
		Kind: sourcev1.GitRepositoryKind, Namespace: obj.Namespace, Name: obj.Name, UID: string(obj.UID),
	}
}
