package subresource

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"

	"github.com/leat-dev/leat/pkg/preview"
)

// PreviewLimits bound what previews may cost. Zero fields have the defaults.
type PreviewLimits struct {
	// PerNamespace and Total are how many previews run at once: 4 and 16.
	PerNamespace, Total int
	// Answer is how long a request waits for its preview: 25 s. kube-apiserver
	// cuts off requests that take 60 s.
	Answer time.Duration
	// Timeout is the most that a preview may take, whatever its object says: 10 min.
	Timeout time.Duration
	// Keep is how long a result that was not waited for can be fetched: 10 min.
	Keep time.Duration
	// KeptPerNamespace and Kept are how many such results there are: 16 and 128.
	KeptPerNamespace, Kept int
	// KeptBytesPerNamespace and KeptBytes are what they take in memory: 32 MiB and
	// 128 MiB. A result that is larger than the first is not kept at all.
	KeptBytesPerNamespace, KeptBytes int64
}

func (l PreviewLimits) complete() PreviewLimits {
	orDefault(&l.PerNamespace, 4)
	orDefault(&l.Total, 16)
	orDefault(&l.Answer, 25*time.Second)
	orDefault(&l.Timeout, 10*time.Minute)
	orDefault(&l.Keep, 10*time.Minute)
	orDefault(&l.KeptPerNamespace, 16)
	orDefault(&l.Kept, 128)
	orDefault(&l.KeptBytesPerNamespace, 32<<20)
	orDefault(&l.KeptBytes, 128<<20)
	return l
}

func orDefault[T int | int64 | time.Duration](value *T, standard T) {
	if *value == 0 {
		*value = standard
	}
}

// Previews runs the previews of all kinds. It sees to it that they do not take
// more of the server than they may, and keeps the results of those that took
// longer than a request can wait.
//
//	                 ended in time ─► answered
//	request ─► runs ─┤
//	                 25 s have passed ─► answered 202 with an ID ─► ends ─► kept 10 min
//
// Until it has been answered, a preview ends with its request. Afterwards it
// ends with its timeout, or with the server.
type Previews struct {
	ctx     context.Context
	cancel  context.CancelFunc
	tasks   sync.WaitGroup
	limits  PreviewLimits
	uploads Uploads
	clock   clock.WithTicker
	makers  map[schema.GroupKind]preview.Previewer

	mu      sync.Mutex
	running map[string]int // by namespace
	total   int
	kept    map[string]*previewJob // by ID
	settled []*previewJob          // those of kept that have ended, in that order
}

// NewPreviews returns previews that are made until Close. The values of ctx count
// for all of them.
func NewPreviews(ctx context.Context, limits PreviewLimits, uploads Uploads, clock clock.WithTicker) *Previews {
	p := &Previews{
		limits:  limits.complete(),
		uploads: uploads,
		clock:   clock,
		makers:  map[schema.GroupKind]preview.Previewer{},
		running: map[string]int{},
		kept:    map[string]*previewJob{},
	}
	p.ctx, p.cancel = context.WithCancel(context.WithoutCancel(ctx))
	return p
}

// Add has the previews of a kind made by maker. A kind without one has none; it
// is filled while the server is built and only read afterwards.
func (p *Previews) Add(kind schema.GroupKind, maker preview.Previewer) { p.makers[kind] = maker }

// Close ends what still runs, forgets the results, and returns when no preview
// uses the engines any more.
func (p *Previews) Close() error {
	p.cancel()
	p.tasks.Wait()
	return nil
}

// maker returns what makes the previews of a kind.
func (p *Previews) maker(kind schema.GroupKind) (preview.Previewer, error) {
	maker, ok := p.makers[kind]
	if !ok {
		return nil, apierrors.NewServiceUnavailable(fmt.Sprintf("this server makes no previews of %s: it was started without reconcilers", kind.Kind))
	}
	return maker, nil
}

// retryAfter is how soon a client should try again that met a quota, in seconds.
const retryAfter = 5

// reserve counts one more preview in a namespace, until release is called.
func (p *Previews) reserve(namespace string) (release func(), err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.running[namespace] >= p.limits.PerNamespace {
		return nil, apierrors.NewTooManyRequests(fmt.Sprintf(
			"the quota of previews in namespace %q is used up: %d run at once; try again when one has ended", namespace, p.limits.PerNamespace), retryAfter)
	}
	if p.total >= p.limits.Total {
		return nil, apierrors.NewTooManyRequests(fmt.Sprintf(
			"the quota of previews of this server is used up: %d run at once; try again when one has ended", p.limits.Total), retryAfter)
	}
	p.running[namespace]++
	p.total++
	return sync.OnceFunc(func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.total--
		if p.running[namespace]--; p.running[namespace] == 0 {
			delete(p.running, namespace)
		}
	}), nil
}

// previewOwner is who may see the result of a preview: the user who asked, at the
// object that it is of.
type previewOwner struct {
	resource    schema.GroupResource
	subresource string
	namespace   string
	name        string
	uid         types.UID
	user        string
	userUID     string
	// groups count as well: who may impersonate a user need not be allowed to
	// impersonate the groups that the rights came from.
	groups string
}

// find returns the preview with an ID, if it belongs to the owner. Others are not
// told that it exists.
func (p *Previews) find(owner previewOwner, id string) (*previewJob, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if job, ok := p.kept[id]; ok && job.owner == owner {
		return job, nil
	}
	return nil, p.noResult(owner, id)
}

func (p *Previews) noResult(owner previewOwner, id string) error {
	err := apierrors.NewNotFound(owner.resource, owner.name)
	err.ErrStatus.Message = fmt.Sprintf("%s of %s %q: there is no result with the ID %q: results are kept for %s, for who asked for them; ask again without it",
		owner.subresource, owner.resource, owner.name, id, inWords(p.limits.Keep))
	return err
}

// inWords prints a duration without zeros that say nothing.
func inWords(d time.Duration) string {
	if d%time.Minute == 0 {
		return fmt.Sprintf("%d minutes", d/time.Minute)
	}
	return d.String()
}

// tooLarge is the end of a result that cannot be kept.
func tooLarge(size, limit int64) error {
	return &apierrors.StatusError{ErrStatus: metav1.Status{
		Status: metav1.StatusFailure,
		Code:   http.StatusInsufficientStorage,
		Reason: metav1.StatusReasonInternalError,
		Message: fmt.Sprintf("the result takes about %d bytes, and not more than %d are kept of what took too long to wait for: ask for less with spec.show",
			size, limit),
	}}
}
