package registration

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"golang.org/x/time/rate"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apiserver/pkg/server/dynamiccertificates"
	"k8s.io/apiserver/pkg/server/healthz"
	"k8s.io/client-go/kubernetes"
	typedcorev1 "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/record"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/klog/v2"
	apiregistrationv1 "k8s.io/kube-aggregator/pkg/apis/apiregistration/v1"
	aggregator "k8s.io/kube-aggregator/pkg/client/clientset_generated/clientset"
	aggregatorscheme "k8s.io/kube-aggregator/pkg/client/clientset_generated/clientset/scheme"
	aggregatorinformers "k8s.io/kube-aggregator/pkg/client/informers/externalversions"
	listers "k8s.io/kube-aggregator/pkg/client/listers/apiregistration/v1"
	"k8s.io/utils/clock"
)

const (
	// repairBurst repairs of one APIService are done at once, further ones every
	// repairPause: two managers that fight must not load the cluster.
	repairBurst = 5
	repairPause = 10 * time.Second
	// passTimeout bounds one look at everything.
	passTimeout = 30 * time.Second
	// firstRetry and lastRetry are the pauses after failures.
	firstRetry = 100 * time.Millisecond
	lastRetry  = 15 * time.Second

	// Reasons of events.
	reasonRefused = "RegistrationRefused"
	reasonAdopted = "GroupAdopted"
)

// CABundle is the authorities that kube-apiserver is to trust, as PEM. It is empty
// as long as they are not known.
type CABundle interface {
	dynamiccertificates.Notifier
	CurrentCABundleContent() []byte
}

// Options say what is registered, and how it is reached.
type Options struct {
	// Client and Core are clients of the host cluster.
	Client aggregator.Interface
	Core   kubernetes.Interface
	// GroupVersions are what this server serves, within a group the preferred
	// version first.
	GroupVersions []schema.GroupVersion
	// Namespace, Service and Port are the Service that kube-apiserver dials.
	Namespace, Service string
	Port               int32
	// ExternalName, when set, has the Service (and its namespace) created as one
	// that leads to this host name: for a server that runs outside of the cluster.
	ExternalName string
	// CABundle is what signs the serving certificate.
	CABundle CABundle
	// Adopt allows taking over groups that are served from CRDs.
	Adopt bool
	// Clock is the real clock when nil.
	Clock clock.PassiveClock
}

// Registrar keeps the APIServices true.
type Registrar struct {
	options Options
	wanted  sets.Set[string]
	queue   workqueue.TypedRateLimitingInterface[string]
	clock   clock.PassiveClock

	// What follows belongs to the one worker.
	lister   listers.APIServiceLister
	recorder record.EventRecorder
	repairs  map[string]*rate.Limiter
	refused  map[string]string

	mu sync.Mutex
	// owned are the APIServices that were made or corrected here, which are ours
	// even when someone has changed everything that says so.
	owned sets.Set[types.UID]
	// problem is what keeps this server from being ready.
	problem error
}

var (
	_ dynamiccertificates.Listener = (*Registrar)(nil)
	_ healthz.HealthChecker        = (*Registrar)(nil)
)

// everything is the one key of the queue: a pass looks at all wanted APIServices,
// since what may be done about one depends on the others of its group.
const everything = "all"

// New returns a registrar that does nothing before it is run.
func New(options Options) (*Registrar, error) {
	switch {
	case options.Client == nil || options.Core == nil || options.CABundle == nil:
		return nil, errors.New("registration: clients of the host cluster and a CA bundle are needed")
	case options.Namespace == "" || options.Service == "":
		return nil, errors.New("registration: the namespace and name of the Service are needed")
	case options.Port <= 0 || options.Port > 65535:
		return nil, fmt.Errorf("registration: port %d of the Service is not between 1 and 65535", options.Port)
	case len(options.GroupVersions) == 0:
		return nil, errors.New("registration: no group versions to register")
	}
	if options.Clock == nil {
		options.Clock = clock.RealClock{}
	}
	r := &Registrar{
		options: options,
		wanted:  sets.New[string](),
		queue: workqueue.NewTypedRateLimitingQueueWithConfig(
			workqueue.NewTypedItemExponentialFailureRateLimiter[string](firstRetry, lastRetry),
			workqueue.TypedRateLimitingQueueConfig[string]{Name: "apiservices"}),
		clock:   options.Clock,
		repairs: map[string]*rate.Limiter{},
		refused: map[string]string{},
		owned:   sets.New[types.UID](),
		problem: errors.New("the APIServices have not been looked at yet"),
	}
	for _, gv := range options.GroupVersions {
		r.wanted.Insert(nameOf(gv))
		r.repairs[nameOf(gv)] = rate.NewLimiter(rate.Every(repairPause), repairBurst)
	}
	return r, nil
}

// Name implements healthz.HealthChecker.
func (r *Registrar) Name() string { return "apiservices" }

// Check says why not all APIServices are as they should be.
func (r *Registrar) Check(*http.Request) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.problem
}

// Enqueue has everything looked at again: the CA bundle has changed.
func (r *Registrar) Enqueue() { r.queue.Add(everything) }

// Run keeps the APIServices true until ctx ends. It can be called once.
func (r *Registrar) Run(ctx context.Context) {
	logger := klog.FromContext(ctx).WithName("registration")
	ctx = klog.NewContext(ctx, logger)

	broadcaster := record.NewBroadcaster(record.WithContext(ctx))
	broadcaster.StartRecordingToSink(&typedcorev1.EventSinkImpl{Interface: r.options.Core.CoreV1().Events("")})
	defer broadcaster.Shutdown()
	r.recorder = broadcaster.NewRecorder(aggregatorscheme.Scheme, corev1.EventSource{Component: managedBy})

	factory := aggregatorinformers.NewSharedInformerFactory(r.options.Client, 0)
	services := factory.Apiregistration().V1().APIServices()
	r.lister = services.Lister()
	// The error is for informers that have been stopped.
	_, _ = services.Informer().AddEventHandler(cache.FilteringResourceEventHandler{
		FilterFunc: r.concerns,
		Handler: cache.ResourceEventHandlerFuncs{
			AddFunc:    func(any) { r.Enqueue() },
			UpdateFunc: func(any, any) { r.Enqueue() },
			DeleteFunc: func(any) { r.Enqueue() },
		},
	})
	factory.Start(ctx.Done())
	defer factory.Shutdown()
	if !cache.WaitForCacheSync(ctx.Done(), services.Informer().HasSynced) {
		return
	}
	r.options.CABundle.AddListener(r)
	r.Enqueue()

	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		<-ctx.Done()
		r.queue.ShutDown()
	}()
	for r.work(ctx) {
	}
	<-stopped
}

// concerns says whether an event is about one of our groups.
func (r *Registrar) concerns(obj any) bool {
	if gone, ok := obj.(cache.DeletedFinalStateUnknown); ok {
		obj = gone.Obj
	}
	s, ok := obj.(*apiregistrationv1.APIService)
	if !ok {
		return false
	}
	for _, gv := range r.options.GroupVersions {
		if gv.Group == s.Spec.Group {
			return true
		}
	}
	return r.wanted.Has(s.Name)
}

// work does one pass and says whether there may be another.
func (r *Registrar) work(ctx context.Context) bool {
	key, shutdown := r.queue.Get()
	if shutdown {
		return false
	}
	defer r.queue.Done(key)
	passCtx, cancel := context.WithTimeout(ctx, passTimeout)
	defer cancel()
	retryAfter, err := r.pass(passCtx)
	if ctx.Err() != nil {
		return true // the queue is about to say so
	}
	if err != nil {
		klog.FromContext(ctx).Error(err, "APIServices could not be brought up to date")
		r.setProblem(err)
		r.queue.AddRateLimited(key)
		return true
	}
	r.queue.Forget(key)
	if retryAfter > 0 {
		r.queue.AddAfter(key, retryAfter)
	}
	return true
}

func (r *Registrar) setProblem(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.problem = err
}
