package kustomization

import (
	"context"
	"errors"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/klog/v2"
	"k8s.io/utils/clock"

	kustomizev1 "github.com/leat-dev/leat/pkg/apis/kustomize/v1"
	"github.com/leat-dev/leat/pkg/apis/meta"
	"github.com/leat-dev/leat/pkg/apply"
	kustomizelisters "github.com/leat-dev/leat/pkg/generated/listers/kustomize/v1"
	sourcelisters "github.com/leat-dev/leat/pkg/generated/listers/source/v1"
	"github.com/leat-dev/leat/pkg/reconcilers/runtime"
	"github.com/leat-dev/leat/pkg/target"
)

// Controller is the name in events, the one that Flux's users look for.
const Controller = "kustomize-controller"

// MetricsName is the name in logs and metrics.
const MetricsName = "kustomization"

// StatusManager is the name in the managed fields of Kustomizations. It differs
// from that of what is applied, so that a Kustomization that is itself applied
// from a repository keeps its status.
const StatusManager = "gotk-kustomize-controller"

// defaultGrace is how long something may take before it is reported: that a run
// goes on, and that an object waits for others.
const defaultGrace = 2 * time.Second

// Config is what a Reconciler works with. All but the last group is required.
type Config struct {
	Kustomizations  kustomizelisters.KustomizationLister
	GitRepositories sourcelisters.GitRepositoryLister
	Writer          *runtime.Writer[*kustomizev1.Kustomization]
	Events          Events

	Artifacts Artifacts
	Builder   Builder
	Engine    Engine
	// Core reads ConfigMaps, Secrets, ServiceAccounts and Namespaces of the
	// cluster.
	Core corev1client.CoreV1Interface

	// Refetch is called when the artifact of a source was lost.
	Refetch func(source runtime.Key)
	// Fetched says whether this process, asking its origin, has found the artifact
	// with the digest to be the latest of a source. If not, user is triggered when
	// the source was fetched. Nil stands for sources that are always up to date.
	Fetched func(source, user runtime.Key, digest string) bool
	// DefaultServiceAccount is impersonated for objects that name none; empty
	// for Leat's own rights.
	DefaultServiceAccount string
	// NoCrossNamespaceRefs refuses sources and dependencies of other
	// namespaces.
	NoCrossNamespaceRefs bool
	// Clock defaults to the real one, Grace to 2 s. Metrics may be nil.
	Clock   clock.WithTicker
	Grace   time.Duration
	Metrics *runtime.Metrics
}

// Reconciler runs Kustomizations.
type Reconciler struct {
	Config
	fields runtime.Fields
	memory memory
	// rollCalls know who has looked at which revision.
	rollCalls rollCalls
}

var _ runtime.Reconciler = (*Reconciler)(nil)

// New returns a reconciler.
func New(c Config) *Reconciler {
	if c.Clock == nil {
		c.Clock = clock.RealClock{}
	}
	if c.Grace <= 0 {
		c.Grace = defaultGrace
	}
	if c.Refetch == nil {
		c.Refetch = func(runtime.Key) {}
	}
	return &Reconciler{Config: c, fields: fields()}
}

// Reconcile runs one Kustomization.
func (r *Reconciler) Reconcile(ctx context.Context, run *runtime.Run) (runtime.Result, error) {
	cached, err := r.Kustomizations.Kustomizations(run.Key.Namespace).Get(run.Key.Name)
	if apierrors.IsNotFound(err) {
		r.forget(run.Key)
		return runtime.Result{}, nil
	}
	if err != nil {
		return runtime.Result{}, fmt.Errorf("reading %s: %w", run.Key, err)
	}
	obj := r.Writer.Latest(cached)
	if !obj.DeletionTimestamp.IsZero() {
		r.rollCalls.gone(run.Key)
		return r.finalize(ctx, run, obj)
	}
	// Before anything else: from here on the object leaves traces outside.
	obj, exists, err := r.Writer.AddFinalizer(ctx, obj, meta.Finalizer)
	if err != nil || !exists {
		return runtime.Result{}, err
	}
	if obj.IsSuspended() {
		r.memory.get(run.Key, obj.UID).forgetRun()
		r.rollCalls.gone(run.Key)
		return runtime.Result{}, nil
	}
	a := r.begin(run, obj)
	ctx = klog.NewContext(ctx, klog.FromContext(ctx).WithValues("requestID", run.ID))
	err = a.execute(ctx)
	if f := (*failure)(nil); !errors.As(err, &f) || !f.soon {
		a.looked(obj, a.revision)
	}
	return a.finish(ctx, err)
}

// Quarantine says in the status that a run panicked.
func (r *Reconciler) Quarantine(ctx context.Context, key runtime.Key, cause error) error {
	cached, err := r.Kustomizations.Kustomizations(key.Namespace).Get(key.Name)
	if err != nil {
		return fmt.Errorf("reading %s: %w", key, err)
	}
	obj := r.Writer.Latest(cached)
	r.memory.forget(key)
	r.rollCalls.gone(key)
	status := obj.Status.DeepCopy()
	c := runtime.NewConditions(status.Conditions, obj.Generation, r.Clock.Now())
	c.Stalled(runtime.QuarantinedReason, runtime.QuarantineMessage(cause))
	status.Conditions = c.List()
	_, _, err = r.Writer.WriteStatus(ctx, obj, obj.Status, *status)
	return err
}

func (r *Reconciler) forget(key runtime.Key) {
	r.rollCalls.gone(key)
	r.memory.forget(key)
	r.Writer.Forget(key)
}

func owner(obj *kustomizev1.Kustomization) apply.Owner {
	return apply.Owner{Group: kustomizev1.GroupName, Name: obj.Name, Namespace: obj.Namespace, UID: string(obj.UID)}
}

// serviceAccount returns the name of the account that obj acts as, empty for
// Leat's own rights.
func (r *Reconciler) serviceAccount(obj *kustomizev1.Kustomization) string {
	if name := text(obj.Spec.ServiceAccountName); name != "" {
		return name
	}
	return r.DefaultServiceAccount
}

func (r *Reconciler) identity(obj *kustomizev1.Kustomization) target.Identity {
	name := r.serviceAccount(obj)
	if name == "" {
		return target.Identity{}
	}
	return target.Identity{ServiceAccount: types.NamespacedName{Namespace: obj.Namespace, Name: name}}
}

func requestedAt(obj metav1.Object) string {
	token, _ := meta.ReconcileRequested(obj.GetAnnotations())
	return token
}
