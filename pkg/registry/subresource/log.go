package subresource

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/registry/rest"
	"k8s.io/utils/clock"

	leatv1alpha1 "github.com/leat-dev/leat/pkg/apis/leat/v1alpha1"
	"github.com/leat-dev/leat/pkg/registry/generic"
	"github.com/leat-dev/leat/pkg/runlog"
)

var (
	_ rest.Connecter                = (*LogREST)(nil)
	_ rest.GroupVersionKindProvider = (*LogREST)(nil)
	_ Log                           = (*runlog.Log)(nil)
)

// Log is what the subresources need of the log of runs.
type Log interface {
	// Read reads the log of an object.
	Read(ctx context.Context, uid string, q runlog.Query) (*runlog.Reader, error)

	// History returns the runs of an object, the latest first.
	History(ctx context.Context, uid string) ([]runlog.Entry, error)
}

const (
	// heartbeat is how often a log that is followed shows that it goes on. Proxies
	// on the way cut off what is silent for a minute.
	heartbeat = 20 * time.Second
	// writeTimeout is how long a reader may leave what was sent to it unread.
	writeTimeout = time.Minute
	// readAgainAfter is when who has met a limit should come back, in seconds.
	readAgainAfter = 10
)

const asNDJSON = "ndjson"

var logOutputs = outputs{{asText, "text/plain"}, {asNDJSON, "application/x-ndjson"}}

// LogREST serves the log of an object's runs. Its name has to be log: that is what
// kube-apiserver knows as a request that may take long.
type LogREST struct {
	parent Parent
	log    Log
	clock  clock.WithTicker
}

// NewLog returns the subresource log of a kind.
func NewLog(parent Parent, log Log, env generic.Environment) *LogREST {
	return &LogREST{parent: parent, log: log, clock: env.Clock}
}

// New returns the type of the options: admission takes them for the object of a
// CONNECT.
func (r *LogREST) New() runtime.Object { return &leatv1alpha1.LogOptions{} }

// Destroy does nothing: the storage belongs to the parent.
func (r *LogREST) Destroy() {}

// GroupVersionKind implements rest.GroupVersionKindProvider: the type is of
// another group than the object.
func (r *LogREST) GroupVersionKind(schema.GroupVersion) schema.GroupVersionKind {
	return leatv1alpha1.SchemeGroupVersion.WithKind(leatv1alpha1.LogOptionsKind)
}

// ConnectMethods implements rest.Connecter. Both are the verb get to RBAC.
func (r *LogREST) ConnectMethods() []string { return []string{http.MethodGet, http.MethodHead} }

// NewConnectOptions implements rest.Connecter.
func (r *LogREST) NewConnectOptions() (runtime.Object, bool, string) {
	return &leatv1alpha1.LogOptions{}, false, ""
}

// Connect implements rest.Connecter. All that can be refused is refused before the
// first byte is written.
func (r *LogREST) Connect(ctx context.Context, name string, options runtime.Object, responder rest.Responder) (http.Handler, error) {
	opts, ok := options.(*leatv1alpha1.LogOptions)
	if !ok {
		return nil, fmt.Errorf("serving a log: got options of type %T", options)
	}
	query, err := r.query(opts)
	if err != nil {
		return nil, err
	}
	obj, err := r.parent.Get(ctx, name, &metav1.GetOptions{})
	if err != nil {
		return nil, err
	}
	m, err := meta.Accessor(obj)
	if err != nil {
		return nil, fmt.Errorf("serving a log: %w", err)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		as, err := logOutputs.choose(opts.Output, req.Header.Values("Accept"))
		if err != nil {
			responder.Error(err)
			return
		}
		query.Follow = query.Follow && req.Method != http.MethodHead
		reader, err := r.log.Read(req.Context(), string(m.GetUID()), query)
		if err != nil {
			responder.Error(tooMany(err))
			return
		}
		defer reader.Close()
		newLogWriter(w, as).serve(req.Context(), reader, r.clock)
	}), nil
}

// query makes a query of the options.
func (r *LogREST) query(opts *leatv1alpha1.LogOptions) (runlog.Query, error) {
	q := runlog.Query{Tail: -1, RequestID: opts.RequestID, Follow: opts.Follow}
	if opts.Tail != nil {
		q.Tail = *opts.Tail
	}
	if opts.Since != "" {
		back, err := time.ParseDuration(opts.Since)
		if err != nil || back <= 0 {
			return q, apierrors.NewBadRequest(fmt.Sprintf("query parameter since: %q is not a length of time such as 10m", opts.Since))
		}
		q.Since = r.clock.Now().Add(-back)
	}
	return q, nil
}

// tooMany is the refusal of one reader more than there may be.
func tooMany(err error) error {
	if !errors.Is(err, runlog.ErrTooManyReaders) {
		return err
	}
	return apierrors.NewTooManyRequests(err.Error()+": leave out follow, or come back later", readAgainAfter)
}
